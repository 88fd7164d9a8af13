"""Costs, goals, calibration, quantiles, intervals and sets from rows to a package, a report and a served row."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import modelwright as mw
from modelwright.cli import command
from modelwright.core.errors import UserError
from modelwright.core.inputs import graph_outputs
from modelwright.evaluation.report import report_page
from modelwright.splitting import SplitSpec, split
from modelwright.testing.training import check_trained, made_table
from modelwright.training import ModelUse, TrainSpec, train
from modelwright_runtime import load
from modelwright_runtime.beside import cheapest
from tests.runtime.conftest import start
from tests.runtime.test_server import predict

ROOT = Path(__file__).resolve().parents[2]
GERMAN = ROOT.parent / "shared" / "data" / "tabular" / "german_credit" / "german.csv.gz"
FEW = (ModelUse(model="linear"), ModelUse(model="boosting", settings={"rounds": 40}))
PRICES = {"class 0": {"class 1": 5.0}, "class 1": {"class 0": 1.0}}


def trained_on(task: str, n: int = 500, **settings: Any) -> tuple[Any, Any, Any]:
    data = made_table(n, task)
    splits = split(data, SplitSpec(folds=3))
    return train(data, splits, TrainSpec(models=FEW, **settings)), data, splits


CASES: list[tuple[str, dict[str, Any]]] = [
    ("binary", {"calibration": "temperature", "conformal": 0.9}),
    ("binary", {"calibration": "platt", "goal": {"recall": 0.9}}),
    ("multiclass", {"calibration": "isotonic", "conformal": {"coverage": 0.8, "method": "aps"}}),
    ("multiclass", {"calibration": "platt", "costs": PRICES, "metric": "cost"}),
    ("regression", {"conformal": {"coverage": 0.9, "method": "plain"}}),
    ("regression", {"conformal": {"coverage": 0.9, "method": "scaled"}}),
    ("regression", {"objective": {"quantile": [0.05, 0.95]}, "conformal": 0.8}),
    ("regression", {"objective": {"quantile": [0.1]}}),
    ("regression", {"objective": {"asymmetric": {"over": 1, "under": 4}}}),
]


@pytest.mark.parametrize(("task", "settings"), CASES, ids=[f"{task} {' '.join(said)}" for task, said in CASES])
def test_it_is_written_into_the_graph_and_told_in_the_report(task: str, settings: dict[str, Any]) -> None:
    trained, data, splits = trained_on(task, **settings)
    check_trained(trained, data, splits)
    test = data.take(splits.test)
    report = mw.evaluate(trained, test)
    page = report_page(report, title="told", trained=trained)
    if "conformal" in settings:
        stated = (
            settings["conformal"] if isinstance(settings["conformal"], float) else settings["conformal"]["coverage"]
        )
        assert trained.task.coverage == stated and abs(report["coverage"].value - stated) < 0.12
        assert "How sure" in page and f"{stated:.0%}" in page
    if "objective" in settings:
        assert report.primary == "pinball" and trained.leaderboard[0].metric == "pinball"
        base = next(metric for metric in report.baseline if metric.name == "pinball")
        assert report["pinball"].value < base.value, "quantiles of the columns are better than those of all rows"
    if "costs" in settings:
        assert report.primary == "cost" and "costs" in report.curves.get("headline", "") + page


def test_the_same_seed_tells_the_same() -> None:
    for task, settings in (CASES[2], CASES[5]):
        (one, _, _), (other, _, _) = (trained_on(task, n=260, **settings) for _ in range(2))
        assert one.graph == other.graph and one.signature == other.signature and one.decisions == other.decisions


def test_costs_decide_the_answer_and_the_probabilities_stay() -> None:
    plain, data, splits = trained_on("multiclass")
    priced, _, _ = trained_on("multiclass", costs=PRICES)
    test = data.take(splits.test)
    np.testing.assert_array_equal(plain.predict(test), priced.predict(test))
    costs = priced.task.costs
    assert costs == ((0.0, 5.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0)) and not plain.task.costs
    report = mw.evaluate(priced, test)
    truth = [priced.task.classes.index(text) for text in test.column("y").to_list()]
    due = np.array(costs)[truth, cheapest(priced.predict(test), costs)].mean()
    assert report["cost"].value == pytest.approx(due) and report["cost"].low <= due <= report["cost"].high
    base = next(metric for metric in report.baseline if metric.name == "cost").value
    assert base == pytest.approx(min(np.array(costs)[truth, k].mean() for k in range(3)), abs=0.2)
    assert all(one.beside["cost"] > 0 for one in priced.leaderboard), "each candidate's cost is on the leaderboard"
    assert any(one.about == "answer" and "costs" in one.reason for one in priced.decisions)


def test_two_classes_are_told_from_the_threshold_that_costs_least() -> None:
    priced, data, splits = trained_on("binary", costs={"class 0": {"class 1": 5}})
    assert priced.signature.threshold in (pytest.approx(1 / 6), pytest.approx(5 / 6))
    shares = priced.predict(data.take(splits.test)).astype(np.float64)
    said = (shares[:, 1] >= priced.signature.threshold).astype(int)
    np.testing.assert_array_equal(said, cheapest(shares, priced.task.costs))


def test_a_calibration_lowers_the_loss_of_a_model_that_is_too_sure() -> None:
    """Naive Bayes takes columns that say the same for independent ones."""
    data = made_table(800, "binary")
    again = [f"size {k}" for k in range(3)]
    frame = data.frame.with_columns(pl.col("size").alias(name) for name in again)
    *features, target = data.schema.columns
    schema = mw.Schema((*features, *(mw.Column(name, "number") for name in again), target))
    data = mw.Dataset.from_frame(frame.select("__row__", *schema.names), schema)
    splits = split(data, SplitSpec(folds=3))
    losses = {}
    for calibration in ("none", "auto", "isotonic"):
        spec = TrainSpec(models=("bayes",), ensemble=False, calibration=calibration)  # type: ignore[arg-type]
        made = train(data, splits, spec)
        losses[calibration] = mw.evaluate(made, data.take(splits.test))["log_loss"].value
    assert max(losses["auto"], losses["isotonic"]) < losses["none"]


def test_unlikely_wishes_are_refused_and_unreached_ones_are_told() -> None:
    for task, wish, code in (
        ("regression", {"costs": PRICES}, "train.costs"), ("regression", {"goal": {"recall": 0.9}}, "train.goal"),
        ("binary", {"objective": {"quantile": [0.5]}}, "train.objective"),
        ("multiclass", {"goal": {"precision": 0.9}}, "train.goal"),
        ("binary", {"costs": {"class 7": {"class 1": 2}}}, "train.costs"),
        ("binary", {"conformal": 0.9999}, "train.conformal"),
    ):  # fmt: skip
        with pytest.raises(UserError) as problem:
            trained_on(task, n=120, **wish)
        assert problem.value.code == code and problem.value.hint, wish
    data = made_table(120, "regression")
    with pytest.raises(UserError, match="does not answer quantiles"):
        train(data, split(data, SplitSpec(folds=2)), TrainSpec(models=("forest",), objective={"quantile": 0.5}))  # type: ignore[arg-type]
    far, data, splits = trained_on("binary", n=200, goal={"precision": 0.999})
    report = mw.evaluate(far, data.take(splits.test))
    assert "cannot be shown" in report.curves["cautions"][0]
    assert "cannot be shown" in report_page(report, title="far", trained=far)


@pytest.mark.skipif(not GERMAN.exists(), reason="the shared data is not here")
def test_german_credit_by_its_published_costs(tmp_path: Path) -> None:
    """Answering a bad customer (2) as good costs five times what the other mistake does."""
    (tmp_path / "german.csv").write_bytes(gzip.decompress(GERMAN.read_bytes()))
    train_ = {"models": ["linear"], "costs": {1: {2: 1}, 2: {1: 5}}, "conformal": 0.9}
    recipe = mw.Recipe.from_plain({"data": str(tmp_path / "german.csv"), "target": "column_21", "train": train_})
    record = mw.run(recipe, store=tmp_path / "store")
    rows = {row[0]: row for row in record.facts["metrics"]}
    assert float(rows["Mean cost"][1]) < 0.68 and rows["Mean cost"][3] == "0.700", "all bad: 0.7 a row"
    assert "costs" in record.facts["headline"] and "90% sets" in record.facts["headline"]
    model = load(record.facts["package"])
    assert model.signature.threshold == pytest.approx(1 / 6) and model.signature.task.costs == ((0, 1), (5, 0))
    assert "told" in model.facts["card"] and "Tells also set" in model.facts["card"]


def test_the_command_line_asks_for_it_and_a_served_row_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = made_table(300, "regression")
    data.frame.drop("__row__", "when").write_csv(tmp_path / "made.csv")
    asked = ["--target", "y", "--train.models", "[linear]", "--train.conformal", "0.9", "--store", str(tmp_path / "s")]
    asked += ["--train.objective", "{quantile: [0.1, 0.9]}"]
    assert command(["run", str(tmp_path / "made.csv"), *asked]) == 0
    assert "Its 90% intervals hold the truth of" in " ".join(capsys.readouterr().out.split())
    row = data.frame.drop("__row__", "when", "y").row(0, named=True)
    server = start(str(tmp_path / "s" / "out" / "made" / "made.wright"))
    status, body = predict(server, {"rows": [row]})
    server.process.terminate()
    assert status == 200 and server.process.wait(timeout=15) == 0
    (answer,) = body["predictions"]
    assert set(answer) == {"prediction", "q10", "q90", "low", "high"} and answer["low"] <= answer["high"]


def test_a_package_keeps_what_is_beside(tmp_path: Path) -> None:
    table = made_table(200, "regression").frame.drop("__row__", "when", "note")
    table.write_csv(tmp_path / "made.csv")
    cleaned = mw.clean(mw.collect(str(tmp_path / "made.csv")), mw.CleanSpec(target="y"))
    splits = split(cleaned.kept, SplitSpec(folds=2))
    trained = train(cleaned.kept, splits, TrainSpec(models=("linear",), conformal=0.8))  # type: ignore[arg-type]
    made = mw.package(trained, cleaned, path=tmp_path / "made.wright", name="made", train_rows=splits.train)
    assert made.largest_difference < 1e-5
    told = load(made.path).predict(table.drop("y"))
    due = graph_outputs(trained.graph, trained.signature, cleaned.kept)
    np.testing.assert_allclose(np.array(told.columns()["low"]), due[1][:, 0], rtol=1e-6)
    assert pl.DataFrame(told.columns()).columns == ["prediction", "low", "high"]
