"""Which rows of a typed table follow each other in time: one timeline for each thing that is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID, Dataset

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

LEAST_ROWS = 20
REGULAR = 0.5  # share of the steps that are the usual one, or times it
MOST_GROUPS = 1000
MOST_ROWS = 5_000_000


@dataclass(frozen=True, eq=False)
class Timeline:
    """Readings of one thing in the order of time (ties by row id). `group` is "" where the table has one thing only.

    `rows` uint64, `times_s` float64 seconds since 1970, both of shape (n,); `step_s` is the usual time between two
    readings; `frame` has the rows, all columns, in the same order.
    """

    time: str
    group: str
    rows: np.ndarray
    times_s: np.ndarray
    step_s: float
    frame: pl.DataFrame


def timelines(data: Dataset) -> Iterator[Timeline]:
    """The timelines of a typed table; none where no column of times has a usual step.

    The column with role `time` counts first, then each of kind datetime. Where times repeat, the column that tells the
    things apart is looked for among the categories.

    >>> import polars as pl
    >>> from datetime import datetime, timedelta
    >>> times = [datetime(2024, 1, 1) + timedelta(hours=n) for n in range(30)]
    >>> frame = pl.DataFrame({"at": times, "x": [float(n) for n in range(30)]})
    >>> [(one.time, one.step_s, len(one.rows)) for one in timelines(Dataset.from_frame(frame))]
    [('at', 3600.0, 30)]
    """
    import polars as pl

    types = data.table.collect_schema()
    timed = [column for column in data.schema.columns if isinstance(types[column.name], pl.Datetime)]
    if not timed or data.n_rows > MOST_ROWS:
        return
    for column in sorted(timed, key=lambda column: column.role != "time"):
        frame = data.frame.filter(pl.col(column.name).is_not_null())
        group = _group(data, frame, column.name)
        if group is None:
            continue
        found = list(_of_groups(frame, column.name, group))
        if found:
            yield from found
            return


def _group(data: Dataset, frame: pl.DataFrame, time: str) -> str | None:
    """The column that tells things apart ("" for none needed); None where times repeat and no column explains it."""
    if frame.height < LEAST_ROWS:
        return None
    if frame[time].n_unique() > 0.8 * frame.height:
        return ""
    for column in data.schema.columns:
        if column.kind in ("category", "boolean") and column.role not in ("target", "weight"):
            n = frame[column.name].n_unique()
            if 2 <= n <= min(MOST_GROUPS, frame.height // LEAST_ROWS):
                n_pairs = frame.select(column.name, time).n_unique()
                if n_pairs > 0.8 * frame.height:
                    return column.name
    return None


def _of_groups(frame: pl.DataFrame, time: str, group: str) -> Iterator[Timeline]:
    import polars as pl

    frame = frame.sort(time, ROW_ID)
    parts = frame.partition_by(group, as_dict=True, maintain_order=True) if group else {("",): frame}
    for (name,), part in sorted(parts.items(), key=lambda item: str(item[0])):
        if part.height < LEAST_ROWS or name is None:
            continue
        times = part[time].dt.timestamp("us").cast(pl.Float64).to_numpy() / 1e6
        step_s = usual_step(times)
        if step_s:
            yield Timeline(time, str(name), part[ROW_ID].to_numpy(), times, step_s, part)


def usual_step(times_s: np.ndarray) -> float:
    """The time between readings that at least half of the steps keep (times that repeat apart); 0.0 for none.

    >>> import numpy as np
    >>> usual_step(np.array([0.0, 10, 20, 30, 30, 60, 70])), usual_step(np.array([0.0, 1, 5, 12, 40]))
    (10.0, 0.0)
    """
    import numpy as np

    steps = np.diff(times_s)
    steps = steps[steps > 0]
    if len(steps) < 3:
        return 0.0
    usual = float(np.median(steps))
    near = np.abs(steps - usual) <= 0.1 * usual
    return usual if near.mean() >= REGULAR else 0.0
