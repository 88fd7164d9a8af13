"""A report in words and in rows: the headline, the cautions, the table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.evaluation.names import EVERY
from modelwright.told import figure as figure
from modelwright.told import percent as percent
from modelwright.told import short as short

if TYPE_CHECKING:
    from modelwright.core.values import Metric, Report

FEW_ROWS = 100
KINDS = {
    "binary": "one of two classes",
    "multiclass": "one of several classes",
    "regression": "a number",
    "multilabel": "any number of labels",
    "forecast": "the steps ahead",
    "detection": "boxes around things",
    "segmentation": "a class for every pixel",
    "anomaly": "how odd a row is",
    "clusters": "which rows belong together",
    "embedding": "few coordinates in place of many columns",
}
"""What is predicted, by kind of task, in words."""
UNLABELLED = ("anomaly", "clusters", "embedding")
"""Tasks without a target."""
_NOUNS = {"detection": "picture", "segmentation": "picture", "forecast": "window"}


def label(name: str) -> str:
    """The metric's name in words; an unknown one is told as it is."""
    return EVERY[name].label if name in EVERY else name


def is_share(name: str) -> bool:
    """Whether the metric is a share of rows or pairs."""
    return name in EVERY and EVERY[name].share


def metric_figure(metric: Metric) -> str:
    """The metric's value, formatted for its size."""
    return figure(metric.value)


def metric_range(metric: Metric) -> str:
    """The metric's interval with the value's decimals, e.g. `0.930 to 0.991`."""
    return f"{figure(metric.low, like=metric.value)} to {figure(metric.high, like=metric.value)}"


def find(metrics: tuple[Metric, ...], name: str) -> Metric | None:
    """The metric of that name, if it is there."""
    return next((metric for metric in metrics if metric.name == name), None)


def noun(report: Report, n: int) -> str:
    """What is held out: rows, pictures or windows; one of them when `n` is 1."""
    one = _NOUNS.get(report.task, "row")
    return one if n == 1 else one + "s"


def headline(report: Report, *, target: str = "the target") -> str:
    """How good the model is in one or two sentences that need no statistics, baseline and interval included.

    >>> from modelwright.core.values import Metric, Report
    >>> right = Metric(name="accuracy", value=0.97, low=0.94, high=0.99, better="higher")
    >>> base = Metric(name="accuracy", value=0.63, low=0.54, high=0.71, better="higher")
    >>> report = Report(task="binary", n_rows=114, primary="accuracy", metrics=(right,), baseline=(base,),
    ...                 slices=(), curves={}, importance={})
    >>> headline(report)
    'On 114 rows it had never seen, the model answers 97.0% rightly (95% interval: 94.0% to 99.0%).
    Always giving the commonest answer would be right for 63%.'
    """
    confidence = percent(float(report.curves.get("confidence", 0.95)))
    rows = f"{report.n_rows:,} {noun(report, report.n_rows)}"
    if "headline" in report.curves:
        return str(report.curves["headline"])
    if report.task not in ("binary", "multiclass", "regression"):
        return " ".join([f"On {rows} it had never seen: {in_short(report)}.", *_of_others(report)])
    name = "mae" if report.task == "regression" else "accuracy"
    own = (find(report.metrics, one) for one in ("cost", "pinball", name))
    told = next((metric for metric in own if metric is not None), report[report.primary])
    base = find(report.baseline, told.name)
    if told.name == "cost":
        span = f"{confidence} interval: {metric_range(told)}"
        first = f"On {rows} it had never seen, an answer costs {metric_figure(told)} on average ({span})."
        cheap = figure(base.value, like=told.value) if base else ""
        rest = f"Always giving the same answer, the cheapest, would cost {cheap}." if base else ""
    elif told.name == "accuracy":
        low, high = (percent(edge, like=told.value) for edge in (told.low, told.high))
        span = f"{confidence} interval: {low} to {high}"
        first = f"On {rows} it had never seen, the model answers {percent(told.value)} rightly ({span})."
        rest = f"Always giving the commonest answer would be right for {percent(base.value)}." if base else ""
    elif told.name == "mae":
        span = f"{confidence} interval: {metric_range(told)}"
        first = f"On {rows} it had never seen, the model is off by {metric_figure(told)} on average ({span})."
        rest = f"Always answering the mean would be off by {metric_figure(base)}." if base else ""
    else:
        span = f"{confidence} interval: {metric_range(told)}"
        first = f"On {rows} it had never seen, the model's {label(told.name)} is {metric_figure(told)} ({span})."
        rest = f"The constant baseline's is {metric_figure(base)}." if base else ""
    return " ".join(part for part in (first, rest, *_of_sureness(report), *_of_others(report)) if part)


