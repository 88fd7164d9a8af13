"""Cells that are lists: series of numbers, and sets of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = ("|", ";", ",")


def as_series(cells: pl.Expr) -> pl.Expr:
    """Lists of numbers as List(Float64): steps that are missing or infinite are NaN; a list that is empty or has
    no number at all is null."""
    import polars as pl

    step = pl.element().cast(pl.Float64)
    finite = pl.when(step.is_finite()).then(step).otherwise(float("nan"))
    values = cells.cast(pl.List(pl.Float64)).list.eval(finite)
    has_number = values.list.eval(pl.element().is_not_nan()).list.any()
    return pl.when(has_number).then(values)


def as_labels(cells: pl.Expr, separator: str) -> pl.Expr:
    """Labels as List(String), stripped, without empty and repeated ones; `separator` parts texts ("" for lists)."""
    import polars as pl

    lists = cells.str.split(separator) if separator else cells
    tidy = lists.list.eval(pl.element().str.strip_chars())
    return tidy.list.eval(pl.element().filter(pl.element() != "")).list.unique(maintain_order=True)


def separator_of(cells: pl.Series) -> str:
    """The mark between labels: the one of | ; , that stands in most cells.

    >>> import polars as pl
    >>> separator_of(pl.Series(["drama|war", "comedy", "war|love, at last"]))
    '|'
    """
    counts = {mark: int(cells.str.contains(mark, literal=True).sum() or 0) for mark in SEPARATORS}
    return max(SEPARATORS, key=lambda mark: counts[mark])
