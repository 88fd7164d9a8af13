"""Two versions side by side: rows, columns, and how far each column's values have moved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.collection.versions.manifest import Version, find
from modelwright.core.data import ROW_ID
from modelwright.core.parts import Part, scan
from modelwright.core.store import Store

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

SAMPLE_ROWS = 200_000
"""Distributions are compared on so many rows of each version at most, spread evenly over it."""
N_BINS = 10
N_LEVELS = 20
SMALL_SHIFT, LARGE_SHIFT = 0.1, 0.25


@dataclass(frozen=True, kw_only=True)
class ColumnShift:
    """How far one column moved: `psi` is the population stability index, `ks` the largest distance between the two
    cumulative distributions (numbers only), `missing` the share of empty cells before and after."""

    column: str
    kind: str
    psi: float
    ks: float | None
    missing: tuple[float, float]
    words: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What lies between two versions. `added` and `removed` count row ids that only one of them has."""

    before: str
    after: str
    n_before: int
    n_after: int
    added: int
    removed: int
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    columns_retyped: tuple[tuple[str, str, str], ...]
    shifts: tuple[ColumnShift, ...]
    told: tuple[str, ...]


def diff(store: Store, before: str | Version, after: str | Version) -> Difference:
    """Compare two versions, of one dataset or of two: rows by id, columns by name, distributions by column.

    Text columns whose cells are mostly numbers are compared as numbers. The population stability index below 0.1
    means about the same, above 0.25 different; `shifts` are in the order of the index, the largest first. Rows count
    as added or removed by their id, so they mean something for versions of one dataset only.

    Reference: Siddiqi (2006), "Credit Risk Scorecards", chapter 6 (the index and its thresholds).
    """
    one, two = (item if isinstance(item, Version) else find(store, item) for item in (before, after))
    added, removed = _rows(store, one, two)
    both = [name for name in two.schema.names if name in one.types]
    retyped = tuple((name, one.types[name], two.types[name]) for name in both if one.types[name] != two.types[name])
    told = tuple(line for item in range(one.number + 1, two.number + 1) for line in _told(store, two, item))
    shifts = [] if one.digest == two.digest else _shifts(store, one, two, both)
    return Difference(
        before=one.label, after=two.label, n_before=one.n_rows, n_after=two.n_rows, added=added, removed=removed,
        columns_added=tuple(name for name in two.schema.names if name not in one.types),
        columns_removed=tuple(name for name in one.schema.names if name not in two.types),
        columns_retyped=retyped, shifts=tuple(sorted(shifts, key=lambda shift: -shift.psi)), told=told,
    )  # fmt: skip


def _told(store: Store, version: Version, number: int) -> list[str]:
    from modelwright.collection.versions.manifest import numbers, read

    if number not in numbers(store, version.name):
        return []
    return [str(line) for line in read(store, version.name, number).changed.get("told", ())]


def _rows(store: Store, one: Version, two: Version) -> tuple[int, int]:
    """Row ids that only the second has, and that only the first has; parts that both have are not read."""
    shared = {_span(part) for part in one.parts} & {_span(part) for part in two.parts}
    left = _ids(store, [part for part in one.parts if _span(part) not in shared])
    right = _ids(store, [part for part in two.parts if _span(part) not in shared])
    return _outside(right, left), _outside(left, right)


def _span(part: Part) -> tuple[Any, ...]:
    return part.digest, part.first_row, part.offset, part.n_rows


def _ids(store: Store, parts: list[Part]) -> list[tuple[int, int]]:
    """Row ids as stretches [first, after), in order."""
    import numpy as np

    found: list[tuple[int, int]] = []
    for part in parts:
        if part.first_row is not None:
            found.append((part.first_row, part.first_row + part.n_rows))
            continue
        ids = np.sort(scan(store, [part], {}).collect()[ROW_ID].to_numpy())
        breaks = np.flatnonzero(np.diff(ids) > 1)
        starts, ends = ids[np.r_[0, breaks + 1]], ids[np.r_[breaks, len(ids) - 1]] + 1
        found += list(zip(starts.tolist(), ends.tolist(), strict=True))
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(found):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _outside(these: list[tuple[int, int]], those: list[tuple[int, int]]) -> int:
    """How many ids of `these` stretches lie in none of `those`; both in order and without overlap."""
    total, index = sum(end - begin for begin, end in these), 0
    for begin, end in these:
        while index < len(those) and those[index][1] <= begin:
            index += 1
        at = index
        while at < len(those) and those[at][0] < end:
            total -= min(end, those[at][1]) - max(begin, those[at][0])
            at += 1
    return total


# Distributions ----------------------------------------------------------------------------------------------------


