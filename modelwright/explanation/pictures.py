"""Pictures of an explanation: all rows at once, one row step by step, one column's curve. SVG text, see `drawing`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from modelwright.drawing import (
    BOTTOM,
    HEIGHT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    axis,
    dot,
    frame,
    inside,
    path,
    stroke,
    svg,
    tick_text,
    written,
)  # fmt: skip
from modelwright.explanation import words
from modelwright.told import short

if TYPE_CHECKING:
    import numpy as np

    from modelwright.explanation.base import Explanation
    from modelwright.explanation.partial import Partial

WIDE, NAMES = 760, 210
ROW = 30
MOST_DOTS = 200
MOST_BARS = 9
STRIP = 44
"""How high the data's distribution stands beneath a curve."""
N_SHADES = 5


def swarm_picture(found: Explanation, places: Sequence[int]) -> str:
    """One line for each column, one dot for each row: how far to the right, how much it raised the answer; how dark,
    how large the number is."""
    import numpy as np

    rows = np.unique(np.linspace(0, found.n_rows - 1, min(found.n_rows, MOST_DOTS)).astype(int))
    scale = 100.0 if found.scale == "probability" else 1.0
    values = scale * found.values[rows][:, list(places)]
    span = axis([float(values.min(initial=0.0)), float(values.max(initial=0.0)), 0.0], words.unit(found))
    height = TOP + ROW * len(places) + 40
    body = []
    for tick in span.ticks:
        x = span.place(tick, NAMES, WIDE - RIGHT)
        body.append(stroke(x, TOP, x, height - 34, "axis" if tick == 0 else "grid"))
        body.append(written(x, height - 20, tick_text(tick), "tick middle"))
    body.append(written((NAMES + WIDE - RIGHT) / 2, height - 4, f"raised by {span.name}", "name middle"))
    for line, place in enumerate(places):
        middle = TOP + ROW * line + ROW / 2
        name = found.columns[place]
        body.append(written(NAMES - 12, middle + 4, short(name, 28), "name end"))
        own = [span.place(float(value), NAMES, WIDE - RIGHT) for value in values[:, line]]
        for row, x, offset in zip(rows.tolist(), own, _stacked(own), strict=True):
            shade = _shade(float(found.ranks[row, place]))
            added = words.amount(found, float(found.values[row, place]))
            tip = f"{short(name, 28)} = {words.cell(found, row, name)}: {added}"
            body.append(
                f'<circle cx="{x}" cy="{middle + offset:.1f}" r="2.6" class="swarm {shade}">'
                f"<title>{escape(tip)}</title></circle>"
            )
    return svg(WIDE, height, "What each column added to the answer of each row", body, kind="wide")


def _stacked(places: Sequence[float]) -> list[float]:
    """How far dots that would lie on each other are moved, up and down in turn."""
    seen: dict[int, int] = {}
    offsets = []
    for x in places:
        count = seen.get(round(x / 4), 0)
        seen[round(x / 4)] = count + 1
        step = (count + 1) // 2 * 2.2
        offsets.append(max(-ROW / 2 + 3, min(ROW / 2 - 3, step if count % 2 else -step)))
    return offsets


def _shade(rank: float) -> str:
    return "s-none" if rank != rank else f"s{min(N_SHADES - 1, int(rank * N_SHADES))}"


def waterfall_picture(found: Explanation, row: int) -> str:
    """From the background's mean to the row's answer, column by column, the largest step first."""
    steps = found.reasons(row)
    shown, rest = (steps, steps[:0]) if len(steps) <= MOST_BARS else (steps[: MOST_BARS - 1], steps[MOST_BARS - 1 :])
    named = [
        (found.columns[place], float(found.values[row, place]), float(found.errors[row, place])) for place in shown
    ]
    labels = [f"{short(name, 22)} = {short(words.cell(found, row, name), 18)}" for name, _, _ in named]
    bars = [(label, value, error) for label, (_, value, error) in zip(labels, named, strict=True)]
    if rest:
        bars.append((f"{len(rest)} other columns", float(found.values[row, rest].sum()), 0.0))
    base, answer = float(found.base[row]), float(found.answers[row])
    at, marks = base, [base, answer]
    for _, value, _ in bars:
        at += value
        marks.append(at)
    scale = 100.0 if found.scale == "probability" else 1.0
    span = axis([scale * mark for mark in marks], "", n_ticks=4)
    left, right, step, top = 290, WIDE - 76, 24, 26
    height = top + step * len(bars) + 30

    def across(value: float) -> float:
        return span.place(scale * value, left, right)

    body = [stroke(across(base), top - 6, across(base), height - 24, "chance")]
    body.append(stroke(across(answer), top - 6, across(answer), height - 24, "mark"))
    body.append(written(across(base), height - 8, f"background {words.level(found, base)}", "tick middle"))
    body.append(written(across(answer), top - 12, f"this row {words.level(found, answer)}", "tick strong middle"))
    at = base
    for line, (label, value, error) in enumerate(bars):
        y, one, two = top + step * line, across(at), across(at + value)
        kind = "down" if value < 0 else "up"
        tip = f"{label}: {words.amount(found, value)} ± {words.amount(found, error)[1:]} {words.unit(found)}"
        body.append(
            f'<rect x="{min(one, two)}" y="{y + 3}" width="{max(1.0, abs(two - one)):.1f}" height="{step - 8}" '
            f'rx="2" class="{kind}"><title>{escape(tip)}</title></rect>'
        )
        body.append(written(left - 14, y + 16, label, "name end"))
        body.append(written(max(one, two) + 6, y + 16, words.amount(found, value), "tick"))
        at += value
    return svg(WIDE, height, f"Row {row}: from the background to the answer", body, kind="wide")


