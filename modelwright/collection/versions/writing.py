"""Tables to parts: Parquet for tables; uncompressed Arrow, which is read in place, for media, arrays and series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID
from modelwright.core.errors import UserError
from modelwright.core.parts import Form, Part, types
from modelwright.core.store import Store

if TYPE_CHECKING:
    import polars as pl

PART_BYTES = 96 * 2**20
"""Parts are cut at this size in memory: a writer holds two of them."""
ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Written:
    """Parts that no version names yet. Their rows are numbered from 0 (`first_row`) until they are committed, unless
    they hold their ids. `types` has a word for each column."""

    parts: tuple[Part, ...]
    types: dict[str, str]
    n_rows: int


def write_parts(
    store: Store, batches: Iterable[pl.DataFrame], *, keep_ids: bool = False, part_bytes: int = PART_BYTES
) -> Written:
    """Write tables, one below the other, as parts. While one part is written, the next batch may be fetched.

    A column that a later batch lacks is null there; one whose type moves is brought to a type for both. Raises
    `UserError("versions.type")` where two types have nothing in common.
    """
    made = [one for one, _ in parts_of(store, batches, keep_ids=keep_ids, part_bytes=part_bytes)]
    return together(made)


def parts_of(
    store: Store, batches: Iterable[pl.DataFrame], *, keep_ids: bool = False, part_bytes: int = PART_BYTES
) -> Iterator[tuple[Written, pl.DataFrame]]:
    """As `write_parts`, part by part, each with its rows; the next part is gathered while one is written."""
    with ThreadPoolExecutor(1) as writer:
        waiting: tuple[Future[Part], pl.DataFrame] | None = None
        for frame in _gathered(batches, part_bytes, keep_ids=keep_ids):
            if waiting is not None:
                yield _finished(*waiting)
            waiting = writer.submit(write_part, store, frame, None if keep_ids else 0), frame
        if waiting is not None:
            yield _finished(*waiting)


def _finished(part: Future[Part], frame: pl.DataFrame) -> tuple[Written, pl.DataFrame]:
    words = {name: str(kind) for name, kind in frame.schema.items() if name != ROW_ID}
    return Written(parts=(part.result(),), types=words, n_rows=frame.height), frame


def together(many: Iterable[Written]) -> Written:
    """Parts of several writings as one, in their order."""
    parts: list[Part] = []
    words: dict[str, str] = {}
    n_rows = 0
    for one in many:
        for part in one.parts:
            parts.append(part if part.first_row is None else replace(part, first_row=n_rows + part.first_row))
        for label, word in one.types.items():
            words[label] = common_type(words.get(label, word), word, label)
        n_rows += one.n_rows
    return Written(parts=tuple(parts), types=words, n_rows=n_rows)


def write_part(store: Store, frame: pl.DataFrame, first_row: int | None) -> Part:
    """Write one table as one part."""
    form: Form = "arrow" if is_heavy(frame.schema) else "parquet"
    with store.scratch(f".{form}") as path:
        if form == "arrow":
            import polars as pl

            whole = frame.rechunk()
            whole.write_ipc(path, compression="uncompressed", compat_level=pl.CompatLevel.oldest(),
                            record_batch_size=max(whole.height, 1))  # fmt: skip
        else:
            frame.write_parquet(path, compression="lz4", row_group_size=ROWS_AT_ONCE)
        n_bytes = path.stat().st_size
        return Part(store.adopt(path), form, frame.height, n_bytes, first_row)


def is_heavy(schema: pl.Schema) -> bool:
    """Whether cells are files, arrays or lists, which training reads at random."""
    import polars as pl

    return any(kind == pl.Binary or kind.is_nested() for kind in schema.values())


def _gathered(batches: Iterable[pl.DataFrame], part_bytes: int, *, keep_ids: bool) -> Iterator[pl.DataFrame]:
    """Batches as tables of about `part_bytes` each, of types that can be stored."""
    import polars as pl

    held: list[pl.DataFrame] = []
    size = 0
    for batch in batches:
        batch = storable(batch) if keep_ids else storable(batch.drop(ROW_ID, strict=False))
        if not batch.height:
            continue
        if held and dict(held[-1].schema) != dict(batch.schema):
            yield pl.concat(held)
            held, size = [], 0
        for piece in _pieces(batch, part_bytes):
            held.append(piece)
            size += int(piece.estimated_size())
            if size >= part_bytes:
                yield pl.concat(held)
                held, size = [], 0
    if held:
        yield pl.concat(held)


def _pieces(batch: pl.DataFrame, part_bytes: int) -> Iterator[pl.DataFrame]:
    n_pieces = 1 + int(batch.estimated_size()) // (2 * part_bytes)
    yield from batch.iter_slices(max(1, -(-batch.height // n_pieces)))


def storable(frame: pl.DataFrame) -> pl.DataFrame:
    """The table with every column in a type that a part may have; other types become plain ones (`plain.py`)."""
    import polars as pl

    from modelwright.collection.plain import plain_column

    odd = [column for column in frame.get_columns() if str(column.dtype) not in types()]
    lone = [pl.col(name).cast(pl.String) for name, kind in frame.schema.items() if kind == pl.Null]
    return frame.with_columns([plain_column(column) for column in odd]).with_columns(lone) if odd or lone else frame


def batches_of(table: pl.DataFrame | pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """A table in batches; a lazy one is never held whole."""
    import polars as pl

    if isinstance(table, pl.DataFrame):
        yield table
        return
    yield from table.collect_batches(chunk_size=ROWS_AT_ONCE, maintain_order=True)


_WHOLE = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32")
_NUMBERS = (*_WHOLE, "UInt64", "Float32", "Float64")


def common_type(one: str, other: str, column: str) -> str:
    """The word of a type in which both types' values can be told.

    >>> common_type("Int64", "Float64", "x"), common_type("Int64", "String", "x"), common_type("Date", "Date", "x")
    ('Float64', 'String', 'Date')
    """
    if one == other or other == "Null":
        return one
    if one == "Null":
        return other
    if one in _WHOLE and other in _WHOLE:
        return "Int64"
    if one in _NUMBERS and other in _NUMBERS:
        return "Float64"
    moments = [word for word in (one, other) if word == "Date" or word.startswith("Datetime")]
    if len(moments) == 2:
        return next(word for word in moments if word.startswith("Datetime"))
    if any(word == "Binary" or word.startswith("List") for word in (one, other)):
        raise UserError(
            "versions.type", f"the column `{column}` has been {one} and now comes as {other}, which cannot be brought "
            "together.", hint="give the new column another name, or collect into another dataset",
        )  # fmt: skip
    return "String"
