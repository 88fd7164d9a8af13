"""Several targets of a table at once: numbers and classes, gaps in some, chains kept only where they are better."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import modelwright as mw
from modelwright.core.data import Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.core.inputs import graph_outputs
from modelwright.splitting import SplitSpec, split
from modelwright.testing.training import check_trained
from modelwright.training import ModelUse, TrainSpec, train
from modelwright.training.planning import written_out
from modelwright_runtime import load

FEW = (ModelUse(model="linear"), ModelUse(model="boosting", settings={"rounds": 30}))


def related(n: int = 700, *, follows: bool = True) -> Dataset:
    """`price` follows the columns; `days` follows `price` in a way that its own columns hardly show, with gaps; `sold`
    is a class; without `follows` the targets have nothing to do with each other."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4))
    price = 2 * x[:, 0] + x[:, 1] + rng.normal(0, 0.1, n)
    days = 3 * np.abs(price) if follows else x[:, 2] + rng.normal(0, 1, n)
    sold = np.where((price if follows else x[:, 3]) + rng.normal(0, 0.3, n) > 0, "yes", "no")
    frame = pl.DataFrame({**{f"x{k}": x[:, k] for k in range(4)}, "days": days, "price": price, "sold": sold})
    frame = frame.with_columns(pl.when(pl.int_range(n) % 9 == 0).then(None).otherwise("days").alias("days"))
    columns = [Column(f"x{k}", "number") for k in range(4)]
    return Dataset.from_frame(frame, Schema((
        *columns, Column("days", "number", "target", why="asked for"), Column("price", "number", "target"),
        Column("sold", "category", "target", why="asked for"),
    )))  # fmt: skip


def test_each_target_is_answered_by_one_graph_and_has_its_report() -> None:
    data = related(500)
    splits = split(data, SplitSpec(folds=3))
    trained = train(data, splits, TrainSpec(models=FEW, conformal=0.8, chain="off"))
    check_trained(trained, data, splits)
    assert [task.target for task in trained.signature.tasks] == ["price", "days", "sold"], "the one named first leads"
    assert [task.kind for task in trained.signature.tasks] == ["regression", "regression", "binary"]
    test = data.take(splits.test)
    report = mw.evaluate(trained, test)
    assert [one.target for one in (report, *report.more)] == ["price", "days", "sold"]
    assert report["r2"].value > 0.9 and report.more[1]["roc_auc"].value > 0.9
    assert all(one["coverage"].value > 0.65 for one in (report, *report.more))
    assert report.more[0].n_rows < report.n_rows, "rows without days are not measured by it"
    told = [one.about for one in trained.decisions]
    assert "days: model" in told and "sold: conformal sets" in told and not any("chain" in about for about in told)


def test_one_target_answers_as_it_does_alone() -> None:
    data = related(300)
    splits = split(data, SplitSpec(folds=3))
    together = train(data, splits, TrainSpec(models=FEW))
    schema = data.schema.with_column("days", role="ignored").with_column("sold", role="ignored")
    alone = train(data.with_schema(schema), splits, TrainSpec(models=FEW))
    rows = data.take(splits.test)
    np.testing.assert_allclose(together.predict(rows), alone.predict(rows), rtol=1e-9)


def test_a_chain_is_kept_where_it_is_better_and_only_there() -> None:
    for follows in (True, False):
        data = related(400, follows=follows)
        splits = split(data, SplitSpec(folds=3))
        trained = train(data, splits, TrainSpec(models=FEW))
        alone = train(data, splits, TrainSpec(models=FEW, chain="off"))
        about = {one.about: one for one in trained.decisions}
        choice = about["chain of days"].choice
        assert choice == ("sees the answers for price" if follows else "by itself"), about["chain of days"]
        assert " with them, " in about["chain of days"].reason
        reports = [mw.evaluate(one, data.take(splits.test)).more[0]["rmse"].value for one in (trained, alone)]
        assert reports[0] < 0.97 * reports[1] if follows else reports[0] == pytest.approx(reports[1])
        check_trained(trained, data, splits)


def test_settings_go_to_the_targets_that_they_suit() -> None:
    data = related(300)
    splits = split(data, SplitSpec(folds=2))
    spec = TrainSpec(models=("linear",), objective={"quantile": [0.1, 0.9]}, costs={"yes": {"no": 4}})  # type: ignore[arg-type]
    trained = train(data, splits, spec)
    price, days, sold = trained.signature.tasks
    assert price.columns == days.columns == ("q10", "q90") and sold.costs == ((0.0, 1.0), (4.0, 0.0))
    assert trained.signature.threshold_at(2) == pytest.approx(0.2)
    outputs = graph_outputs(trained.graph, trained.signature, data.take(splits.test))
    assert [output.shape[1:] for output in outputs] == [(), (), (2,), (2,), (2,)]
    for wish, code in (
        ({"costs": {"maybe": {"no": 4}}}, "train.costs"), ({"goal": {"cost": {"maybe": {"no": 4}}}}, "train.goal"),
    ):  # fmt: skip
        with pytest.raises(UserError, match="suits none of the targets") as problem:
            train(data, splits, TrainSpec(models=("linear",), **wish))  # type: ignore[arg-type]
        assert problem.value.code == code


def test_a_plan_tells_of_every_target() -> None:
    data = related(200)
    spec, told = written_out(data, split(data, SplitSpec(folds=2)), TrainSpec(budget="quick"))
    assert spec == TrainSpec(budget="quick")
    assert {"price: task", "days: task", "sold: positive class"} <= {one.about for one in told}


def test_a_recipe_names_them_and_a_package_answers_them(tmp_path: Path) -> None:
    frame = related(250).frame.drop("__row__")
    frame.write_csv(tmp_path / "homes.csv")
    recipe = mw.Recipe.from_plain(
        {"data": str(tmp_path / "homes.csv"), "target": ["price", "sold"], "train": {"models": ["linear"]},
         "clean": {"roles": {"days": "ignored"}}}
    )  # fmt: skip
    assert mw.Recipe.from_plain(recipe.to_plain()) == recipe
    record = mw.run(recipe, store=tmp_path / "store")
    assert "For sold:" in record.facts["headline"]
    told = load(record.facts["package"]).predict(frame.drop("price", "sold", "days").head(3))
    assert told.names() == ["price_prediction", "sold_prediction", "sold_probability_no", "sold_probability_yes"]
    with pytest.raises(UserError, match="a list of different ones"):
        mw.Recipe.from_plain({"data": "homes.csv", "target": ["price", "price"]})
