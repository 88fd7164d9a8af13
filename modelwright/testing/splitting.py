"""The suite of the splitting stage: what every split must keep, whoever made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits


def check_splits(
    data: Dataset,
    splits: Splits,
    *,
    group: str | None = None,
    time: str | None = None,
    twins: bool = True,
    shares: bool = True,
) -> None:
    """Assert that a split keeps its promises; the failed one is named in the `AssertionError`.

    Train and test share no row and hold every row with a target; folds are aligned with train; no value of
    `group` and (with `twins`) no two rows equal in all features lie on both sides or in two folds; with
    `time`, every test row is later than every training row and every fold than what it is fitted on; a
    stratified split gives each class its share within one row and 2 % (unless `shares` is off: twins of
    several classes cannot be shared out to the row).

    >>> import polars as pl
    >>> from modelwright.core.data import Column, Dataset, Schema
    >>> from modelwright.splitting import SplitSpec, split
    >>> frame = pl.DataFrame({"x": range(100), "y": ["a", "b"] * 50})
    >>> data = Dataset.from_frame(frame, Schema((Column("x", "number"), Column("y", "category", "target"))))
    >>> check_splits(data, split(data))
    """
    _check_partition(data, splits)
    if group is not None:
        _check_apart(splits, _numbers(data, [group]), f"group `{group}`")
    if twins and not splits.ordered and splits.kind != "given":
        _check_apart(splits, _numbers(data, data.schema.features), "twin")
    if time is not None:
        _check_time(data, splits, time)
    if shares and splits.kind == "stratified":
        _check_shares(data, splits)


def check_repeatable(data: Dataset, make: Callable[[Dataset, int], Splits]) -> None:
    """Assert that `make(data, seed)` repeats, and does not look at the order of the rows.

    A split by the order of the file's dates is excepted from the second: reverse order is another file.
    """
    import numpy as np

    from modelwright.core.data import Dataset as Table

    first, again = make(data, 3), make(data, 3)
    for name in ("train", "test", "folds"):
        assert np.array_equal(getattr(first, name), getattr(again, name)), f"{name} differs between two runs"
    frame = data.frame.reverse()
    other = make(Table(frame.lazy(), data.schema, data.n_rows), 3)
    assert np.array_equal(np.sort(first.test), np.sort(other.test)), "the test depends on the order of rows"


def _check_partition(data: Dataset, splits: Splits) -> None:
    import numpy as np

    both = np.concatenate([splits.train, splits.test])
    assert len(np.unique(both)) == len(both), "a row is in train and test, or twice in one"
    assert len(splits.train) and len(splits.test), "one side is empty"
    assert np.isin(both, data.row_ids).all(), "a row that the table does not have"
    if not splits.ordered:
        expected = data.n_rows
        if data.schema.target is not None:
            expected -= data.column(data.schema.target).null_count()
        assert len(both) == expected, f"{len(both)} rows are divided, {expected} have a target"
    assert splits.folds.shape == splits.train.shape, "folds are not aligned with train"
    assert len(splits.pairs()) >= 1, "no fold"
    for fit, validate in splits.pairs():
        assert len(fit) and len(validate), "a fold has nothing to fit on, or nothing to validate"
        assert not np.intersect1d(fit, validate).size, "a fold validates rows that it was fitted on"


def _numbers(data: Dataset, columns: object) -> dict[int, int]:
    """Row id to a number that equal rows share; rows with a null group are left out."""
    import polars as pl

    from modelwright.core.data import ROW_ID

    names = list(columns)  # type: ignore[call-overload]
    frame = data.frame.select(ROW_ID, *names)
    if len(names) == 1 and data.schema[names[0]].role in ("group", "id"):
        frame = frame.drop_nulls(names)
    numbered = frame.select(ROW_ID, pl.struct(names).rank("dense").alias("number"))
    return dict(numbered.iter_rows())


def _check_apart(splits: Splits, number: dict[int, int], what: str) -> None:
    train = {number[int(row)] for row in splits.train if int(row) in number}
    test = {number[int(row)] for row in splits.test if int(row) in number}
    assert not train & test, f"a {what} is on both sides"
    fold_of: dict[int, int] = {}
    for row, fold in zip(splits.train.tolist(), splits.folds.tolist(), strict=True):
        if row in number:
            assert fold_of.setdefault(number[row], fold) == fold, f"a {what} is in two folds"


def _check_time(data: Dataset, splits: Splits, time: str) -> None:
    import numpy as np

    from modelwright.core.data import ROW_ID

    moments = dict(data.frame.select(ROW_ID, time).iter_rows())
    train = np.array([moments[int(row)] for row in splits.train])
    test = np.array([moments[int(row)] for row in splits.test])
    assert train.max() < test.min(), "a training row is as late as a test row"
    for fit, validate in splits.pairs():
        assert train[fit].max() < train[validate].min(), "a fold is fitted on its future"


def _check_shares(data: Dataset, splits: Splits) -> None:
    from modelwright.core.data import ROW_ID

    target = data.schema.target
    assert target is not None
    label = dict(data.frame.select(ROW_ID, target).iter_rows())
    train = [label[int(row)] for row in splits.train]
    test = [label[int(row)] for row in splits.test]
    size = len(test) / (len(train) + len(test))
    for value in set(train) | set(test):
        n_rows = train.count(value) + test.count(value)
        allowed = 1.0 + 0.02 * n_rows
        assert abs(test.count(value) - size * n_rows) <= allowed, f"class {value!r} has not its share"
        assert value in train, f"class {value!r} is in the test alone"
