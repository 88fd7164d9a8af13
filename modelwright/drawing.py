"""What all pictures are drawn with: from numbers to SVG text. Colours come from the page (light or dark).

Every text is escaped here, since column names and classes are not to be trusted. A picture has a title for
those who cannot see it, and a size that does not grow with the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10

from modelwright.told import figure

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
    labels: tuple[str, ...] = ()  # what stands at the ticks, where that is not their number

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
    for tick, label in zip(y.ticks, y.labels or map(tick_text, y.ticks), strict=True):
        body.append(stroke(LEFT, up(tick), WIDTH - RIGHT, up(tick), "grid"))
        body.append(written(LEFT - 8, up(tick) + 4, label, "tick end"))
    for tick, label in zip(x.ticks, x.labels or map(tick_text, x.ticks), strict=True):
        body.append(written(across(tick), HEIGHT - BOTTOM + 17, label, "tick middle"))
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


def dot(x: float, y: float, radius: float, tip: str) -> str:
    """A point that says more when it is pointed at."""
    return f'<circle cx="{x}" cy="{y}" r="{radius}" class="dot"><title>{escape(tip)}</title></circle>'


def inside(low: float, high: float) -> tuple[float, ...]:
    """Round ticks that lie within a span."""
    return tuple(tick for tick in axis([low, high], "").ticks if low <= tick <= high)


def bars(
    edges: Sequence[float],
    counts: Sequence[int],
    across: Callable[[float], float],
    up: Callable[[float], float],
    kind: str,
) -> list[str]:
    """The bars of a histogram."""
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
