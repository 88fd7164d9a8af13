"""Pictures of single rows: photos with boxes, masks and maps over them, waves, lines, forecasts. SVG text.

Pictures and sounds come as data URIs out of the report's record; one that is not exactly that is left out, so a
record from elsewhere can bring nothing else onto the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from typing import Any

from modelwright.drawing import (
    BOTTOM,
    HEIGHT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    axis,
    frame,
    path,
    stroke,
    svg,
    tick_text,
    written,
)

_PICTURE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+")
_SOUND = re.compile(r"data:audio/wav;base64,[A-Za-z0-9+/=]+")
PHOTO_WIDTH = 300
"""Units of a photo's drawing: strokes and letters are the same on all."""
MOST_NAMED = 10
"""Wrong boxes on a picture that still have their names beside them."""


def safe_picture(uri: Any) -> str:
    """A data URI of a PNG or JPEG; "" for anything else.

    >>> safe_picture("data:image/png;base64,YWJj")[:14], safe_picture("https://example.org/a.png")
    ('data:image/png', '')
    """
    return uri if isinstance(uri, str) and _PICTURE.fullmatch(uri) else ""


def safe_sound(uri: Any) -> str:
    """A data URI of a WAV; "" for anything else."""
    return uri if isinstance(uri, str) and _SOUND.fullmatch(uri) else ""


def photo(
    medium: Mapping[str, Any], title: str, *, boxes: Sequence[Mapping[str, Any]] = (), mask: str = "", heat: bool = True
) -> str:
    """A picture, with what lies over it: a transparent mask, a map of what the answer hangs on, boxes."""
    uri = safe_picture(medium.get("uri"))
    if not uri:
        return ""
    height = max(1.0, round(PHOTO_WIDTH * float(medium["height"]) / max(float(medium["width"]), 1.0), 1))
    kind = "tiny" if medium.get("tiny") else "smooth"
    body = [_image(uri, height, kind)]
    if safe_picture(mask):
        body.append(_image(safe_picture(mask), height, "tiny"))
    if heat and medium.get("map"):
        body += _heat(medium["map"], PHOTO_WIDTH, height)
    named = sum(box["kind"] == "wrong" for box in boxes) <= MOST_NAMED
    for box in boxes:
        body += _box(box, height, named=named)
    return svg(PHOTO_WIDTH, round(height), title, body, kind="photo")


def _image(uri: str, height: float, kind: str) -> str:
    return f'<image href="{uri}" width="{PHOTO_WIDTH}" height="{height}" preserveAspectRatio="none" class="{kind}"/>'


def _heat(rows: Sequence[Sequence[float]], width: float, height: float) -> list[str]:
    """Cells that speak for the answer glow, those against it are cold; the rest is as it is."""
    made = []
    tall = height / max(1, len(rows))
    for i, row in enumerate(rows):
        wide = width / max(1, len(row))
        for j, value in enumerate(row):
            if abs(value) >= 8:
                kind = "for" if value > 0 else "against"
                made.append(
                    f'<rect x="{j * wide:.1f}" y="{i * tall:.1f}" width="{wide:.1f}" height="{tall:.1f}" '
                    f'class="heat {kind}" fill-opacity="{min(abs(value), 100) * 0.0065:.2f}"/>'
                )
    return made


def _box(box: Mapping[str, Any], height: float, *, named: bool) -> list[str]:
    """A frame, on a dark one where it was drawn by people; a wrong one has its name beside it where few are."""
    left, top, wide, tall = (float(value) for value in box["place"])
    if not all(isfinite(value) for value in (left, top, wide, tall)):
        return []
    x, y = left * PHOTO_WIDTH, top * height
    kind = box["kind"] if box["kind"] in ("drawn", "right", "wrong") else "drawn"
    name = str(box["label"]) + (f" {float(box['score']):.2f}" if "score" in box else "")
    at = f'x="{x:.1f}" y="{y:.1f}" width="{max(wide * PHOTO_WIDTH, 1):.1f}" height="{max(tall * height, 1):.1f}"'
    made = [f'<rect {at} class="box under"/>'] if kind == "drawn" else []
    made.append(f'<rect {at} class="box {kind}"><title>{escape(f"{kind}: {name}")}</title></rect>')
    if kind == "wrong" and named:
        made.append(written(round(x + 2, 1), round(max(y - 3, 9), 1), name, "box-name"))
    return made


