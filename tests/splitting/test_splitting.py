"""Splits keep their promises, on made tables of every kind."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.data import Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.splitting import SplitSpec, split
from modelwright.splitting.draw import n_folds
from modelwright.testing.splitting import check_repeatable, check_splits


def table(columns: dict[str, tuple[object, str, str]]) -> Dataset:
    """A typed dataset from {name: (values, kind, role)}."""
    frame = pl.DataFrame({name: values for name, (values, _, _) in columns.items()})
    schema = Schema(tuple(Column(name, kind, role) for name, (_, kind, role) in columns.items()))  # type: ignore[arg-type]
    return Dataset.from_frame(frame, schema)


def classes(n: int, shares: list[float], seed: int = 0) -> list[str]:
    return np.random.default_rng(seed).choice(list("abcdefgh")[: len(shares)], n, p=shares).tolist()


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(60, 400),
    n_levels=st.integers(2, 60),
    n_groups=st.integers(12, 60),
    size=st.sampled_from([0.1, 0.2, 0.34, 0.5]),
    kind=st.sampled_from(["random", "stratified", "grouped"]),
    seed=st.integers(0, 5),
)
def test_promises_hold_on_any_table(n: int, n_levels: int, n_groups: int, size: float, kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = table(
        {
            "x": (rng.integers(0, n_levels, n).astype(float), "number", "feature"),
            "z": (rng.integers(0, 30, n).astype(str), "category", "feature"),
            "who": (rng.integers(0, n_groups, n).astype(str), "category", "group"),
            "y": (classes(n, [0.6, 0.3, 0.1], seed), "category", "target"),
        }
    )
    spec = SplitSpec(kind=kind, size=size, folds=3)
    try:
        splits = split(data, spec, seed=seed)
    except UserError as problem:  # twins may chain all groups into one: then it must say so
        assert problem.code == "split.groups" and kind == "grouped"
        return
    twins = not any(told.about == "twins" and "one by one" in told.choice for told in splits.decisions)
    group = "who" if kind == "grouped" else None
    check_splits(data, splits, group=group, twins=twins, shares=False)
    check_repeatable(data, lambda rows, number: split(rows, spec, seed=number))


@pytest.mark.parametrize("size", [0.05, 0.2, 0.5])
def test_classes_keep_their_share_and_rare_ones_reach_every_fold(size: float) -> None:
    labels = ["common"] * 900 + ["rare"] * 60 + ["once"]
    data = table({"x": (np.arange(961.0), "number", "feature"), "y": (labels, "category", "target")})
    splits = split(data, SplitSpec(size=size))
    check_splits(data, splits)
    train = [labels[int(row)] for row in splits.train]
    assert train.count("once") == 1, "a class with one row must train"
    assert splits.folds[train.index("once")] == -1, "a class with one row is never validated"
    counts = [sum(train[i] == "rare" for i in np.flatnonzero(splits.folds == k)) for k in range(5)]
    assert max(counts) - min(counts) <= 1


def test_a_class_with_three_rows_is_validated_in_three_folds() -> None:
    labels = ["a"] * 97 + ["b"] * 3
    data = table({"x": (np.arange(100.0), "number", "feature"), "y": (labels, "category", "target")})
    for seed in range(8):
        splits = split(data, seed=seed)
        folds = [f for row, f in zip(splits.train, splits.folds, strict=True) if labels[int(row)] == "b"]
        assert len(set(folds)) == len(folds) >= 2


def test_twins_with_different_targets_stay_together() -> None:
    x = np.repeat(np.arange(100.0), 3)
    data = table({"x": (x, "number", "feature"), "y": (classes(300, [0.5, 0.5]), "category", "target")})
    splits = split(data)
    check_splits(data, splits, shares=False)
    assert any(told.about == "twins" for told in splits.decisions)


def test_the_suite_notices_a_twin_on_both_sides() -> None:
    data = table({"x": ([1.0, 1.0] * 50, "number", "feature"), "y": (classes(100, [0.5, 0.5]), "category", "target")})
    with pytest.raises(AssertionError, match="twin is on both sides"):
        check_splits(data, split(data))  # two different rows only: they are dealt one by one


def dated(n: int, target: np.ndarray, *, ordered: bool = True) -> Dataset:
    when = [datetime(2024, 1, 1) + timedelta(hours=i // 2) for i in range(n)]
    if not ordered:
        when = [when[i] for i in np.random.default_rng(0).permutation(n)]
    return table(
        {
            "when": (when, "datetime", "feature"),
            "x": (np.random.default_rng(1).random(n), "number", "feature"),
            "y": (target, "number", "target"),
        }
    )


def test_a_date_that_orders_a_forecast_splits_by_time() -> None:
    data = dated(500, np.cumsum(np.random.default_rng(0).normal(size=500)))
    splits = split(data)
    assert (splits.kind, splits.ordered, len(splits.pairs())) == ("time", True, 5)
    check_splits(data, splits, time="when")
    assert 90 <= len(splits.test) <= 110
    assert "follows time" in splits.decisions[0].reason


@pytest.mark.parametrize(("ordered", "reason"), [(True, "does not follow time"), (False, "do not lie in its order")])
def test_a_date_without_a_forecast_does_not(*, ordered: bool, reason: str) -> None:
    splits = split(dated(500, np.random.default_rng(0).normal(size=500), ordered=ordered))
    assert splits.kind == "random"
    assert any(reason in told.reason for told in splits.decisions)


def test_an_unsorted_time_column_that_is_asked_for_is_obeyed() -> None:
    data = dated(300, np.random.default_rng(0).normal(size=300), ordered=False)
    spec = SplitSpec(time="when", folds=1)
    check_splits(data, split(data, spec), time="when")
    check_repeatable(data, lambda rows, seed: split(rows, spec, seed=seed))


def test_an_identifier_that_repeats_makes_groups() -> None:
    who = np.repeat([f"p{i}" for i in range(60)], 5)
    data = table(
        {
            "patient": (who, "category", "id"),
            "x": (np.arange(300.0), "number", "feature"),
            "y": (classes(300, [0.5, 0.5]), "category", "target"),
        }
    )
    splits = split(data)
    assert splits.kind == "grouped"
    check_splits(data, splits, group="patient")


def test_groups_joined_by_twins_stay_together() -> None:
    x = np.arange(200.0)
    x[50] = x[10]  # a twin of another group's row
    data = table(
        {
            "who": (np.repeat([f"g{i}" for i in range(20)], 10), "category", "group"),
            "x": (x, "number", "feature"),
            "y": (classes(200, [0.5, 0.5]), "category", "target"),
        }
    )
    for seed in range(6):
        check_splits(data, split(data, seed=seed), group="who")


def test_a_given_column_decides() -> None:
    words = ["train"] * 60 + ["Test "] * 20 + ["validation"] * 20
    data = table(
        {
            "part": (words, "category", "split"),
            "x": (np.arange(100.0), "number", "feature"),
            "y": (classes(100, [0.5, 0.5]), "category", "target"),
        }
    )
    splits = split(data)
    check_splits(data, splits)
    assert splits.kind == "given" and splits.test.tolist() == list(range(60, 80))
    ((fit, validate),) = splits.pairs()
    assert (len(fit), len(validate)) == (60, 20)


def test_rows_without_a_target_are_in_neither_set() -> None:
    target: list[str | None] = [*classes(95, [0.5, 0.5]), None, None, None, None, None]
    data = table({"x": (np.arange(100.0), "number", "feature"), "y": (target, "category", "target")})
    splits = split(data)
    check_splits(data, splits)
    assert len(splits.train) + len(splits.test) == 95


@pytest.mark.parametrize(
    ("code", "n", "target", "spec"),
    [
        ("split.rows", 9, [0.0, 1.0, 2.0] * 3, SplitSpec()),
        ("split.single_class", 20, ["a"] * 20, SplitSpec()),
        ("split.single_class", 20, [1.5] * 20, SplitSpec()),
        ("split.rows", 20, [None] * 20, SplitSpec()),
        ("split.target", 20, list(np.arange(20.0)), SplitSpec(kind="stratified")),
        ("split.column", 20, list(np.arange(20.0)), SplitSpec(kind="time")),
        ("schema.column", 20, list(np.arange(20.0)), SplitSpec(group="wo")),
        ("split.given", 20, list(np.arange(20.0)), SplitSpec(column="x")),
    ],
)
def test_what_cannot_be_divided_is_refused(code: str, n: int, target: list[object], spec: SplitSpec) -> None:
    kind = "category" if isinstance(target[0], str) else "number"
    values = pl.Series(target, dtype=pl.String if kind == "category" else pl.Float64)
    data = table({"x": (np.arange(n * 1.0), "number", "feature"), "y": (values, kind, "target")})
    with pytest.raises(UserError) as caught:
        split(data, spec)
    assert caught.value.code == code


def test_one_group_cannot_be_divided() -> None:
    data = table(
        {
            "who": (["a"] * 60, "category", "group"),
            "x": (np.arange(60.0), "number", "feature"),
            "y": (np.arange(60.0), "number", "target"),
        }
    )
    with pytest.raises(UserError, match=r"split\.groups"):
        split(data)


def test_folds_shrink_with_the_table() -> None:
    assert [n_folds(SplitSpec(), n) for n in (100, 20_001, 200_001)] == [5, 3, 1]
    assert n_folds(SplitSpec(folds=7), 10**6) == 7
