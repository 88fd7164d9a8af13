"""A column that is two others written together: "al_hf-3" where the state is "al" and the measure "hf-3".

A dependency counts votes, so it knows nothing of a text that occurs once; what is composed can be written down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.cleaning.tables.coded import Coded

if TYPE_CHECKING:
    import numpy as np

LEAST_SHARE = 0.8
MOST_LOOKED_AT = 2000
PREVIEW = 20  # of so many rows one is looked at first
MIXED = 0.1


@dataclass(frozen=True, eq=False)
class Composed:
    """What two columns, written together, say of a third: a dependency whose votes are all for one text.

    `told` (int64, shape (n,)) is that text's code, -1 where the column has no such text, -2 where a part is missing;
    `votes` is how many votes its word is worth, by how often it is right.
    """

    on: tuple[str, ...]
    told: np.ndarray
    votes: float
    gain: float
    joint: str
    share: float
    mixed: float = MIXED

    def count(self, rows: np.ndarray, values: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Votes for `values` and voters, float64."""
        import numpy as np

        told = self.told[rows]
        return np.where((told == values) & (told >= 0), self.votes, 0.0), np.where(told > -2, self.votes, 0.0)

    def rivals(self, own: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each of `rows` the composed text where it is not `own`, -1 where there is none; and nothing else."""
        import numpy as np

        told = self.told[rows]
        return np.where((told >= 0) & (told != own[rows]), told, -1), np.full(len(rows), -1, np.int64)

    def reason(self, row: int, meant: int, own: int, columns: Mapping[str, Coded]) -> str:
        """The evidence in words."""
        first, last = self.on
        text = f"in {self.share:.0%} of the rows this column is {first}, '{self.joint}' and {last}"
        parts = [columns[name].values[columns[name].codes[row]] for name in self.on]
        return f"{text}, here '{parts[0]}' and '{parts[1]}'"


def composed(column: Coded, others: Sequence[Coded]) -> Composed | None:
    """The two columns that `column` is made of, or None.

    >>> import polars as pl
    >>> from modelwright.cleaning.tables.coded import code
    >>> state, number = code(pl.Series("s", ["al", "ak", "al"] * 9)), code(pl.Series("n", ["1", "2", "3"] * 9))
    >>> found = composed(code(pl.Series("both", ["al_1", "ak_2", "al_3"] * 9)), [state, number])
    >>> found.on, found.joint
    (('s', 'n'), '_')
    """
    import numpy as np

    present = np.flatnonzero(column.codes >= 0)
    if len(present) < 10 or len(column.values) < 3:
        return None
    rows = present[np.linspace(0, len(present) - 1, min(MOST_LOOKED_AT, len(present))).astype(np.int64)].tolist()
    whole = [column.values[column.codes[row]] for row in rows]
    texts = {
        other.name: [other.values[other.codes[row]] if other.codes[row] >= 0 else "" for row in rows]
        for other in others if other.name != column.name and len(other.values) > 1
    }  # fmt: skip
    firsts = [name for name, cells in texts.items() if _share(whole, cells, str.startswith) >= LEAST_SHARE]
    lasts = [name for name, cells in texts.items() if _share(whole, cells, str.endswith) >= LEAST_SHARE]
    best: tuple[float, str, str, str] | None = None
    for first in firsts:
        for last in lasts:
            share, joint = _joint(whole, texts[first], texts[last])
            if first != last and share >= LEAST_SHARE and (best is None or share > best[0]):
                best = share, first, last, joint
    if best is None:
        return None
    by_name = {other.name: other for other in others}
    return _made(column, by_name[best[1]], by_name[best[2]], best[3], best[0])


def _share(whole: list[str], parts: list[str], holds: Callable[[str, str], bool]) -> float:
    """Share of the texts that begin (or end) with a part, and have more."""
    found = [0, 0]
    for place, step in enumerate((PREVIEW, 1)):  # nearly all pairs of columns fail at a few rows
        pairs = list(zip(whole[::step], parts[::step], strict=True))
        found[place] = sum(1 for text, part in pairs if part and len(part) < len(text) and holds(text, part))
        if found[place] < LEAST_SHARE / 2 * len(pairs):
            return 0.0
    return found[1] / len(whole)


def _joint(whole: list[str], firsts: list[str], lasts: list[str]) -> tuple[float, str]:
    """What stands between two parts most often, and in what share of the texts."""
    between = Counter(
        text[len(first) : len(text) - len(last)]
        for text, first, last in zip(whole, firsts, lasts, strict=True)
        if first and last and len(first) + len(last) <= len(text) and text.startswith(first) and text.endswith(last)
    )
    if not between:
        return 0.0, ""
    joint, count = min(between.items(), key=lambda item: (-item[1], item[0]))
    return count / len(whole), joint


def _made(column: Coded, first: Coded, last: Coded, joint: str, share: float) -> Composed:
    import numpy as np

    known = {text: place for place, text in enumerate(column.values)}
    key = np.where(
        (first.codes >= 0) & (last.codes >= 0), first.codes.astype(np.int64) * len(last.values) + last.codes, -1
    )
    distinct, place = np.unique(key, return_inverse=True)
    told = [
        known.get(f"{first.values[one // len(last.values)]}{joint}{last.values[one % len(last.values)]}", -1)
        if one >= 0
        else -2
        for one in distinct.tolist()
    ]
    right = min(share, 0.995)
    per_row = -np.log(column.base[column.codes[column.codes >= 0]]).mean()
    return Composed(
        (first.name, last.name),
        np.array(told, np.int64)[place],
        MIXED * right / (1 - right),
        float(share * per_row),
        joint,
        share,
    )
