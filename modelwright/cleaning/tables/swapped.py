"""Two cells of a row that changed places: a town in the column of names where the name is in the column of towns.

Nothing need be known of the row: each text is at home in the other column and a stranger in its own. Of two columns
that hold the same texts, or two of numbers, nobody can say, and nothing is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.cleaning.tables.coded import Coded, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

AT_FIRST = 1e-3  # share of rows that have two given cells changed, before anything is known
STRANGER = 0.01  # of one row in n: how likely a text is that the column has nowhere else
LIKE_KIND = 0.2  # of the chance of a new text, for one that is a number among numbers or a word among words
MIXED = (0.2, 0.8)  # columns with this share of numbers are neither of numbers nor of words
LEAST_ROWS = 20
ROUNDS = 8
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
    found: dict[tuple[int, str], Swap] = {}
    for place, left in enumerate(looked):
        for right in looked[place + 1 :]:
            if min(left.numeric, right.numeric) >= 0.5:
                continue
            of_left, of_right = _counts_in(right, left), _counts_in(left, right)
            if _shared(left, right, of_left) > MOST_SHARED:
                continue
            for one in _changed(left, right, *_chances(left, right, of_left, of_right), least):
                if one[:2] not in found or found[one[:2]][5] < one[5]:
                    found[one[:2]] = one
    return sorted(found.values())


def _counts_in(other: Coded, column: Coded) -> np.ndarray:
    """How often each text of `column` occurs in the other one, int64."""
    import polars as pl

    known = pl.DataFrame({"text": other.values, "n": other.counts}, schema={"text": pl.String, "n": pl.Int64})
    own = pl.DataFrame({"text": column.values}, schema={"text": pl.String})
    found: np.ndarray = own.join(known, on="text", how="left", maintain_order="left")["n"].fill_null(0).to_numpy()
    return found


def _shared(left: Coded, right: Coded, of_left: np.ndarray) -> float:
    """How far two columns have the same texts equally often, 0..1: then either cell may stand in either."""
    import numpy as np

    return float(np.minimum(left.counts / left.n_present, of_left / right.n_present).sum())


def _chances(left: Coded, right: Coded, of_left: np.ndarray, of_right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows whose two cells are strangers, and the chance of each that they changed places, by a few rounds of
    expectation and maximisation: the more rows changed, the fewer of a text's other rows speak for it."""
    import numpy as np

    sides = ((left, right, of_left), (right, left, of_right))
    alien = [np.append((side[0].counts <= max(3.0, RARE * side[0].n_present)) & (side[2] > 0), False) for side in sides]
    rows = np.flatnonzero(alien[0][left.codes] & alien[1][right.codes])
    chance, share = np.zeros(len(rows)), AT_FIRST
    better = [_homes(other, column, elsewhere) for column, other, elsewhere in sides]
    for _ in range(ROUNDS):
        odds = np.ones(len(rows))
        for (column, _, _), there in zip(sides, better, strict=True):
            own = column.codes[rows]
            moved = np.bincount(own, chance, len(column.values))
            others = np.maximum(column.counts[own] - 1 - (moved[own] - chance), 0.0)
            odds *= there[own] / _homes(column, column, others, own)
        chance = share * odds / (share * odds + 1 - share)
        share = min(0.1, max(AT_FIRST, float(chance.sum()) / left.n_rows))
    return rows, chance


def _homes(column: Coded, texts: Coded, n_others: np.ndarray, codes: np.ndarray | None = None) -> np.ndarray:
    """How likely a column has these texts (all, or those of `codes`), by the rows that have them and by their kind."""
    import numpy as np

    plain = texts.plain if codes is None else texts.plain[codes]
    fits = np.where(plain, column.numeric >= MIXED[1], column.numeric <= MIXED[0])
    alike = np.where(fits, column.once * LIKE_KIND if column.once > 0.05 else 0.0, 0.0)
    homes: np.ndarray = np.maximum(np.maximum(n_others, STRANGER) / column.n_present, alike)
    return homes


def _changed(left: Coded, right: Coded, rows: np.ndarray, chance: np.ndarray, least: float) -> list[Swap]:
    """The cells of two columns that are at home in one another's column."""
    import numpy as np

    found, sure = [], np.flatnonzero(chance >= least)
    for row, certain in zip(rows[sure].tolist(), chance[sure].tolist(), strict=True):
        one, other = left.values[left.codes[row]], right.values[right.codes[row]]
        for column, home, before, after in ((left, right, one, other), (right, left, other, one)):
            why = (
                f"changed places with {home.name}: {_n(home, before)} other rows have '{quoted(before)}' there, "
                f"and {_n(column, after)} have '{quoted(after)}' here"
            )
            found.append((row, column.name, before, after, why, certain))
    return found


def _n(column: Coded, text: str) -> int:
    from bisect import bisect_left

    place = bisect_left(column.values, text)
    return int(column.counts[place]) if place < len(column.values) and column.values[place] == text else 0
