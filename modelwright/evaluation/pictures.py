"""The report's pictures: pure functions from numbers to SVG text. Colours come from the page (light or dark).

Every text is escaped here, since column names and classes are not to be trusted. A picture has a title for
those who cannot see it, and a size that does not grow with the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10
from typing import Any

from modelwright.evaluation.text import figure, short

WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 44
HUGE, TINY = 1e150, 1e-150
"""Beyond these a picture stops telling numbers apart, so that its arithmetic stays finite."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A span of numbers, its ticks, and what it is called."""

    low: float
    high: float
    name: str
    ticks: tuple[float, ...]

    def place(self, value: float, start: float, end: float) -> float:
        """Where a value lies between two pixels."""
        share = (value - self.low) / (self.high - self.low)
        return round(start + min(1.0, max(0.0, share)) * (end - start), 1)


def axis(values: Iterable[float], name: str, *, n_ticks: int = 5) -> Axis:
    """An axis that holds all values, from one round number to another.

    >>> axis([3, 97], "x").ticks
    (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)
    """
    known = [max(-HUGE, min(HUGE, value)) for value in values if isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * size or size < TINY:
        half = 0.5 if size < TINY else 0.05 * size
        low, high = low - half, high + half
    raw = (high - low) / n_ticks
    size = 10.0 ** floor(log10(raw))
    step = next(size * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if size * factor >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    ticks = tuple(float(f"{index * step:.12g}") for index in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], name, ticks)


def unit_axis(name: str) -> Axis:
    """From 0 to 1 by quarters."""
    return Axis(0.0, 1.0, name, (0.0, 0.25, 0.5, 0.75, 1.0))


def svg(width: int, height: int, title: str, body: Iterable[str], *, kind: str = "plot") -> str:
    """One picture with its spoken title."""
    name = escape(title)
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{name}">'
        f"<title>{name}</title>{''.join(body)}</svg>"
    )


def written(x: float, y: float, text: str, kind: str, extra: str = "") -> str:
    """A text, escaped."""
    return f'<text x="{x}" y="{y}" class="{kind}"{extra}>{escape(text)}</text>'


def stroke(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="{kind}"/>'


def frame(x: Axis, y: Axis) -> tuple[list[str], Callable[[float], float], Callable[[float], float]]:
    """Grid, ticks and names; and the two functions that place a value."""

    def across(value: float) -> float:
        return x.place(value, LEFT, WIDTH - RIGHT)

    def up(value: float) -> float:
        return y.place(value, HEIGHT - BOTTOM, TOP)

    body = []
    for tick in y.ticks:
        body.append(stroke(LEFT, up(tick), WIDTH - RIGHT, up(tick), "grid"))
        body.append(written(LEFT - 8, up(tick) + 4, tick_text(tick), "tick end"))
    for tick in x.ticks:
        body.append(written(across(tick), HEIGHT - BOTTOM + 17, tick_text(tick), "tick middle"))
    body.append(stroke(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "axis"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    body.append(written((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x.name, "name middle"))
    body.append(written(14, middle, y.name, "name middle", f' transform="rotate(-90 14 {middle})"'))
    return body, across, up


def tick_text(value: float) -> str:
    """A tick, short enough for the margin.

    >>> tick_text(0.25), tick_text(1500), tick_text(2500000), tick_text(0.0)
    ('0.25', '1.5k', '2.5M', '0')
    """
    size = abs(value)
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= limit:
            return f"{value / limit:.4g}{letter}" if size < limit * 1e4 else f"{value:.1e}"
    return f"{value:.4g}" if size == 0 or size >= 1e-3 else f"{value:.1e}"


def path(points: Iterable[tuple[float, float]], kind: str) -> str:
    """A line through points."""
    return f'<polyline points="{" ".join(f"{x},{y}" for x, y in points)}" class="{kind}"/>'


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


def dot(x: float, y: float, radius: float, tip: str) -> str:
    """A point that says more when it is pointed at."""
    return f'<circle cx="{x}" cy="{y}" r="{radius}" class="dot"><title>{escape(tip)}</title></circle>'


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
    x = Axis(edges[0], edges[-1], name, _inside(edges[0], edges[-1]))
    body, across, up = frame(x, axis([0, max([*counts, 1])], unit, n_ticks=4))
    body += bars(edges, counts, across, up, "bar")
    if edges[0] < 0.0 < edges[-1]:
        body.append(stroke(across(0.0), up(0.0), across(0.0), TOP, "chance"))
    return svg(WIDTH, HEIGHT, f"Histogram: {name}", body)


def _inside(low: float, high: float) -> tuple[float, ...]:
    return tuple(tick for tick in axis([low, high], "").ticks if low <= tick <= high)


def bars(
    edges: Sequence[float],
    counts: Sequence[int],
    across: Callable[[float], float],
    up: Callable[[float], float],
    kind: str,
) -> list[str]:
    made = []
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        if count:
            x, y = across(low), up(count)
            wide, tall = max(across(high) - x - 1, 0.8), up(0) - y
            tip = f"{figure(low)} to {figure(high)}: {count:,} rows"
            made.append(
                f'<rect x="{x + 0.5:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" class="{kind}">'
                f"<title>{escape(tip)}</title></rect>"
            )
    return made


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