def _of_sureness(report: Report) -> list[str]:
    """How often intervals or sets hold the truth, where the model tells them."""
    held, sure = find(report.metrics, "coverage"), report.curves.get("sure")
    if held is None or not sure:
        return []
    name = "sets" if "sizes" in sure else "intervals"
    low, high = (percent(edge, like=held.value) for edge in (held.low, held.high))
    return [f"Its {percent(sure['stated'])} {name} hold the truth of {percent(held.value)} of them ({low} to {high})."]


def _of_others(report: Report) -> list[str]:
    return [f"For {short(one.target)}: {in_short(one)}." for one in report.more]


def in_short(report: Report) -> str:
    """The primary metric in a few words.

    >>> from modelwright.core.values import Metric, Report
    >>> found = Metric(name="map", value=0.83, low=0.8, high=0.86, better="higher")
    >>> none = Metric(name="map", value=0.0, low=0.0, high=0.0, better="higher")
    >>> in_short(Report(task="detection", n_rows=70, primary="map", metrics=(found,), baseline=(none,), slices=(),
    ...                  curves={"baseline_name": "no boxes"}, importance={}))
    'mAP 0.830 [0.800, 0.860] against 0 for no boxes'
    """
    told, base = report[report.primary], find(report.baseline, report.primary)
    low, high = (figure(edge, like=told.value) for edge in (told.low, told.high))
    first = f"{label(told.name)} {metric_figure(told)} [{low}, {high}]"
    name = report.curves.get("baseline_name", "the constant baseline")
    if base is None:
        return first
    return f"{first} against {figure(base.value, like=told.value if base.value else None)} for {name}"


def verdict(report: Report) -> tuple[str, str]:
    """Whether the model beats the constant baseline on the primary metric: a word and a sentence."""
    if "verdict" in report.curves:
        word, sentence = report.curves["verdict"]
        return str(word), str(sentence)
    gain = report.curves.get("gain")
    if not gain:
        return "unknown", "There is no baseline to hold the model against."
    name, primary = label(report.primary), report[report.primary]
    base = find(report.baseline, report.primary)
    against = f"{metric_figure(primary)} against {figure(base.value, like=primary.value)}" if base else ""
    if gain["low"] > 0:
        low, high = (figure(gain[edge], like=gain["value"]) for edge in ("low", "high"))
        amount = f"{low} to {high}"
        return "better", f"Better than the baseline: {name} {against}, a gain of {amount}."
    if gain["high"] < 0:
        return "worse", f"Worse than the baseline: {name} {against}. Do not use this model."
    return "unclear", f"Not shown to be better than the baseline: {name} {against}, within what chance can do."


