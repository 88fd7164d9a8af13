"""What arrived becomes the next version: one step that either happened or did not.

Writers take no lock. Each builds the manifest of the next number on the newest one it sees, and the file system lets
one of them have that number; the others build anew on what it wrote. A collection that read on from a cursor which
another one has moved meanwhile is refused, for its rows are there already (`OvertakenError`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from modelwright.collection.versions import ledger
from modelwright.collection.versions.manifest import Version, check_dataset_name, create, newest
from modelwright.collection.versions.merging import merged
from modelwright.collection.versions.writing import Written, batches_of, common_type, write_parts
from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.core.errors import SystemFault, UserError
from modelwright.core.parts import Part, scan
from modelwright.core.store import Store

if TYPE_CHECKING:
    import polars as pl


class OvertakenError(UserError):
    """Another collection has moved the same source's cursor meanwhile: what was read is there already."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where `n_rows` rows came from: `name` is the file, table or topic; `sha256` and `n_bytes` tell of its bytes,
    where there are any; `where` is JSON-able (offsets, cursor, page)."""

    name: str
    n_rows: int
    sha256: str = ""
    n_bytes: int = 0
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Rows that came from one source: written, and in no version yet. `origins` are in the order of the rows and add
    up to them. `known` are columns whose kind or role the source itself tells."""

    source: str
    origins: tuple[Origin, ...]
    written: Written
    known: tuple[Column, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Gone:
    """Rows that are to leave: those that `name` of `source` brought, `n_rows` from `first_row` on."""

    source: str
    name: str
    first_row: int
    n_rows: int


@dataclass(frozen=True, kw_only=True)
class Change:
    """All that one commit does. `base` is the version from which it was begun; `cursors` are the new states of the
    sources that were read."""

    base: Version
    arrivals: tuple[Arrival, ...] = ()
    gone: tuple[Gone, ...] = ()
    cursors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    told: tuple[str, ...] = ()


def append(
    store: Store, name: str, *batches: pl.DataFrame | pl.LazyFrame | Dataset, source: str = "memory",
    where: Mapping[str, Any] | None = None, keep_ids: bool = False,
) -> Version:  # fmt: skip
    """Append tables to a dataset: its next version, with row ids that go on counting.

    Columns are met by name: one that is new is null in the older rows, one that is absent is null in these. A row id
    column in a batch is left aside; with `keep_ids` it stands, and must be beyond those that the dataset has given
    (a cleaned copy of another dataset keeps its ids so). Lazy tables are read in batches. Without a row in
    them no version is made, and the newest is returned.

    Raises `UserError`: `versions.name`, `versions.type`, `versions.ids`.

    >>> import tempfile, polars as pl
    >>> from modelwright.collection.versions import open_version
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store.open(folder)
    ...     first = append(store, "tea", pl.DataFrame({"leaf": ["green"]}))
    ...     second = append(store, "tea", pl.DataFrame({"leaf": ["black"], "grams": [3]}))
    ...     second.label, open_version(store, "tea").frame.rows()
    ('tea@2', [(0, 'green', None), (1, 'black', 3)])
    """
    base = newest(store, check_dataset_name(name))
    tables = [batch.table if isinstance(batch, Dataset) else batch for batch in batches]
    known = {column.name: column for batch in batches if isinstance(batch, Dataset) for column in batch.schema.columns}
    written = write_parts(store, (frame for table in tables for frame in batches_of(table)), keep_ids=keep_ids)
    if not written.n_rows and base.number:
        return base
    origin = Origin(name=source, n_rows=written.n_rows, where=where or {})
    arrival = Arrival(source=source, origins=(origin,), written=written, known=tuple(known.values()))
    return commit(store, Change(base=base, arrivals=(arrival,)))


def commit(store: Store, change: Change) -> Version:
    """Make the next version of a change. Raises `OvertakenError`, `SystemFault("store.lost")`."""
    name = change.base.name
    for arrival in change.arrivals:
        for part in arrival.written.parts:
            if not store.blob(part.digest).exists():
                raise SystemFault("store.lost", f"{store.blob(part.digest)} is gone.", hint="collect again")
    while True:
        now = newest(store, name)
        for source in change.cursors:
            if _mark(now, source) != _mark(change.base, source):
                raise OvertakenError(
                    "versions.overtaken", f"{source} was collected into {now.label} by another process meanwhile.",
                    hint="nothing is lost or doubled: collect again",
                )  # fmt: skip
        made = _next(store, now, change)
        if create(store, made):
            return made


def _mark(version: Version, source: str) -> int:
    return int(version.cursors.get(source, {}).get("version", 0))


def _next(store: Store, now: Version, change: Change) -> Version:
    number = now.number + 1
    at = datetime.now(UTC).isoformat(timespec="seconds")
    schema, types, told = _grown(now, change.arrivals)
    parts, n_gone = _without(store, now.parts, change.gone)
    lines = [_line(number, at, "removed", gone.source, gone.name, gone.first_row, gone.n_rows) for gone in change.gone]
    next_row = now.next_row
    for arrival in change.arrivals:
        placed, first, next_row = _placed(store, now, arrival.written.parts, next_row)
        parts += placed
        for origin in arrival.origins:
            line = _line(number, at, "added", arrival.source, origin.name, first, origin.n_rows)
            lines.append({**line, "sha256": origin.sha256, "n_bytes": origin.n_bytes,
                          "where": json.dumps(dict(origin.where), ensure_ascii=False, default=str)})  # fmt: skip
            first += origin.n_rows
    n_added = sum(arrival.written.n_rows for arrival in change.arrivals)
    return replace(
        now, number=number, parent=now.number or None, created=at, schema=schema, types=types,
        parts=merged(store, parts, types), ledger=merged(store, [*now.ledger, *_entered(store, lines)], ledger.TYPES),
        cursors={**now.cursors, **{source: {"version": number, "state": dict(state)}
                                   for source, state in change.cursors.items()}},
        n_rows=now.n_rows - n_gone + n_added, next_row=next_row,
        changed={"added": n_added, "removed": n_gone, "told": [*told, *change.told]},
    )  # fmt: skip


def _line(number: int, at: str, event: str, source: str, name: str, first_row: int, n_rows: int) -> dict[str, Any]:
    return {"version": number, "event": event, "source": source, "name": name, "sha256": "", "n_bytes": 0,
            "first_row": first_row, "n_rows": n_rows, "at": at, "where": "{}"}  # fmt: skip


def _entered(store: Store, lines: list[dict[str, Any]]) -> tuple[Part, ...]:
    import polars as pl

    if not lines:
        return ()
    from modelwright.core.parts import types

    schema: Any = {name: types()[word] for name, word in ledger.TYPES.items()}
    return write_parts(store, [pl.DataFrame(lines, schema=schema)]).parts


def _grown(now: Version, arrivals: Iterable[Arrival]) -> tuple[Schema, dict[str, str], list[str]]:
    """The columns after the arrivals, and what is new about them, as sentences."""
    columns = {column.name: column for column in now.schema.columns}
    types, told = dict(now.types), []
    for arrival in arrivals:
        known = {column.name: column for column in arrival.known}
        for name, word in arrival.written.types.items():
            if name not in types:
                columns[name] = known.get(name, Column(name))
                if now.number:
                    told.append(f"the column `{name}` ({word}) is new: it is empty in the older rows")
            common = common_type(types.get(name, word), word, name)
            if common != types.get(name, common):
                told.append(f"the column `{name}` was {types[name]} and comes as {word}: it is read as {common}")
            types[name] = common
    return Schema(tuple(columns.values())), types, told


def _placed(
    store: Store, now: Version, parts: Iterable[Part], next_row: int
) -> tuple[list[Part], int, int]:  # fmt: skip
    """Parts with their row ids, the first of them, and the id after the last."""
    import polars as pl

    placed, first, after = [], None, next_row
    for part in parts:
        if part.first_row is None:
            ids = pl.col(ROW_ID)
            found = scan(store, [part], {}).select(ids.min(), ids.max().alias("high"), ids.n_unique().alias("n"))
            low, high, n_distinct = found.collect().row(0)
            if low < after or n_distinct < part.n_rows:
                raise UserError(
                    "versions.ids", f"`{now.name}` has given row ids up to {after - 1:,}; these begin with {low:,} and "
                    f"{part.n_rows - n_distinct:,} of them are there twice.",
                    hint="append without `keep_ids`, or into a new dataset",
                )  # fmt: skip
            first, after = low if first is None else first, high + 1
            placed.append(part)
        else:
            first = after if first is None else first
            placed.append(replace(part, first_row=after))
            after += part.n_rows
    return placed, next_row if first is None else first, after


def _without(store: Store, parts: Iterable[Part], gone: Iterable[Gone]) -> tuple[list[Part], int]:
    """The parts without the rows that are gone: a part is cut in pieces of itself, never written anew."""
    kept, n_gone = list(parts), 0
    for one in gone:
        low, high = one.first_row, one.first_row + one.n_rows
        pieces: list[Part] = []
        for part in kept:
            left = _cut(store, part, low, high)
            n_gone += part.n_rows - sum(piece.n_rows for piece in left)
            pieces += left
        kept = pieces
    return kept, n_gone


def _cut(store: Store, part: Part, low: int, high: int) -> list[Part]:
    """What stays of a part when the row ids from `low` up to `high` leave."""
    import numpy as np

    if part.first_row is not None:
        begin, end = max(low - part.first_row, 0), min(high - part.first_row, part.n_rows)
        if begin >= end:
            return [part]
        stay = [(0, begin), (end, part.n_rows)]
    else:
        ids = scan(store, [part], {}).collect()[ROW_ID].to_numpy()
        edges = np.flatnonzero(np.diff(np.r_[False, (ids < low) | (ids >= high), False].astype(np.int8)))
        stay = [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
    return [
        replace(part, n_rows=end - begin, offset=part.offset + begin,
                first_row=None if part.first_row is None else part.first_row + begin)
        for begin, end in stay if end > begin
    ]  # fmt: skip
