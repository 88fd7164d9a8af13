"""The few plain types that every typed source is brought to.

Plain: whole numbers, Float32 and Float64, Boolean, String, Date, Datetime("us") without a zone (UTC). Structs
are flattened one level with dots; lists, maps and deeper structs become JSON text; decimals Float64; durations
seconds; times and categories String; bytes UTF-8 text, or hexadecimal where they are none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from modelwright.collection.guard import guarded
from modelwright.collection.header import tidy_names
from modelwright.collection.piece import Notes, Piece
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import polars as pl

Column = tuple[str, "pl.Series"]


def plain_piece(columns: list[Column], name: str, notes: Notes) -> Piece:
    """Labelled columns in memory, of any types, as a piece of plain types. Two may have the same label."""
    frame = plain_frame(columns, name, notes)
    if not frame.height:
        raise no_rows(name, frame.columns)
    return Piece(table=frame.lazy(), names=tuple(frame.columns), n_rows=frame.height, about={})


def plain_frame(columns: list[Column], name: str, notes: Notes) -> pl.DataFrame:
    """Labelled columns as a frame of plain types; a batch of a larger table may have no rows."""
    import polars as pl

    labels = [label for label, _ in columns]
    found: list[Column] = []
    for label, column in columns:
        with guarded(
            "collection.column",
            f"`{name}`: the column `{label}` of type {column.dtype} cannot be read",
            "write the column as text or numbers",
        ):
            found += _plain(label, column, labels)
    names = column_names([label for label, _ in found], name, notes)
    return pl.DataFrame([column.alias(label) for label, (_, column) in zip(names, found, strict=True)])


def column_names(raw: list[str], name: str, notes: Notes) -> list[str]:
    """The names that the columns get; each change is told."""
    if not raw:
        raise UserError("collection.empty", f"`{name}` has no columns.", hint="write it again, with columns")
    names, changes = tidy_names([str(label) for label in raw])
    for before, after, why in changes:
        notes.repair("name", why=why, detail=[before, after])
    return names


def no_rows(name: str, names: list[str]) -> UserError:
    """The error of a table that has columns alone."""
    return UserError(
        "collection.no_rows",
        f"`{name}` has columns ({', '.join(names[:8])}) and no rows.",
        hint="give a source with rows",
    )


def is_plain(kind: pl.DataType) -> bool:
    """Whether a column stays as it is, but for the unit of its moments."""
    import polars as pl

    if isinstance(kind, pl.Datetime):
        return kind.time_zone is None
    wide = (pl.Int128, pl.UInt128)
    return (kind.is_integer() and kind not in wide) or kind in (pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Date)


def _plain(label: str, column: pl.Series, taken: list[str]) -> list[Column]:
    """The column, or the columns of a struct, in plain types."""
    import polars as pl

    kind = column.dtype
    if isinstance(kind, pl.BaseExtension):
        return _plain(label, column.ext.storage(), taken)
    if not isinstance(kind, pl.Struct) or not kind.fields:
        return [(label, plain_column(column))]
    found = []
    for field in kind.fields:
        full = f"{label}.{field.name}"
        part = column.struct.field(field.name)
        if isinstance(part.dtype, pl.BaseExtension):
            part = part.ext.storage()
        found.append((f"{full}_2" if full in taken else full, plain_column(part)))
    return found


def plain_column(column: pl.Series) -> pl.Series:
    """A column that is no struct in a plain type; lists, maps and deeper structs as JSON text."""
    import polars as pl

    kind = column.dtype
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is not None:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return column.dt.cast_time_unit("us")
    if is_plain(kind):
        return column
    if kind == pl.Float16:
        return column.cast(pl.Float32)
    if isinstance(kind, pl.Decimal):
        return column.cast(pl.Float64)
    if isinstance(kind, pl.Duration):
        return column.dt.cast_time_unit("us").cast(pl.Int64).cast(pl.Float64) / 1e6
    if kind == pl.Time:
        return column.dt.to_string("%H:%M:%S%.f")
    if isinstance(kind, (pl.Categorical, pl.Enum, pl.Null)) or kind in (pl.Int128, pl.UInt128):
        return column.cast(pl.String)
    listed = column.cast(_without_maps(kind)) if kind.is_nested() else column
    texts = [_told(_paired(value, kind)) for value in listed.to_list()]
    return pl.Series(column.name, texts, dtype=pl.String)


def _without_maps(kind: Any) -> Any:
    """The type with a list of pairs in place of each map."""
    import polars as pl

    if isinstance(kind, pl.Map):
        pair = pl.Struct({"key": _without_maps(kind.key), "value": _without_maps(kind.value)})
        return pl.List(pair)
    if isinstance(kind, pl.List):
        return pl.List(_without_maps(kind.inner))
    if isinstance(kind, pl.Struct):
        return pl.Struct({field.name: _without_maps(field.dtype) for field in kind.fields})
    return kind


def _paired(value: Any, kind: Any) -> Any:
    """A value whose maps are lists of [key, value]."""
    import polars as pl

    if value is None:
        return None
    if isinstance(kind, pl.Map):
        return [[_paired(pair["key"], kind.key), _paired(pair["value"], kind.value)] for pair in value]
    if isinstance(kind, (pl.List, pl.Array)):
        return [_paired(item, kind.inner) for item in value]
    if isinstance(kind, pl.Struct):
        return {field.name: _paired(value[field.name], field.dtype) for field in kind.fields}
    return value


def _told(value: Any) -> str | None:
    """A value as text: bytes as UTF-8 or hexadecimal, lists and maps as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.hex()
    return json.dumps(value, default=_told, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)