def cautions(report: Report) -> list[str]:
    """What to keep in mind before the model is used, each a sentence with its evidence."""
    found = []
    word, sentence = verdict(report)
    if word in ("worse", "unclear"):
        found.append(sentence)
    if report.n_rows < FEW_ROWS:
        rows = f"{report.n_rows} {noun(report, report.n_rows)} {'was' if report.n_rows == 1 else 'were'}"
        found.append(f"Only {rows} held out, so every figure is uncertain.")
    found += [str(line)[:1].upper() + str(line)[1:] for line in report.curves.get("cautions", ())]
    about = (_coverage(report), _worst_slice(report), _calibration(report), _rare_class(report))
    found += [line for line in about if line]
    found += [
        f"{decision.about}: {decision.choice} — {decision.reason}."
        for decision in report.decisions
        if decision.about in ("rows", "classes", "primary metric")
    ]
    return found


def _coverage(report: Report) -> str:
    """Intervals or sets that hold the truth less often than was stated, overall or in a group of rows."""
    held, sure = find(report.metrics, "coverage"), report.curves.get("sure")
    if held is None or not sure:
        return ""
    stated, name = float(sure["stated"]), "Sets" if "sizes" in sure else "Intervals"
    if held.high < stated:
        return f"{name} that were to hold the truth of {percent(stated)} of the rows hold it for {percent(held.value)}."
    less = [one for one in sure["by"] if one.get("differs") and one["high"] < stated]
    if not less:
        return ""
    one = less[0]
    where = f"{short(str(one['column']))} = {short(str(one['level']))}"
    more = f" {len(less) - 1} more such groups are listed under How sure." if len(less) > 1 else ""
    return f"{name} hold the truth less often where {where}: {percent(one['value'])}, not {percent(stated)}.{more}"


def _worst_slice(report: Report) -> str:
    worse = [one for one in report.slices if one.get("differs") and _is_worse(report, one)]
    if not worse:
        return ""
    one = worse[0]
    value, rest = figure(one["value"]), figure(one["rest"], like=one["value"])
    more = f" {len(worse) - 1} more such groups are listed under Slices." if len(worse) > 1 else ""
    where = f"{short(str(one['column']))} = {short(str(one['level']))}"
    return f"Weaker where {where}: {label(report.primary)} {value}, against {rest} elsewhere.{more}"


def _is_worse(report: Report, one: Any) -> bool:
    lower = report[report.primary].better == "lower"
    return bool(one["value"] > one["rest"] if lower else one["value"] < one["rest"])


def _calibration(report: Report) -> str:
    gap = find(report.metrics, "calibration_error")
    if gap is None or gap.low <= 0.05:
        return ""
    return (
        f"Probabilities are off by {figure(gap.value)} on average ({metric_range(gap)}): "
        "use them to rank rather than as chances."
    )


def _rare_class(report: Report) -> str:
    missed = [
        one
        for one in report.curves.get("per_class", ())
        if (one.get("n_rows") and one["recall"] == 0.0) or (one.get("n_boxes") and one["ap50"] == 0.0)
    ]
    if not missed:
        return ""
    names = ", ".join(short(str(one["class"])) for one in missed[:3]) + (", ..." if len(missed) > 3 else "")
    return f"Never found in the held-out rows, though present: {names}."


def summary_table(report: Report) -> list[tuple[str, str, str, str]]:
    """Rows for a terminal: metric, value, interval, baseline; the primary metric first, further targets last.

    >>> from modelwright.testing.evaluation import straight_line
    >>> from modelwright.evaluation import EvaluateSpec, evaluate
    >>> trained, data = straight_line(n_rows=40)
    >>> rows = summary_table(evaluate(trained, data, EvaluateSpec(metrics=("mae", "rmse"))))
    >>> [row[0] for row in rows]
    ['RMSE', 'MAE']
    """
    ordered = sorted(report.metrics, key=lambda metric: metric.name != report.primary)
    rows = []
    for metric in ordered:
        known = find(report.baseline, metric.name)
        told = figure(known.value, like=metric.value) if known else "–"
        rows.append((label(metric.name), metric_figure(metric), metric_range(metric), told))
    for one in report.more:
        further = summary_table(one)
        rows += [(f"{short(one.target)}: {name}", value, span, base) for name, value, span, base in further]
    return rows
