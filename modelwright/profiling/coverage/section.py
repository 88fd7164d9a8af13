"""Coverage on the page of a profile: who is in the data, where groups differ, how sources do, what to collect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.profiling.coverage import words
from modelwright.profiling.drawing import bar_svg
from modelwright.profiling.page import Section
from modelwright.shown import count, pieces, short

if TYPE_CHECKING:
    from markupsafe import Markup

    from modelwright.groups import Grouping
    from modelwright.profiling.coverage.base import Coverage, GroupRows
    from modelwright.profiling.coverage.skews import Skew

TEMPLATE = Path(__file__).with_name("section.html")
MOST_FEW, MOST_DIFFERENCES, MOST_SOURCES, MOST_NEEDS = 15, 25, 15, 25


def sections(found: Coverage, *, collect_file: str = "") -> tuple[Section, ...]:
    """The parts of the page that tell a coverage; `collect_file` is the name of the file of what to collect.

    >>> import polars as pl
    >>> from modelwright.core.data import Dataset
    >>> from modelwright.profiling.coverage import coverage
    >>> frame = pl.DataFrame({"sex": ["f"] * 40 + ["m"] * 160 + ["<b>"] * 3})
    >>> [(one.anchor, "<b>" in one.html) for one in sections(coverage(Dataset.from_frame(frame)))]
    [('groups', False), ('collect', False)]
    """
    made = [_groups(found)] if found.groupings else []
    tests = [test for test in found.found if test.kind != "population" or len(test.group) > 1]
    if tests:
        made.append(_differences(found, tests))
    if found.drift is not None:
        made.append(_sources(found))
    if found.collect:
        made.append(_collect(found, collect_file))
    return tuple(made)


def _groups(found: Coverage) -> Section:
    stated = any(one.population is not None for one in found.groups)
    named = [one for one in found.groupings if one.why.startswith("named")]
    lead = "Rows of each group" + ("; the mark in a bar is the share in the stated population." if stated else ".")
    if named:
        lead += " Groups were taken by the names of columns; --groups names others, --groups none takes none."
    lines = [words.population_words(one, found) for one in words.short_groups(found)[:5]]
    if found.weights is not None:
        lines.append(words.weights_words(found))
    few = found.uncovered.patterns if found.uncovered else ()
    return Section.of(
        "groups", "Groups", lead, TEMPLATE, part="groups", lines=lines,
        groupings=[_grouping(one, found.groups) for one in found.groupings],
        few=[{"group": words.name_of(one.levels), "have": f"{one.have:,}", "need": f"{one.need:,}"}
             for one in few[:MOST_FEW]],
        n_more=max(0, len(few) - MOST_FEW), least_rows=found.uncovered.least_rows if found.uncovered else 0,
        about_few=words.few_words(found),
    )  # fmt: skip


def _grouping(grouping: Grouping, groups: Sequence[GroupRows]) -> dict[str, Any]:
    own = [one for one in groups if one.column == grouping.column]
    most = max((max(one.share, one.population or 0.0) for one in own), default=0.0) or 1.0
    return {
        "column": pieces(short(grouping.column)), "how": grouping.how,
        "stated": any(one.population is not None for one in own),
        "levels": [
            {
                "level": pieces(short(one.level, 40)), "rows": f"{one.n_rows:,}",
                "bar": share_svg(one.share / most, None if one.population is None else one.population / most),
                "share": words.percent(one.share),
                "population": "" if one.population is None else words.percent(one.population),
                "short": f"{one.short:,}" if (one.short or 0) > 0 else "",
            }
            for one in own
        ],
    }  # fmt: skip


def share_svg(share: float, population: float | None) -> Markup:
    """A bar of a share, with a mark where the population's lies; both 0 to 1."""
    from markupsafe import Markup

    mark = (
        "" if population is None else f'<rect class="tick" x="{98.5 * population:.1f}" y="0" width="1.5" height="8"/>'
    )
    return Markup(str(bar_svg(share)).replace("</svg>", f"{mark}</svg>"))


def _differences(found: Coverage, tests: Sequence[Skew]) -> Section:
    most = max(max(abs(one.low), abs(one.high)) for one in tests[:MOST_DIFFERENCES]) or 1.0
    lead = (
        f"{count(len(found.tests), 'comparison')} were made; of those shown at most one in twenty is expected to "
        "be chance. The bar is the 95 % interval of the difference, the line in the middle no difference. A difference "
        "is no cause."
    )
    rows = [
        {"what": words.rates_words(one), "gap": words.gap_words(one), "picture": interval_svg(one.low, one.high, most)}
        for one in tests[:MOST_DIFFERENCES]
    ]
    return Section.of(
        "differences", "Where groups differ", lead, TEMPLATE, part="differences", rows=rows,
        n_more=max(0, len(tests) - MOST_DIFFERENCES),
    )  # fmt: skip


def interval_svg(low: float, high: float, most: float) -> Markup:
    """An interval on a line from `-most` to `most`, zero in the middle."""
    from markupsafe import Markup

    left, right = (100 + 98 * max(-1.0, min(1.0, end / most)) for end in (low, high))
    kind = "down" if high < 0 else "up" if low > 0 else "bar"
    return Markup(
        '<svg class="interval" viewBox="0 0 200 12" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" y="5" width="200" height="2"/><rect class="zero" x="99.5" width="1" height="12"/>'
        f'<rect class="{kind}" x="{left:.1f}" y="2" width="{max(1.5, right - left):.1f}" height="8"/></svg>'
    )


def _sources(found: Coverage) -> Section:
    drift = found.drift
    assert drift is not None
    columns = [one for one in drift.columns if one.found][:MOST_SOURCES]
    counts = words.join(f"{name} {n:,}" for name, n in drift.rows.items())
    lines = [*words.drift_words(drift), *(words.skew_words(one) for one in found.source_tests[:5] if one.found)]
    lead = f"Rows by {drift.column}: {counts}. The difference is the population stability index: from 0.1 on some, "
    return Section.of(
        "sources", "Sources", lead + "from 0.25 on much.", TEMPLATE, part="sources", lines=lines,
        rows=[
            {"column": pieces(short(one.column)), "bar": bar_svg(one.psi), "psi": f"{one.psi:.2f}",
             "source": pieces(short(one.source))} for one in columns
        ],
    )  # fmt: skip


def _collect(found: Coverage, file: str) -> Section:
    rows = [
        {"pattern": words.name_of(one.pattern), "have": f"{one.have:,}", "need": f"{one.need:,}", "why": one.why}
        for one in found.collect[:MOST_NEEDS]
    ]
    lead = (
        "A row may count for several lines. Groups that cannot exist need no rows: strike them out. More rows show "
        "differences better; they do not remove them."
    )
    return Section.of(
        "collect", "What to collect next", lead, TEMPLATE, part="collect", rows=rows, file=file,
        n_more=max(0, len(found.collect) - MOST_NEEDS),
    )  # fmt: skip
