"""Parquet and Arrow files, and the few plain types that every typed source is brought to.

Plain: whole numbers, Float32 and Float64, Boolean, String, Date, Datetime("us") without a zone (UTC). Structs
are flattened one level with dots; lists, maps and deeper structs become JSON text; decimals Float64; durations
seconds; times and categories String; bytes UTF-8 text, or hexadecimal where they are none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.collection.header import tidy_names
from modelwright.collection.piece import SMALL_BYTES, Notes, Piece
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from modelwright.collection.base import SourceSpec


def read_parquet(path: Path, name: str, source: SourceSpec, notes: Notes) -> Piece:
    """A Parquet file. One of plain types larger than 64 MiB stays a lazy scan, after a pass over its pages."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, memory_map=True, page_checksum_verification=True) as file:
            if path.stat().st_size > SMALL_BYTES and all(_is_plain(kind) for kind in file.schema_arrow.types):
                for batch in file.iter_batches():
                    batch.validate(full=True)
                return _scan(path, name, file.schema_arrow, file.metadata.num_rows, notes)
            table = file.read()
            table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as problem:
        raise UserError(
            "collection.parquet",
            f"`{name}` cannot be read as Parquet: {_one_line(problem)}.",
            hint="it is damaged or uses what is not supported; write it again",
        ) from problem
    return plain_piece(table, name, notes)


def read_arrow(path: Path, name: str, source: SourceSpec, notes: Notes) -> Piece:
    """An Arrow file (Feather version 2) or stream; mapped from disk where its types allow."""
    import pyarrow as pa

    try:
        with path.open("rb") as file:
            head = file.read(6)
        if head.startswith(b"FEA1"):
            raise UserError(
                "collection.arrow",
                f"`{name}` is Feather version 1, which Arrow no longer reads.",
                hint="write it again as Feather version 2 or Parquet",
            )
        if head.startswith(b"ARROW1"):
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        else:
            table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as problem:
        raise UserError(
            "collection.arrow",
            f"`{name}` cannot be read as Arrow: {_one_line(problem)}.",
            hint="it is damaged or was cut short; write it again",
        ) from problem
    return plain_piece(table, name, notes)


def _one_line(problem: BaseException) -> str:
    return " ".join(str(problem).split())[:300].rstrip(".")


def _scan(path: Path, name: str, schema: pa.Schema, n_rows: int, notes: Notes) -> Piece:
    import polars as pl
    import pyarrow as pa

    names = _names(schema.names, name, notes)
    if n_rows == 0:
        raise _no_rows(name, names)
    scan = pl.scan_parquet(path, glob=False)
    moments = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    if moments:
        scan = scan.with_columns(pl.col(moments).cast(pl.Datetime("us")))
    table = scan.rename(dict(zip(schema.names, names, strict=True)))
    return Piece(table=table, names=tuple(names), n_rows=n_rows, about={"lazy": True})


def plain_piece(table: pa.Table, name: str, notes: Notes) -> Piece:
    """An Arrow table in memory as a piece of plain types."""
    import polars as pl
    import pyarrow as pa

    columns: list[tuple[str, Any]] = []
    for label, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns += _plain(label, column, table.column_names)
        except (pa.ArrowException, ValueError, OverflowError) as problem:
            raise UserError(
                "collection.column",
                f"`{name}`: the column `{label}` of type {column.type} cannot be read: {_one_line(problem)}.",
                hint="write the column as text or numbers",
            ) from problem
    names = _names([label for label, _ in columns], name, notes)
    if table.num_rows == 0:
        raise _no_rows(name, names)
    frame = pl.DataFrame(
        [pl.Series(label, pl.from_arrow(column)) for label, (_, column) in zip(names, columns, strict=True)]
    )
    return Piece(table=frame.lazy(), names=tuple(names), n_rows=frame.height, about={})


def _names(raw: list[str], name: str, notes: Notes) -> list[str]:
    if not raw:
        raise UserError("collection.empty", f"`{name}` has no columns.", hint="write it again, with columns")
    names, changes = tidy_names([str(label) for label in raw])
    for before, after, why in changes:
        notes.repair("name", why=why, detail=[before, after])
    return names


def _no_rows(name: str, names: list[str]) -> UserError:
    return UserError(
        "collection.no_rows",
        f"`{name}` has columns ({', '.join(names[:8])}) and no rows.",
        hint="give a source with rows",
    )


def _is_plain(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    tests = (types.is_integer, types.is_float32, types.is_float64, types.is_boolean, types.is_string)
    if types.is_timestamp(kind):
        return kind.tz is None
    return any(test(kind) for test in (*tests, types.is_large_string, types.is_date32))


def _plain(label: str, column: pa.ChunkedArray, taken: list[str]) -> list[tuple[str, Any]]:
    """The column, or the columns of a struct, in plain types."""
    import pyarrow as pa

    types, kind = pa.types, column.type
    if isinstance(kind, pa.BaseExtensionType):
        storage = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
        return _plain(label, storage, taken)
    if types.is_dictionary(kind):
        return _plain(label, column.cast(kind.value_type), taken)
    if types.is_struct(kind) and kind.num_fields:
        found = []
        for index in range(kind.num_fields):
            full = f"{label}.{kind.field(index).name}"
            inner = [pa.compute.struct_field(chunk, index) for chunk in column.chunks]
            part = pa.chunked_array(inner, kind.field(index).type)
            part = _as_text(part) if types.is_nested(part.type) else _plain(full, part, taken)[0][1]
            found.append((f"{full}_2" if full in taken else full, part))
        return found
    if types.is_nested(kind):
        return [(label, _as_text(column))]
    return [(label, _plain_flat(column))]


def _plain_flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa

    types, kind = pa.types, column.type
    if types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.timestamp("us"))
    if _is_plain(kind):
        return column
    if types.is_float16(kind):
        return column.cast(pa.float32())
    if types.is_decimal(kind):
        return column.cast(pa.float64())
    if types.is_date(kind):
        return column.cast(pa.date32())
    if types.is_duration(kind):
        micros = column.cast(pa.duration("us"), safe=False).cast(pa.int64())
        return pa.compute.divide(micros.cast(pa.float64()), 1e6)
    if types.is_null(kind) or types.is_time(kind) or types.is_string_view(kind):
        return column.cast(pa.string())
    return _as_text(column)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each value as text: bytes as UTF-8 or hexadecimal, lists and maps as JSON."""
    import pyarrow as pa

    return pa.chunked_array([pa.array([_told(value) for value in column.to_pylist()], pa.large_string())])


def _told(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.hex()
    return json.dumps(value, default=_told, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)
