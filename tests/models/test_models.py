"""What the suite does not ask: early stopping, refusals, extra precision, order, real tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from modelwright.core.errors import UserError
from modelwright.core.registry import get
from modelwright.core.values import Fitted
from modelwright.graph import Graph
from modelwright.models import Held, Model
from modelwright.models.boosting import MODEL as BOOSTING
from modelwright.models.linear import MODEL as LINEAR
from modelwright.testing.models import check_model
from modelwright_runtime.engine import open_session
from modelwright_runtime.signature import Task

REGRESSION = Task(kind="regression", target="y")
BINARY = Task(kind="binary", target="y", classes=("no", "yes"))


def fit(name: str, x: np.ndarray, y: np.ndarray, task: Task, **given: Any) -> Fitted:
    model = get("models", name)
    settings = {key: given.pop(key) for key in list(given) if key not in ("weights", "valid")}
    return model.fit(x, y, spec=model.spec(**settings), task=task, rng=np.random.default_rng(0), **given)


def answer_of_graph(fitted: Fitted, x: np.ndarray, task: Task) -> np.ndarray:
    graph = Graph()
    tensor = fitted.emit(graph, graph.input("x", "float32", (None, x.shape[1])))
    shape = (None, len(task.classes)) if task.is_classification else (None,)
    graph.output("y", tensor, "float32" if task.is_classification else "float64", shape)
    answer: np.ndarray = open_session(graph.to_bytes()).run(None, {"x": x})[0]
    return answer


def test_boosting_stops_at_the_best_round_and_tells_it() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 5)).astype(np.float32)
    y = (x[:, 0] + 2 * rng.normal(size=600) > 0).astype(int)  # noise: more rounds only learn it by heart
    stopped = fit("boosting", x[:400], y[:400], BINARY, rounds=500, valid=Held(x[400:], y[400:]))
    assert stopped.info["rounds"] == stopped.n_units < 200
    again = fit("boosting", x[:400], y[:400], BINARY, rounds=stopped.info["rounds"])
    assert np.array_equal(again.predict(x), stopped.predict(x)), "so many rounds give the very same model"
    assert np.abs(answer_of_graph(stopped, x, BINARY) - stopped.predict(x)).max() < 1e-6


def test_boosting_passes_over_held_out_rows_of_unknown_classes() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    y = np.digitize(x[:, 0], [-0.5, 0.5])
    known = y[:150] != 2
    task = Task(kind="multiclass", target="y", classes=("a", "b", "c"))
    fitted = fit("boosting", x[:150][known], y[:150][known], task, valid=Held(x[150:], y[150:], np.ones(50)))
    assert (fitted.predict(x)[:, 2] == 0).all()


@pytest.mark.parametrize(("name", "n_rows"), [("svm", 10_001), ("neighbours", 20_001)])
def test_too_many_rows_are_refused(name: str, n_rows: int) -> None:
    with pytest.raises(UserError, match="at most") as problem:
        fit(name, np.zeros((n_rows, 1), np.float32), np.arange(n_rows) % 2, BINARY)
    assert problem.value.code == "model.rows"
    assert not get("models", name).suits(BINARY, n_rows, 1)


def test_bayes_refuses_values_and_weights_must_not_all_be_zero() -> None:
    x = np.zeros((4, 1), np.float32)
    with pytest.raises(UserError) as problem:
        fit("bayes", x, np.zeros(4), REGRESSION)
    assert problem.value.code == "model.task"
    with pytest.raises(UserError) as problem:
        fit("linear", x, np.zeros(4), REGRESSION, weights=np.zeros(4))
    assert problem.value.code == "model.weights"


@pytest.mark.parametrize("name", ["tree", "forest", "boosting"])
def test_trees_break_ties_as_the_library_does(name: str) -> None:
    """Integers and their halves: every threshold lies on or next to a value that rows have."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 6, (2000, 4)).astype(np.float32) * np.float32(0.1)
    y = (x @ np.array([1, 2, 3, 4])) + rng.normal(size=2000)
    fitted = fit(name, x, y, REGRESSION)
    near = np.concatenate([np.nextafter(x, np.float32(9)), np.nextafter(x, np.float32(-9)), x])
    assert np.abs(answer_of_graph(fitted, near, REGRESSION) - fitted.predict(near)).max() < 1e-6


