"""Tables that are in memory already: Polars, pandas and Arrow."""

from __future__ import annotations

import sys
from typing import Any

from modelwright.collection.guard import guarded
from modelwright.collection.piece import Notes, Piece
from modelwright.collection.plain import Column, plain_piece

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
    with guarded("collection.frame", "the frame cannot be read", "give columns of numbers, texts, booleans or dates"):
        columns = _columns(frame, notes)
    piece = plain_piece(columns, "memory", notes)
    about = {"name": "memory", "format": kind, "n_rows": piece.n_rows}
    return replace(piece, about=about, repairs=notes.repairs(), decisions=tuple(notes.decisions))


def _columns(frame: Any, notes: Notes) -> list[Column]:
    import polars as pl

    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pl.DataFrame):
        return [(series.name, series) for series in frame]
    if type(frame).__module__.startswith("pyarrow"):
        return arrow_columns(frame)
    return [
        (str(frame.columns[position]), _of_pandas(frame.iloc[:, position], notes)) for position in range(frame.shape[1])
    ]


def arrow_columns(table: Any) -> list[Column]:
    """The columns of a table of pyarrow, which is there, for it made the table."""
    return [(str(label), _of_arrow(column)) for label, column in zip(table.schema.names, table.columns, strict=True)]


def _of_arrow(column: Any) -> Any:
    """One column; what Polars has no type for becomes text."""
    import polars as pl
    import pyarrow as pa

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        return _of_arrow(pa.chunked_array([chunk.storage for chunk in chunks], kind.storage_type))
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        column = column.cast(pa.timestamp(kind.unit, "UTC"))  # a zone such as -02:15 has no name in Polars
    try:
        return pl.Series(column)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException):
        return pl.Series([None if value is None else str(value) for value in column.to_pylist()], dtype=pl.String)


def _of_pandas(series: Any, notes: Notes) -> Any:
    """One column of pandas, without pyarrow unless pandas itself holds the column in it."""
    import numpy as np
    import pandas as pd
    import polars as pl

    kind, missing = series.dtype, series.isna().to_numpy(dtype=bool)
    if isinstance(kind, pd.ArrowDtype):
        return _of_arrow(series.array.__arrow_array__())
    if isinstance(kind, pd.CategoricalDtype):
        values = _of_pandas(pd.Series(kind.categories), notes)
        codes = pl.Series(series.cat.codes.to_numpy().astype(np.int64))
        return values.gather(codes.set(codes < 0, None))
    if isinstance(kind, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    elif not isinstance(kind, np.dtype) and hasattr(kind, "numpy_dtype"):  # Int64, Float32, boolean with a mask
        filled = series.to_numpy(dtype=kind.numpy_dtype, na_value=kind.numpy_dtype.type(0))
        return pl.Series(filled).set(pl.Series(missing), None)
    elif not isinstance(kind, np.dtype) or kind.kind not in "biufmM":
        return _of_objects([None if gone else value for value, gone in zip(series, missing, strict=True)], notes)
    values = series.to_numpy()
    if values.dtype.kind in "mM":
        values = values.astype(f"{values.dtype.kind}8[us]")
    elif values.dtype == np.float16:
        values = values.astype(np.float32)
    return pl.Series(values, nan_to_null=True)


def _of_objects(values: list[Any], notes: Notes) -> Any:
    """Values of one type keep it; values of several types become text, as they would from a file."""
    import polars as pl

    from modelwright.collection.records import series_of

    if {type(value) for value in values} <= {str, int, float, bool, type(None)}:
        return series_of("x", values, notes)
    try:
        found = pl.Series(values)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
        return series_of("x", values, notes)
    return series_of("x", values, notes) if found.dtype == pl.Object else found