def curve_picture(found: Explanation, curve: Partial) -> str:
    """The mean answer along a column, single rows behind it, and how the data are spread beneath."""
    import numpy as np

    scale = 100.0 if found.scale == "probability" else 1.0
    name = f"{words.unit(found) if found.scale != 'probability' else 'chance, %'}"
    lines = scale * curve.lines
    if curve.kind == "level":
        return _levels(curve, scale, name)
    low, high = float(curve.at[0]), float(curve.at[-1])
    x = Axis(low, high, short(curve.column, 36), inside(low, high) if curve.kind == "number" else ())
    body, across, up = frame(x, axis([*lines.min(axis=0).tolist(), *lines.max(axis=0).tolist()], name))
    if curve.kind == "datetime":
        for place, label in ((low, curve.labels[0]), (high, curve.labels[-1])):
            anchor = "tick" if place == low else "tick end"
            body.append(written(across(place), HEIGHT - BOTTOM + 17, label, anchor))
    if curve.edges is not None:
        most = float(np.max(curve.shares)) or 1.0
        floor = HEIGHT - BOTTOM
        for start, end, share in zip(curve.edges, curve.edges[1:], curve.shares, strict=False):
            tall = STRIP * float(share) / most
            one, two = across(float(start)), across(float(end))
            body.append(
                f'<rect x="{one}" y="{floor - tall:.1f}" width="{max(0.5, two - one - 0.6):.1f}" height="{tall:.1f}" '
                f'class="spread"><title>{escape(f"{share:.1%} of the background rows")}</title></rect>'
            )
    places = [across(float(value)) for value in curve.at]
    for line in lines:
        body.append(path(zip(places, (up(float(value)) for value in line), strict=True), "single"))
    body.append(path(zip(places, (up(float(value)) for value in scale * curve.mean), strict=True), "curve c0"))
    for place, value, label in zip(places, scale * curve.mean, curve.labels, strict=True):
        body.append(dot(place, up(float(value)), 3, f"{short(label, 30)}: {value:.3g} on average"))
    return svg(WIDTH, HEIGHT, f"The answer along {short(curve.column, 60)}", body)


def _levels(curve: Partial, scale: float, name: str) -> str:
    """A level a line: the mean answer with the middle four fifths of single rows, and the level's share of the data."""
    import numpy as np

    step, left, right = 22, 150, WIDTH - 70
    height = TOP + step * len(curve.labels) + BOTTOM
    lows, highs = (np.quantile(scale * curve.lines, share, axis=0) for share in (0.1, 0.9))
    span = axis([*lows.tolist(), *highs.tolist()], name, n_ticks=4)
    body = []
    for tick in span.ticks:
        x = span.place(tick, left, right)
        body.append(stroke(x, TOP, x, height - BOTTOM, "grid"))
        body.append(written(x, height - BOTTOM + 17, tick_text(tick), "tick middle"))
    body.append(written((left + right) / 2, height - 8, span.name, "name middle"))
    most = float(np.max(curve.shares)) or 1.0
    for line, label in enumerate(curve.labels):
        y = TOP + step * line + step / 2
        ends = [span.place(float(value), left, right) for value in (lows[line], highs[line])]
        body.append(written(left - 10, y + 4, short(label, 20), "name end"))
        body.append(stroke(ends[0], y, ends[1], y, "whisker"))
        mean = float(scale * curve.mean[line])
        body.append(dot(span.place(mean, left, right), y, 4, f"{short(label, 30)}: {mean:.3g} on average"))
        share = float(curve.shares[line])
        body.append(
            f'<rect x="{right + 10}" y="{y - 5}" width="{max(0.5, 54 * share / most):.1f}" height="10" class="spread">'
            f"<title>{escape(f'{share:.1%} of the background rows')}</title></rect>"
        )
    return svg(WIDTH, height, f"The answer by {short(curve.column, 60)}", body)


def places_of(found: Explanation, most: int) -> list[int]:
    """The heaviest columns, as places in `columns`."""
    place = {name: index for index, name in enumerate(found.columns)}
    return [place[one.column] for one in found.weights[:most] if one.mean_size > 0]


def shares_of(values: np.ndarray) -> list[float]:
    """Each number as a share of the largest, 0 to 1: the length of a bar."""
    most = float(values.max(initial=0.0)) or 1.0
    return [float(max(0.0, value) / most) for value in values]
