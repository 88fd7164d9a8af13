"""What splitting needs of each row, as arrays: id, target stratum, and which rows may not be parted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID
from modelwright.core.errors import UserError
from modelwright.core.task import recognise

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset

LEAST_ROWS = 10
N_TELLING, SAMPLE_ROWS, SAMPLE_CELLS = 4, 20_000, 2_000_000
TWINS = "__twins__"


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows that have a target, in ascending order of id.

    `ids` uint64 (n,); `strata` int64 (n,), the class of each row, or None when the target is a number or
    absent; `twins` int64 (n,), a number that rows equal in all features share; `place` int64 (n,), each row's
    place in the table; `n_without_target` rows were left out.
    """

    ids: np.ndarray
    strata: np.ndarray | None
    twins: np.ndarray
    place: np.ndarray
    n_without_target: int


def read_rows(data: Dataset) -> Rows:
    """Read ids, target and a 64-bit hash of the features in one streamed pass; refuse what cannot be divided.

    A collision of hashes would only keep two rows together that need not be.
    """
    import numpy as np
    import polars as pl

    target, features = data.schema.target, data.schema.features
    wanted = [pl.col(ROW_ID), *([] if target is None else [pl.col(target)])]
    telling = _telling(data.table, features)
    wanted.append((pl.struct(telling).hash() if telling else pl.col(ROW_ID)).alias(TWINS))
    frame = data.table.select(wanted).collect(engine="streaming")
    if len(telling) < len(features):
        frame = _with_whole_hashes(data.table, frame, features)
    ids = frame[ROW_ID].to_numpy()
    place = np.arange(len(ids)) if (ids[1:] > ids[:-1]).all() else np.argsort(ids, kind="stable")
    strata = None
    n_without_target = 0
    if target is not None:
        values = frame[target]
        n_without_target = values.null_count()
        if n_without_target:
            place = place[values.is_not_null().to_numpy()[place]]
        task, _ = recognise(values, data.schema[target].kind)
        if not values.dtype.is_nested():
            _check_target(values, target)
        if task in ("binary", "multiclass"):
            strata = codes(values)[place]
    if len(place) < LEAST_ROWS:
        raise UserError(
            "split.rows",
            f"a split needs at least {LEAST_ROWS} rows with a target; got {len(place)}.",
            hint="collect more rows",
        )
    return Rows(ids[place], strata, first_seen(frame[TWINS].to_numpy()[place]), place, n_without_target)


def _telling(table: pl.LazyFrame, features: Sequence[str]) -> list[str]:
    """The features that vary most in the first rows: rows that differ nearly always differ in one of them."""
    if len(features) <= N_TELLING:
        return list(features)
    first = table.head(min(SAMPLE_ROWS, SAMPLE_CELLS // len(features))).select(features).collect()
    variety = {column.name: column.n_unique() for column in first}  # thousands of expressions would take minutes
    return sorted(features, key=lambda name: -variety[name])[:N_TELLING]


def _with_whole_hashes(table: pl.LazyFrame, frame: pl.DataFrame, features: Sequence[str]) -> pl.DataFrame:
    """Rows that are equal in the telling features are told apart by all features; the rest keep their hash."""
    import polars as pl

    suspects = frame.filter(pl.col(TWINS).is_duplicated())[ROW_ID]
    if not len(suspects):
        return frame
    if len(suspects) < frame.height / 2:
        table = table.filter(pl.col(ROW_ID).is_in(suspects.implode()))
    whole = table.select(ROW_ID, pl.struct(features).hash(1).alias("whole")).collect(engine="streaming")
    whole = whole.filter(pl.col(ROW_ID).is_in(suspects.implode()))
    joined = frame.join(whole, on=ROW_ID, how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("whole", TWINS).alias(TWINS)).drop("whole")


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

    known = values.drop_nulls().unique().sort()
    if len(known) <= 1000:
        return values.replace_strict(known, range(len(known)), default=-1, return_dtype=pl.Int64).to_numpy()
    return (values.rank("dense").cast(pl.Int64) - 1).fill_null(-1).to_numpy()


def first_seen(values: np.ndarray) -> np.ndarray:
    """Number distinct values 0, 1, ... in order of first appearance: int64 of shape (n,).

    >>> import numpy as np
    >>> first_seen(np.array([7, 3, 7, 1])).tolist()
    [0, 1, 0, 2]
    """
    import numpy as np

    first = np.arange(len(values))
    ordered = np.sort(values)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return first
    # rows that repeat are few among millions: only they are sorted a second time
    found = np.searchsorted(repeated, values).clip(max=len(repeated) - 1)
    rows = np.flatnonzero(repeated[found] == values)
    _, index, inverse = np.unique(values[rows], return_index=True, return_inverse=True)
    first[rows] = rows[index][inverse.ravel()]
    numbers: np.ndarray = np.cumsum(first == np.arange(len(values))) - 1
    return numbers[first]


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Units that keep together what either numbering keeps together: their connected components."""
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n_first, n_second = int(first.max()) + 1, int(second.max()) + 1
    edges = coo_matrix((np.ones(len(first), dtype=np.int8), (first, n_first + second)), shape=(n_first + n_second,) * 2)
    component = connected_components(edges, directed=False)[1]
    return first_seen(component[first])
