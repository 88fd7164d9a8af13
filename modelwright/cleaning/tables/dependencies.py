"""Columns that say what another one must be: found in the data, exceptions allowed, chance allowed for.

A dependency X -> c predicts a cell by the other rows of its group (those with the same X): of n of them, n_v say v, and
P(v) = (n_v + a b(v)) / (n + a), where b is how often v occurs at all and a how readily groups are mixed. `a` is fitted
on the table itself, each cell predicted without its own vote; what those predictions gain over b, in nats a cell, is
what the dependency is worth. A column of pure groups has a near 0; one that says nothing gains nothing and is left
out, however pure its groups are by chance. Groups of one say nothing, and a group of two is a tie: its two cells
refute each other.

Reference: Kivinen and Mannila (1995), "Approximate inference of functional dependencies from relations", TCS 149, for
the share of exceptions; MacKay and Peto (1995), "A hierarchical Dirichlet language model", for the form of P(v).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from modelwright.cleaning.tables.coded import Coded, paired, part_of, quoted, tallied

if TYPE_CHECKING:
    import numpy as np

MIXED = (0.02, 0.06, 0.2, 0.6, 2.0, 6.0, 20.0)  # values of `a` that are tried
LEAST_GAIN = 0.02  # nats a cell, and
LEAST_SHARE = 0.05  # of what there is to say
MOST_SINGLE, MOST_PAIRS = 6, 2
LEAST_IN_GROUP = 10
MOST_TABLE = 4_000_000  # groups times values
LEARNED_FROM = 20_000  # rows: of a longer table, what says something of what is learned from so many
MOST_DISTINCT = 0.7  # of the rows: a column of nearly distinct texts has no groups


@dataclass(frozen=True, eq=False)
class Dependency:
    """What the columns `on` say of a column. `groups` (int64, shape (n,), -1 where one of them is missing) numbers the
    groups; `keys` (sorted) are group * width + value for all that occur together, `votes` how often; `sizes` the voters
    of each group; `mixed` is `a` above; `gain` is in nats a cell."""

    on: tuple[str, ...]
    groups: np.ndarray
    keys: np.ndarray
    votes: np.ndarray
    sizes: np.ndarray
    width: int
    mixed: float
    gain: float
    base: np.ndarray = field(repr=False)

    def count(self, rows: np.ndarray, values: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Votes for `values` and voters, int64, in the groups of `rows`, without the rows' own votes (`own`)."""
        import numpy as np

        group = self.groups[rows]
        known = group >= 0
        key = np.where(known, group, 0) * self.width + np.maximum(values, 0)
        n_for = np.where(known & (values >= 0), self._votes_of(key), 0)
        n_all = np.where(known, self.sizes[np.maximum(group, 0)], 0)
        voted = known & (own >= 0)
        return n_for - (voted & (own == values)), n_all - voted

    def _votes_of(self, key: np.ndarray) -> np.ndarray:
        import numpy as np

        if self._table is not None:
            return np.asarray(self._table[key])
        place = np.minimum(np.searchsorted(self.keys, key), max(0, len(self.keys) - 1))
        return np.where(self.keys[place] == key, self.votes[place], 0)

    @cached_property
    def _table(self) -> np.ndarray | None:
        """The votes of every group for every value, int32, where that is a table of a few megabytes."""
        import numpy as np

        if len(self.sizes) * self.width > MOST_TABLE:
            return None
        table = np.zeros(len(self.sizes) * self.width, np.int32)
        table[self.keys] = self.votes
        return table

    @cached_property
    def leaders(self) -> tuple[np.ndarray, np.ndarray]:
        """The two values with most votes in each group, int64 of shape (n_groups,), -1 where there is none."""
        import numpy as np

        group, value = self.keys // self.width, self.keys % self.width
        order = np.lexsort((value, -self.votes, group))
        ranked, named = group[order], value[order]
        first = np.r_[True, ranked[1:] != ranked[:-1]] if len(ranked) else np.zeros(0, bool)
        second = np.r_[False, first[:-1] & ~first[1:]] if len(ranked) else np.zeros(0, bool)
        best = np.full(len(self.sizes), -1, np.int64)
        next_best = best.copy()
        best[ranked[first]] = named[first]
        next_best[ranked[second]] = named[second]
        return best, next_best

    def rivals(self, own: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each of `rows` what its group says instead of `own`: the first and the second value, -1 where none."""
        import numpy as np

        known = self.groups[rows] >= 0
        group = np.maximum(self.groups[rows], 0)
        own = own[rows]
        best, next_best = (np.where(known, named[group], -1) for named in self.leaders)
        return np.where(best == own, next_best, best), np.where(best == own, -1, next_best)

    def reason(self, row: int, meant: int, own: int, columns: Mapping[str, Coded]) -> str:
        """The evidence in words: "24 of 24 other rows with zip '36301' say so"."""
        import numpy as np

        n_for, n_all = self.count(np.array([row]), np.array([meant]), np.array([own]))
        at = " and ".join(f"{name} '{quoted(columns[name].values[columns[name].codes[row]])}'" for name in self.on)
        return f"{int(n_for[0])} of {int(n_all[0])} other rows with {at} say so"


def depend(on: tuple[str, ...], groups: np.ndarray, column: Coded, sound: np.ndarray) -> Dependency | None:
    """What groups of rows say of a column, with `a` fitted; None when nothing can be said.

    `sound` (float64 per distinct text) is how much a text counts as an exception: a misspelled one is none.

    >>> import numpy as np, polars as pl
    >>> from modelwright.cleaning.tables.coded import code
    >>> city = code(pl.Series("city", ["Rome", "Rome", "Rome", "Oslo", "Oslo", "Oslo"] * 4))
    >>> found = depend(("zip",), np.array([0, 0, 0, 1, 1, 1] * 4), city, np.ones(2))
    >>> found.mixed, round(found.gain, 2)
    (0.02, 0.73)
    """
    import numpy as np

    width = len(column.values)
    n_groups = int(groups.max(initial=-1)) + 1
    if width < 2 or not n_groups:
        return None
    both = np.flatnonzero((groups >= 0) & (column.codes >= 0))
    group, value = groups[both].astype(np.int64), column.codes[both]
    keys, votes = tallied(group * width + value, n_groups * width)
    sizes = np.bincount(group, minlength=n_groups)
    mixed, gain = _fit(keys, votes, sizes, column, sound)
    if mixed is None:
        return None
    return Dependency(on, groups, keys, votes, sizes, width, mixed, gain / column.n_rows, column.base)


def _fit(
    keys: np.ndarray, votes: np.ndarray, sizes: np.ndarray, column: Coded, sound: np.ndarray
) -> tuple[float | None, float]:
    """`a`, and what predictions with it gain in all (nats); None where no row has another in its group."""
    import numpy as np

    width = len(column.values)
    voters = sizes[keys // width]
    if not (voters > 1).any():
        return None, 0.0
    base = column.base[keys % width]
    weight = votes * sound[keys % width]
    gains = [float((weight * (np.log((votes - 1 + a * base) / (voters - 1 + a) / base))).sum()) for a in MIXED]
    best = int(np.argmax(gains))
    return MIXED[best], gains[best]


def surprise(column: Coded) -> float:
    """Nats a cell that there are to say of a column."""
    import numpy as np

    share = column.counts / max(1, column.n_present)
    return float(-(share * np.log(column.base)).sum())


def has_groups(column: Coded) -> bool:
    """Whether rows share texts of a column often enough to vote."""
    return 1 < len(column.values) <= MOST_DISTINCT * max(1, column.n_present)


def again(dep: Dependency, column: Coded, sound: np.ndarray) -> Dependency | None:
    """The same dependency with `a` fitted anew, now that more is known of which texts are sound."""
    mixed, gain = _fit(dep.keys, dep.votes, dep.sizes, column, sound)
    return None if mixed is None else replace(dep, mixed=mixed, gain=gain / column.n_rows)


def dependencies(column: Coded, others: Sequence[Coded], sound: np.ndarray) -> list[Dependency]:
    """The columns, and pairs of columns, that say most of `column`, best first; at most 6 and 2.

    >>> import polars as pl
    >>> from modelwright.cleaning.tables.coded import code
    >>> city = code(pl.Series("city", ["Rome", "Rome", "Rome", "Oslo", "Oslo", "Oslo"] * 4))
    >>> other = code(pl.Series("even", ["yes", "no"] * 12))
    >>> code_of = code(pl.Series("zip", ["00100", "00100", "00100", "0150", "0150", "0150"] * 4))
    >>> import numpy as np
    >>> [found.on for found in dependencies(city, [other, code_of], np.ones(2))]
    [('zip',)]
    """
    to_say = surprise(column)
    least = max(LEAST_GAIN, LEAST_SHARE * to_say)
    single = []
    for other in others:
        if other.name == column.name or not has_groups(other):
            continue
        found = _learned((other.name,), other.codes, len(other.values), column, sound)
        if found is not None and found.gain > least:
            single.append((found, other.codes))
    single.sort(key=lambda one: (-one[0].gain, one[0].on))
    chosen = single[:MOST_SINGLE]
    chosen += _pairs(column, chosen, to_say, sound)
    made = [
        depend(found.on, groups, column, sound) if found.groups is not groups else found for found, groups in chosen
    ]
    return [one for one in made if one is not None]


def _learned(
    on: tuple[str, ...], groups: np.ndarray, n_groups: int, column: Coded, sound: np.ndarray
) -> Dependency | None:
    """What groups say of a column, by some of the rows where there are many: whole groups where they are small."""
    import numpy as np

    if column.n_rows <= LEARNED_FROM:
        return depend(on, groups, column, sound)
    share = LEARNED_FROM / column.n_rows
    if n_groups * LEAST_IN_GROUP <= LEARNED_FROM:
        rows = np.linspace(0, column.n_rows - 1, LEARNED_FROM).astype(np.int64)
        return depend(on, groups[rows], part_of(column, rows), sound)
    mixed = groups.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    rows = np.flatnonzero((mixed >> np.uint64(32) < np.uint64(share * 2**32)) & (groups >= 0))[: 2 * LEARNED_FROM]
    if not len(rows):
        return None
    return depend(on, np.unique(groups[rows], return_inverse=True)[1], part_of(column, rows), sound)


def _pairs(
    column: Coded, single: Sequence[tuple[Dependency, np.ndarray]], to_say: float, sound: np.ndarray
) -> list[tuple[Dependency, np.ndarray]]:
    """Pairs that say more than either of their columns, where a column by itself leaves much unsaid."""
    if not single or single[0][0].gain > 0.9 * to_say:
        return []
    found = []
    for place, (left, left_groups) in enumerate(single):
        for right, right_groups in single[place + 1 :]:
            groups = paired(left_groups, right_groups)
            pair = _learned((*left.on, *right.on), groups, int(groups.max(initial=-1)) + 1, column, sound)
            if pair is not None and pair.gain > max(left.gain, right.gain) + LEAST_SHARE * to_say:
                found.append((pair, groups))
    found.sort(key=lambda one: (-one[0].gain, one[0].on))
    return found[:MOST_PAIRS]
