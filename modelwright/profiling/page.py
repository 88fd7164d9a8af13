"""The page of a profile: what to do first, each column with its picture, how columns go together.

One file without an outside address, under the policy of `modelwright.shown`. Others add sections: a `Section` holds
rows that were made by `Section.of` from a template of their own, so that every value is escaped in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.profiling import words
from modelwright.profiling.alerts import percent
from modelwright.profiling.drawing import bar_svg, histogram_svg, matrix_svg
from modelwright.profiling.values import Alert, ColumnProfile, Pair, Profile
from modelwright.shown import page_of, pieces, short

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_COLUMNS, MOST_PAIRS, MOST_ALIKE, MOST_CLASSES = 1000, 30, 3, 20
N_TOP = 6  # commonest values of a column
_NAMED = re.compile(r"`([^`]*)`")
MEASURES = {"pearson": "correlation", "cramers_v": "Cramér's V", "correlation_ratio": "correlation ratio"}


@dataclass(frozen=True)
class Section:
    """One more part of the page: the word of its link, its title, a sentence on it, and its rows, escaped."""

    anchor: str
    title: str
    lead: str
    html: Markup

    @classmethod
    def of(cls, anchor: str, title: str, lead: str, template: Path, **values: Any) -> Section:
        """A section whose rows a template of its own lays out; `name` and `cell` of `parts.html` show names and cells:
        `{% from "parts.html" import name, cell %}`, with `pieces(text)` of `modelwright.shown` given to them."""
        from jinja2 import FileSystemLoader
        from markupsafe import Markup

        from modelwright.shown import environment

        folders = environment(Path(__file__).parent).overlay(
            loader=FileSystemLoader([template.parent, Path(__file__).parent])
        )
        return cls(anchor, title, lead, Markup(folders.get_template(template.name).render(**values)))


def profile_page(profile: Profile, *, title: str, source: str = "", sections: Sequence[Section] = ()) -> str:
    """Write the page.

    >>> import polars as pl
    >>> from modelwright.cleaning import clean
    >>> from modelwright.core.data import Dataset
    >>> from modelwright.profiling import profile
    >>> found = profile(clean(Dataset.from_frame(pl.DataFrame({"<u>": ["<i>", "elm"] * 30}))))
    >>> page = profile_page(found, title="<b>woods")
    >>> "<u>" in page, "<i>" in page, "title><b>" in page, "&lt;u&gt;" in page
    (False, False, False, True)
    """
    return page_of(
        Path(__file__).with_name("page.html"), title=short(title), source=short(source),
        headline=words.headline(profile),
        tiles=_tiles(profile), alerts=_alerts(profile), target=_target(profile),
        columns=[_column(one, profile) for one in profile.columns[:MOST_COLUMNS]],
        n_more_columns=max(0, len(profile.columns) - MOST_COLUMNS),
        pairs=[_pair(one) for one in profile.pairs[:MOST_PAIRS]],
        matrix=matrix_svg(profile.matrix) if len(profile.matrix) > 2 else None,
        matrix_names=[pieces(short(name, 24)) for name in profile.matrix_columns], sections=list(sections),
        looked=words.looked(profile),
    )  # fmt: skip


def _tiles(profile: Profile) -> list[tuple[str, str, str]]:
    n_cells = profile.n_rows * len(profile.columns)
    n_missing = sum(column.n_missing for column in profile.columns)
    n_removed = sum(profile.removed.values())
    n_act = sum(alert.level == "act" for alert in profile.alerts)
    repeated = percent(profile.n_repeated / profile.n_rows) if profile.n_rows else "0 %"
    return [
        ("Rows", f"{profile.n_rows:,}", f"and {n_removed:,} left out" if n_removed else "all that were given"),
        ("Columns", f"{len(profile.columns):,}", words.kinds(profile)),
        ("Missing", percent(n_missing / max(1, n_cells)), f"{n_missing:,} of {n_cells:,} cells"),
        ("Repeated rows", f"{profile.n_repeated:,}", f"{repeated}, equal in every column"),
        ("To do", f"{n_act:,}", "before training"),
    ]


def _alerts(profile: Profile) -> list[dict[str, Any]]:
    """Alerts in order; of one sort the first few, the rest of that sort folded behind the last of these."""
    by_code: dict[str, list[Alert]] = {}
    for alert in profile.alerts:
        by_code.setdefault(alert.code, []).append(alert)
    told = []
    for alert in profile.alerts:
        alike = by_code[alert.code]
        most = MOST_ALIKE if len(alike) > MOST_ALIKE + 1 else len(alike)
        place = alike.index(alert)
        if place < most:
            rest = alike[most:] if place == most - 1 else []
            told.append({**_alert(alert), "rest": [_alert(one) for one in rest]})
    return told


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "level": alert.level, "level_word": words.LEVELS[alert.level], "words": _named(alert.words),
        "todo": _named(alert.todo), "line": alert.line,
    }  # fmt: skip


def _named(text: str) -> list[tuple[bool, list[tuple[str, str]]]]:
    """A sentence in parts: whether each is a name, which stands between backticks, and its pieces."""
    parts = enumerate(_NAMED.split(text))
    return [(place % 2 == 1, pieces(part) if place % 2 else [("same", part)]) for place, part in parts if part]


def _target(profile: Profile) -> dict[str, Any] | None:
    target = profile.target
    if target is None:
        return None
    total = sum(n for _, n in target.classes) or 1
    most = max((n for _, n in target.classes), default=1)
    return {
        "name": pieces(short(target.column)),
        "classes": [
            {"name": pieces(one), "n": f"{n:,}", "share": percent(n / total), "bar": bar_svg(n / most)}
            for one, n in target.classes[:MOST_CLASSES]
        ],
        "n_more": max(0, target.n_classes - MOST_CLASSES) if target.classes else 0,
        "column": _column(profile[target.column], profile),
        "telling": [
            {"name": pieces(short(one.name)), "bar": bar_svg(one.alone or 0.0), "share": percent(one.alone or 0.0)}
            for one in words.telling(profile)
        ],
    }


def _column(column: ColumnProfile, profile: Profile) -> dict[str, Any]:
    most = column.top[0][1] if column.top else 1
    drawn = column.numbers is not None and len(column.numbers.histogram.counts) > 1
    drawn = drawn and (column.n_distinct or 0) > N_TOP
    histogram = column.numbers.histogram if drawn and column.numbers else None
    show_top = column.kind in ("category", "boolean", "text") or column.top_share > 0.02
    return {
        "name": pieces(short(column.name)), "key": column.name, "kind": words.KINDS.get(column.kind, column.kind),
        "role": "" if column.role == "feature" else column.role, "why": short(column.why, 240), "unit": column.unit,
        "missing": percent(column.missing), "missing_bar": bar_svg(column.missing, "empty"),
        "holed": column.n_missing > 0,
        "facts": words.facts(column), "histogram": histogram_svg(histogram) if histogram else None,
        "ends": words.ends(column), "beyond": words.beyond(column),
        "top": [
            {"name": pieces(one), "n": f"{n:,}", "share": percent(n / max(1, column.n_present)),
             "bar": bar_svg(n / most)} for one, n in column.top[:N_TOP]
        ] if show_top and (column.n_distinct or 0) < column.n_present else [],
        "examples": [pieces(one) for one in column.examples],
        "n_other": max(0, (column.n_distinct or 0) - N_TOP) if show_top else 0,
    }  # fmt: skip


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "left": pieces(short(pair.left)), "right": pieces(short(pair.right)), "measure": MEASURES[pair.measure],
        "value": f"{pair.value:.2f}", "rank": "" if pair.spearman is None else f"{pair.spearman:.2f}",
        "bar": bar_svg(max(abs(pair.value), abs(pair.spearman or 0.0))),
    }  # fmt: skip
