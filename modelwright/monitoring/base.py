"""Monitoring: what is served is held against what the model was made for; an alarm means harm, not change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.monitoring.reference import Reference, reference_of
from modelwright.monitoring.spec import MonitorSpec

if TYPE_CHECKING:
    import polars as pl

    from modelwright.monitoring.sketch import Hour, Sketch
    from modelwright.monitoring.unlabelled import Unlabelled
    from modelwright.monitoring.values import Fault, Measured, MonitorReport, Moved, Traffic
    from modelwright_runtime.model import Model

GUESS = 0.03
"""How far the harm that is expected without labels is commonly off, in the metric: what a few labels weigh against."""
NOTHING_BELOW = 20
BROKEN = ("absent", "missing", "unreadable")
"""Defects that no population explains: these are alarms by themselves."""


def compare(
    model: Model,
    window: pl.DataFrame | Sketch,
    spec: MonitorSpec | None = None,
    *,
    labelled: pl.DataFrame | None = None,
    seed: int = 0,
) -> MonitorReport:
    """Hold a window of served rows against what the model was made for.

    `window` has the raw columns as they were sent and those of the prediction log (`_id`, `_time`, `_prediction`,
    `_probability_<class>`, `_latency_ms`; late labels as `_truth`), or is a `Sketch` of such rows; then `labelled` are
    the rows of it whose truth has come. Challengers' rows are not for here: filter by `_role` first.

    Raises `UserError("monitoring.rows")` for fewer than 20 rows. Cost: about 0.3 s, and 10 ns a number or 60 ns a
    text of the window.

    >>> from modelwright.testing.monitoring import tiny_model, tiny_window
    >>> report = compare(tiny_model(), tiny_window(500))
    >>> report.n_rows, report.alarm
    (500, False)
    """
    import numpy as np

    from modelwright.core.errors import UserError
    from modelwright.core.rng import stream
    from modelwright.monitoring import drift, streams, unlabelled
    from modelwright.monitoring import labelled as labels
    from modelwright.monitoring.sketch import Sketch, sketch_of
    from modelwright.monitoring.values import MonitorReport

    spec = spec or MonitorSpec()
    reference = reference_of(model)
    absent: list[str] = []
    if not isinstance(window, Sketch):
        absent = [name for name in model.columns if name not in window.columns]
        labelled = window if labelled is None else labelled
    sketch = window if isinstance(window, Sketch) else sketch_of(reference, model.signature, window)
    if sketch.n_rows < NOTHING_BELOW:
        raise UserError(
            "monitoring.rows", f"the window has {sketch.n_rows} rows; 20 are the least.", hint="look at a longer window"
        )
    rng = stream(seed, "monitoring", sketch.n_rows, *sorted(str(one.total) for one in sketch.columns.values()))
    measured = None if labelled is None else labels.measured(reference, labelled, rng)
    slices = () if labelled is None else labels.slices(reference, labelled, rng)
    expected = unlabelled.expect(reference, sketch.answers, rng)
    tests = drift.tests_of(reference, sketch, rng)
    edge = _edge(reference)
    columns = drift.moved(reference, sketch, tests, edge)
    together = drift.together(reference, sketch, int(rng.integers(2**31)))
    parts = {"columns": tests.p}
    if together is not None:
        parts["together"] = together["p"]
    if measured is not None and measured.p is not None:
        parts["score"] = measured.p
    p = joint(parts)
    guess = guess_of(expected, columns, edge)
    harm, how = harm_of(measured, guess)
    noticed = p <= spec.alarm_rate
    faults = drift.faults_of(reference, sketch, columns, absent)
    grave = any(_is_grave(fault, reference, edge, spec) for fault in faults)
    answers_moved = None
    if reference.answers is not None and sketch.answers and sum(sketch.answers):
        n, m = sum(sketch.answers), sum(reference.answers.counts)
        answers_moved = drift.excess(np.array(sketch.answers) / n, np.array(reference.answers.counts) / m, n, m)
    n_said = max(1, sum(sketch.said.values()))
    report = MonitorReport(
        model=model.name,
        n_rows=sketch.n_rows,
        n_labelled=measured.n_rows if measured else 0,
        first_s=sketch.first_s,
        last_s=sketch.last_s,
        alpha=spec.alarm_rate,
        p=p,
        p_parts=parts,
        noticed=noticed,
        harm=harm,
        harm_how=how,
        alarm=grave or is_alarm(parts, measured, guess, harm, spec),
        measured=measured,
        unlabelled=expected,
        slices=slices,
        columns=columns,
        faults=faults,
        together=together,
        answers_moved=answers_moved,
        said={name: count / n_said for name, count in sketch.said.items()},
        traffic=tuple(_traffic(start, hour) for start, hour in sketch.hours.items()),
        cautions=reference.cautions,
        rise=None if labelled is None else streams.rise(reference, labelled, spec.detector),
    )
    return _with_words(report)


WEIGHTS = {"score": 0.5, "columns": 0.4, "together": 0.1}
"""How the budget is shared out between the three questions; what is not asked leaves its share to the others."""


def joint(parts: dict[str, float]) -> float:
    """One p-value for all questions, uniform when nothing has changed and the questions are independent.

    >>> round(joint({"columns": 0.03}), 6), round(joint({"columns": 0.01, "together": 0.8}), 4)
    (0.03, 0.0125)
    """
    total = sum(WEIGHTS[name] for name in parts)
    weights = {name: WEIGHTS[name] / total for name in parts}
    least = min(min(1.0, p) / weights[name] for name, p in parts.items())
    missed = 1.0
    for weight in weights.values():
        missed *= 1.0 - min(1.0, weight * least)
    return 1.0 - missed


def _edge(reference: Reference) -> float:
    """How much better than its baseline the model is, in the units of a drop."""
    from modelwright.monitoring.labelled import metric_of, scale_of

    metric = metric_of(reference)
    if reference.score is None:
        return 0.3
    base = reference.baseline if reference.baseline is not None else 0.5 if metric == "roc_auc" else 0.0
    return abs(reference.score - base) / scale_of(metric, reference.score)


def guess_of(expected: Unlabelled, columns: tuple[Moved, ...], edge: float) -> float:
    """The loss to expect without labels, in the units of a drop.

    Where rows moved within what was learned, the model's confidence tells what that does. It cannot be trusted about
    cells that training hardly had (missing, unseen, out of range): of those each column's importance is lost. Where
    there is no confidence (values), all that moved counts.
    """
    if expected.drop is None:
        return sum(one.at_risk for one in columns)
    return max(0.0, expected.drop) + edge * sum(one.importance * one.strange for one in columns)


def harm_of(measured: Measured | None, guess: float) -> tuple[float, str]:
    """What the change costs, and how that is known: a few labels are weighed against the guess by their variances,
    unless they surely say otherwise."""
    if measured is None or measured.drop is None or measured.drop_high is None:
        return guess, "expected"
    reach = measured.drop_high - measured.drop
    if abs(measured.drop - guess) > reach:  # the labels deny the guess
        return measured.drop, "measured"
    variance = (reach / 1.96) ** 2
    doubt = (GUESS + 0.5 * guess) ** 2
    share = doubt / (doubt + variance)
    return share * measured.drop + (1 - share) * guess, "measured"


def is_alarm(parts: dict[str, float], measured: Measured | None, guess: float, harm: float, spec: MonitorSpec) -> bool:
    """The score has surely dropped, or a noticed change is expected to harm and labels do not deny it."""
    alpha, least = spec.alarm_rate, spec.least_harm
    if measured is not None and measured.p is not None and measured.drop is not None:
        weight = WEIGHTS["score"] / sum(WEIGHTS[name] for name in parts)
        if measured.p <= weight * alpha and measured.drop >= least:
            return True
    return joint(parts) <= alpha and guess >= least and harm >= least


def _is_grave(fault: Fault, reference: Reference, edge: float, spec: MonitorSpec) -> bool:
    """Broken cells (not merely other ones) that may cost more than is borne, or half of a column that is used."""
    if fault.kind not in BROKEN:
        return False
    weight = reference.importance.get(fault.column, 0.0)
    grown = fault.share - fault.reference
    return weight * edge * grown >= spec.least_harm or (grown >= 0.5 and weight > 0)


def _traffic(start: str, hour: Hour) -> Traffic:
    import numpy as np

    from modelwright.monitoring.sketch import LATENCY_MS
    from modelwright.monitoring.values import Traffic

    counted = np.cumsum(hour.latency)
    ends = [*LATENCY_MS, LATENCY_MS[-1] * 2]
    p50 = p95 = None
    if counted.size and counted[-1] and hour.latency[0] < counted[-1]:
        p50, p95 = (ends[int(np.searchsorted(counted, share * counted[-1]))] for share in (0.5, 0.95))
    return Traffic(start_s=float(start), n_rows=hour.n_rows, p50_ms=p50, p95_ms=p95)


def _with_words(report: MonitorReport) -> MonitorReport:
    from dataclasses import replace

    from modelwright.monitoring.labelled import said

    told: list[str] = []
    score = report.measured
    if score is not None:
        told.append(
            f"{said(score.metric)} {score.value:.4g} ({score.low:.4g} to {score.high:.4g}) on {score.n_rows:,} "
            f"labelled rows" + ("" if score.reference is None else f", made with {score.reference:.4g}")
        )
    elif report.unlabelled.value is not None and report.unlabelled.low is not None:
        guess = report.unlabelled
        told.append(
            f"{said(guess.metric or 'score')} expected at {guess.value:.4g} "
            f"({guess.low:.4g} to {guess.high:.4g}), unseen labels"
        )
    if report.noticed:
        cost = "nothing to speak of" if (report.harm or 0.0) < 0.0005 else f"{report.harm:.3f}"
        told.append(f"the rows have changed ({_chance(report.p)}); {report.harm_how} cost {cost}")
    else:
        told.append(f"no change beyond chance ({_chance(report.p)})")
    told += [] if report.rise is None else [report.rise.words.removesuffix(".")]
    told += [fault.words for fault in report.faults[:3]]
    return replace(report, words=". ".join(part[:1].upper() + part[1:] for part in told) + ".")


def _chance(p: float) -> str:
    return "p below 1e-9" if p < 1e-9 else f"p {p:.2g}"
