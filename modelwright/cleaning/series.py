"""Cells that are lists: series of numbers, and sets of labels. Each is typed as `read_whole` reads it in serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright_runtime.reading import CellError, Reading, Whole, read_whole

if TYPE_CHECKING:
    import polars as pl


def as_series(cells: pl.Expr) -> pl.Expr:
    """Lists of numbers as List(Float64): steps that are missing or infinite are NaN; a list that is empty or has
    no number at all is null."""
    import polars as pl

    step = pl.element().cast(pl.Float64)
    finite = pl.when(step.is_finite()).then(step).otherwise(float("nan"))
    values = cells.cast(pl.List(pl.Float64)).list.eval(finite)
    has_number = values.list.eval(pl.element().is_not_nan()).list.any()
    return pl.when(has_number).then(values)


def as_labels(cells: pl.Expr) -> pl.Expr:
    """Lists of labels as List(String): stripped, without empty and repeated ones."""
    import polars as pl

    tidy = cells.list.eval(pl.element().str.strip_chars())
    return tidy.list.eval(pl.element().filter(pl.element() != "")).list.unique(maintain_order=True)


def read_texts(reading: Reading) -> pl.Expr:
    """Texts such as `[0.5, 0.7]` or `war|love` as lists, each distinct one read once; null where none can be read.

    >>> import polars as pl
    >>> table = pl.DataFrame({"genres": ["war|love", "drama", ""]})
    >>> table.select(read_texts(Reading(column="genres", kind="labels")))["genres"].to_list()
    [['war', 'love'], ['drama'], None]
    """
    import polars as pl

    dtype = pl.List(pl.Float64) if reading.kind == "series" else pl.List(pl.String)

    def read(cells: pl.Series) -> pl.Series:
        distinct = cells.unique().to_list()
        known = {cell: _read(cell, reading) for cell in distinct}
        return pl.Series(cells.name, [known[cell] for cell in cells.to_list()], dtype=dtype)

    return pl.col(reading.column).map_batches(read, return_dtype=dtype, is_elementwise=True)


def _read(cell: str | None, reading: Reading) -> Whole:
    try:
        return read_whole(cell, reading)
    except CellError:
        return None
