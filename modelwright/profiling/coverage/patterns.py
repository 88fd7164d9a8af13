"""Groups and intersections that have too few rows: minimal uncovered patterns, all of them.

A pattern says the level of some columns. It is uncovered when fewer than `least_rows` rows match it, and minimal when
leaving out any of its columns gives a pattern with enough. Counted for every set of columns at once, with levels that
are uncovered by themselves left out; exact. Asudeh, Jin & Jagadish (2019), "Assessing and remedying coverage for a
given dataset", ICDE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from math import prod
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError
from modelwright.groups import NOT_STATED, OTHER

if TYPE_CHECKING:
    import numpy as np

    from modelwright.groups import Crossed

MOST_COLUMNS = 4
MOST_CELLS = 40_000_000


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A minimal uncovered pattern: its levels by column, rows it has and needs, and rows it would have if the columns
    had nothing to do with each other."""

    levels: Mapping[str, str]
    have: int
    need: int
    expected: float


@dataclass(frozen=True, kw_only=True)
class Uncovered:
    """All minimal uncovered patterns, fewest columns first, then those one would expect the most rows of.

    `n_looked` is the number of patterns that were counted, `n_columns` the most columns a pattern may name.
    """

    least_rows: int
    n_columns: int
    n_looked: int
    patterns: tuple[Pattern, ...]
    codes: np.ndarray = field(repr=False, compare=False)


def uncovered(crossed: Crossed, *, least_rows: int = 30, n_columns: int = MOST_COLUMNS) -> Uncovered:
    """Find all minimal uncovered patterns of at most `n_columns` columns.

    Cells that do not state a column match no pattern of it; `OTHER` is no level to be covered. `codes` of the result is
    int64 (n_patterns, n_groupings), -1 where a pattern leaves the column open. Raises `UserError("coverage.size")`.

    >>> import polars as pl
    >>> from modelwright.core.data import Dataset
    >>> from modelwright.groups import cross, group
    >>> frame = pl.DataFrame({"a": ["x"] * 50 + ["y"] * 50, "b": ["u"] * 50 + ["v"] * 40 + ["u"] * 10})
    >>> found = uncovered(cross(Dataset.from_frame(frame), [group(frame["a"]), group(frame["b"])]))
    >>> [(dict(one.levels), one.have, one.need) for one in found.patterns]
    [({'a': 'y', 'b': 'u'}, 10, 20), ({'a': 'x', 'b': 'v'}, 0, 30)]
    """
    import numpy as np

    names = range(len(crossed.groupings))
    kept = [_covered_levels(crossed, place, least_rows) for place in names]
    _check_size([len(one) for one in kept], n_columns)
    rows, n_looked = [], 0
    for n in range(1, min(n_columns, len(names)) + 1):
        for columns in combinations(names, n):
            found, n_counted = _minimal(crossed, columns, kept, least_rows)
            rows += found
            n_looked += n_counted
    codes = np.array([code for code, _, _ in rows], dtype=np.int64).reshape(len(rows), len(names))
    have = np.array([count for _, count, _ in rows], dtype=np.int64)
    expected = np.array([one for _, _, one in rows], dtype=float)
    order = np.lexsort((have, -expected, (codes >= 0).sum(axis=1))) if rows else np.array([], dtype=np.int64)
    patterns = tuple(
        Pattern(levels=levels_of(crossed, codes[place]), have=int(have[place]),
                need=int(least_rows - have[place]), expected=float(expected[place]))
        for place in order
    )  # fmt: skip
    return Uncovered(
        least_rows=least_rows, n_columns=n_columns, n_looked=n_looked, patterns=patterns, codes=codes[order]
    )


def levels_of(crossed: Crossed, code: np.ndarray) -> dict[str, str]:
    """A pattern's codes (-1: open) as levels by column."""
    made = {}
    for grouping, place in zip(crossed.groupings, code.tolist(), strict=True):
        if place >= 0:
            made[grouping.column] = grouping.levels[place] if place < len(grouping.levels) else NOT_STATED
    return made


def _covered_levels(crossed: Crossed, place: int, least_rows: int) -> np.ndarray:
    """Levels with enough rows of their own."""
    import numpy as np

    counts = crossed.table([place])[:-1]
    covered = [
        level
        for level, name in enumerate(crossed.groupings[place].levels)
        if counts[level] >= least_rows and name != OTHER
    ]
    return np.array(covered, dtype=np.int64)


def _check_size(sizes: list[int], n_columns: int) -> None:
    n_cells = sum(
        prod(sizes[column] for column in columns)
        for n in range(1, min(n_columns, len(sizes)) + 1)
        for columns in combinations(range(len(sizes)), n)
    )
    if n_cells > MOST_CELLS:
        raise UserError(
            "coverage.size", f"these columns make {n_cells:,} groups and intersections; at most {MOST_CELLS:,} "
            "are looked at.", hint="name fewer columns",
        )  # fmt: skip


def _minimal(
    crossed: Crossed, columns: tuple[int, ...], kept: list[np.ndarray], least_rows: int
) -> tuple[list[tuple[list[int], int, float]], int]:
    """The minimal uncovered patterns of exactly these columns: (codes, rows, expected rows); how many were counted."""
    import numpy as np

    whole = crossed.table(columns)
    n = float(whole.sum())
    if len(columns) == 1:
        levels = crossed.groupings[columns[0]].levels
        axes: tuple[np.ndarray, ...] = (np.array([i for i, name in enumerate(levels) if name != OTHER], dtype=int),)
        counts = whole[axes[0]]
        mask = counts < least_rows
        expected: np.ndarray = np.full(counts.shape, n / max(len(levels), 1))
    else:
        axes = tuple(kept[column] for column in columns)
        counts = whole[np.ix_(*axes)]
        mask, expected = counts < least_rows, np.full(counts.shape, n)
        for axis in range(len(columns)):
            others = tuple(place for place in range(len(columns)) if place != axis)
            parent = whole.sum(axis=axis)[np.ix_(*(axes[place] for place in others))]
            mask &= np.expand_dims(parent, axis) >= least_rows
            own = whole.sum(axis=others)[axes[axis]] / max(n, 1.0)
            expected = expected * np.expand_dims(own, others)
    rows: list[tuple[list[int], int, float]] = []
    for cell in np.argwhere(mask):
        code = [-1] * len(crossed.groupings)
        for column, kinds, place in zip(columns, axes, cell, strict=True):
            code[column] = int(kinds[place])
        rows.append((code, int(counts[tuple(cell)]), float(expected[tuple(cell)])))
    return rows, int(np.prod(counts.shape))
