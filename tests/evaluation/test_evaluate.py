"""`evaluate` on real and on awkward rows: defined answers or a coded error, never a warning."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from modelwright.core.data import ROW_ID
from modelwright.core.errors import UserError
from modelwright.core.values import Report, Trained
from modelwright.evaluation import EvaluateSpec, constant_answer, evaluate
from modelwright.testing.evaluation import as_dataset, linear_trained, straight_line

SPEC = EvaluateSpec(n_bootstrap=100)


@pytest.fixture(autouse=True)
def _no_warning() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def board(metric: str) -> list[dict[str, Any]]:
    return [{"name": "one", "model": "linear", "settings": {}, "metric": metric, "score": 0.9}]


def binary(target: list[str | None], x: list[float], *, threshold: float = 0.5, metric: str = "roc_auc") -> Any:
    """The model p(yes) = sigmoid(x), and rows."""
    trained = linear_trained(
        ["x"],
        np.array([[1.0]]),
        np.array([0.0]),
        target="y",
        classes=("no", "yes"),
        threshold=threshold,
        leaderboard=board(metric),
    )
    return trained, as_dataset(pl.DataFrame({"x": x, "y": pl.Series(target, dtype=pl.String)}), "y")


@pytest.fixture(scope="module")
def tumours() -> tuple[Trained, Any, Any, Any]:
    """A logistic regression of the 569 tumours, with its held-out rows."""
    bunch = datasets.load_breast_cancer()
    x = (bunch.data - bunch.data.mean(axis=0)) / bunch.data.std(axis=0)
    train, test = np.arange(0, 569, 2), np.arange(1, 569, 2)
    model = LogisticRegression().fit(x[train], bunch.target[train])
    names = [str(name) for name in bunch.feature_names]
    frame = pl.DataFrame(x[test], schema=names, orient="row")
    frame = frame.with_columns(
        diagnosis=pl.Series(bunch.target_names[bunch.target[test]].astype(str)),
        clinic=pl.Series(np.where(np.arange(test.size) % 3 == 0, "north", "south")),
    )
    trained = linear_trained(
        names,
        model.coef_,
        model.intercept_,
        target="diagnosis",
        classes=("malignant", "benign"),
        leaderboard=board("roc_auc"),
    )
    data = as_dataset(frame, "diagnosis", roles={"clinic": "protected"})
    return trained, data, model.predict_proba(x[test]), bunch.target[test]


def test_tumours(tumours: tuple[Trained, Any, Any, Any]) -> None:
    trained, data, chances, truth = tumours
    report = evaluate(trained, data, SPEC, baseline=np.array([0.4, 0.6]))
    assert report.primary == report.metrics[0].name == "roc_auc"
    # The graph answers in float32, so ties may differ in the seventh place.
    assert report["roc_auc"].value == pytest.approx(roc_auc_score(truth, chances[:, 1]), abs=1e-6)
    assert report["roc_auc"].low > 0.95
    assert sum(sum(row) for row in report.curves["confusion"]["counts"]) == report.n_rows == data.n_rows
    base = {metric.name: metric.value for metric in report.baseline}
    assert base["roc_auc"] == 0.5
    assert base["log_loss"] == pytest.approx(-np.log([0.4, 0.6])[truth].mean())
    assert report.curves["gain"]["low"] > 0.4
    assert {one["column"] for one in report.slices} >= {"clinic"}
    assert not any(decision.about == "baseline" for decision in report.decisions)


def test_the_record_is_json_and_small(tumours: tuple[Trained, Any, Any, Any]) -> None:
    report = evaluate(tumours[0], tumours[1], SPEC)
    written = json.dumps([report.curves, list(report.slices)], allow_nan=False)
    assert len(written) < 100_000


def test_same_seed_same_report(tumours: tuple[Trained, Any, Any, Any]) -> None:
    one, two = (evaluate(tumours[0], tumours[1], SPEC, seed=3) for _ in range(2))
    assert (one.metrics, one.slices, one.curves) == (two.metrics, two.slices, two.curves)


def test_the_threshold_is_the_signatures() -> None:
    trained, data = binary(["no", "yes", "yes"], [-1.0, -0.5, 2.0], threshold=0.3)
    report = evaluate(trained, data, SPEC)
    assert report["recall"].value == 1.0
    assert report.curves["confusion"]["counts"] == [[1, 0], [0, 2]]
    assert evaluate(*binary(["no", "yes", "yes"], [-1.0, -0.5, 2.0]), SPEC)["recall"].value == 0.5


def names(report: Report) -> set[str]:
    return {metric.name for metric in report.metrics}


def test_one_row() -> None:
    report = evaluate(*binary(["yes"], [2.0]), SPEC)
    assert report.primary == "log_loss"
    assert "roc_auc" not in names(report)
    assert {"roc_auc", "primary metric"} <= {decision.about for decision in report.decisions}
    assert report["accuracy"].low < 1.0
    regression = evaluate(*straight_line(n_rows=1), SPEC)
    assert "r2" not in names(regression)
    assert regression["rmse"].low == pytest.approx(regression["rmse"].high)


def test_one_class_in_the_rows() -> None:
    report = evaluate(*binary(["no"] * 40, [float(x) for x in range(-20, 20)]), SPEC)
    assert not {"roc_auc", "average_precision", "recall"} & names(report)
    assert report.curves["roc"] == []


def test_constant_answers() -> None:
    report = evaluate(*binary(["no", "yes"] * 30, [0.0] * 60), SPEC)
    assert report["roc_auc"].value == 0.5
    assert report.curves["gain"]["low"] <= 0.0 <= report.curves["gain"]["high"]


def test_constant_target_of_a_regression() -> None:
    trained, data = straight_line(n_rows=50)
    flat = as_dataset(data.frame.with_columns(y=pl.lit(1.0)).drop(ROW_ID), "y")
    report = evaluate(trained, flat, SPEC)
    assert "r2" not in names(report)
    assert next(m.value for m in report.baseline if m.name == "rmse") == 0.0


def test_rows_without_a_target_are_left_out_and_said() -> None:
    report = evaluate(*binary(["no", None, "yes"], [-1.0, 5.0, 1.0]), SPEC)
    assert report.n_rows == 2
    assert [d.choice for d in report.decisions if d.about == "rows"] == ["1 rows left out"]


def test_unknown_classes_are_never_right() -> None:
    trained = linear_trained(
        ["x"],
        np.array([[1.0], [0.0], [-1.0]]),
        np.zeros(3),
        target="y",
        classes=("a", "b", "c"),
        leaderboard=board("log_loss"),
    )
    data = as_dataset(pl.DataFrame({"x": [5.0, 5.0, -5.0], "y": ["a", "new", "c"]}), "y")
    report = evaluate(trained, data, SPEC)
    assert report["accuracy"].value == pytest.approx(2 / 3)
    assert report.curves["confusion"]["labels"] == ["a", "b", "c", "new"]
    assert "'new'" in next(d.reason for d in report.decisions if d.about == "classes")
    two = evaluate(*binary(["no", "yes", "odd"], [-1.0, 1.0, -1.0]), SPEC)
    assert two["accuracy"].value == 1.0
    assert any(d.about == "classes" and "counted as not" in d.choice for d in two.decisions)


def test_boolean_targets() -> None:
    trained = linear_trained(["x"], np.array([[1.0]]), np.array([0.0]), target="y", classes=("false", "true"))
    data = as_dataset(pl.DataFrame({"x": [-1.0, 1.0], "y": [False, True]}), "y")
    assert evaluate(trained, data, SPEC)["accuracy"].value == 1.0


def test_weights_weigh() -> None:
    trained, data = binary(["no", "yes"], [-1.0, -1.0])
    frame = data.frame.drop(ROW_ID).with_columns(w=pl.Series([3.0, 1.0]))
    weighted = as_dataset(frame, "y", roles={"w": "weight"})
    assert evaluate(trained, weighted, SPEC)["accuracy"].value == 0.75
    bad = as_dataset(frame.with_columns(w=pl.Series([-1.0, 1.0])), "y", roles={"w": "weight"})
    assert code_of(lambda: evaluate(trained, bad, SPEC)) == "evaluation.weights"


def code_of(call: Any) -> str:
    with pytest.raises(UserError) as caught:
        call()
    return caught.value.code


def test_coded_errors() -> None:
    trained, data = binary(["no", "yes"], [-1.0, 1.0])
    assert code_of(lambda: EvaluateSpec(metrics=("acuracy",))) == "spec.value"
    asked = EvaluateSpec(metrics=("rmse",))
    assert code_of(lambda: evaluate(trained, data, asked)) == "evaluation.metric"
    asked = EvaluateSpec(slices=("no such",))
    assert code_of(lambda: evaluate(trained, data, asked)) == "evaluation.slices"
    assert code_of(lambda: evaluate(*binary([None, None], [0.0, 1.0]), SPEC)) == "evaluation.rows"
    assert code_of(lambda: evaluate(*binary([], []), SPEC)) == "evaluation.rows"
    missing = as_dataset(data.frame.drop(ROW_ID).rename({"y": "z"}), "z")
    assert code_of(lambda: evaluate(trained, missing, SPEC)) == "evaluation.target"
    one = straight_line(n_rows=1)
    trained_r2 = linear_trained(["x"], np.array([[2.0]]), np.array([1.0]), target="y", leaderboard=board("r2"))
    asked = EvaluateSpec(metrics=("r2",))
    assert code_of(lambda: evaluate(trained_r2, one[1], asked)) == "evaluation.undefined"


def test_a_metric_of_the_leaderboard_that_is_not_known_is_replaced_and_said() -> None:
    report = evaluate(*binary(["no", "yes"] * 9, [-1.0, 1.0] * 9, metric="gini"), SPEC)
    assert report.primary == "roc_auc"
    assert any("gini" in decision.reason for decision in report.decisions)


def test_constant_answer_counts_training_rows_only() -> None:
    shares = constant_answer(("a", "b", "c"), pl.Series(["a", "a", "c", None, "zzz"]))
    assert shares.tolist() == pytest.approx([2 / 3, 0.0, 1 / 3])


def test_many_rows_and_classes_stay_bounded() -> None:
    rng = np.random.default_rng(0)
    n_classes = 120
    weights = rng.normal(size=(n_classes, 3))
    x = rng.normal(size=(4000, 3))
    said = [f"class {k}" for k in (x @ weights.T).argmax(axis=1)]
    trained = linear_trained(
        ["a", "b", "c"],
        weights,
        np.zeros(n_classes),
        target="y",
        classes=tuple(f"class {k}" for k in range(n_classes)),
        leaderboard=board("log_loss"),
    )
    data = as_dataset(pl.DataFrame(x, schema=["a", "b", "c"], orient="row").with_columns(y=pl.Series(said)), "y")
    report = evaluate(trained, data, EvaluateSpec(n_bootstrap=50, slices=()))
    assert len(report.curves["confusion"]["labels"]) == 20
    assert sum(map(sum, report.curves["confusion"]["counts"])) == 4000
    assert len(report.curves["roc"]) == 5
    assert all(len(line["x"]) <= 200 for line in report.curves["roc"])
    assert len(json.dumps(report.curves)) < 100_000
