"""Tables that are in memory already: Polars, pandas and Arrow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from modelwright.collection.columnar import plain_piece
from modelwright.collection.piece import Notes, Piece
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

_KINDS = (("polars", ("DataFrame", "LazyFrame")), ("pandas", ("DataFrame",)), ("pyarrow", ("Table", "RecordBatch")))


def is_frame(thing: object) -> bool:
    """Whether it is a table in memory; imports nothing, for what was never imported cannot have made it.

    >>> is_frame("data.csv")
    False
    """
    for package, names in _KINDS:
        module = sys.modules.get(package)
        if module and any(isinstance(thing, getattr(module, name)) for name in names):
            return True
    return False


def read_frame(frame: Any) -> Piece:
    """A frame as a piece of plain types; its own index, if any, is not a column."""
    from dataclasses import replace

    notes = Notes("memory")
    kind = f"{type(frame).__module__.partition('.')[0]} {type(frame).__name__}"
    piece = plain_piece(_as_arrow(frame), "memory", notes)
    about = {"name": "memory", "format": kind, "n_rows": piece.n_rows}
    return replace(piece, about=about, repairs=notes.repairs(), decisions=tuple(notes.decisions))


def _as_arrow(frame: Any) -> pa.Table:
    import polars as pl
    import pyarrow as pa

    try:
        if isinstance(frame, pl.LazyFrame):
            frame = frame.collect()
        if isinstance(frame, pl.DataFrame):
            return frame.to_arrow()
        if isinstance(frame, pa.Table):
            return frame
        if isinstance(frame, pa.RecordBatch):
            return pa.Table.from_batches([frame])
        return _from_pandas(frame)
    except (pa.ArrowException, pl.exceptions.PolarsError, TypeError, ValueError) as problem:
        raise UserError(
            "collection.frame",
            f"the frame cannot be read: {' '.join(str(problem).split())[:300]}.",
            hint="give columns of numbers, texts, booleans or dates",
        ) from problem


def _from_pandas(frame: Any) -> pa.Table:
    """Columns of several types become text, as they would from a file."""
    import pyarrow as pa

    notes, columns, names = Notes("memory"), [], []
    for position in range(frame.shape[1]):
        series = frame.iloc[:, position]
        if series.dtype == object:
            missing = series.isna()
            values = [None if gone else value for value, gone in zip(series, missing, strict=True)]
            columns.append(_object_column(values, notes))
        else:
            columns.append(pa.Array.from_pandas(series))
        names.append(str(frame.columns[position]))
    columns = [column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column]) for column in columns]
    return pa.table(columns, names=names)


def _object_column(values: list[Any], notes: Notes) -> Any:
    import pyarrow as pa

    from modelwright.collection.records import series_of

    if {type(value) for value in values} <= {str, int, float, bool, type(None)}:
        return series_of("x", values, notes).to_arrow()
    try:
        return pa.array(values)
    except pa.ArrowException:
        return series_of("x", values, notes).to_arrow()
