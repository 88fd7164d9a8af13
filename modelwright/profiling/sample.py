"""The rows that comparisons of columns rest on, as arrays: numbers as they are, words as codes.

Counts of a profile are of all rows; what compares columns with columns looks at a random part of a large table,
the same in every run, and says of how many rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.profiling.values import ColumnProfile

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

MOST_LEVELS = 50
ORDERED, NAMED = ("number", "datetime"), ("category", "boolean")


@dataclass(frozen=True, eq=False)
class Sample:
    """`numbers` (dates in seconds): float64 of shape (n_rows,), NaN where missing. `codes`: int64 of shape (n_rows,),
    0 for the commonest level and so on, `MOST_LEVELS` for all rarer ones, -1 where missing."""

    n_rows: int
    numbers: Mapping[str, np.ndarray]
    codes: Mapping[str, np.ndarray]
    levels: Mapping[str, int]
    cells: Mapping[str, pl.Series]


def chosen_rows(n_rows: int, most: int, seed: int) -> np.ndarray | None:
    """Positions of random rows in ascending order, int64 of shape (most,); None for all of them."""
    import numpy as np

    from modelwright.core.rng import stream

    if n_rows <= most:
        return None
    return np.sort(stream(seed, "profiling", "rows").choice(n_rows, most, replace=False))


def sample_of(cells: Mapping[str, pl.Series], columns: Sequence[ColumnProfile]) -> Sample:
    """Arrays of the columns of numbers, dates, categories and yes/no of chosen rows."""
    import polars as pl

    numbers: dict[str, np.ndarray] = {}
    codes: dict[str, np.ndarray] = {}
    levels: dict[str, int] = {}
    for column in columns:
        values = cells[column.name]
        if column.kind == "number":
            numbers[column.name] = values.to_numpy().astype(float)
        elif column.kind == "datetime":
            numbers[column.name] = (values.dt.timestamp("us").cast(pl.Float64) / 1e6).to_numpy()
        elif column.kind in NAMED:
            codes[column.name], levels[column.name] = coded(values)
    n_rows = len(next(iter(cells.values()), ()))
    return Sample(n_rows, numbers, codes, levels, cells)


def coded(values: pl.Series) -> tuple[np.ndarray, int]:
    """Codes of a column of words or of yes and no, int64 of shape (n,), and how many there are.

    >>> import polars as pl
    >>> coded(pl.Series(["a", "b", None, "b"]))[0].tolist()
    [1, 0, -1, 0]
    """
    import polars as pl

    if values.dtype == pl.Boolean:
        return values.cast(pl.Int64).fill_null(-1).to_numpy(), 2
    counts = values.drop_nulls().alias("cell").value_counts(name="n")
    top = counts.sort("n", "cell", descending=[True, False])["cell"].head(MOST_LEVELS)
    found = values.cast(pl.Enum(top), strict=False).to_physical().cast(pl.Int64)
    codes: np.ndarray = found.fill_null(MOST_LEVELS).to_numpy().copy()
    codes[values.is_null().to_numpy()] = -1
    return codes, len(top) + (counts.height > MOST_LEVELS)


def both(left: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every two of some names, once."""
    for at, one in enumerate(left):
        for other in left[at + 1 :]:
            yield one, other
