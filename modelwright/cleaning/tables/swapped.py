"""Two cells of a row that changed places: a town in the column of names where the name is in the column of towns.

Nothing need be known of the row: each text is at home in the other column and a stranger in its own. Of two columns
that hold the same texts, or two of numbers, nobody can say, and nothing is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.cleaning.tables.coded import Coded, is_number, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

AT_FIRST = 1e-3  # share of rows that have two given cells changed, before anything is known
STRANGER = 0.01  # of one row in n: how likely a text is that the column has nowhere else
LIKE_KIND = 0.2  # of the chance of a new text, for one that is a number among numbers or a word among words
MIXED = (0.2, 0.8)  # columns with this share of numbers are neither of numbers nor of words
LEAST_ROWS = 20
MOST_SHARED = 0.1  # overlap of two columns' texts, by how often each stands in either
RARE = 0.05  # of the rows
Swap = tuple[int, str, str, str, str, float]


def swapped(columns: Sequence[Coded], least: float) -> list[Swap]:
    """Changes (place, column, before, after, reason, confidence), two for each pair of cells that changed places.

    >>> import polars as pl
    >>> from modelwright.cleaning.tables.coded import code
    >>> towns, trees = ["Rome", "Oslo"] * 30, ["oak", "ash", "elm"] * 20
    >>> towns[7], trees[7] = trees[7], towns[7]
    >>> [one[:4] for one in swapped([code(pl.Series("town", towns)), code(pl.Series("tree", trees))], 0.5)]
    [(7, 'town', 'ash', 'Oslo'), (7, 'tree', 'Oslo', 'ash')]
    """
    looked = [column for column in columns if column.changeable and column.n_present >= LEAST_ROWS]
    strangers = {column.name: _strangers(column) for column in looked}
    found: dict[tuple[int, str], Swap] = {}
    for place, left in enumerate(looked):
        for right in looked[place + 1 :]:
            if min(left.numeric, right.numeric) >= 0.5 or _shared(left, right) > MOST_SHARED:
                continue
            both = strangers[left.name][left.codes] & strangers[right.name][right.codes]
            for one in _changed(left, right, both.nonzero()[0], least):
                if one[:2] not in found or found[one[:2]][5] < one[5]:
                    found[one[:2]] = one
    return sorted(found.values())


def _shared(left: Coded, right: Coded) -> float:
    """How far two columns have the same texts equally often, 0..1: then either cell may stand in either."""
    other = dict(zip(right.values, (right.counts / right.n_present).tolist(), strict=True))
    own = zip(left.values, (left.counts / left.n_present).tolist(), strict=True)
    return float(sum(min(share, other.get(value, 0.0)) for value, share in own))


def _strangers(column: Coded) -> np.ndarray:
    """Which texts are rare in their column; false at the end, for the code -1 of a missing cell."""
    import numpy as np

    return np.append(column.counts <= max(3.0, RARE * column.n_present), False)


def _changed(left: Coded, right: Coded, rows: np.ndarray, least: float) -> list[Swap]:
    """The cells of two columns in these rows that are at home in one another's column."""
    import numpy as np

    homes = [dict(zip(column.values, column.counts.tolist(), strict=True)) for column in (left, right)]
    pairs = [(row, left.values[left.codes[row]], right.values[right.codes[row]]) for row in rows.tolist()]
    odds = []
    for _, one, other in pairs:
        here = _home(left, one, homes[0][one] - 1) * _home(right, other, homes[1][other] - 1)
        there = _home(left, other, homes[0].get(other, 0)) * _home(right, one, homes[1].get(one, 0))
        odds.append(there / here)
    if not odds:
        return []
    share = AT_FIRST
    for _ in range(5):
        chance = share * np.array(odds) / (share * np.array(odds) + 1 - share)
        share = min(0.1, max(AT_FIRST, float(chance.sum()) / left.n_rows))
    found = []
    for (row, one, other), sure in zip(pairs, chance.tolist(), strict=True):
        if sure >= least:
            for column, home, before, after in ((left, right, one, other), (right, left, other, one)):
                why = (
                    f"changed places with {home.name}: {_n(home, before)} other rows have '{quoted(before)}' there, "
                    f"and {_n(column, after)} have '{quoted(after)}' here"
                )
                found.append((row, column.name, before, after, why, sure))
    return found


def _n(column: Coded, text: str) -> int:
    from bisect import bisect_left

    place = bisect_left(column.values, text)
    return int(column.counts[place]) if place < len(column.values) and column.values[place] == text else 0


def _home(column: Coded, text: str, n_others: int) -> float:
    """How likely a column has a text, by the rows that have it and by its kind."""
    n_present = column.n_present
    number = is_number(text)
    fits = column.numeric >= MIXED[1] if number else column.numeric <= MIXED[0]
    alike = column.once * LIKE_KIND if fits and column.once > 0.05 else 0.0
    return float(max(n_others / n_present, STRANGER / n_present, alike))
