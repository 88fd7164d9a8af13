"""The page of an audit: the verdict, each grouping with its figures and gaps, what a remedy changes, and how to read
it.

One file without an outside address, under the policy of `modelwright.shown`; every value is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.drawing import axis, stroke, svg, tick_text, written
from modelwright.fairness import words
from modelwright.fairness.gaps import OF_VALUES, is_judged
from modelwright.fairness.rates import MEASURES
from modelwright.shown import page_of, pieces
from modelwright.told import percent, short

if TYPE_CHECKING:
    from modelwright.fairness.base import Audit, Grouped, GroupFigures
    from modelwright.fairness.gaps import Gap

MOST_GROUPS, MOST_DRAWN = 40, 12
DRAWN = (
    "selection", "true_positive_rate", "false_positive_rate", "precision", "accuracy", "calibration", "roc_auc",
    "mean_error", "mae",
)  # fmt: skip
STANDINGS = {
    "differs": ("act", "differs"), "differs slightly": ("look", "differs slightly"), "alike": ("good", "alike"),
    "unclear": ("", "open"), "world": ("", "in the world"),
}  # fmt: skip


def audit_page(found: Audit, *, title: str) -> str:
    """Write the page.

    >>> from modelwright.testing.fairness import tiny_audit
    >>> page = audit_page(tiny_audit(twice=True), title="<b>hiring")
    >>> "title><b>" in page, "&lt;b&gt;hiring" in page, "a <rule>" in page, "&lt;c&gt;" in page
    (False, True, False, True)
    """
    return page_of(
        Path(__file__).with_name("page.html"), title=short(title, 60), headline=words.headline(found),
        source=words.looked_at(found), tiles=_tiles(found),
        groupings=[_grouping(found, one) for one in found.groupings],
        before=short(found.before, 60), changes=words.change_lines(found), trade_off=words.trade_off(found),
        caution=words.caution(found), of_values=found.of_values, outcome=short(found.outcome),
    )  # fmt: skip


def _tiles(found: Audit) -> list[tuple[str, str, str]]:
    gaps = [gap for one in found.groupings for gap in one.gaps if gap.measure != "equalised_odds"]
    worst = [gap for gap in gaps if gap.standing == "differs"]
    told = found.overall.get("selection") or found.overall["mae"]
    groups = sum(len(one.groups) for one in found.groupings)
    n_few = sum(group.few for one in found.groupings for group in one.groups)
    return [
        ("Rows", f"{found.n_rows:,}", short(found.source, 60)),
        ("Predicted" if not found.of_values else "Mean absolute error", words.value_words(told.measure, told.value),
         short(found.outcome)),
        ("Groups", f"{groups:,}", f"{n_few} with too few rows to compare" if n_few else "all large enough to compare"),
        ("Differences", f"{len(worst):,}", f"more than {words.limit(found)}, of {found.n_tests} tested"),
    ]  # fmt: skip


def _grouping(found: Audit, grouping: Grouped) -> dict[str, Any]:
    from markupsafe import Markup

    drawn = [name for name in DRAWN if sum(name in one.figures for one in grouping.groups) > 1]
    names = words.shown(found)
    return {
        "name": pieces(grouping.name), "anchor": _anchor(grouping),
        "how": short(grouping.how, 120),
        "lines": [f"{line[:1].upper()}{line[1:]}" for line in words.grouping_lines(found, grouping)],
        "head": [words.SHORT[name] for name in names],
        "rows": [_row(found, one, names) for one in grouping.groups[:MOST_GROUPS]],
        "n_more": max(0, len(grouping.groups) - MOST_GROUPS),
        "gaps": [_gap(gap) for gap in grouping.gaps],
        "pictures": [Markup(_picture(found, grouping, name)) for name in drawn],
    }  # fmt: skip


def _anchor(grouping: Grouped) -> str:
    return "by-" + "-".join("".join(letter for letter in name if letter.isalnum()) for name in grouping.columns)


def _row(found: Audit, one: GroupFigures, names: Sequence[str]) -> dict[str, Any]:
    cells = []
    for name in names:
        figure = one.figures.get(name)
        span = "" if figure is None else (
            f"{words.value_words(name, figure.low)} to {words.value_words(name, figure.high)}, of {figure.n:,}"
        )  # fmt: skip
        few = figure is not None and figure.n < found.spec.least_rows
        cells.append({"value": words.cell_words(figure), "span": span, "few": few})
    return {"name": pieces(short(one.name, 60)), "rows": f"{one.n_rows:,}", "cells": cells, "few": one.few}


def _gap(gap: Gap) -> dict[str, Any]:
    kind, standing = STANDINGS[gap.standing]
    label = MEASURES[gap.measure].label if gap.measure in MEASURES else "found or falsely predicted"
    ratio = "" if gap.ratio is None else f"{gap.ratio:.2f} ({gap.ratio_low:.2f} to {gap.ratio_high:.2f})"
    return {
        "criterion": words.CRITERIA.get(gap.measure, "true shares"), "label": label, "kind": kind,
        "standing": standing,
        "lowest": pieces(short(gap.lowest, 40)), "highest": pieces(short(gap.highest, 40)), "ratio": ratio,
        "difference": words.amount(gap.measure, gap.difference), "span": words.span_words(gap),
        "world": not is_judged(gap.measure),
    }  # fmt: skip


def _picture(found: Audit, grouping: Grouped, measure: str) -> str:
    """A line for each group: value and interval; pale where rows are few."""
    groups = [one for one in grouping.groups if measure in one.figures][:MOST_DRAWN]
    figures = [one.figures[measure] for one in groups]
    scale = 1 if measure in (*OF_VALUES, "roc_auc") else 100
    kept = [one for one in figures if one.n >= found.spec.least_rows] or figures
    overall = found.overall.get(measure)
    marks = [scale * edge for one in kept for edge in (one.low, one.high)] + [scale * one.value for one in figures]
    span = axis([*marks, *([scale * overall.value] if overall else [])], "", n_ticks=4)
    left, right, top, step = 130, 386, 34, 22
    height = top + step * len(groups) + 26
    body = [written(0, 16, MEASURES[measure].label + (", %" if scale == 100 else ""), "name strong")]
    for tick in span.ticks:
        x = span.place(tick, left, right)
        body.append(stroke(x, top - 6, x, height - 22, "grid"))
        body.append(written(x, height - 6, tick_text(tick), "tick middle"))
    if overall:
        x = span.place(scale * overall.value, left, right)
        body.append(stroke(x, top - 6, x, height - 22, "chance"))
    for line, (one, figure) in enumerate(zip(groups, figures, strict=True)):
        y = top + step * line + step / 2
        low, at, high = (span.place(scale * value, left, right) for value in (figure.low, figure.value, figure.high))
        few = " few" if figure.n < found.spec.least_rows else ""
        tip = (
            f"{one.name}: {words.value_words(measure, figure.value)} ({words.value_words(measure, figure.low)} to "
            f"{words.value_words(measure, figure.high)}), {figure.n:,} {MEASURES[measure].among}"
        )
        body.append(written(left - 12, y + 4, short(one.name, 18), f"name end{few}"))
        body.append(stroke(low, y, high, y, f"whisker{few}"))
        body.append(f'<circle cx="{at}" cy="{y}" r="4" class="dot{few}"><title>{escape(tip)}</title></circle>')
    title = f"{MEASURES[measure].label} by {grouping.name}; all rows: {percent(overall.value) if overall else ''}"
    return svg(400, height, title, body)