def wave(medium: Mapping[str, Any]) -> str:
    """The outline of a sound over its seconds; stretches that the answer hangs on are marked."""
    lows, highs = medium["low"], medium["high"]
    width, height, n = 300, 90, max(1, len(lows))
    loudest = max([abs(value) for value in (*lows, *highs)] + [1e-6])

    def up(value: float) -> float:
        return round(height / 2 - float(value) / float(loudest) * (height / 2 - 6), 1)

    places = [round((index + 0.5) * width / n, 1) for index in range(n)]
    above = [f"{x},{up(value)}" for x, value in zip(places, highs, strict=True)]
    below = [f"{x},{up(value)}" for x, value in zip(reversed(places), reversed(lows), strict=True)]
    body = _heat(medium.get("map") or [], width, height)
    body.append(stroke(0, height / 2, width, height / 2, "grid"))
    body.append(f'<polygon points="{" ".join(above + below)}" class="wave"/>')
    return svg(width, height, f"Sound of {float(medium['seconds']):.2f} seconds", body, kind="photo")


def lines_picture(medium: Mapping[str, Any]) -> str:
    """Series of one row, one above the other, each on its own scale."""
    width, tall = 300, 74
    body: list[str] = []
    for index, line in enumerate(medium["lines"]):
        top = index * tall
        values = [value for value in line["values"] if value is not None]
        scale = axis(values, "", n_ticks=2)
        n = max(2, len(line["values"]))
        strip = (medium.get("map") or [])[index : index + 1]
        body += [f'<g transform="translate(0 {top})">', *_heat(strip, width, tall), "</g>"]
        for part in _unbroken(line["values"]):
            points = [
                (round(4 + place * (width - 8) / (n - 1), 1), scale.place(value, top + tall - 6, top + 18))
                for place, value in part
            ]
            body.append(path(points, "curve thin c0"))
        body.append(written(4, top + 12, str(line["name"])[:40], "tick"))
        if values:
            body.append(
                written(width - 4, top + 12, f"{tick_text(min(values))} to {tick_text(max(values))}", "tick end")
            )
    return svg(width, tall * max(1, len(medium["lines"])), "Series of this row", body, kind="photo")


