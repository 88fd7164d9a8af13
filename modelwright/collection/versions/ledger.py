"""The ledger of a dataset: a line for each arrival, as a table that lies in parts like the rows themselves.

An arrival is what one file, one answer, one stretch of a table or of a stream brought: from where, when, from which
bytes, which row ids it got. `trace` reads it, and so does a collection that asks which files it has already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID
from modelwright.core.parts import scan
from modelwright.core.store import Store

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.versions.manifest import Version

TYPES = {
    "version": "Int64", "event": "String", "source": "String", "name": "String", "sha256": "String",
    "n_bytes": "Int64", "first_row": "UInt64", "n_rows": "Int64", "at": "String", "where": "String",
}  # fmt: skip


def ledger_of(store: Store, version: Version) -> pl.LazyFrame:
    """Every arrival up to a version, in order: `version`, `event` ("added" or "removed"), `source`, `name`, `sha256`
    and `n_bytes` of the bytes it came from ("" and 0 where a source has no files), `first_row`, `n_rows`, `at` (UTC),
    `where` (JSON: cursor, offsets, page)."""
    return scan(store, version.ledger, TYPES).drop(ROW_ID)


def files_of(store: Store, version: Version) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """What the files are whose rows are in a version: by (source, name) the ledger's lines that brought them."""
    known: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in ledger_of(store, version).collect().iter_rows(named=True):
        place = line["source"], line["name"]
        if line["event"] == "added":
            known.setdefault(place, []).append(line)
        elif place in known:
            left = [one for one in known[place] if one["first_row"] != line["first_row"]]
            known[place] = left
            if not left:
                del known[place]
    return known


def trace(store: Store, version: Version, rows: list[int] | None = None) -> pl.DataFrame:
    """Where rows came from: for each row id the ledger's line of its arrival; of all arrivals where none are given.

    Returns the ledger's columns, after `__row__` where rows are given; a row that the version does not hold any more
    is told with the line that brought it. Row ids that never were are left out.
    """
    import polars as pl

    added = ledger_of(store, version).filter(pl.col("event") == "added")
    if rows is None:
        return added.collect()
    wanted = pl.LazyFrame({ROW_ID: pl.Series(sorted(rows), dtype=pl.UInt64)})
    met = wanted.join_asof(added.sort("first_row"), left_on=ROW_ID, right_on="first_row", coalesce=False)
    return met.filter(pl.col("first_row").is_not_null() & (pl.col(ROW_ID) < version.next_row)).collect()
