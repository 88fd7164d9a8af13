"""A report in words and in rows: the headline, the cautions, the table for a terminal."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from modelwright.evaluation.names import NAMES

if TYPE_CHECKING:
    from modelwright.core.values import Metric, Report

FEW_ROWS = 100


def figure(value: float | None, *, share: bool = False) -> str:
    """A number as people write it: shares with three places, the rest with four figures.

    >>> figure(0.98765, share=True), figure(54.3211), figure(1234567.8), figure(0.00012345), figure(None)
    ('0.988', '54.32', '1,234,568', '0.0001235', '–')
    """
    if value is None or not isfinite(value):
        return "–"
    if share:
        return f"{value:.3f}"
    size = abs(value)
    if size >= 1e15:
        return f"{value:.3e}"
    if size >= 1000:
        return f"{value:,.0f}"
    if size == 0 or size >= 1:
        return f"{value:.4g}"
    return f"{value:.3f}" if size >= 0.1 else f"{value:.4g}"


def percent(share: float) -> str:
    """A share in percent: whole, but with a tenth near the ends, where it matters.

    >>> percent(0.634), percent(0.9934), percent(1.0), percent(0.004)
    ('63 %', '99.3 %', '100 %', '0.4 %')
    """
    hundredths = 100.0 * share
    whole = 5 <= hundredths <= 95 or hundredths in (0.0, 100.0)
    return f"{hundredths:.0f} %" if whole else f"{hundredths:.1f} %".replace("100.0", "99.9")


def label(name: str) -> str:
    """The metric's name in words; an unknown one is told as it is."""
    return NAMES[name].label if name in NAMES else name


def is_share(name: str) -> bool:
    """Whether the metric is a share of rows or pairs."""
    return name in NAMES and NAMES[name].share


def metric_figure(metric: Metric) -> str:
    """The metric's value, formatted for its kind."""
    return figure(metric.value, share=is_share(metric.name))


def metric_range(metric: Metric) -> str:
    """The metric's interval, e.g. `0.93 to 0.99`."""
    share = is_share(metric.name)
    return f"{figure(metric.low, share=share)} to {figure(metric.high, share=share)}"


def find(metrics: tuple[Metric, ...], name: str) -> Metric | None:
    """The metric of that name, if it is there."""
    return next((metric for metric in metrics if metric.name == name), None)


def headline(report: Report, *, target: str = "the target") -> str:
    """How good the model is in one or two sentences that need no statistics, baseline and interval included.

    >>> from modelwright.core.values import Metric, Report
    >>> right = Metric(name="accuracy", value=0.97, low=0.94, high=0.99, better="higher")
    >>> base = Metric(name="accuracy", value=0.63, low=0.54, high=0.71, better="higher")
    >>> report = Report(task="binary", n_rows=114, primary="accuracy", metrics=(right,), baseline=(base,),
    ...                 slices=(), curves={}, importance={})
    >>> headline(report)
    'On 114 rows it had never seen, the model answers 97.0 % rightly (95 % interval: 94 % to 99.0 %).
    Always giving the commonest answer would be right for 63 %.'
    """
    confidence = percent(float(report.curves.get("confidence", 0.95)))
    rows = "1 row" if report.n_rows == 1 else f"{report.n_rows:,} rows"
    name = "mae" if report.task == "regression" else "accuracy"
    told = find(report.metrics, name) or report[report.primary]
    base = find(report.baseline, told.name)
    if told.name == "accuracy":
        span = f"{confidence} interval: {percent(told.low)} to {percent(told.high)}"
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
    return f"{first} {rest}".strip()


def verdict(report: Report) -> tuple[str, str]:
    """Whether the model beats the constant baseline on the primary metric: a word and a sentence."""
    gain = report.curves.get("gain")
    if not gain:
        return "unknown", "There is no baseline to hold the model against."
    name, share = label(report.primary), is_share(report.primary)
    base = find(report.baseline, report.primary)
    against = f"{metric_figure(report[report.primary])} against {metric_figure(base)}" if base else ""
    if gain["low"] > 0:
        amount = f"{figure(gain['low'], share=share)} to {figure(gain['high'], share=share)}"
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
        found.append(f"Only {report.n_rows} rows were held out, so every interval is wide.")
    found += [line for line in (_worst_slice(report), _calibration(report), _rare_class(report)) if line]
    found += [
        f"{decision.about}: {decision.choice} — {decision.reason}."
        for decision in report.decisions
        if decision.about in ("rows", "classes", "primary metric")
    ]
    return found


def _worst_slice(report: Report) -> str:
    worse = [one for one in report.slices if one.get("differs") and _is_worse(report, one)]
    if not worse:
        return ""
    one, share = worse[0], is_share(report.primary)
    value, rest = figure(one["value"], share=share), figure(one["rest"], share=share)
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
    missed = [one for one in report.curves.get("per_class", ()) if one["n_rows"] and one["recall"] == 0.0]
    if not missed:
        return ""
    names = ", ".join(short(str(one["class"])) for one in missed[:3]) + (", ..." if len(missed) > 3 else "")
    return f"Never found in the held-out rows, though present: {names}."


def short(text: str, length: int = 40) -> str:
    """A text cut to `length` characters, control characters shown as blanks.

    >>> short("a" * 50, 5), short("two\\nlines")
    ('aaaa…', 'two lines')
    """
    plain = "".join(letter if letter.isprintable() else " " for letter in text[: length + 1])
    return plain if len(plain) <= length else plain[: length - 1] + "…"


def summary_table(report: Report) -> list[tuple[str, str, str, str]]:
    """Rows for a terminal: metric, value, interval, baseline; the primary metric first.

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
        base = find(report.baseline, metric.name)
        told = metric_figure(base) if base else "–"
        rows.append((label(metric.name), metric_figure(metric), metric_range(metric), told))
    return rows