def _shifts(store: Store, one: Version, two: Version, columns: list[str]) -> list[ColumnShift]:
    plain = [name for name in columns if not any(_is_heavy(version.types[name]) for version in (one, two))]
    before, after = _sample(store, one, plain), _sample(store, two, plain)
    return [_shift(name, before[name], after[name]) for name in plain]


def _is_heavy(word: str) -> bool:
    return word == "Binary" or word.startswith("List")


def _sample(store: Store, version: Version, columns: list[str]) -> pl.DataFrame:
    import polars as pl

    table = scan(store, version.parts, {name: version.types[name] for name in columns})
    step = max(1, -(-version.n_rows // SAMPLE_ROWS))
    if step > 1:
        table = table.with_row_index("__position__").filter(pl.col("__position__") % step == 0).drop("__position__")
    return table.drop(ROW_ID).collect(engine="streaming")


def _shift(name: str, before: pl.Series, after: pl.Series) -> ColumnShift:
    import numpy as np

    missing = (_share_missing(before), _share_missing(after))
    numbers = [_numbers(column) for column in (before, after)]
    ks = None
    if all(column is not None for column in numbers):
        low, high = (column[np.isfinite(column)] for column in numbers if column is not None)
        kind, psi, ks = "numbers", _psi(*_binned(low, high, missing)), _ks(low, high)
    else:
        kind, psi = "categories", _psi(*_levels(before, after))
    words = "about the same" if psi < SMALL_SHIFT else "somewhat different" if psi < LARGE_SHIFT else "different"
    if abs(missing[1] - missing[0]) >= 0.05:
        words += f", {missing[1]:.0%} empty after {missing[0]:.0%}"
    return ColumnShift(column=name, kind=kind, psi=psi, ks=ks, missing=missing, words=words)


def _share_missing(column: pl.Series) -> float:
    import polars as pl

    if not len(column):
        return 0.0
    empty = column.is_null() | (column == "" if column.dtype == pl.String else column.is_null())
    return float(empty.sum()) / len(column)


def _numbers(column: pl.Series) -> np.ndarray | None:
    """The column as float64, NaN where empty; None where it is no column of numbers."""
    import numpy as np
    import polars as pl

    if column.dtype == pl.Boolean:
        return None
    if isinstance(column.dtype, pl.Datetime) or column.dtype == pl.Date:
        column = column.cast(pl.Datetime("us")).dt.timestamp("us")
    if column.dtype == pl.String:
        read = column.str.strip_chars().cast(pl.Float64, strict=False)
        n_told = len(column) - int((column.is_null() | (column == "")).sum())
        if n_told == 0 or (len(column) - read.null_count()) < 0.9 * n_told:
            return None
        column = read
    values: np.ndarray = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return values


def _binned(low: np.ndarray, high: np.ndarray, missing: tuple[float, float]) -> tuple[list[float], list[float]]:
    """Shares of both in the deciles of the first; empty cells are a bin of their own."""
    import numpy as np

    edges = np.unique(np.quantile(low, np.linspace(0, 1, N_BINS + 1)[1:-1])) if len(low) else np.zeros(0)
    made = []
    for values, empty in ((low, missing[0]), (high, missing[1])):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        made.append([*(counts / max(len(values), 1) * (1 - empty)).tolist(), empty])
    return made[0], made[1]


def _levels(before: pl.Series, after: pl.Series) -> tuple[list[float], list[float]]:
    """Shares of the first's most frequent values in both; the others are one level, and so are empty cells."""
    import polars as pl

    texts = [column.cast(pl.String).fill_null("") for column in (before, after)]
    counts: list[Mapping[str, int]] = [
        dict(text.value_counts(sort=True).iter_rows()) for text in texts
    ]  # fmt: skip
    levels = [*list(counts[0])[:N_LEVELS], *[level for level in list(counts[1])[:N_LEVELS] if level not in counts[0]]]
    made = []
    for count, text in zip(counts, texts, strict=True):
        shares = [count.get(level, 0) / max(len(text), 1) for level in levels]
        made.append([*shares, max(0.0, 1.0 - sum(shares))])
    return made[0], made[1]


def _psi(before: list[float], after: list[float], floor: float = 1e-4) -> float:
    """Population stability index; an empty bin counts as one in ten thousand."""
    pairs = [(max(p, floor), max(q, floor)) for p, q in zip(before, after, strict=True)]
    return sum((q - p) * math.log(q / p) for p, q in pairs)


def _ks(low: np.ndarray, high: np.ndarray) -> float | None:
    import numpy as np

    if not len(low) or not len(high):
        return None
    low, high = np.sort(low), np.sort(high)
    at = np.concatenate([low, high])
    gap = np.searchsorted(low, at, side="right") / len(low) - np.searchsorted(high, at, side="right") / len(high)
    return float(np.abs(gap).max())