@pytest.mark.parametrize("name", ["tree", "forest", "boosting", "linear", "neighbours", "svm"])
def test_a_target_far_from_zero_keeps_its_digits(name: str) -> None:
    """A billion plus noise of size one: float32 knows no such numbers."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)).astype(np.float32)
    y = 1e9 + x[:, 0].astype(np.float64) + 0.1 * rng.normal(size=400)
    fitted = fit(name, x[:300], y[:300], REGRESSION)
    answer = answer_of_graph(fitted, x[300:], REGRESSION)
    assert np.corrcoef(answer, y[300:])[0, 1] > 0.9
    assert np.abs(answer - fitted.predict(x[300:])).max() < 1e-5


def test_neighbours_do_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (300, 3)).astype(np.float32)  # 27 places only: ties everywhere
    y = rng.integers(0, 2, 300)
    turned = rng.permutation(300)
    one = fit("neighbours", x, y, BINARY, neighbours=7)
    other = fit("neighbours", x[turned], y[turned], BINARY, neighbours=7)
    assert np.abs(one.predict(x) - other.predict(x)).max() < 1e-12
    assert np.abs(answer_of_graph(one, x, BINARY) - one.predict(x)).max() < 1e-6


def test_probabilities_of_the_svm_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 2)).astype(np.float32)
    chance = 1 / (1 + np.exp(-2 * x[:, 0]))
    y = (rng.random(3000) < chance).astype(int)
    fitted = fit("svm", x[:1000], y[:1000], BINARY)
    assert np.abs(fitted.predict(x[1000:])[:, 1] - chance[1000:]).mean() < 0.08


REAL = [
    (load_breast_cancer, BINARY, 0.93),
    (load_digits, Task(kind="multiclass", target="y", classes=tuple("0123456789")), 0.9),
    (load_diabetes, REGRESSION, 0.25),
]


@pytest.mark.parametrize("name", ["linear", "forest", "boosting", "svm", "neighbours"])
@pytest.mark.parametrize(("load", "task", "least"), REAL)
def test_real_tables_are_learned_and_the_graph_agrees(name: str, load: Any, task: Task, least: float) -> None:
    x, y = load(return_X_y=True)
    x = ((x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)).astype(np.float32)
    shuffled = np.random.default_rng(0).permutation(len(x))
    train, test = shuffled[: len(x) * 2 // 3], shuffled[len(x) * 2 // 3 :]
    fitted = fit(name, x[train], y[train], task)
    answer = fitted.predict(x[test])
    if task.is_classification:
        score = float((answer.argmax(axis=1) == y[test]).mean())
    else:
        score = float(1 - ((answer - y[test]) ** 2).mean() / y[test].var())
    assert score > least
    assert np.abs(answer_of_graph(fitted, x[test], task) - answer).max() < 1e-5


def heavy_handed(x: np.ndarray, y: np.ndarray, **given: Any) -> Fitted:
    return LINEAR.fit(x, y, **{**given, "weights": None})


def off_by_a_little(x: np.ndarray, y: np.ndarray, **given: Any) -> Fitted:
    fitted = LINEAR.fit(x, y, **given)
    return replace(fitted, predict=lambda x: fitted.predict(x * np.float32(1.001)))


def unseeded(x: np.ndarray, y: np.ndarray, **given: Any) -> Fitted:
    return BOOSTING.fit(x, y, **{**given, "rng": np.random.default_rng()})


def constant(x: np.ndarray, y: np.ndarray, *, spec: Any, **given: Any) -> Fitted:
    model = get("models", "constant")
    return model.fit(x, y, spec=model.spec(), **given)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (replace(LINEAR, fit=heavy_handed), "weight"),
        (replace(LINEAR, fit=off_by_a_little), "differ"),
        (replace(BOOSTING, fit=unseeded), "same seed"),
        (replace(LINEAR, fit=constant), "constant answer|variance"),
    ],
)
def test_the_suite_catches_a_broken_model(broken: Model, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_model(broken)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_a_linear_quantile_is_scikit_learn_s(level: float) -> None:
    """By the loss that both minimise: within a thousandth of the exact solution's."""
    from sklearn.linear_model import QuantileRegressor

    x, y = load_diabetes(return_X_y=True)
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    task = replace(REGRESSION, quantiles=(level,))
    own = fit("linear", x, y, task, penalty=1e-6).predict(x)[:, 0]
    exact = QuantileRegressor(quantile=level, alpha=0.0, solver="highs").fit(x, y).predict(x)
    losses = [float(np.maximum(level * (y - q), (level - 1) * (y - q)).mean()) for q in (own, exact)]
    assert losses[1] <= losses[0] < losses[1] * 1.001
    assert (y <= own).mean() == pytest.approx(level, abs=0.02)
