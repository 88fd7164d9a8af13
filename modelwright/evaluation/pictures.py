"""The report's pictures: pure functions from numbers to SVG text, drawn with `modelwright.drawing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from typing import Any

from modelwright.drawing import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    axis,
    bars,
    dot,
    frame,
    inside,
    path,
    stroke,
    svg,
    tick_text,
    unit_axis,
    written,
)  # fmt: skip
from modelwright.evaluation.text import figure, short


def curve_picture(lines: Sequence[Mapping[str, Any]], *, roc: bool) -> str:
    """ROC curves (with the diagonal of chance) or precision-recall curves (with the share of positives)."""
    if not lines:
        return ""
    names = ("False positive rate", "True positive rate") if roc else ("Recall", "Precision")
    body, across, up = frame(unit_axis(names[0]), unit_axis(names[1]))
    if roc:
        body.append(stroke(across(0), up(0), across(1), up(1), "chance"))
    elif len(lines) == 1 and lines[0]["share"]:
        share = float(lines[0]["share"])
        body.append(stroke(across(0), up(share), across(1), up(share), "chance"))
    for index, line in enumerate(lines):
        points = zip((across(x) for x in line["x"]), (up(y) for y in line["y"]), strict=True)
        body.append(path(points, f"curve c{index % 5}"))
    title = "ROC curve" if roc else "Precision-recall curve"
    return svg(WIDTH, HEIGHT, title, body)


def calibration_picture(bins: Sequence[Mapping[str, Any]], *, top_class: bool) -> str:
    """Share seen against probability told, with the interval of each bin, and the diagonal of perfection."""
    told = "Probability of its answer" if top_class else "Probability told"
    body, across, up = frame(unit_axis(told), unit_axis("Share seen"))
    body.append(stroke(across(0), up(0), across(1), up(1), "chance"))
    for one in bins:
        x = across(one["mean_told"])
        body.append(stroke(x, up(one["low"]), x, up(one["high"]), "whisker"))
    body.append(path(((across(b["mean_told"]), up(b["seen"])) for b in bins), "curve thin c0"))
    for one in bins:
        tip = f"told {figure(one['mean_told'])}, seen {figure(one['seen'])}, {one['n_rows']:,} rows"
        body.append(dot(across(one["mean_told"]), up(one["seen"]), 4, tip))
    return svg(WIDTH, HEIGHT, "Calibration: share seen against probability told", body)


def value_calibration_picture(bins: Sequence[Mapping[str, Any]]) -> str:
    """Mean of the truth against mean of the prediction, by tenths of the prediction."""
    both = axis([one[key] for one in bins for key in ("mean_told", "seen")], "Mean predicted")
    body, across, up = frame(both, Axis(both.low, both.high, "Mean actual", both.ticks))
    body.append(stroke(across(both.low), up(both.low), across(both.high), up(both.high), "chance"))
    body.append(path(((across(b["mean_told"]), up(b["seen"])) for b in bins), "curve thin c0"))
    for one in bins:
        tip = f"predicted {figure(one['mean_told'])}, actual {figure(one['seen'])}, {one['n_rows']:,} rows"
        body.append(dot(across(one["mean_told"]), up(one["seen"]), 4, tip))
    return svg(WIDTH, HEIGHT, "Calibration: mean actual against mean predicted", body)


def scatter_picture(actual: Sequence[float], predicted: Sequence[float]) -> str:
    """Actual against predicted, one dot a row, with the line of perfect answers."""
    both = axis([*actual, *predicted], "Predicted")
    body, across, up = frame(both, Axis(both.low, both.high, "Actual", both.ticks))
    body.append(stroke(across(both.low), up(both.low), across(both.high), up(both.high), "chance"))
    radius = 3 if len(actual) <= 300 else 2
    body += [
        f'<circle cx="{across(p)}" cy="{up(a)}" r="{radius}" class="speck"/>'
        for a, p in zip(actual, predicted, strict=True)
    ]
    return svg(WIDTH, HEIGHT, "Actual against predicted values", body)


def residual_picture(actual: Sequence[float], predicted: Sequence[float]) -> str:
    """Residual (actual minus predicted) against predicted: a pattern here is something still to learn."""
    residuals = [a - p for a, p in zip(actual, predicted, strict=True)]
    reach = max([abs(one) for one in residuals], default=1.0) or 1.0
    body, across, up = frame(axis(predicted, "Predicted"), axis([-reach, reach], "Actual − predicted"))
    body.append(stroke(LEFT, up(0.0), WIDTH - RIGHT, up(0.0), "chance"))
    radius = 3 if len(actual) <= 300 else 2
    body += [
        f'<circle cx="{across(p)}" cy="{up(r)}" r="{radius}" class="speck"/>'
        for p, r in zip(predicted, residuals, strict=True)
    ]
    return svg(WIDTH, HEIGHT, "Residuals against predicted values", body)


def histogram_picture(edges: Sequence[float], counts: Sequence[int], name: str, *, unit: str = "Rows") -> str:
    """How many rows (or other units) lie in each bin."""
    x = Axis(edges[0], edges[-1], name, inside(edges[0], edges[-1]))
    body, across, up = frame(x, axis([0, max([*counts, 1])], unit, n_ticks=4))
    body += bars(edges, counts, across, up, "bar")
    if edges[0] < 0.0 < edges[-1]:
        body.append(stroke(across(0.0), up(0.0), across(0.0), TOP, "chance"))
    return svg(WIDTH, HEIGHT, f"Histogram: {name}", body)


def scores_picture(edges: Sequence[float], counts: Mapping[str, Sequence[int]], threshold: float | None) -> str:
    """The probability of the positive class, one histogram above the other, and the threshold between."""
    body: list[str] = []
    half = (HEIGHT - TOP - BOTTOM) / len(counts)
    x = unit_axis("Probability told")
    for index, (name, tallied) in enumerate(counts.items()):
        floor_y = TOP + half * (index + 1) - 2
        tallest = max([*tallied, 1])
        body.append(stroke(LEFT, floor_y, WIDTH - RIGHT, floor_y, "axis"))

        def up(count: float, floor_y: float = floor_y, tallest: int = tallest) -> float:
            return round(floor_y - count / tallest * (half - 22), 1)

        body += bars(edges, tallied, lambda v: x.place(v, LEFT, WIDTH - RIGHT), up, f"bar c{index % 5}")
        body.append(written(LEFT, floor_y - half + 16, f"{short(name, 30)} ({sum(tallied):,})", "name"))
    for tick in x.ticks:
        place = x.place(tick, LEFT, WIDTH - RIGHT)
        body.append(written(place, HEIGHT - BOTTOM + 17, tick_text(tick), "tick middle"))
    body.append(written((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x.name, "name middle"))
    if threshold is not None:
        place = x.place(threshold, LEFT, WIDTH - RIGHT)
        body.append(stroke(place, TOP, place, HEIGHT - BOTTOM, "mark"))
    return svg(WIDTH, HEIGHT, "Probability told, by true class", body)


def versus_picture(
    name: str, model: tuple[float, float, float], baseline: tuple[float, float, float], *, better: str
) -> str:
    """Model and baseline on one scale, each (value, low, high): the picture of the headline."""
    wide, tall, left, right = 640, 140, 104, 24
    scale = axis([*model, *baseline], name)
    body = []
    for tick in scale.ticks:
        x = scale.place(tick, left, wide - right)
        body.append(stroke(x, 14, x, 92, "grid"))
        body.append(written(x, 108, tick_text(tick), "tick middle"))
    arrow = "higher is better →" if better == "higher" else "← lower is better"
    body.append(written((left + wide - right) / 2, 132, f"{name} ({arrow})", "name middle"))
    for label, y, kind, (value, low, high) in (
        ("Model", 34, "of-model", model),
        ("Baseline", 72, "of-base", baseline),
    ):
        x, x1, x2 = (scale.place(v, left, wide - right) for v in (value, low, high))
        body.append(written(left - 14, y + 5, label, "label end"))
        body.append(stroke(x1, y, x2, y, f"span {kind}"))
        tip = f"{label}: {figure(value)} ({figure(low)} to {figure(high)})"
        body.append(f'<circle cx="{x}" cy="{y}" r="7" class="point {kind}"><title>{escape(tip)}</title></circle>')
    return svg(wide, tall, f"{name}: model against baseline", body, kind="versus")


def range_picture(value: float, low: float, high: float, reference: float | None, bounds: tuple[float, float]) -> str:
    """A small interval for a table's cell; the reference (all rows, or the baseline) is a thin line."""
    span = Axis(bounds[0], bounds[1], "", ()) if bounds[1] > bounds[0] else axis([value], "")
    x, x1, x2 = (span.place(v, 4, 116) for v in (value, low, high))
    body = [stroke(4, 10, 116, 10, "track")]
    if reference is not None and isfinite(reference):
        place = span.place(reference, 4, 116)
        body.append(stroke(place, 2, place, 18, "reference"))
    body.append(stroke(x1, 10, max(x2, x1 + 0.5), 10, "span of-model"))
    body.append(f'<circle cx="{x}" cy="10" r="4" class="point of-model"/>')
    title = f"{figure(value)}, {figure(low)} to {figure(high)}"
    return svg(120, 20, title, body, kind="range")
