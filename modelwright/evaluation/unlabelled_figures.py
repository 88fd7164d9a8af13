"""Pictures and tables of what was learned without a target: scores, choices, groups, maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from modelwright.drawing import (
    BOTTOM,
    HEIGHT,
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
)
from modelwright.evaluation import text

if TYPE_CHECKING:
    from modelwright.core.values import Report

N_COLOURS = 10
_WORDS = {
    "agreement": "Agreement of halves",
    "strength": "Prediction strength",
    "criterion": "Integrated likelihood, per row",
}


def figures_of(report: Report) -> list[dict[str, Any]]:
    """Picture, title and what to see in it, for the three tasks without a target."""
    facts = report.curves["facts"]
    if report.task == "anomaly":
        return [_scores(facts)]
    if report.task == "clusters":
        return [_map(facts), *_choices(facts)]
    return [_places(facts), *([_variances(facts)] if "left" in facts else [])]


def details_of(report: Report) -> dict[str, Any]:
    """What the page tells in words: the oddest rows, what each group is like, what coordinates mean."""
    if "facts" not in report.curves:
        return {}
    facts = report.curves["facts"]
    told: dict[str, Any] = {"oddest": [], "groups": [], "axes": []}
    for row in report.curves.get("oddest", ()):
        reasons = "; ".join(f"{text.short(name, 40)} {text.short(value)}" for name, value in row["reasons"].items())
        told["oddest"].append({"row": row["row"], "score": f"{row['score']:.4f}", "flagged": row["flagged"],
                               "reasons": reasons})  # fmt: skip
    for number, group in enumerate(facts.get("groups", ()), start=1):
        columns = list(group["typical"][0]) if group["typical"] else []
        told["groups"].append({
            "name": str(number), "n": f"{group['n']:,}", "share": text.percent(group["share"]),
            "stability": text.figure(group.get("stability")), "sure": (group.get("stability") or 0.0) >= 0.75,
            "words": [text.short(words.replace("`", ""), 120) for words in group["words"]],
            "heads": [text.short(name, 30) for name in columns],
            "typical": [[text.short(row[name], 24) for name in columns] for row in group["typical"]],
            "colour": _colour(number - 1),
        })  # fmt: skip
    for number, one in enumerate(facts.get("axes", ()), start=1):
        told["axes"].append({"name": f"x{number}", "words": [
            f"{text.short(item['feature'], 40)} {item['correlation']:+.2f}" for item in one
        ] or ["no column by itself"]})  # fmt: skip
    return told


def _colour(group: int) -> str:
    """A hue for each group, told apart by its lightness too; rows in none are grey."""
    return "none" if group < 0 else f"g{group % N_COLOURS}"


def _scores(facts: Mapping[str, Any]) -> dict[str, Any]:
    scores, line = facts["scores"], float(facts["line"])
    edges, counts = scores["edges"], scores["counts"]
    x = Axis(edges[0], max(edges[-1], line * 1.02), "Oddness, in middle deviations", inside(edges[0], edges[-1]))
    body, across, up = frame(x, axis([0, max([*counts, 1])], "Rows", n_ticks=4))
    body += bars(edges, counts, across, up, "bar")
    body.append(stroke(across(line), TOP, across(line), HEIGHT - BOTTOM, "mark"))
    n_above = scores["n_above"]
    more = f" {n_above:,} {'row lies' if n_above == 1 else 'rows lie'} farther out than is drawn." if n_above else ""
    share, threshold = text.percent(facts["share"]), text.figure(facts["threshold"])
    return {
        "title": "How odd the rows are",
        "picture": svg(WIDTH, HEIGHT, "Histogram of raw scores, and the line", body),
        "note": f"Each training row, scored by detectors of other rows. {share} lie right of the line, a score of "
        f"{threshold}: so many usual rows are less odd.{more}",
    }


def _specks(x: Sequence[float], y: Sequence[float], kinds: Sequence[str], names: tuple[str, str]) -> list[str]:
    body, across, up = frame(axis(x, names[0]), axis(y, names[1]))
    radius = 3 if len(x) <= 300 else 2.2
    for one, other, kind in zip(x, y, kinds, strict=True):
        body.append(f'<circle cx="{across(one)}" cy="{up(other)}" r="{radius}" class="speck {escape(kind)}"/>')
    return body


def _map(facts: Mapping[str, Any]) -> dict[str, Any]:
    shown = facts["picture"]
    kinds = [_colour(group) for group in shown["group"]]
    body = _specks(shown["x"], shown["y"], kinds, ("First main axis", "Second main axis"))
    none = f" {facts['n_in_none']:,} rows, in grey, are in no group." if facts["n_in_none"] else ""
    return {
        "title": "The rows on their two main axes",
        "picture": svg(WIDTH, HEIGHT, "Rows by group on the two main axes", body),
        "note": f"{len(shown['x']):,} of {facts['n_rows']:,} rows, coloured by group. The two axes hold "
        f"{text.percent(shown['held'])} of the variance: groups that overlap here may lie apart in others.{none}",
    }


def _choices(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each method the curve that its number of groups was chosen by."""
    made = []
    for method in dict.fromkeys(one["method"] for one in facts["curve"]):
        own = [one for one in facts["curve"] if one["method"] == method]
        key = "criterion" if sum(one["criterion"] is not None for one in own) > 1 else "agreement"
        unit = facts["n_rows"] if key == "criterion" else 1.0
        points = [(one["n"], one[key] / unit) for one in own if one[key] is not None]
        if len(points) < 2:
            continue
        body, across, up = frame(_whole([n for n, _ in points]), axis([value for _, value in points], _WORDS[key]))
        body.append(path(((across(n), up(value)) for n, value in points), "curve thin c0"))
        body += [dot(across(n), up(value), 4, f"{n} groups: {text.figure(value)}") for n, value in points]
        if method == facts["method"]:
            body.append(stroke(across(facts["n"]), TOP, across(facts["n"]), HEIGHT - BOTTOM, "mark"))
        why = "Larger is better; one too many costs." if key == "criterion" else (
            "How far two halves of the rows, learned apart, agree about all rows: 1 is fully, 0 is chance."
        )  # fmt: skip
        taken = " The upright line is what was taken." if method == facts["method"] else " Another method was taken."
        made.append({"title": f"How many groups: {method}", "note": why + taken,
                     "picture": svg(WIDTH, HEIGHT, f"{_WORDS[key]} by number of groups, {method}", body)})  # fmt: skip
    return made


