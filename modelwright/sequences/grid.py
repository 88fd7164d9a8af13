"""Rows of one series on a regular grid of steps: sorted, repeated times merged, missing steps as NaN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from modelwright.core.data import ROW_ID

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

MOST_MISSING = 0.1  # of a grid's steps; with more, the rows themselves are taken as steps
LEAST_FITTING = 0.99  # of the gaps between rows that must be whole steps
LONGEST_GAP = 3  # steps of a missing target that are interpolated
DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """The distance between rows; `unit` row means that rows are steps as they come."""

    unit: Literal["us", "month", "number", "row"]
    size: float
    reason: str

    def told(self) -> str:
        """The step in words.

        >>> Step("us", 3_600_000_000, "").told(), Step("month", 1, "").told()
        ('1 hour', '1 month')
        """
        if self.unit == "row":
            return "each row"
        if self.unit == "month":
            return _counted(self.size, "month")
        if self.unit == "number":
            return f"{self.size:g}"
        for name, size_us in (("day", DAY_US), ("hour", 3.6e9), ("minute", 6e7), ("second", 1e6)):
            if self.size % size_us == 0:
                return _counted(self.size / size_us, name)
        return f"{self.size / 1e6:g} seconds"


def _counted(number: float, name: str) -> str:
    return f"{number:g} {name}{'' if number == 1 else 's'}"


@dataclass(frozen=True, eq=False)
class Series:
    """One group's steps: `times` int64 or float64 (T,), `ids` int64 (T,) (-1 where a step had no row), `values`
    float64 (T, n_columns), `parts` (T,) words or None: the side of the split that each step lies on, if rows say it."""

    group: object
    times: np.ndarray
    ids: np.ndarray
    values: np.ndarray
    parts: np.ndarray | None = None


@dataclass
class Repairs:
    """What had to be done to the rows, counted."""

    n_unsorted: int = 0
    n_repeated: int = 0
    n_missing: int = 0
    n_interpolated: int = 0


def choose_step(groups: Sequence[np.ndarray], *, is_moment: bool) -> Step:
    """The step of sorted, distinct times (int64 microseconds, or float64 numbers) of each group.

    >>> import numpy as np
    >>> choose_step([np.array([0, 2, 4, 8, 10, 12, 14, 16, 18, 20, 22])], is_moment=False).told()
    '2'
    """
    import numpy as np

    gaps = np.concatenate([np.diff(times) for times in groups]) if groups else np.zeros(0)
    if not len(gaps):
        return Step("row", 1.0, "no series has two steps")
    sizes, counts = np.unique(gaps, return_counts=True)
    size = float(sizes[counts.argmax()])
    n_rows = sum(map(len, groups))
    fits = float((np.abs(gaps / size - np.rint(gaps / size)) < 1e-3).mean()) >= LEAST_FITTING
    n_steps = sum(round((times[-1] - times[0]) / size) + 1 for times in groups if len(times))
    if fits and n_steps <= n_rows / (1 - MOST_MISSING):
        share = float((gaps == sizes[counts.argmax()]).mean())
        return Step("us" if is_moment else "number", size, f"{share:.1%} of the rows are that far from the one before")
    if is_moment:
        months = _months_apart(groups, n_rows)
        if months:
            return Step("month", months, "the rows lie on one day of the month")
    return Step("row", 1.0, f"a regular grid would have {n_steps:,} steps for {n_rows:,} rows")


def _months_apart(groups: Sequence[np.ndarray], n_rows: int) -> int:
    """How many months apart rows are, when each lies in a month of its own; 0 when they do not."""
    import numpy as np

    months = [times.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) for times in groups]
    gaps = np.concatenate([np.diff(number) for number in months])
    if not len(gaps) or (gaps < 1).any():
        return 0
    size = int(np.bincount(gaps).argmax())
    n_steps = sum((number[-1] - number[0]) // size + 1 for number in months if len(number))
    return size if not (gaps % size).any() and n_steps <= n_rows / (1 - MOST_MISSING) else 0


def places_of(times: np.ndarray, step: Step) -> np.ndarray:
    """The place of each row on its group's grid, int64 (n,), from 0."""
    import numpy as np

    if step.unit == "row" or not len(times):
        as_they_come: np.ndarray = np.arange(len(times))
        return as_they_come
    if step.unit == "month":
        months = times.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        of_months: np.ndarray = (months - months[0]) // int(step.size)
        return of_months
    found: np.ndarray = np.rint((times - times[0]) / step.size).astype(np.int64)
    return found


