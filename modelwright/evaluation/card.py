"""The model card: one Markdown page that travels in the package.

Sections as in Mitchell et al. (2019), "Model cards for model reporting", arXiv:1810.03993. What is not known
is said to be not known; nothing is made up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from modelwright.evaluation import text
from modelwright.evaluation.names import EVERY
from modelwright.evaluation.report import plain_fact
from modelwright_runtime.beside import schema_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from modelwright.core.data import Decision
    from modelwright.core.values import Report, Trained
    from modelwright_runtime.signature import Task

NOT_KNOWN = "Not known."
MAX_SLICES, MAX_DECISIONS, MAX_CLEANED, MAX_IMPORTANT = 20, 100, 40, 20
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$!&])")


def escaped(value: str, length: int = 200) -> str:
    """A text that Markdown shows as it is: shortened, on one line, nothing in it means anything.

    >>> escaped("a|b <script> [x](y)")
    'a\\\\|b \\\\<script\\\\> \\\\[x\\\\](y)'
    """
    return _SPECIAL.sub(r"\\\1", text.short(value, length))


def model_card(
    report: Report,
    *,
    title: str,
    trained: Trained | None = None,
    cleaning: Sequence[Mapping[str, Any]] | None = None,
    decisions: Iterable[Decision] = (),
    data_facts: Mapping[str, Any] | None = None,
    run_facts: Mapping[str, Any] | None = None,
    intended_use: str = "",
) -> str:
    """Write the model card as Markdown, from the same values as the report page.

    `intended_use` is the maker's own sentence; without it the card says that it is not known.

    >>> from modelwright.evaluation import evaluate
    >>> from modelwright.testing.evaluation import straight_line
    >>> trained, data = straight_line(n_rows=60)
    >>> card = model_card(evaluate(trained, data), title="line", trained=trained)
    >>> [line for line in card.splitlines() if line.startswith("## ")][:3]
    ['## Model details', '## Intended use', '## Factors']
    """
    every = [*decisions, *report.decisions]
    sections = [
        [f"# Model card: {escaped(title, 80)}", "", escaped(text.headline(report), 600)],
        ["", escaped(text.verdict(report)[1], 400)],
        ["", "## Model details", "", *_details(report, trained)],
        ["", "## Intended use", "", *_use(intended_use, trained)],
        ["", "## Factors", "", *_factors(report)],
        ["", "## Metrics", "", *_metrics(report), *_further(report)],
        ["", "## Evaluation data", "", *_evaluation_data(report)],
        ["", "## Training data", "", *_facts(data_facts), *_cleaned(cleaning or ())],
        ["", "## Quantitative analyses", "", *_slices(report), "", *_important(report)],
        ["", "## Ethical considerations", "", *_ethics()],
        ["", "## Caveats and recommendations", "", *_cautions(report)],
        ["", "## Decisions", "", *_decisions(every)],
        ["", "## How to reproduce", "", *_reproduce(run_facts)],
    ]
    return "\n".join(line for section in sections for line in section) + "\n"


def _details(report: Report, trained: Trained | None) -> list[str]:
    lines = [f"- Task: {_KINDS.get(report.task, report.task)}"]
    if trained is None:
        return [*lines, f"- Model: {NOT_KNOWN}"]
    task = trained.task
    about = text.KINDS[task.kind] if task.kind in text.UNLABELLED else task.target
    lines.append(f"- Predicts: {escaped(about, 80)}")
    if task.kind == "anomaly":
        share = text.figure(trained.signature.threshold)
        lines.append(f"- Threshold: a row is an anomaly from a score of {share} up: so many usual rows are less odd")
    elif task.classes:
        more = f" and {len(task.classes) - 20} more" if len(task.classes) > 20 else ""
        lines.append(f"- Classes: {', '.join(escaped(name, 40) for name in task.classes[:20])}{more}")
    if task.kind == "binary":
        positive, threshold = escaped(task.classes[1], 40), text.figure(trained.signature.threshold)
        lines.append(f"- Threshold: it says {positive} from a probability of {threshold} up")
        lines += _group_thresholds(trained)
    lines += [f"- Tells also {name}: {about['description']}" for name, about in schema_beside(task).items()]
    if task.costs:
        lines.append(f"- Costs, by true class: {_costs(task)}; the class that is expected to cost least is said")
    members = [one for one in trained.leaderboard if one.weight > 0]
    made_of = ", ".join(f"{text.percent(one.weight)} {escaped(one.name, 60)}" for one in members)
    lines.append(f"- Made of: {made_of or NOT_KNOWN}")
    lines += [
        f"- Also predicts: {escaped(one.target, 80)} ({_KINDS[one.kind]})" for one in trained.signature.more_tasks
    ]
    lines.append(f"- Input columns used: {_inputs(trained)}")
    lines.append("- Form: one ONNX graph with the preprocessing inside")
    return [*lines, f"- Licence: {NOT_KNOWN}", f"- Contact: {NOT_KNOWN}"]


def _costs(task: Task) -> str:
    """What wrong answers cost, at most a dozen of them."""
    told = [
        f"{escaped(truth, 40)} told {escaped(answer, 40)} {cost:g}"
        for truth, row in zip(task.classes, task.costs, strict=True)
        for answer, cost in zip(task.classes, row, strict=True)
        if truth != answer
    ]
    return ", ".join(told[:12]) + (f" and {len(told) - 12} more" if len(told) > 12 else "")


def _group_thresholds(trained: Trained) -> list[str]:
    """A line for each group with a threshold of its own."""
    groups = trained.signature.group_thresholds
    if groups is None:
        return []
    lines = []
    for levels, value in groups.thresholds:
        pairs = zip(groups.names, levels, strict=True)
        named = ", ".join(f"{escaped(name, 40)} {escaped(level, 40)}" for name, level in pairs)
        lines.append(f"- Threshold for {named}: {text.figure(value)}")
    return lines


_KINDS = {
    "binary": "binary classification",
    "multiclass": "multi-class classification",
    "multilabel": "any number of labels for a row",
    "forecast": "forecasting",
    "detection": "detection of things in pictures",
    "segmentation": "a class for every pixel of a picture",
    "regression": "regression",
    "anomaly": "anomaly detection, without labels",
    "clusters": "clustering",
    "embedding": "dimensionality reduction",
}


def _inputs(trained: Trained) -> str:
    """How many columns the model is given, and what kinds of them."""
    signature = trained.signature
    n_texts = len(signature.texts)
    n_plain = len(signature.numbers) + len(signature.categories)
    media = {"image": "of pictures", "audio": "of sound", "series": "of series", "tokens": "of text"}
    counts: dict[str, int] = {"of free text": n_texts} if n_texts else {}
    for array in signature.arrays:
        n_plain += len(array.columns) if array.form not in media else 0
        if array.form in media:
            counts[media[array.form]] = counts.get(media[array.form], 0) + len(array.columns)
    return ", ".join([str(n_plain + sum(counts.values())), *(f"{n} {kind}" for kind, n in counts.items())])


def _use(intended_use: str, trained: Trained | None) -> list[str]:
    lines = [f"- Primary use: {escaped(intended_use, 1000) if intended_use else NOT_KNOWN}"]
    lines.append(f"- Intended users: {NOT_KNOWN}")
    ranges = trained.signature.ranges if trained else {}
    if ranges:
        lines.append("- Out of scope: rows unlike those it learnt from. Numbers seen in training:")
        lines += [
            f"  - {escaped(name, 60)}: {text.figure(low)} to {text.figure(high)}"
            for name, (low, high) in list(ranges.items())[:20]
        ]
        if len(ranges) > 20:
            lines.append(f"  - and {len(ranges) - 20} more columns")
    else:
        lines.append("- Out of scope: rows unlike those it learnt from.")
    return lines


def _factors(report: Report) -> list[str]:
    columns = list(dict.fromkeys(str(one["column"]) for one in report.slices))
    if not columns:
        return ["No group had enough held-out rows to be looked at by itself."]
    names = ", ".join(escaped(name, 60) for name in columns[:30])
    return [f"The error was looked at by group of: {names}. Other groups: not known."]


def _metrics(report: Report) -> list[str]:
    confidence = text.percent(float(report.curves.get("confidence", 0.95)))
    lines = [f"| metric | value | {confidence} interval | {_base_name(report)} | better |", "|---|---|---|---|---|"]
    for metric in report.metrics:
        base = text.find(report.baseline, metric.name)
        told = text.figure(base.value, like=metric.value) if base else "–"
        mark = " (chosen by)" if metric.name == report.primary else ""
        lines.append(
            f"| {text.label(metric.name)}{mark} | {text.metric_figure(metric)} | "
            f"{text.metric_range(metric)} | {told} | {metric.better} |"
        )
    meanings = [f"- {text.label(m.name)}: {EVERY[m.name].meaning}." for m in report.metrics if m.name in EVERY]
    return [*lines, "", "Intervals are bootstrap intervals over held-out rows.", "", *meanings]


def _base_name(report: Report) -> str:
    return escaped(str(report.curves.get("baseline_name", "constant baseline")), 60)


def _further(report: Report) -> list[str]:
    """The metrics of further targets."""
    return [line for one in report.more for line in ("", f"Of {escaped(one.target, 80)}:", "", *_metrics(one))]


def _evaluation_data(report: Report) -> list[str]:
    held = f"{report.n_rows:,} held-out {text.noun(report, report.n_rows)}"
    lines = [f"{held}, never used to train or to tune."]
    for key, name in (("n_rows", "Rows"), ("n_boxes", "Boxes"), ("share_of_pixels", "Share of pixels")):
        sizes = [(str(one["class"]), one[key]) for one in report.curves.get("per_class", ()) if key in one]
        if sizes:
            told = ", ".join(f"{escaped(which, 40)} {plain_fact(n)}" for which, n in sizes[:20])
            lines.append(f"{name} by class: {told}.")
    return [*lines, f"How these rows relate to those of daily use: {NOT_KNOWN.lower()}"]


def _facts(facts: Mapping[str, Any] | None) -> list[str]:
    if not facts:
        return [NOT_KNOWN]
    return [f"- {escaped(str(k), 80)}: {escaped(plain_fact(v), 400)}" for k, v in list(facts.items())[:60]]


def _cleaned(cleaning: Sequence[Mapping[str, Any]]) -> list[str]:
    if not cleaning:
        return []
    lines = ["", "What cleaning changed (the raw rows are kept):", ""]
    for one in cleaning[:MAX_CLEANED]:
        told = "; ".join(
            f"{key} {plain_fact(value)}" for key, value in one.items() if key != "examples" and value not in ("", None)
        )
        lines.append(f"- {escaped(told, 300)}")
    return lines


def _slices(report: Report) -> list[str]:
    if not report.slices:
        return ["No slices: no group had enough rows."]
    name = text.label(report.primary)
    lines = [f"{name} by group, worst first:", "", "| group | rows | value | interval | rest | differs |"]
    lines.append("|---|---|---|---|---|---|")
    for one in report.slices[:MAX_SLICES]:
        value, low, high, rest = (text.figure(one[key], like=one["value"]) for key in ("value", "low", "high", "rest"))
        group = f"{escaped(str(one['column']), 60)} = {escaped(str(one['level']), 60)}"
        mark = "yes" if one["differs"] else "no"
        lines.append(f"| {group} | {one['n_rows']:,} | {value} | {low} to {high} | {rest} | {mark} |")
    return [*lines, "", '"differs": from the rest, by more than chance explains, Holm-corrected at 5%.']


def _important(report: Report) -> list[str]:
    total = sum(report.importance.values())
    if total <= 0:
        return [f"Importance of columns: {NOT_KNOWN.lower()}"]
    ordered = sorted(report.importance.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_IMPORTANT]
    told = ", ".join(f"{escaped(k, 60)} {text.percent(v / total)}" for k, v in ordered if v > 0)
    return [f"Most used columns: {told}."]


def _ethics() -> list[str]:
    return [
        f"- Whether the data holds personal or sensitive facts: {NOT_KNOWN.lower()}",
        f"- Harm that a wrong answer can do, and who bears it: {NOT_KNOWN.lower()}",
        "- Importance tells what the model uses, not what causes the outcome.",
    ]


def _cautions(report: Report) -> list[str]:
    found = [f"- {escaped(line, 500)}" for line in text.cautions(report)]
    return [*found, "- Figures hold for rows like the held-out ones; measure again when the source changes."]


def _decisions(decisions: Sequence[Decision]) -> list[str]:
    if not decisions:
        return ["None on record."]
    lines = [
        f"- {escaped(one.stage, 40)}, {escaped(one.about, 80)}: **{escaped(one.choice, 160)}** — "
        f"{escaped(one.reason, 400)}"
        for one in decisions[:MAX_DECISIONS]
    ]
    left = len(decisions) - len(lines)
    return [*lines, f"- and {left} more, in the run's record"] if left > 0 else lines


def _reproduce(facts: Mapping[str, Any] | None) -> list[str]:
    if not facts:
        return [NOT_KNOWN]
    lines = ["The same recipe, rows and seed give the same model.", ""]
    return lines + [f"- {escaped(str(k), 80)}: {escaped(str(v), 200)}" for k, v in list(facts.items())[:60]]
