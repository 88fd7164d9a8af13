"""The page of a cleaning, for one who knows the data: what was found by column, before and after, why, how sure.

One self-contained page. Its only script searches the page, and the policy allows that script and that style sheet by
their hashes and nothing else. Every value is escaped; blanks and control characters at which the eye would stumble are
shown by signs; every list is cut and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.cleaning.choosing import pattern_of
from modelwright.core.data import ROW_ID
from modelwright.shown import count, page_of, percent, pieces, short

if TYPE_CHECKING:
    import polars as pl

    from modelwright.cleaning.history import Group, History
    from modelwright.core.values import Cleaned

MOST_GROUPS, MOST_EXAMPLES, MOST_FLAGS, MOST_COLUMNS = 300, 6, 80, 400
KINDS = {
    "number": "numbers", "category": "categories", "boolean": "yes or no", "datetime": "dates", "text": "texts",
    "image": "pictures", "audio": "sounds", "series": "series", "boxes": "boxes", "mask": "masks", "labels": "labels",
}  # fmt: skip


def report_page(
    history: History, cleaned: Cleaned, *, flags: pl.DataFrame, title: str, command: str, facts: Mapping[str, Any]
) -> str:
    """Write the page. `cleaned` is the mended table as cleaning reads it, `flags` what is only worth a look; `command`
    is the line that `--undo` is added to.

    >>> import polars as pl
    >>> from modelwright.cleaning import clean, mend
    >>> from modelwright.core.data import Dataset
    >>> mended = mend(Dataset.from_frame(pl.DataFrame({"<u>": ["oak", "oak", "oak", "oak "]})))
    >>> page = report_page(mended.history, clean(mended.data), flags=mended.findings.flags, title="<i>",
    ...     command="wright clean x.csv", facts={})
    >>> "<u>" in page, "title><i>" in page, "oak<mark>␣</mark>" in page, "wright clean x.csv --undo 1" in page
    (False, False, True, True)
    """
    missing = _missing(history, cleaned)
    shown = history.groups[:MOST_GROUPS]
    return page_of(
        Path(__file__).with_suffix(".html"), title=short(title), source=short(str(facts.get("source", ""))),
        out=short(str(facts.get("out", ""))),
        headline=_headline(history, flags), tiles=_tiles(history, flags),
        columns=_columns(history, shown, command), n_more_groups=len(history.groups) - len(shown),
        rows=[_told(history, group, command) for group in shown if group.column is None],
        flags=_flags(history, flags), n_flags=flags.height, missing=missing, readings=_readings(cleaned, missing),
        gone=_gone(cleaned), command=command,
    )  # fmt: skip


# The parts of the page ----------------------------------------------------------------------------------------


def _headline(history: History, flags: pl.DataFrame) -> str:
    n_rows, n_cells, n_open = _counts(history)
    done = [count(n_cells, "cell was", "cells were") + " put right"] if n_cells else []
    done += [count(n_rows, "row was", "rows were") + " removed"] if n_rows else []
    more = [f"{count(n_open, 'more change is', 'more changes are')} offered and not made"] if n_open else []
    more += [f"{count(flags.height, 'cell is', 'cells are')} worth a look"] if flags.height else []
    first = " and ".join(done) or "Nothing was changed"
    return f"{first}{'; ' if more else ''}{', and '.join(more)}."


def _counts(history: History) -> tuple[int, int, int]:
    """Rows removed, cells mended, changes that are not in force."""
    n_rows = sum(history.n_active(group.number) for group in history.groups if group.kind == "rows")
    return n_rows, history.n_active() - n_rows, len(history.bits) - history.n_active()


def _tiles(history: History, flags: pl.DataFrame) -> list[tuple[str, str, str]]:
    n_rows, n_cells, n_open = _counts(history)
    n_columns = len(history.raw.schema.names)
    n_all = max(1, history.raw.n_rows * n_columns)
    touched = {group.column for group in history.groups if group.column and history.n_active(group.number)}
    return [
        ("Table", f"{history.raw.n_rows:,} × {n_columns:,}", "rows and columns, as they came"),
        ("Put right", f"{n_cells:,}", f"{n_cells / n_all:.2%} of all cells, in {count(len(touched), 'column')}"),
        ("Removed", f"{n_rows:,}", "rows"),
        ("Offered", f"{n_open:,}", "likely, and not sure enough to do unasked"),
        ("Worth a look", f"{flags.height:,}", "odd, and nothing is proposed"),
    ]


def _columns(history: History, shown: tuple[Group, ...], command: str) -> list[dict[str, Any]]:
    by_column: dict[str, list[Group]] = {}
    for group in shown:
        if group.column is not None:
            by_column.setdefault(group.column, []).append(group)
    names = [name for name in history.raw.schema.names if name in by_column]
    return [
        {
            "name": pieces(name), "n": sum(history.n_active(group.number) for group in by_column[name]),
            "groups": [_told(history, group, command) for group in by_column[name]],
        }
        for name in names
    ]  # fmt: skip


def _told(history: History, group: Group, command: str) -> dict[str, Any]:
    n_active = history.n_active(group.number)
    state, word = _state(group, n_active)
    verb = "--undo" if n_active else "--redo"
    return {
        "number": group.number, "n": f"{group.n:,}", "method": group.method, "reason": short(group.reason, 300),
        "state": state, "word": word, "low": percent(group.low), "high": percent(group.high),
        "sure": round(100 * (group.low + group.high) / 2), "line": f"{command} {verb} {group.number}",
        "takes": "take back" if n_active else "do it", "kind": group.kind,
        "examples": [_example(group, one) for one in group.examples[:MOST_EXAMPLES]],
    }  # fmt: skip


def _state(group: Group, n_active: int) -> tuple[str, str]:
    if n_active == group.n:
        return "done", "removed" if group.kind == "rows" else "put right"
    if n_active:
        return "part", f"{n_active:,} of {group.n:,} put right"
    return ("back", "taken back") if group.applied else ("open", "offered")


def _example(group: Group, one: tuple[int, str | None, str | None, str]) -> dict[str, Any]:
    row, before, after, reason = one
    why = short(reason, 200) if reason != group.reason else ""
    if group.kind == "cells":
        return {"row": row, "before": pieces(before, after), "after": pieces(after, before), "why": why}
    repeats = [("same", f"repeats row {after}")] if group.kind == "rows" and after else []
    return {"row": row, "before": [], "after": repeats, "why": why}


def _flags(history: History, flags: pl.DataFrame) -> list[dict[str, Any]]:
    """What is worth a look, by column and sort of reason, the oddest rows first."""
    import polars as pl

    from modelwright.cleaning.overlay import cells_of

    if not flags.height:
        return []
    sorts = flags.with_columns(sort=pattern_of(pl.col("reason"), history.raw.schema.names))
    parts = sorts.partition_by("column", "method", "sort", maintain_order=True)
    parts.sort(key=lambda part: -part.height)
    told = []
    for part in parts[:MOST_FLAGS]:
        oddest = part.sort("score", descending=True).head(MOST_EXAMPLES)
        column = part["column"][0]
        cells: list[str | None] = [""] * oddest.height
        if column is not None:
            cells = cells_of(history.data, column, oddest[ROW_ID]).to_list()
        same = part["reason"].n_unique() == 1
        told.append({
            "column": pieces(column) if column is not None else [("none", "whole rows")], "n": f"{part.height:,}",
            "method": part["method"][0], "reason": short(part["reason"][0] if same else part["sort"][0], 300),
            "examples": [
                {"row": row, "cell": pieces(cell) if column is not None else [],
                 "why": "" if same else short(why, 200)}
                for row, cell, why in zip(oddest[ROW_ID], cells, oddest["reason"], strict=True)
            ],
        })  # fmt: skip
    return told


def _missing(history: History, cleaned: Cleaned) -> list[dict[str, Any]]:
    """Of each column with holes: the share that is empty, and the share whose words mean that nothing is known."""
    import polars as pl

    names = cleaned.kept.schema.names
    if not names or not history.data.n_rows:
        return []
    types = history.data.table.collect_schema()
    empty = [
        (pl.col(name).is_null() | (pl.col(name).str.strip_chars() == "") if types[name] == pl.String
         else pl.col(name).is_null()).mean().alias(name)
        for name in names
    ]  # fmt: skip
    bare = history.data.table.select(empty).collect(engine="streaming").row(0)
    read = cleaned.kept.table.select(pl.col(name).is_null().mean() for name in names).collect(engine="streaming").row(0)
    told: list[dict[str, Any]] = []
    for name, none, missing in zip(names, bare, read, strict=True):
        words = max(0.0, (missing or 0.0) - (none or 0.0))
        if (none or 0) + words > 0:
            told.append({
                "key": name, "name": pieces(name), "empty": round(300 * (none or 0), 1), "words": round(300 * words, 1),
                "share": f"{(none or 0) + words:.1%}",
                "of": f"{none or 0:.1%} empty, {words:.1%} in words or not readable",
            })  # fmt: skip
    told.sort(key=lambda one: -(one["empty"] + one["words"]))
    return told[:MOST_COLUMNS]


def _readings(cleaned: Cleaned, missing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How each column is read, and what reading it changed."""
    from modelwright.cleaning.log import summary

    by_column: dict[str, list[str]] = {}
    for line in summary(cleaned):
        told = f"{line['step']}: {count(line['n_changed'], 'cell')}, such as {line['example']}"
        by_column.setdefault(str(line["column"]), []).append(short(told, 160))
    holes = {one["key"]: one["share"] for one in missing}
    return [
        {
            "name": pieces(column.name), "kind": KINDS.get(column.kind, column.kind),
            "role": "" if column.role == "feature" else column.role, "why": short(column.why, 200),
            "missing": holes.get(column.name, "–"), "changes": by_column.get(column.name, []),
        }
        for column in cleaned.kept.schema.columns[:MOST_COLUMNS]
    ]  # fmt: skip


def _gone(cleaned: Cleaned) -> list[dict[str, Any]]:
    """Rows that stay in the mended table and that a model would not be trained on."""
    import polars as pl

    if not cleaned.removed.height:
        return []
    counts = cleaned.removed.group_by("reason", maintain_order=True).agg(pl.len(), pl.col(ROW_ID).head(8))
    return [
        {
            "reason": short(reason, 200),
            "n": count(n, "row"),
            "rows": ", ".join(map(str, rows)) + ("…" if n > 8 else ""),
        }
        for reason, n, rows in counts.iter_rows()
    ]