def grid_times(times: np.ndarray, n_steps: int, step: Step) -> np.ndarray:
    """The times of `n_steps` steps from the first row on; rows as they come keep their own."""
    import numpy as np

    if step.unit == "row":
        return times
    if step.unit == "month":
        moments = times.astype("datetime64[us]")
        months = moments[0].astype("datetime64[M]") + np.arange(n_steps) * int(step.size)
        within = moments[0] - moments[0].astype("datetime64[M]").astype("datetime64[us]")
        shifted: np.ndarray = (months.astype("datetime64[us]") + within).astype(np.int64)
        return shifted
    made: np.ndarray = times[0] + (np.arange(n_steps) * step.size).astype(times.dtype)
    return made


def merged(frame: pl.DataFrame, time: str, numbers: Sequence[str], repairs: Repairs) -> pl.DataFrame:
    """One group's rows sorted by time, those of one time merged: numbers by their mean, the rest from the first."""
    import polars as pl

    steps = frame[time].diff().drop_nulls()
    if frame.height > 1 and (steps.cast(pl.Float64) < 0).any():
        repairs.n_unsorted += int((steps.cast(pl.Float64) < 0).sum())
        frame = frame.sort(time, maintain_order=True)
    n_distinct = frame[time].n_unique()
    if n_distinct == frame.height:
        return frame
    repairs.n_repeated += frame.height - n_distinct
    others = [name for name in frame.columns if name not in numbers and name != time]
    means = [pl.col(name).mean() for name in numbers]
    together = frame.group_by(time, maintain_order=True).agg(*means, *(pl.col(name).first() for name in others))
    return together.select(frame.columns)


def on_grid(
    frame: pl.DataFrame, group: object, times: np.ndarray, numbers: Sequence[str], step: Step, part: str = ""
) -> Series:
    """One group's merged rows on the grid. `part` is the column that says which rows are held out."""
    import numpy as np

    places = places_of(times, step)
    n_steps = int(places[-1]) + 1 if len(places) else 0
    values = np.full((n_steps, len(numbers)), np.nan)
    ids = np.full(n_steps, -1, dtype=np.int64)
    for column, name in enumerate(numbers):
        values[places, column] = frame[name].fill_null(float("nan")).to_numpy()
    ids[places] = frame[ROW_ID].to_numpy().astype(np.int64)
    parts = None
    if part:
        parts = np.full(n_steps, None, dtype=object)
        parts[places] = frame[part].to_numpy()
    return Series(group, grid_times(times, n_steps, step), ids, values, parts)


def interpolated(values: np.ndarray, most: int = LONGEST_GAP) -> tuple[np.ndarray, int]:
    """Values with inner gaps of at most `most` steps filled by straight lines, and how many were filled.

    >>> import numpy as np
    >>> interpolated(np.array([1.0, np.nan, 3.0, np.nan, np.nan]), 1)[0].tolist()
    [1.0, 2.0, 3.0, nan, nan]
    """
    import numpy as np

    known = np.flatnonzero(np.isfinite(values))
    if len(known) in (0, len(values)):
        return values, 0
    places = np.arange(len(values))
    before = np.searchsorted(known, places, side="right") - 1
    inner = (before >= 0) & (before < len(known) - 1) & ~np.isfinite(values)
    gap = np.zeros(len(values), dtype=np.int64)
    gap[inner] = known[before[inner] + 1] - known[before[inner]] - 1
    filled = inner & (gap <= most)
    made = values.copy()
    made[filled] = np.interp(places[filled], known, values[known])
    return made, int(filled.sum())
