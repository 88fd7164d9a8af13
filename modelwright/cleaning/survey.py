"""What the columns look like: one pass over the table, in batches, and a sample of its rows.

Counts are of the whole table as far as the distinct cells of a column that are no plain numbers stay few; a
column with more is judged by the sample. The sample is chosen by row id, so it is the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID, Dataset

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

MOST_DISTINCT = 5000
BATCH_ROWS = 100_000
IN_MEMORY_CELLS = 5_000_000
LONGEST_NUMBER = 400  # characters; the reader refuses longer ones
_SPREAD = 0x9E3779B97F4A7C15  # golden-ratio hashing (Knuth, TAOCP 3, 6.4): neighbours fall far apart


@dataclass(frozen=True, eq=False)
class Look:
    """One raw column: `sample` has raw cells in row order; the counts are of the same cells as `odd`.

    `n_rows` cells, of which `n_null` are null and `n_plain` say a plain finite number between `low` and `high`
    (of the whole table). `odd` are all other cells of a text column as they are, with counts; the cells of a
    column of another type are not counted. `complete` says that counts are of the whole table.
    """

    name: str
    sample: pl.Series
    n_rows: int
    n_null: int
    n_plain: int = 0
    low: float | None = None
    high: float | None = None
    odd: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True

    @property
    def is_text(self) -> bool:
        """Whether the source gave texts."""
        import polars as pl

        return self.sample.dtype == pl.String


def in_memory(data: Dataset) -> bool:
    """Whether the table is small enough to be held while it is cleaned."""
    return data.n_rows * max(1, len(data.schema.columns)) <= IN_MEMORY_CELLS


def batches(data: Dataset) -> Iterator[pl.DataFrame]:
    """The table in row order, whole when it is small."""
    if in_memory(data):
        yield data.frame
        return
    yield from data.table.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True, engine="streaming")


def survey(data: Dataset, sample_rows: int, tell: Callable[[int], None]) -> list[Look]:
    """Look at every column once. `tell` is told the number of rows seen so far."""
    import polars as pl

    tallies: dict[str, _Tally] = {}
    samples: list[pl.DataFrame] = []
    n_seen = 0
    for batch in batches(data):
        if not tallies:
            tallies = {name: _Tally(batch[name].dtype) for name in data.schema.names}
        _count(batch, tallies)
        samples.append(batch if data.n_rows <= sample_rows else _sampled(batch, data.n_rows, sample_rows))
        n_seen += batch.height
        tell(n_seen)
    sample = pl.concat(samples) if samples else data.table.head(0).collect()
    return [_look(name, sample[name], tallies.get(name), n_seen) for name in data.schema.names]


def _sampled(batch: pl.DataFrame, n_rows: int, sample_rows: int) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    spread: np.ndarray = batch[ROW_ID].to_numpy().astype(np.uint64) * np.uint64(_SPREAD)
    chosen = (spread >> np.uint64(32)) < np.uint64((1 << 32) * sample_rows // n_rows)
    return batch.filter(pl.Series(chosen))


@dataclass
class _Tally:
    """Counts of one column so far; `odd` is None once it has too many distinct cells."""

    dtype: pl.DataType
    n_null: int = 0
    n_plain: int = 0
    low: float | None = None
    high: float | None = None
    odd: dict[str, int] | None = field(default_factory=dict)


def _count(batch: pl.DataFrame, tallies: Mapping[str, _Tally]) -> None:
    import polars as pl

    for name, tally in tallies.items():
        tally.n_null += batch[name].null_count()
    names = [name for name, tally in tallies.items() if tally.dtype == pl.String or tally.dtype.is_numeric()]
    if not names or not batch.height:
        return
    numbers = plain_numbers(batch.select(names))
    bounds = numbers.select(pl.all().min().name.prefix("low:"), pl.all().max().name.prefix("high:")).row(0, named=True)
    for name in names:
        tally, cells, values = tallies[name], batch[name], numbers[name]
        n_plain = batch.height - values.null_count()
        tally.n_plain += n_plain
        if n_plain:
            low, high = bounds[f"low:{name}"], bounds[f"high:{name}"]
            tally.low = low if tally.low is None else min(low, tally.low)
            tally.high = high if tally.high is None else max(high, tally.high)
        is_text = cells.dtype == pl.String
        if is_text and tally.odd is not None and n_plain + cells.null_count() < batch.height:
            _add_odd(tally, cells.filter(values.is_null() & cells.is_not_null()))


def _add_odd(tally: _Tally, cells: pl.Series) -> None:
    if cells.head(2 * MOST_DISTINCT).n_unique() > MOST_DISTINCT:
        tally.odd = None
        return
    counts = cells.value_counts()
    if counts.height > MOST_DISTINCT:
        tally.odd = None
        return
    odd = tally.odd or {}
    for cell, count in counts.iter_rows():
        odd[cell] = odd.get(cell, 0) + count
    tally.odd = odd if len(odd) <= MOST_DISTINCT else None


def _look(name: str, sample: pl.Series, tally: _Tally | None, n_rows: int) -> Look:
    if tally is None:
        return Look(name, sample, 0, 0)
    if tally.odd is not None:
        odd = dict(sorted(tally.odd.items()))
        return Look(name, sample, n_rows, tally.n_null, tally.n_plain, tally.low, tally.high, odd)
    plain = sample_numbers(sample)
    counts = sample.filter(plain.is_null() & sample.is_not_null()).value_counts()
    return Look(
        name, sample, len(sample), sample.null_count(), len(sample) - plain.null_count(), tally.low, tally.high,
        dict(sorted(counts.iter_rows())), complete=False,
    )  # fmt: skip


def plain_numbers(cells: pl.DataFrame) -> pl.DataFrame:
    """The finite numbers that plain casts find, null elsewhere."""
    import polars as pl

    numbers = cells.select(pl.all().cast(pl.Float64, strict=False))
    bounds = numbers.select(pl.all().is_finite().all()).row(0) if numbers.height else ()
    if not all(bounds):
        numbers = numbers.select(pl.when(pl.all().is_finite()).then(pl.all()))
    texts = [name for name in cells.columns if cells[name].dtype == pl.String]
    longest = cells.select(pl.col(texts).str.len_bytes().max()).row(0) if texts and cells.height else ()
    for name, length in zip(texts, longest, strict=False):
        if (length or 0) > LONGEST_NUMBER:
            too_long = cells[name].str.len_chars() > LONGEST_NUMBER
            numbers = numbers.with_columns(numbers[name].set(too_long.fill_null(False), None))
    return numbers


def sample_numbers(cells: pl.Series) -> pl.Series:
    """Plain finite numbers of a text column, null elsewhere."""
    return plain_numbers(cells.to_frame()).to_series()


def finite(values: pl.Series) -> np.ndarray:
    """The finite numbers of a typed column, float64 of shape (n,)."""
    found: np.ndarray = values.drop_nulls().to_numpy()
    return found
