"""Training end to end, on small made tables with every kind of column."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from modelwright.core.data import Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.core.values import Splits
from modelwright.splitting import SplitSpec, split
from modelwright.testing.training import check_trained, made_table
from modelwright.training import ModelUse, TrainSpec, train
from modelwright.training.planning import written_out

FEW = (
    ModelUse(model="linear"),
    ModelUse(model="boosting", settings={"rounds": 30}),
    ModelUse(model="forest", settings={"trees": 20}),
)


def few(**settings: Any) -> TrainSpec:
    """A spec of three quick models."""
    return TrainSpec(models=FEW, **settings)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_task_keeps_its_promises_and_beats_the_baseline(task: str) -> None:
    data = made_table(300, task)
    splits = split(data, SplitSpec(folds=3))
    trained = train(data, splits, few())
    assert trained.task.kind == task
    check_trained(trained, data, splits)
    baseline = next(candidate for candidate in trained.leaderboard if candidate.model == "constant")
    assert trained.leaderboard[0].score < 0.9 * baseline.score
    used = max(trained.importance, key=trained.importance.__getitem__)
    assert used == "size", "the column that the target follows most matters most"


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    data = made_table(250, "binary")
    splits = split(data, SplitSpec(folds=3))
    first, again, other = (train(data, splits, few(), seed=seed) for seed in (1, 1, 2))
    assert first.graph == again.graph
    assert first.signature == again.signature and first.leaderboard == again.leaderboard
    assert first.decisions == again.decisions and first.history == again.history
    assert np.array_equal(first.validation, again.validation, equal_nan=True)
    assert first.graph != other.graph


def test_bytes_do_not_depend_on_the_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made_table(250, "regression")
    splits = split(data, SplitSpec(folds=3))
    graphs = []
    for n_cores in (1, 3):
        monkeypatch.setattr("os.cpu_count", lambda n=n_cores: n)
        graphs.append(train(data, splits, few()).graph)
    assert graphs[0] == graphs[1]


def test_bytes_do_not_depend_on_the_process() -> None:
    """Another process has other hashes of texts, so an order taken from a set would show."""
    code = (
        "import hashlib; from modelwright.testing.training import made_table; from modelwright.splitting import *;"
        "from modelwright.training import *; data = made_table(150, 'binary');"
        "made = train(data, split(data, SplitSpec(folds=2)), TrainSpec(models=('linear', 'tree')));"
        "print(hashlib.sha256(made.graph).hexdigest())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    data = made_table(150, "binary")
    made = train(data, split(data, SplitSpec(folds=2)), TrainSpec(models=("linear", "tree")))
    assert told.strip() == hashlib.sha256(made.graph).hexdigest()


def test_the_order_of_rows_does_not_matter() -> None:
    data = made_table(200, "binary")
    shuffled = data.frame.sample(fraction=1.0, shuffle=True, seed=5)
    splits = split(data, SplitSpec(folds=2))
    order = np.random.default_rng(0).permutation(len(splits.train))
    moved = replace(splits, train=splits.train[order], folds=splits.folds[order])
    spec = TrainSpec(models=("linear", "tree"))
    first = train(data, splits, spec)
    other = train(Dataset(shuffled.lazy(), data.schema, data.n_rows), moved, spec)
    assert first.graph == other.graph
    assert np.array_equal(first.validation[order], other.validation)


def test_held_out_rows_and_their_targets_are_never_learned_from() -> None:
    data = made_table(200, "regression")
    splits = split(data, SplitSpec(folds=2))
    held = pl.col("__row__").is_in(splits.test.tolist())
    spoiled = data.frame.with_columns(
        pl.when(held).then(1e6).otherwise("y").alias("y"), pl.when(held).then(1e6).otherwise("weight").alias("weight")
    )
    other = Dataset(spoiled.lazy(), data.schema, data.n_rows)
    assert train(data, splits, few()).graph == train(other, splits, few()).graph


def test_watch_hears_the_baseline_first() -> None:
    events: list[dict[str, Any]] = []
    data = made_table(150, "binary")
    train(
        data, split(data, SplitSpec(folds=2)), TrainSpec(budget="quick"), watch=lambda event: events.append(dict(event))
    )
    names = [event["name"] for event in events if event["event"] == "candidate"]
    assert names[:3] == ["constant", "linear", "boosting"]
    assert all(event["stage"] == "training" for event in events)


def test_a_skewed_target_is_tried_as_its_logarithm_and_turned_back() -> None:
    data = made_table(300, "regression")
    splits = split(data, SplitSpec(folds=2))
    trained = train(data, splits, TrainSpec(models=(ModelUse(model="linear", log=True),)))
    assert trained.parity < 1e-5
    test = data.take(splits.test)
    together = np.corrcoef(np.log(test.column("y").to_numpy()), np.log(trained.predict(test).clip(1e-3)))[0, 1]
    assert together > 0.7, "the model of the logarithm answers in the target's own unit"
    assert 0.5 < np.median(trained.predict(test)) / np.median(test.column("y").to_numpy()) < 2


def test_a_skewed_target_brings_its_logarithm_among_the_candidates() -> None:
    data = made_table(100, "regression")
    explicit, _ = written_out(data, split(data, SplitSpec(folds=2)), TrainSpec())
    assert explicit.models is not None
    assert [use.log for use in explicit.models if use.name == "linear of log"] == [True]


def test_row_weights_count() -> None:
    n = 200
    x = np.tile([0.0, 1.0], n // 2)
    y = np.where(np.arange(n) < n // 2, 10.0, 20.0)
    frame = pl.DataFrame({"x": x + np.arange(n) * 1e-9, "w": np.where(y == 10.0, 9.0, 1.0), "y": y})
    schema = Schema((Column("x", "number"), Column("w", "number", "weight"), Column("y", "number", "target")))
    data = Dataset.from_frame(frame, schema)
    trained = train(data, split(data, SplitSpec(folds=2)), TrainSpec(task="regression", models=("linear",)))
    assert trained.predict(data).mean() == pytest.approx(11.0, abs=0.3)


def test_class_weights_raise_the_rare_class() -> None:
    data = made_table(300, "binary")
    splits = split(data, SplitSpec(folds=2))
    spec = TrainSpec(models=("linear",))
    plain, heavy = (
        train(data, splits, spec.but(class_weight=weight)) for weight in ("none", {"class 0": 1.0, "class 1": 20.0})
    )
    rare = list(plain.task.classes).index("class 1")
    assert heavy.predict(data)[:, rare].mean() > plain.predict(data)[:, rare].mean() + 0.1


def test_a_rare_class_gets_a_threshold_of_its_own() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    y = np.where(x + rng.normal(0, 0.8, 600) > 2.2, "fraud", "fine").tolist()
    data = Dataset.from_frame(
        pl.DataFrame({"x": x, "y": y}), Schema((Column("x", "number"), Column("y", "category", "target")))
    )
    trained = train(data, split(data), TrainSpec(models=("linear",)))
    assert trained.task.classes[1] == "fraud" and trained.signature.threshold < 0.45
    assert any(told.about == "threshold" and "rare" in told.reason for told in trained.decisions)
    asked = train(data, split(data), TrainSpec(models=("linear",), threshold=0.3))
    assert asked.signature.threshold == 0.3


def test_a_class_that_a_fold_does_not_have_is_no_failure() -> None:
    data = made_table(120, "multiclass")
    frame = data.frame.with_columns(pl.when(pl.col("__row__") < 2).then(pl.lit("rare")).otherwise("y").alias("y"))
    rare = Dataset(frame.lazy(), data.schema, data.n_rows)
    ids = rare.row_ids
    splits = Splits(train=ids[:100], test=ids[100:], folds=(np.arange(100) // 50).astype(np.int8), kind="given")
    trained = train(rare, splits, few())
    assert "rare" in trained.task.classes
    check_trained(trained, rare, splits)


def test_ordered_folds_leave_the_earliest_rows_unvalidated() -> None:
    data = made_table(150, "regression")
    splits = split(data, SplitSpec(time="when", folds=3))
    trained = train(data, splits, TrainSpec(models=("linear",)))
    check_trained(trained, data, splits)
    assert np.isnan(trained.validation).sum() > 20


def test_an_ensemble_can_be_switched_off() -> None:
    data = made_table(200, "regression")
    trained = train(data, split(data, SplitSpec(folds=2)), few(ensemble=False))
    assert sorted(candidate.weight for candidate in trained.leaderboard)[-2:] == [0.0, 1.0]


def test_large_folds_are_compared_on_samples_and_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwright.training.problem.MOST_FIT_ROWS", 60)
    monkeypatch.setattr("modelwright.training.problem.MOST_VALID_ROWS", 30)
    data = made_table(200, "binary")
    trained = train(data, split(data, SplitSpec(folds=2)), TrainSpec(models=("linear",)))
    assert (~np.isnan(trained.validation[:, 0])).sum() == 60
    assert any(told.about == "comparison" for told in trained.decisions)


def table(values: list[Any], kind: str, dtype: Any = None) -> tuple[Dataset, Splits]:
    n = len(values)
    frame = pl.DataFrame({"x": np.arange(n, dtype=float), "y": pl.Series(values, dtype=dtype)})
    data = Dataset.from_frame(frame, Schema((Column("x", "number"), Column("y", kind, "target"))))  # type: ignore[arg-type]
    ids = data.row_ids
    return data, Splits(
        train=ids[: n - 4], test=ids[n - 4 :], folds=(np.arange(n - 4) % 2).astype(np.int8), kind="random"
    )


@pytest.mark.parametrize(
    ("code", "values", "kind", "spec"),
    [
        ("train.single_class", ["a"] * 20, "category", TrainSpec()),
        ("train.single_class", [2.5] * 20, "number", TrainSpec(task="regression")),
        ("train.identifier", [f"id {i}" for i in range(20)], "category", TrainSpec()),
        ("train.task", ["a", "b", "c", "d"] * 5, "category", TrainSpec(task="binary")),
        ("train.task", ["a", "b"] * 10, "category", TrainSpec(task="regression")),
        ("train.metric", ["a", "b"] * 10, "category", TrainSpec(metric="rmse")),
        ("train.class_weight", ["a", "b"] * 10, "category", TrainSpec(class_weight={"c": 2.0})),
        ("train.target", [None, 1.0, 2.0, 3.0] * 5, "number", TrainSpec()),
        ("registry.name", ["a", "b"] * 10, "category", TrainSpec(models=("forrest",))),
        ("spec.unknown", ["a", "b"] * 10, "category", TrainSpec(models=({"tree": {"depht": 3}},))),
    ],
)
def test_what_cannot_be_learned_is_refused(code: str, values: list[Any], kind: str, spec: TrainSpec) -> None:
    with pytest.raises(UserError) as caught:
        train(*table(values, kind), spec)
    assert caught.value.code == code


def test_a_table_without_target_or_features_is_refused() -> None:
    data, splits = table([1.0, 2.0, 3.0, 4.0] * 5, "number")
    for role, column, code in (("ignored", "y", "train.target"), ("ignored", "x", "train.features")):
        with pytest.raises(UserError) as caught:
            train(data.with_schema(data.schema.with_column(column, role=role)), splits)
        assert caught.value.code == code


def test_weights_must_be_weights() -> None:
    frame = pl.DataFrame({"x": np.arange(20.0), "w": [-1.0] + [1.0] * 19, "y": np.arange(20.0)})
    schema = Schema((Column("x", "number"), Column("w", "number", "weight"), Column("y", "number", "target")))
    data = Dataset.from_frame(frame, schema)
    with pytest.raises(UserError, match=r"train\.weight"):
        train(data, Splits(train=data.row_ids, test=data.row_ids[:0], folds=np.zeros(20, np.int8), kind="random"))


def test_a_threshold_outside_0_to_1_is_refused() -> None:
    with pytest.raises(UserError, match="threshold"):
        TrainSpec(threshold=1.5)
