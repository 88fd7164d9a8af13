"""Columns whose every cell is known: a native expression instead of a function called on batches.

The survey counted all distinct cells that are no plain numbers. While they are few, reading a column is a cast
and a dictionary of those cells, made by the one reader; so it is exact, and Polars streams it at full speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelwright.cleaning.apply import dtype_of, numeric_markers, read_series, typed_values, value_of
from modelwright.cleaning.survey import LONGEST_NUMBER
from modelwright_runtime.reading import Reading, Value

if TYPE_CHECKING:
    import polars as pl

    from modelwright.cleaning.survey import Look


def all_known(look: Look, reading: Reading) -> bool:
    """Whether the reader says of every cell what a cast and the dictionary of odd cells say."""
    if not look.is_text or not look.complete:
        return False
    if numeric_markers(reading):
        return False
    if reading.kind == "number" and any(len(cell) > LONGEST_NUMBER for cell in look.odd):
        return False  # the reader refuses what a cast may read
    if reading.kind == "number":
        return not (reading.decimal == "," and reading.thousands == ".") and "" not in reading.units
    return reading.kind in ("category", "text") or look.n_plain == 0


def expressions(looks: Sequence[Look], readings: Sequence[Reading]) -> list[pl.Expr]:
    """For each column the expression that reads it, cell for cell as `read_cell` does."""
    return [
        _known(look, reading) if all_known(look, reading) else _by_batches(reading)
        for look, reading in zip(looks, readings, strict=True)
    ]


def _by_batches(reading: Reading) -> pl.Expr:
    import polars as pl

    def read(cells: pl.Series) -> pl.Series:
        return read_series(cells, reading)

    return pl.col(reading.column).map_batches(read, return_dtype=dtype_of(reading.kind), is_elementwise=True)


def _known(look: Look, reading: Reading) -> pl.Expr:
    import polars as pl

    cell = pl.col(reading.column)
    odd = list(look.odd)
    values = [value_of(text, reading) for text in odd]
    if reading.kind in ("category", "text"):
        changed = [(text, value) for text, value in zip(odd, values, strict=True) if value != text]
        if not changed:
            return cell
        return _looked_up(reading, changed, keep=True)
    told = [(text, value) for text, value in zip(odd, values, strict=True) if value is not None]
    if reading.kind != "number":
        return _looked_up(reading, told, keep=False)
    plain = cell.cast(pl.Float64, strict=False)
    if not pl.Series(odd, dtype=pl.String).cast(pl.Float64, strict=False).is_null().all():
        plain = pl.when(plain.is_finite()).then(plain)  # texts such as "inf" and "1e400"
    if told:
        plain = pl.coalesce(plain, _looked_up(reading, told, keep=False))
    return _if_possible(plain, reading)


def _looked_up(reading: Reading, entries: Sequence[tuple[str, Value]], *, keep: bool) -> pl.Expr:
    """Cells looked up in a dictionary; others are kept as they are, or null.

    Polars 2.1 holds the whole table for `replace` in a streamed query (5 million rows of 20 columns: 1.9 GB
    against 0.4 GB), so the function is called on each batch.
    """
    import polars as pl

    old = pl.Series([text for text, _ in entries], dtype=pl.String)
    new = typed_values([value for _, value in entries], reading, "")

    def look_up(cells: pl.Series) -> pl.Series:
        if keep:
            return cells.replace(old, new)
        return cells.replace_strict(old, new, default=None, return_dtype=new.dtype)

    return pl.col(reading.column).map_batches(look_up, return_dtype=new.dtype, is_elementwise=True)


def _if_possible(value: pl.Expr, reading: Reading) -> pl.Expr:
    import polars as pl

    conditions = []
    if reading.sentinels:
        conditions.append(~value.is_in(list(reading.sentinels)))
    if reading.low is not None:
        conditions.append(value >= reading.low)
    if reading.high is not None:
        conditions.append(value <= reading.high)
    return pl.when(pl.all_horizontal(conditions)).then(value) if conditions else value
