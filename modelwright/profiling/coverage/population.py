"""Shares of groups beside a population's: stated shares, or a second table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError, nearest
from modelwright.groups import NOT_STATED, OTHER, plain_text
from modelwright.profiling.coverage.skews import Skew
from modelwright.proportions import against_stated, difference, two_sided, wilson

if TYPE_CHECKING:
    import numpy as np

    from modelwright.groups import Crossed, Grouping

Shares = Mapping[str, Mapping[str, float]]


def checked(shares: Shares) -> dict[str, dict[str, float]]:
    """Stated shares by column and level, each column's at most 1; per cents are divided.

    Raises `UserError("coverage.shares")`.

    >>> checked({"sex": {"female": 51, "male": 49}})
    {'sex': {'female': 0.51, 'male': 0.49}}
    """
    made = {}
    for column, levels in shares.items():
        if not isinstance(levels, Mapping) or not levels:
            raise _wrong(column, f"say a share for each level; got {levels!r}")
        for level, share in levels.items():
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 100:
                raise _wrong(column, f"the share of {str(level)!r} must be a number from 0 to 1; got {share!r}")
        total = sum(levels.values())
        factor = 100.0 if 98.0 <= total <= 102.0 else 1.0
        if total <= 0 or total / factor > 1.02:
            raise _wrong(column, f"the shares add up to {total:g}, which is more than 1" if total > 0 else "all are 0")
        over = max(total / factor, 1.0) if total / factor < 0.98 or total / factor > 1.0 else total / factor
        made[str(column)] = {str(level): share / factor / over for level, share in levels.items()}
    return made


def _wrong(column: str, rule: str) -> UserError:
    return UserError("coverage.shares", f"the population's shares of `{column}`: {rule}.",
                     hint="sex: {female: 0.51, male: 0.49}")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Margin:
    """A population's shares of one grouping: `shares` float64 (n_levels,), NaN where it says nothing of a level; they
    add up to 1. `n_rows` is the size of the table they come from, None of stated ones."""

    place: int
    shares: np.ndarray
    n_rows: int | None


def stated_margins(groupings: Sequence[Grouping], shares: Mapping[str, Mapping[str, float]]) -> tuple[Margin, ...]:
    """The margins that stated shares say. Levels that nothing is said of share what is left by a single number, if
    there is only one; a column of no grouping is refused."""
    import numpy as np

    names = [grouping.column for grouping in groupings]
    made = []
    for column, levels in shares.items():
        if column not in names:
            raise UserError("coverage.group", f"the population says shares of `{column}`, which is no group.",
                            hint=nearest(column, names))  # fmt: skip
        place = names.index(column)
        known = {plain_text(level): share for level, share in levels.items()}
        found = np.array([known.get(plain_text(level), np.nan) for level in groupings[place].levels])
        left = 1.0 - np.nansum(found)
        unsaid = np.flatnonzero(np.isnan(found))
        if len(unsaid) == 1 and left > 0.005:
            found[unsaid] = left
        elif left <= 0.005:
            found[unsaid] = 0.0
        made.append(Margin(place, found, None))
    return tuple(made)


def table_margins(reference: Crossed, places: Sequence[int]) -> tuple[Margin, ...]:
    """The margins of a reference table, among its rows that state the column."""
    made = []
    for place in places:
        counts = reference.table([place])[:-1]
        if counts.sum():
            made.append(Margin(place, counts / counts.sum(), int(counts.sum())))
    return tuple(made)


def share_skews(crossed: Crossed, margins: Sequence[Margin]) -> list[Skew]:
    """Each group's share beside the population's, with its interval and test; not yet decided."""
    import numpy as np

    made = []
    for margin in margins:
        grouping = crossed.groupings[margin.place]
        counts = crossed.table([margin.place])[:-1]
        n = int(counts.sum())
        looked = np.flatnonzero(~np.isnan(margin.shares))
        if len(looked) == 2 == len(grouping.levels):  # the other one is the same test
            looked = looked[np.argsort((counts / max(n, 1) - margin.shares)[looked], kind="stable")][:1]
        for level in looked if n else ():
            name, share = grouping.levels[level], float(margin.shares[level])
            made.append(_share_skew({grouping.column: name}, counts[level], n, share, margin.n_rows, "the population"))
    return made


def _share_skew(
    group: Mapping[str, str], count: float, n: int, share: float, n_reference: int | None, against: str
) -> Skew:
    if n_reference is None:
        low, high = (float(one) - share for one in wilson(count, n))
        p = float(against_stated(count, n, share))
    else:
        _, low, high = (float(one) for one in difference(count, n, share * n_reference, n_reference))
        p = float(two_sided(count, n, share * n_reference, n_reference))
    return Skew(
        kind="population", about="share of rows", group=group, n_rows=int(count), rate=float(count / n),
        other_rate=share, n_other=n_reference or 0, difference=float(count / n - share), low=low, high=high,
        against=against, p=p,
    )  # fmt: skip


def pair_skews(crossed: Crossed, reference: Crossed, *, least_rows: int) -> list[Skew]:
    """Intersections whose share of both their groups differs from that in the reference table, on the same side, and by
    more than the two groups' own shares say (the largest of the three chances counts)."""
    made = []
    for places in combinations(range(len(crossed.groupings)), 2):
        own, other = crossed.table(places), reference.table(places)
        made += _pair_table(crossed, places, own, other, least_rows)
    return made


