"""The page of an explanation: all rows at once, curves, what works together, and row by row.

One file without an outside address, under the policy of `modelwright.shown`; every value is escaped.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.explanation import words
from modelwright.explanation.pictures import curve_picture, places_of, swarm_picture, waterfall_picture
from modelwright.explanation.tables import said_text
from modelwright.shown import page_of, pieces, short
from modelwright.told import figure, percent

if TYPE_CHECKING:
    from modelwright.explanation.base import Explanation

MOST_ROWS, MOST_COLUMNS, MOST_PAIRS = 50, 14, 5
LEAST_SHARE = 0.05
"""Two columns that have less of their joint effect in common are not told of."""


def explanation_page(found: Explanation, *, title: str, source: str = "") -> str:
    """Write the page: at most 50 rows are shown (the CSV has all), some 0.5 MB.

    >>> from modelwright.testing.explanation import tiny_explanation
    >>> page = explanation_page(tiny_explanation(), title="<b>paid")
    >>> "title><b>" in page, "&lt;b&gt;paid" in page, page.count("<article")
    (False, True, 4)
    """
    from markupsafe import Markup

    most = words.amount(found, float(max((one.mean_size for one in found.weights), default=0.0)))[1:]
    return page_of(
        Path(__file__).with_name("page.html"), title=short(title), source=short(source), about=words.about(found),
        tiles=_tiles(found, most), swarm=Markup(swarm_picture(found, places_of(found, MOST_COLUMNS))),
        columns=_columns(found), measured=found.measured, n_measured=f"{found.n_measured:,}", unit=words.unit(found),
        curves=[
            {"name": pieces(short(one.column)), "picture": Markup(curve_picture(found, one))} for one in found.curves
        ],
        curve_class=short(found.curve_class), together=_together(found), rows=_rows(found),
        n_more=max(0, found.n_rows - MOST_ROWS), method=words.method(found), assumed=words.ASSUMED,
    )  # fmt: skip


def _tiles(found: Explanation, most: str) -> list[tuple[str, str, str]]:
    heaviest = found.weights[0]
    base = words.level(found, float(found.base.mean()))
    return [
        ("Rows explained", f"{found.n_rows:,}", f"{len(found.columns):,} columns each"),
        ("Background", base, f"mean answer to {found.n_background:,} rows"),
        ("Heaviest column", short(heaviest.column, 18), f"{most} {words.unit(found)} a row on average"),
        ("Reckoned", "exactly" if found.exact else "by sampling", f"{found.n_asked:,} answers of the package"),
    ]


def _columns(found: Explanation) -> list[dict[str, Any]]:
    largest = max((one.mean_size for one in found.weights), default=0.0) or 1.0
    return [
        {
            "name": pieces(short(one.column)), "size": words.amount(found, one.mean_size)[1:],
            "share": one.mean_size / largest,
            "shuffled": figure(one.shuffled) if one.shuffled >= 0 else f"−{figure(-one.shuffled)}",
            "error": figure(one.shuffled_error, like=one.shuffled or 0.001),
            "sure": one.shuffled > 2 * one.shuffled_error,
        }
        for one in found.weights[:40]
    ]  # fmt: skip


def _together(found: Explanation) -> list[dict[str, Any]]:
    told = [one for one in found.together if one.share >= LEAST_SHARE][:MOST_PAIRS]
    return [
        {"one": pieces(short(one.columns[0])), "two": pieces(short(one.columns[1])), "share": percent(one.share),
         "size": words.amount(found, one.size)[1:]}
        for one in told
    ]  # fmt: skip


def _rows(found: Explanation) -> list[dict[str, Any]]:
    from markupsafe import Markup

    return [
        {
            "number": row, "said": pieces(short(said_text(found.said[row]))), "sentence": words.sentence(found, row),
            "picture": Markup(waterfall_picture(found, row)), "hint": words.hint(found.hints[row]),
        }
        for row in range(min(found.n_rows, MOST_ROWS))
    ]  # fmt: skip