def _unbroken(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Stretches of known values, with their places."""
    parts: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            parts.append([])
        else:
            parts[-1].append((place, float(value)))
    return [part for part in parts if part]


def future_picture(one: Mapping[str, Any], base_name: str) -> str:
    """What was known, what came, what was forecast (with its outermost quantiles), and the baseline's forecast."""
    names = ("truth", "forecast", "baseline", "low", "high")
    every = [value for name in names for value in one.get(name, ()) if value is not None]
    every += [value for value in one["history"]["values"] if value is not None]
    places = [*one["history"]["step"], *one["step"]]
    low, high = (min(places), max(places)) if places else (0, 1)
    x = Axis(low, max(high, low + 1), "Steps ahead", tuple(t for t in axis([low, high], "").ticks if low <= t <= high))
    body, across, up = frame(x, axis(every, "Value"))
    body.append(stroke(across(0.5), TOP, across(0.5), HEIGHT - BOTTOM, "mark"))
    if "low" in one:
        edge = [(across(s), up(v)) for s, v in zip(one["step"], one["high"], strict=True) if v is not None]
        edge += [
            (across(s), up(v)) for s, v in reversed(list(zip(one["step"], one["low"], strict=True))) if v is not None
        ]
        body.append(f'<polygon points="{" ".join(f"{a},{b}" for a, b in edge)}" class="between"/>')
    for steps, values, kind in (
        (one["history"]["step"], one["history"]["values"], "curve thin past"),
        (one["step"], one["baseline"], "curve thin base"),
        (one["step"], one["truth"], "curve thin past"),
        (one["step"], one["forecast"], "curve c0"),
    ):
        for part in _unbroken(values):
            body.append(path(((across(steps[place]), up(value)) for place, value in part), kind))
    return svg(WIDTH, HEIGHT, f"History, truth, forecast, and {base_name}", body)


def steps_picture(steps: Mapping[str, Any]) -> str:
    """Mean absolute error by step ahead: the model with its interval, and what needs no model."""
    every = [value for line in steps["lines"] for value in line["values"]] + list(steps["high"]) + [0.0]
    x = axis([1, *steps["step"]], "Steps ahead")
    body, across, up = frame(Axis(x.low, x.high, x.name, x.ticks), axis(every, "Mean absolute error"))
    edge = [(across(s), up(v)) for s, v in zip(steps["step"], steps["high"], strict=True)]
    edge += [(across(s), up(v)) for s, v in reversed(list(zip(steps["step"], steps["low"], strict=True)))]
    body.append(f'<polygon points="{" ".join(f"{a},{b}" for a, b in edge)}" class="between"/>')
    for index, line in enumerate(steps["lines"]):
        points = zip((across(s) for s in steps["step"]), (up(v) for v in line["values"]), strict=True)
        body.append(path(points, f"curve c{index % 5}"))
    if len(steps["step"]) == 1:
        one = steps["lines"][0]["values"][0]
        body.append(f'<circle cx="{across(steps["step"][0])}" cy="{up(one)}" r="4" class="dot"/>')
    return svg(WIDTH, HEIGHT, "Error by step ahead", body)


def coverage_picture(levels: Sequence[Mapping[str, float]]) -> str:
    """Share of the truth at or below each quantile against its level, with the line of perfection."""
    unit = (0.0, 0.25, 0.5, 0.75, 1.0)
    body, across, up = frame(Axis(0, 1, "Level of the quantile", unit), Axis(0, 1, "Share of the truth below", unit))
    body.append(stroke(across(0), up(0), across(1), up(1), "chance"))
    body.append(path(((across(one["level"]), up(one["seen"])) for one in levels), "curve thin c0"))
    for one in levels:
        tip = f"level {one['level']:.2f}, seen {one['seen']:.3f}"
        body.append(
            f'<circle cx="{across(one["level"])}" cy="{up(one["seen"])}" r="4" class="dot">'
            f"<title>{escape(tip)}</title></circle>"
        )
    return svg(WIDTH, HEIGHT, "Coverage of the quantiles", body)


def course_picture(
    points: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    name: str,
    marks: Sequence[tuple[float, str]],
    last: float,
) -> str:
    """Numbers over the steps of a training, one line each; `marks` are verdicts: their step and number."""
    every = [value for _, line in points for _, value in line if isfinite(value)]
    x = axis([0.0, last], "Step")
    body, across, up = frame(Axis(0.0, max(x.high, 1.0), "Step", x.ticks), axis(every, name))
    for index, (_, line) in enumerate(points):
        known = [(across(step), up(value)) for step, value in line if isfinite(value)]
        body.append(path(known, f"curve c{index % 5}"))
        if len(known) == 1:
            body.append(f'<circle cx="{known[0][0]}" cy="{known[0][1]}" r="4" class="dot"/>')
    for step, number in marks:
        place = across(max(0.0, step))
        body.append(stroke(place, TOP, place, HEIGHT - BOTTOM, "mark warned"))
        body.append(written(min(place + 3, WIDTH - RIGHT - 8), TOP + 10, number, "tick warned"))
    return svg(WIDTH, HEIGHT, f"{name} over the training", body)
