"""Which columns are missing in the same rows: counted in all rows, on one bit a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelwright.profiling.sample import both
from modelwright.profiling.values import ColumnProfile, Gaps

if TYPE_CHECKING:
    import numpy as np

    from modelwright.profiling.held import Held

ALIKE = 0.95  # rows that lack both, of those that lack either (Jaccard)
LEAST_ROWS = 5
MOST_COLUMNS = 300


def gaps(whole: Held, columns: Sequence[ColumnProfile]) -> list[Gaps]:
    """Groups of columns that are missing in nearly the same rows, largest first.

    >>> import polars as pl
    >>> from modelwright.core.data import Column
    >>> from modelwright.profiling.columns import column_profile
    >>> from modelwright.profiling.held import Held
    >>> frame = pl.DataFrame({name: [None] * 6 + [1.0, 2.0] for name in "ab"})
    >>> gaps(Held(8, ("a", "b"), frame), [column_profile(frame[name], Column(name, "number")) for name in "ab"])
    [Gaps(columns=('a', 'b'), n_rows=6)]
    """
    import numpy as np

    holed = [one for one in columns if LEAST_ROWS <= one.n_missing < one.n_rows]
    holed = sorted(holed, key=lambda one: -one.n_missing)[:MOST_COLUMNS]
    counts = {one.name: one.n_missing for one in holed}
    masks = {one.name: np.packbits(whole.column(one.name).is_null().to_numpy()) for one in holed}
    group_of = {name: name for name in counts}
    for left, right in both(list(counts)):
        few, many = sorted((counts[left], counts[right]))
        if few >= ALIKE * many and group_of[left] != group_of[right]:
            common = _n_common(masks[left], masks[right])
            if _alike(few, many, common, whole.n_rows):
                old = group_of[right]
                group_of = {name: group_of[left] if group == old else group for name, group in group_of.items()}
    found = []
    for first in dict.fromkeys(group_of.values()):
        names = [column.name for column in columns if group_of.get(column.name) == first]
        if len(names) > 1:
            every = masks[names[0]].copy()
            for name in names[1:]:
                every &= masks[name]
            found.append(Gaps(tuple(names), int(np.bitwise_count(every).sum())))
    return sorted(found, key=lambda one: -one.n_rows * len(one.columns))


def _alike(few: int, many: int, common: int, n_rows: int) -> bool:
    """Whether gaps lie together, and not merely because both columns are nearly empty."""
    together = common >= ALIKE * (few + many - common)
    present = n_rows - (few + many - common)
    return together and present >= ALIKE * (n_rows - common) if many > n_rows / 2 else together


def _n_common(left: np.ndarray, right: np.ndarray) -> int:
    import numpy as np

    return int(np.bitwise_count(left & right).sum())
