"""What is the same and what says the same: rows that repeat, columns that do, columns that settle others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelwright.profiling.sample import both
from modelwright.profiling.values import ColumnProfile, Determined

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

N_TELLING = 4  # columns hashed first: rows that are equal are equal in these too
MOST_CHECKED = 120  # suspected dependencies that are counted in all rows
SLIPS = 0.01  # of the rows: more exceptions, and a column does not settle another
LEAST_GROUPED = 0.5  # of the rows must share their value with another row, or "one value each" says nothing
MOST_LOOKED = 10_000
PLAIN = ("number", "category", "boolean", "datetime", "text")


def n_repeated(frame: pl.DataFrame, columns: Sequence[ColumnProfile]) -> int:
    """How many rows are equal to an earlier one in all of these columns.

    >>> import polars as pl
    >>> from modelwright.core.data import Column
    >>> from modelwright.profiling.columns import column_profile
    >>> frame = pl.DataFrame({"a": [1.0, 1.0, 2.0, 1.0], "b": ["x", "x", "x", "y"]})
    >>> n_repeated(frame, [column_profile(frame["a"], Column("a", "number")),
    ...     column_profile(frame["b"], Column("b", "category"))])
    1
    """
    import polars as pl

    names = [column.name for column in columns]
    if not names or frame.height < 2:
        return 0
    if any(column.n_distinct == frame.height for column in columns):
        return 0  # no two rows are equal where one column never is
    telling = sorted(columns, key=lambda column: -(column.n_distinct or frame.height))[:N_TELLING]
    hashes = frame.select(pl.struct([column.name for column in telling]).hash(1).alias("hash"))["hash"]
    suspects = frame.filter(hashes.is_duplicated()).select(names)
    return suspects.height - (suspects.n_unique() if suspects.height else 0)


def identical(frame: pl.DataFrame, columns: Sequence[ColumnProfile]) -> list[tuple[str, ...]]:
    """Groups of columns that are equal cell for cell, and say more than one thing."""
    alike: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for column in columns:
        if column.kind in PLAIN and (column.n_distinct or 0) > 1:
            mean = column.numbers.mean if column.numbers else None
            alike[(frame[column.name].dtype, column.n_missing, column.n_distinct, column.top, mean)].append(column.name)
    groups = []
    for names in alike.values():
        while len(names) > 1:
            same = [name for name in names if frame[names[0]].equals(frame[name], check_names=False)]
            if len(same) > 1:
                groups.append(tuple(same))
            names = [name for name in names if name not in same]
    return groups


# One column settles another -----------------------------------------------------------------------------------


def determined(frame: pl.DataFrame, sample: pl.DataFrame, columns: Sequence[ColumnProfile]) -> list[Determined]:
    """Columns of which each value goes with one value of another column, or nearly: suspected in `sample`, counted
    in all rows. Those that repeat nothing or say nearly always the same are left out, for of them it is trivial."""
    fit = [column for column in columns if _can_settle(column)]
    told = [column for column in columns if _can_be_settled(column)]
    if not fit or not told or not sample.height:
        return []
    names = list(dict.fromkeys(column.name for column in [*fit, *told]))
    codes = {name: sample[name].rank("dense").fill_null(0).cast(int).to_numpy() for name in names}
    suspects = _suspects(codes, fit, told)
    found = [one for one in (_counted(frame, by, name) for by, name in suspects) if one]
    ways = {(one.by, one.column) for one in found}
    return [Determined(one.by, one.column, one.n_rows, one.n_exceptions, (one.column, one.by) in ways) for one in found]


def _can_settle(column: ColumnProfile) -> bool:
    if column.kind not in ("number", "category", "boolean") or not column.n_distinct or column.n_distinct < 2:
        return False
    is_measured = column.numbers is not None and not column.numbers.is_whole
    return not is_measured and column.n_distinct <= (1 - LEAST_GROUPED) * column.n_present


def _can_be_settled(column: ColumnProfile) -> bool:
    plain = column.kind in ("number", "category", "boolean", "datetime")
    return plain and (column.n_distinct or 0) > 1 and column.top_share < 0.95


def _suspects(
    codes: dict[str, np.ndarray], fit: Sequence[ColumnProfile], told: Sequence[ColumnProfile]
) -> list[tuple[str, str]]:
    """Pairs of which neighbours with the same value of the one hardly ever differ in the other."""
    import numpy as np

    others = [column.name for column in told]
    table = np.column_stack([codes[name] for name in others])
    found: list[tuple[float, str, str]] = []
    for column in fit:
        keys = codes[column.name]
        order = np.argsort(keys, kind="stable")
        same = (keys[order][1:] == keys[order][:-1]) & (keys[order][1:] > 0)
        laid = table[order]
        apart = (laid[1:] != laid[:-1]) & same[:, None] & (laid[1:] > 0) & (laid[:-1] > 0)
        share = apart.sum(axis=0) / max(1, int(same.sum()))
        for name, slips in zip(others, share, strict=True):
            if name != column.name and slips <= 2 * SLIPS and same.sum() >= 10:
                found.append((float(slips), column.name, name))
    return [(by, name) for _, by, name in sorted(found)[:MOST_CHECKED]]


def _counted(frame: pl.DataFrame, by: str, name: str) -> Determined | None:
    import polars as pl

    pairs = frame.select(pl.col(by).alias("by"), pl.col(name).alias("of")).drop_nulls().group_by("by", "of").len()
    groups = pairs.group_by("by").agg(pl.col("len").sum().alias("n"), pl.col("len").max().alias("main"))
    groups = groups.filter(pl.col("n") > 1)
    n_rows, n_main = int(groups["n"].sum()), int(groups["main"].sum())
    n_present = int(pairs["len"].sum())
    commonest = max(pairs.group_by("of").agg(pl.col("len").sum())["len"].to_list(), default=0)
    slips = n_rows - n_main
    trivial = slips > 0.1 * (n_present - commonest) or n_rows < max(20, LEAST_GROUPED * n_present)
    if trivial or slips > SLIPS * n_rows or n_present < 0.5 * frame.height:
        return None
    return Determined(by, name, n_rows, slips)


def settled_groups(found: Sequence[Determined]) -> list[tuple[str, ...]]:
    """Columns that settle each other both ways, without exception: the same thing in other words."""
    near: dict[str, set[str]] = defaultdict(set)
    for one in found:
        if one.both_ways and not one.n_exceptions:
            near[one.by].add(one.column)
    names, groups = list(near), []
    seen: set[str] = set()
    for name in names:
        if name not in seen:
            group = tuple(sorted({name, *near[name]}))
            if all(right in near[left] for left, right in both(group)):
                groups.append(group)
                seen |= set(group)
    return groups
