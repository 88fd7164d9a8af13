"""The columns that steps are made of, found in a cleaned table by role and kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Decision

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset


@dataclass(frozen=True)
class Steps:
    """Which columns do what: `numbers` are the inputs besides the target, `static` say one thing a group, `part` says
    which rows are held out."""

    target: str
    group: str
    time: str
    numbers: tuple[str, ...]
    static: tuple[str, ...]
    told: tuple[Decision, ...]
    part: str = ""


def find_steps(data: Dataset) -> Steps:
    """The columns of a table of steps. Numbers and booleans are inputs; a date is the time when none is named."""
    schema = data.schema
    target = schema.target or ""
    group = next(iter(schema.of_role("group")), "")
    time = next(iter(schema.of_role("time")), "")
    told = []
    dates = [name for name in schema.features if schema[name].kind == "datetime"]
    if not time and dates:
        time = dates[0]
        told.append(Decision("sequences", "time", time, "a date, and no other column was named as the time"))
    numbers: list[str] = []
    texts: list[str] = []
    others: list[str] = []
    for name in schema.features:
        if name in (target, time):
            continue
        kind = schema[name].kind
        kinds = numbers if kind in ("number", "boolean") else texts if kind == "category" else others
        kinds.append(name)
    static = tuple(name for name in texts if group and _is_static(data, group, name))
    left = [*(name for name in texts if name not in static), *others]
    if left:
        reason = "they change from step to step and are no numbers"
        told.append(Decision("sequences", ", ".join(left), "left out", reason))
    part = next(iter(schema.of_role("split")), "")
    return Steps(target, group, time, tuple(numbers), static, tuple(told), part)


def _is_static(data: Dataset, group: str, name: str) -> bool:
    """Whether a column says one thing in each group."""
    import polars as pl

    counts = data.table.group_by(group).agg(pl.col(name).n_unique()).collect()
    return bool((counts[name] <= 1).all())


def step_frame(data: Dataset, steps: Steps, *more: str) -> pl.DataFrame:
    """The rows that have a group and a time, with numbers as Float64 and the time as whole microseconds (Float64
    of a number); row ids first. Without a time column the order of the rows is the time."""
    import polars as pl

    numbers = [name for name in (*more, *steps.numbers) if name]
    wanted: list[Any] = [pl.col(ROW_ID), *(pl.col(name) for name in (steps.group, *steps.static) if name)]
    wanted += [pl.col(steps.part).cast(pl.String)] if steps.part else []
    if steps.time:
        time = pl.col(steps.time)
        is_moment = data.schema[steps.time].kind == "datetime"
        wanted.append((time.dt.timestamp("us") if is_moment else time.cast(pl.Float64)).alias(TIME))
    else:
        wanted.append(pl.col(ROW_ID).cast(pl.Float64).alias(TIME))
    kinds = data.schema
    single = [name for name in numbers if kinds[name].kind in ("number", "boolean")]
    wanted += [pl.col(name).cast(pl.Float64) for name in single]
    wanted += [pl.col(name) for name in numbers if name not in single]
    frame = data.table.select(wanted).collect()
    present = pl.col(TIME).is_not_null()
    return frame.filter(present & pl.col(steps.group).is_not_null() if steps.group else present)


TIME = "__time__"


def by_group(frame: pl.DataFrame, group: str) -> list[tuple[object, pl.DataFrame]]:
    """The rows of each group, groups in the order in which they are first met."""
    if not group:
        return [(None, frame)]
    return [(key[0], rows) for key, rows in frame.partition_by(group, as_dict=True, maintain_order=True).items()]


def free_name(name: str, taken: Sequence[str]) -> str:
    """The name, or with a number behind it when it is taken.

    >>> free_name("y_past", ["y_past"]), free_name("y_past", [])
    ('y_past_2', 'y_past')
    """
    number, free = 2, name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def lists(matrix: np.ndarray, name: str) -> pl.Series:
    """A float64 matrix (n, length) as a column of n lists."""
    import polars as pl

    return pl.Series(name, matrix).cast(pl.List(pl.Float64))
