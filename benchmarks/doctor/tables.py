"""Records to tables and figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.doctor.autotrainer import MEANS
from benchmarks.doctor.cases import FAULTS, HALVES, HELD_OUT
from benchmarks.doctor.running import Record

EARLY = 0.2
NEAR = 0.02  # of the healthy score
ALSO_RIGHT = {"one-sided rows": {"class_imbalance"}, "one-sided weights": {"class_imbalance"}}
"""Mechanisms with a second right name: the unequal rows are told before the collapse that they bring about."""
NO_REMEDY = {"shuffled_labels"}  # nothing but other data heals these


def first_early(record: Record) -> str | None:
    """The name of the surest verdict at the first alarm, if that came in the first fifth of the run."""
    early = [entry for entry in record.told if entry[0] < EARLY * record.n_steps]
    return early[0][1] if early else None


def is_right(record: Record) -> bool:
    """Whether the first alarm has the right name."""
    return first_early(record) in {record.fault} | ALSO_RIGHT.get(record.mechanism, set())


def is_healed(record: Record) -> bool:
    """Whether the training in care came within two points of the healthy one."""
    return record.healed is not None and record.healthy is not None and record.healed >= record.healthy - NEAR


def is_harmed(record: Record) -> bool:
    """Whether the fault did harm at all: more than two points."""
    return record.healthy is not None and record.score < record.healthy - NEAR


def autotrainer_early(record: Record) -> list[str]:
    """What AutoTrainer's rules say in the first fifth."""
    return [name for step, name in record.autotrainer if step < EARLY * record.n_steps]


def autotrainer_right(record: Record) -> bool:
    """Whether its first alarm in the first fifth may mean this fault."""
    early = autotrainer_early(record)
    return bool(early) and record.fault in MEANS[early[0]]


def report(records: Sequence[Record]) -> str:
    """All tables, as Markdown."""
    parts = []
    for half in HALVES:
        own = [record for record in records if record.half == half]
        if own:
            parts += [f"## {half.replace('_', ' ')}", "", _by_fault(own), "", _confusions(own), ""]
    return "\n".join(parts)


def _by_fault(records: Sequence[Record]) -> str:
    rows = ["| fault | trainings | detected early | right name | harmed | healed | score: spoiled, in care, healthy | "
            "AutoTrainer: detected early, right |", "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    spoiled = [record for record in records if record.fault]
    for fault in [*FAULTS, ""]:
        own = [record for record in spoiled if record.fault == fault or not fault]
        if own:
            rows.append(_row(fault or "**all**", own))
    healthy = [record for record in records if not record.fault]
    if healthy:
        alarms = sum(bool(record.told) for record in healthy)
        other = sum(bool(record.autotrainer) for record in healthy)
        rows.append(f"| healthy | {len(healthy)} | false alarms: {alarms} | | | | {_mean(healthy, 'score')} | "
                    f"false alarms: {other} |")  # fmt: skip
    return "\n".join(rows)


def _row(name: str, own: Sequence[Record]) -> str:
    n = len(own)
    detected, right = sum(first_early(r) is not None for r in own), sum(map(is_right, own))
    theirs = f"{sum(bool(autotrainer_early(r)) for r in own)}, {sum(map(autotrainer_right, own))}"
    if own[0].healthy is None:
        return f"| {name} | {n} | {detected} | {right} | | | {_mean(own, 'score')} | {theirs} |"
    scores = ", ".join(_mean(own, which) for which in ("score", "healed", "healthy"))
    harmed, healed = sum(map(is_harmed, own)), sum(map(is_healed, own))
    return f"| {name} | {n} | {detected} | {right} | {harmed} | {healed} | {scores} | {theirs} |"


def _mean(records: Sequence[Record], which: str) -> str:
    values = [getattr(record, which) for record in records if getattr(record, which) is not None]
    return f"{sum(values) / len(values):.3f}" if values else ""


def _confusions(records: Sequence[Record]) -> str:
    """What was told in place of what, and which mechanisms were missed."""
    wrong = Counter((record.fault or "healthy", record.mechanism, first_early(record) or "nothing")
                    for record in records if record.fault and not is_right(record))  # fmt: skip
    wrong += Counter(("healthy", "", record.told[0][1]) for record in records if not record.fault and record.told)
    told = [f"- {fault}{f' ({mechanism})' if mechanism else ''} was told as {name}: {count}"
            for (fault, mechanism, name), count in sorted(wrong.items())]  # fmt: skip
    unseen = [record for record in records if record.mechanism in HELD_OUT]
    if unseen:
        told.append(
            f"- mechanisms that the development half does not have: {len(unseen)} trainings, "
            f"{sum(first_early(r) is not None for r in unseen)} detected early, "
            f"{sum(map(is_right, unseen))} with the right name, {sum(map(is_healed, unseen))} healed"
        )
    return "\n".join(told)


def figures(records: Sequence[Record]) -> list[tuple[str, float, float, bool]]:
    """Name, value, limit and whether more is better, of the bars."""
    spoiled = [record for record in records if record.fault]
    healthy = [record for record in records if not record.fault]
    found = []
    if spoiled:
        found.append(("detected_early", sum(first_early(r) is not None for r in spoiled) / len(spoiled), 0.95, True))
        found.append(("right_name", sum(map(is_right, spoiled)) / len(spoiled), 0.90, True))
    if healthy:
        found.append(("false_alarms", sum(bool(r.told) for r in healthy) / len(healthy), 0.02, False))
    tried = [record for record in spoiled if record.healed is not None]
    if tried:
        found.append(("healed_all", sum(map(is_healed, tried)) / len(tried), 0.80, True))
        able = [record for record in tried if record.fault not in NO_REMEDY]
        found.append(("healed_where_a_remedy_exists", sum(map(is_healed, able)) / max(len(able), 1), 0.80, True))
    return found
