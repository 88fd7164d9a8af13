"""What is the same and what says the same: rows that repeat, columns that do, columns that settle others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modelwright.profiling.held import Held, framed
from modelwright.profiling.sample import both
from modelwright.profiling.values import ColumnProfile, Determined

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

N_TELLING = 4  # columns hashed first: rows that are equal are equal in these too
MOST_HELD = 50_000_000  # cells of rows suspected to repeat
MOST_CHECKED = 120  # suspected dependencies that are counted in all rows
SLIPS = 0.01  # of the rows: more exceptions, and a column does not settle another
LEAST_GROUPED = 0.5  # of the rows must share their value with another row, or "one value each" says nothing
MOST_LOOKED = 10_000
PLAIN = ("number", "category", "boolean", "datetime", "text")


def n_repeated(whole: Held, columns: Sequence[ColumnProfile]) -> int:
    """How many rows are equal to an earlier one in all of these columns.

    >>> import polars as pl
    >>> from modelwright.core.data import Column
    >>> from modelwright.profiling.columns import column_profile
    >>> from modelwright.profiling.held import Held
    >>> frame = pl.DataFrame({"a": [1.0, 1.0, 2.0, 1.0], "b": ["x", "x", "x", "y"]})
    >>> n_repeated(Held(4, ("a", "b"), frame), [column_profile(frame["a"], Column("a", "number")),
    ...     column_profile(frame["b"], Column("b", "category"))])
    1
    """
    import polars as pl

    if not columns or whole.n_rows < 2:
        return 0
    if any(column.n_distinct == whole.n_rows for column in columns):
        return 0  # no two rows are equal where one column never is
    telling = sorted(columns, key=lambda column: -(column.n_distinct or whole.n_rows))[:N_TELLING]
    cells = framed(whole.rows([column.name for column in telling], None).values())
    hashes = cells.select(pl.struct(pl.all()).hash(1)).to_series()
    suspects = hashes.is_duplicated().arg_true().to_numpy()
    if not len(suspects):
        return 0
    names = [column.name for column in columns]
    if len(suspects) * len(names) <= MOST_HELD:
        return len(suspects) - framed(whole.rows(names, suspects).values()).n_unique()
    return len(suspects) - _hashed(whole, names, suspects).n_unique()


def _hashed(whole: Held, names: Sequence[str], rows: np.ndarray) -> pl.DataFrame:
    """128 bits of each row, column after column, for more rows than are worth holding whole."""
    import polars as pl

    made = pl.DataFrame({"one": pl.zeros(len(rows), pl.UInt64, eager=True), "two": pl.ones(len(rows), eager=True)})
    for name in names:
        made = made.with_columns(whole.column(name).gather(rows)).select(
            pl.struct("one", "cell").hash(1).alias("one"), pl.struct("two", "cell").hash(2).alias("two")
        )
    return made


def identical(whole: Held, columns: Sequence[ColumnProfile]) -> list[tuple[str, ...]]:
    """Groups of columns that are equal cell for cell, and say more than one thing."""
    alike: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for column in columns:
        if column.kind in PLAIN and (column.n_distinct or 0) > 1:
            mean = column.numbers.mean if column.numbers else None
            alike[(whole.column(column.name).dtype, column.n_missing, column.n_distinct, column.top, mean)].append(
                column.name
            )
    groups = []
    for names in alike.values():
        while len(names) > 1:
            first = whole.column(names[0])
            same = [name for name in names if first.equals(whole.column(name))]
            if len(same) > 1:
                groups.append(tuple(same))
            names = [name for name in names if name not in same]
    return groups


# One column settles another -----------------------------------------------------------------------------------


def determined(
    whole: Held, sample: Mapping[str, pl.Series], columns: Sequence[ColumnProfile]
) -> list[Determined]:  # fmt: skip
    """Columns of which each value goes with one value of another column, or nearly: suspected in `sample`, counted
    in all rows. Those that repeat nothing or say nearly always the same are left out, for of them it is trivial."""
    fit = [column for column in columns if _can_settle(column)]
    told = [column for column in columns if _can_be_settled(column)]
    if not fit or not told or not whole.n_rows:
        return []
    names = list(dict.fromkeys(column.name for column in [*fit, *told]))
    codes = {name: sample[name].rank("dense").fill_null(0).cast(int).to_numpy() for name in names}
    suspects = _suspects(codes, fit, told)
    found = [one for one in (_counted(whole, by, name) for by, name in suspects) if one]
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


def _counted(whole: Held, by: str, name: str) -> Determined | None:
    import polars as pl

    cells = pl.DataFrame({"by": whole.column(by), "of": whole.column(name)}).drop_nulls()
    pairs = cells.group_by("by", "of").len()
    groups = pairs.group_by("by").agg(pl.col("len").sum().alias("n"), pl.col("len").max().alias("main"))
    groups = groups.filter(pl.col("n") > 1)
    n_rows, n_main = int(groups["n"].sum()), int(groups["main"].sum())
    n_present = int(pairs["len"].sum())
    commonest = max(pairs.group_by("of").agg(pl.col("len").sum())["len"].to_list(), default=0)
    slips = n_rows - n_main
    trivial = slips > 0.1 * (n_present - commonest) or n_rows < max(20, LEAST_GROUPED * n_present)
    if trivial or slips > SLIPS * n_rows or n_present < 0.5 * whole.n_rows:
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
