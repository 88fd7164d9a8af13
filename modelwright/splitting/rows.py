"""What splitting needs of each row, as arrays: id, target stratum, and which rows may not be parted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError
from modelwright.core.task import recognise

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset

LEAST_ROWS = 10


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows that have a target, in ascending order of id.

    `ids` uint64 (n,); `strata` int64 (n,), the class of each row, or None when the target is a number or
    absent; `place` int64 (n,), each row's place in the table; `n_without_target` rows were left out.
    """

    ids: np.ndarray
    strata: np.ndarray | None
    place: np.ndarray
    n_without_target: int


def read_rows(data: Dataset) -> Rows:
    """Read ids and target; refuse a table that cannot be divided."""
    import numpy as np

    target = data.schema.target
    ids = data.row_ids
    place = np.argsort(ids, kind="stable")
    strata = None
    n_without_target = 0
    if target is not None:
        values = data.column(target)
        known = values.is_not_null().to_numpy()
        n_without_target = int((~known).sum())
        place = place[known[place]]
        _check_target(values, target)
        if recognise(values, data.schema[target].kind)[0] != "regression":
            strata = codes(values)[place]
    if len(place) < LEAST_ROWS:
        raise UserError(
            "split.rows",
            f"a split needs at least {LEAST_ROWS} rows with a target; got {len(place)}.",
            hint="collect more rows",
        )
    return Rows(ids[place], strata, place, n_without_target)


def _check_target(values: pl.Series, target: str) -> None:
    present = values.drop_nulls()
    if len(present) and present.n_unique() == 1:
        raise UserError(
            "split.single_class",
            f"the target `{target}` has one value only: {present[0]!r}.",
            hint="a model needs rows with at least two different values of the target",
        )


def codes(values: pl.Series) -> np.ndarray:
    """Equal values as equal numbers, int64 of shape (n,), in order of value; null is -1."""
    import polars as pl

    ranks = values.rank("dense").cast(pl.Int64) - 1
    return ranks.fill_null(-1).to_numpy()


def same_rows(data: Dataset, columns: Sequence[str], place: np.ndarray) -> np.ndarray:
    """Rows equal in all `columns` as equal numbers, int64 of shape (n,), by 64-bit hashes, streamed.

    A collision of hashes would only keep two rows together that need not be.
    """
    import numpy as np
    import polars as pl

    if not columns:
        return np.arange(len(place), dtype=np.int64)
    hashes = data.table.select(pl.struct(columns).hash().alias("hash")).collect(engine="streaming")
    return first_seen(hashes["hash"].to_numpy()[place])


def first_seen(values: np.ndarray) -> np.ndarray:
    """Number distinct values 0, 1, ... in order of first appearance: int64 of shape (n,).

    >>> import numpy as np
    >>> first_seen(np.array([7, 3, 7, 1])).tolist()
    [0, 1, 0, 2]
    """
    import numpy as np

    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    if len(first) == len(values):
        return np.arange(len(values), dtype=np.int64)
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[inverse.ravel()]


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Units that keep together what either numbering keeps together: their connected components."""
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n_first, n_second = int(first.max()) + 1, int(second.max()) + 1
    edges = coo_matrix((np.ones(len(first), dtype=np.int8), (first, n_first + second)), shape=(n_first + n_second,) * 2)
    component = connected_components(edges, directed=False)[1]
    return first_seen(component[first])
