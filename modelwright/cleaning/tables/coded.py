"""A table as numbers: each column's distinct texts in order, and for each row which of them it has.

All that finds wrong cells counts: how often a text occurs, alone and beside another. Counting numbers is what NumPy
does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

SHOWN = 60
MOST_COUNTED = 2_000_000  # keys that are counted in a table; more are sorted
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
_RUNS = ((re.compile(r"[^\W\d_]+"), "a"), (re.compile(r"\d+"), "9"), (re.compile(r"\s+"), " "))


@dataclass(frozen=True, eq=False)
class Coded:
    """One column: `values` are its distinct texts, sorted; `codes` (int32, shape (n,)) say which one a row has, -1
    where the cell is missing; `counts` (int64) how many rows have each. `changeable` is false for what is no text."""

    name: str
    values: list[str]
    codes: np.ndarray
    counts: np.ndarray
    changeable: bool = field(default=True)

    @property
    def n_rows(self) -> int:
        """Rows, with and without a value."""
        return len(self.codes)

    @cached_property
    def n_present(self) -> int:
        """Rows with a value."""
        return int(self.counts.sum())

    @cached_property
    def once(self) -> float:
        """Share of the rows whose text no other row has: the chance that the next text is a new one (Good and
        Turing)."""
        return float(((self.counts == 1).sum() + 0.5) / (self.n_present + 1))

    @cached_property
    def base(self) -> np.ndarray:
        """Share of the rows with each text, float64, one's own row half counted."""
        import numpy as np

        return np.asarray((self.counts - 0.5) / max(1, self.n_present), np.float64)

    @cached_property
    def numeric(self) -> float:
        """Share of the rows whose text is a plain number."""
        return float(self.counts[self.plain].sum() / max(1, self.n_present))

    @cached_property
    def plain(self) -> np.ndarray:
        """Which texts are plain numbers, bool."""
        import numpy as np

        return np.fromiter((is_number(value) for value in self.values), bool, len(self.values))


def is_number(text: str) -> bool:
    """Whether a text is a plain number.

    >>> is_number(" -1.5e3"), is_number("12 oz")
    (True, False)
    """
    return bool(_NUMBER.match(text.strip()))


def quoted(text: str) -> str:
    """A text as a reason shows it: at most 60 letters, and no quotation mark that could end it.

    >>> quoted("o'clock")
    'o’clock'
    """
    return (text if len(text) <= SHOWN else text[: SHOWN - 3] + "...").replace("'", "\u2019")


def shape_of(text: str) -> str:
    """A text's shape.

    >>> shape_of("12.0 oz."), shape_of("al_hf-3")
    ('9.9 a.', 'a_a-9')
    """
    for run, sign in _RUNS:
        text = run.sub(sign, text)
    return text


def code(cells: pl.Series) -> Coded:
    """A column as numbers; what is no text is read as the text it would be written as.

    >>> import polars as pl
    >>> made = code(pl.Series("x", ["b", "a", None, "b"]))
    >>> made.values, made.codes.tolist(), made.counts.tolist()
    (['a', 'b'], [1, 0, -1, 1], [1, 2])
    """
    import numpy as np
    import polars as pl

    texts = cells if cells.dtype == pl.String else cells.cast(pl.String, strict=False)
    texts = texts.set(texts == "", None)
    values = texts.drop_nulls().unique().sort()
    places = pl.Series(np.arange(len(values), dtype=np.int32))
    codes = texts.replace_strict(values, places, default=-1, return_dtype=pl.Int32) if len(values) else None
    numbers = np.full(len(texts), -1, np.int32) if codes is None else codes.to_numpy().copy()
    counts = np.bincount(numbers[numbers >= 0], minlength=len(values))
    return Coded(cells.name, values.to_list(), numbers, counts, cells.dtype == pl.String)


def paired(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two columns of groups as one: equal where both are equal, -1 where either is missing; int64, numbered from 0.

    >>> import numpy as np
    >>> paired(np.array([0, 0, 1, -1]), np.array([5, 5, 5, 5])).tolist()
    [0, 0, 1, -1]
    """
    import numpy as np

    both = (left >= 0) & (right >= 0)
    found = np.full(len(left), -1, np.int64)
    if both.any():
        width = int(right.max()) + 1
        key = left[both].astype(np.int64) * width + right[both]
        most = (int(left.max()) + 1) * width
        if most <= MOST_COUNTED:
            number = np.cumsum(np.bincount(key, minlength=most) > 0) - 1
            found[both] = number[key]
        else:
            found[both] = np.unique(key, return_inverse=True)[1]
    return found


def tallied(keys: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct keys (int64, 0 to `most`), sorted, and how often each occurs.

    >>> import numpy as np
    >>> [found.tolist() for found in tallied(np.array([3, 1, 3]), 5)]
    [[1, 3], [1, 2]]
    """
    import numpy as np

    if most > MOST_COUNTED:
        return np.unique(keys, return_counts=True)
    counts = np.bincount(keys, minlength=most)
    some = np.flatnonzero(counts)
    return some, counts[some]


def distinct(keys: np.ndarray) -> np.ndarray:
    """The distinct numbers, sorted: faster by sorting than as NumPy hashes them.

    >>> import numpy as np
    >>> distinct(np.array([3, 1, 3])).tolist()
    [1, 3]
    """
    import numpy as np

    ranked = np.sort(keys)
    return ranked[np.r_[True, ranked[1:] != ranked[:-1]]] if len(ranked) else ranked


def part_of(column: Coded, rows: np.ndarray) -> Coded:
    """Some rows of a column; its texts, and how often each occurs in all of it, stay."""
    found = replace(column, codes=column.codes[rows])
    for name in ("n_present", "base", "once", "plain", "numeric"):
        found.__dict__[name] = getattr(column, name)
    return found