def _whole(numbers: Sequence[int]) -> Axis:
    """An axis of whole numbers."""
    low, high = min(numbers), max(numbers)
    step = max(1, -(-(high - low) // 8))
    return Axis(low - 0.5, high + 0.5, "Groups", tuple(float(one) for one in range(low, high + 1, step)))


def _places(facts: Mapping[str, Any]) -> dict[str, Any]:
    shown = facts["picture"]
    body = _specks(shown["x"], shown["y"], [""] * len(shown["x"]), ("x1", "x2"))
    return {
        "title": "The first two coordinates",
        "picture": svg(WIDTH, HEIGHT, "Rows by their first two coordinates", body),
        "note": f"{len(shown['x']):,} of {facts['n_rows']:,} training rows.",
    }


def _variances(facts: Mapping[str, Any]) -> dict[str, Any]:
    own, limits = facts["variances"], facts["limits"]
    total = sum(own) or 1.0
    numbers = list(range(1, len(own) + 1))
    body, across, up = frame(axis([0.5, len(own) + 0.5], "Main axis"), axis([0, own[0] / total], "Share of variance"))
    body.append(path(((across(n), up(value / total)) for n, value in zip(numbers, limits, strict=False)), "curve c1"))
    body.append(path(((across(n), up(value / total)) for n, value in zip(numbers, own, strict=True)), "curve thin c0"))
    body += [dot(across(n), up(value / total), 4, f"axis {n}: {text.percent(value / total)}")
             for n, value in zip(numbers, own, strict=True)]  # fmt: skip
    end = facts["n"] + 0.5
    body.append(stroke(across(end), TOP, across(end), HEIGHT - BOTTOM, "mark"))
    return {
        "title": "What each main axis holds",
        "picture": svg(WIDTH, HEIGHT, "Share of variance by main axis, and of shuffled columns", body),
        "note": f"Left of the upright line: the {facts['n']} coordinates. Dashed: what the same columns give when each "
        "is shuffled by itself.",
        "legend": ["this table", "shuffled columns"],
    }