def _pair_table(
    crossed: Crossed, places: tuple[int, int], own: np.ndarray, other: np.ndarray, least_rows: int
) -> list[Skew]:
    import numpy as np

    levels = [(*crossed.groupings[place].levels, NOT_STATED) for place in places]
    names = [crossed.groupings[place].column for place in places]
    mask = np.maximum(own, other) >= least_rows
    mask[-1, :] = False
    mask[:, -1] = False
    for axis, words in enumerate(levels):
        mask &= np.expand_dims(np.array([word != OTHER for word in words]), 1 - axis)
    parents = [(own.sum(axis=axis, keepdims=True), other.sum(axis=axis, keepdims=True)) for axis in (1, 0)]
    for whole, reference in parents:
        mask &= (whole >= least_rows) & (reference >= least_rows)
    cells = np.argwhere(mask)
    if not len(cells):
        return []
    index = tuple(cells.T)
    tests = []
    for whole, reference in parents:
        n, m = (np.broadcast_to(one, own.shape)[index] for one in (whole, reference))
        gaps = difference(own[index], n, other[index], m)
        tests.append((two_sided(own[index], n, other[index], m), *gaps, own[index] / n, other[index] / m, m))
    more, beyond = _beyond(own, other)
    made = []
    for k, (one, two) in enumerate(cells):
        first = int(tests[1][0][k] > tests[0][0][k])
        found = [float(part[k]) for part in tests[first]]
        chance = max(found[0], float(beyond[one, two]))
        sides = {float(np.sign(side)) for side in (tests[0][1][k], tests[1][1][k], more[one, two])}
        group = {names[0]: levels[0][one], names[1]: levels[1][two]}
        made.append(Skew(
            kind="population", about=f"share of {names[first]} {group[names[first]]}", group=group,
            n_rows=int(own[one, two]), rate=found[4], other_rate=found[5], n_other=int(found[6]), difference=found[1],
            low=found[2], high=found[3], against="the reference table", p=chance if len(sides) == 1 else 1.0,
        ))  # fmt: skip
    return made


def _beyond(own: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logarithm of each cell's rows over what the ratios of its row and column say, and the chance of that."""
    import numpy as np
    from scipy.stats import norm

    def ratio(axis: int | None) -> np.ndarray:
        top, base = (one.sum(axis=axis, keepdims=True) + 0.5 for one in (own, other))
        return np.asarray(np.log(top / base))

    more = np.log((own + 0.5) / (other + 0.5)) - ratio(1) - ratio(0) + ratio(None)
    spread = np.sqrt(1 / (own + 0.5) + 1 / (other + 0.5))
    return more, 2 * norm.sf(np.abs(more) / spread)
