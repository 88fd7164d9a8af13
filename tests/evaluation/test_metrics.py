"""Every metric against scikit-learn to 1e-12, and the contract that makes the bootstrap possible."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from modelwright.evaluation import metrics as ours
from modelwright.evaluation.catalogue import METRICS
from modelwright.evaluation.names import AUTO, BESIDE, FALLBACK, NAMES
from modelwright.testing.evaluation import check_measure


def close(mine: Any, other: float) -> None:
    np.testing.assert_allclose(float(mine), other, rtol=1e-12, atol=1e-12)


def classes(n_classes: int, seed: int, n_rows: int = 200, *, coarse: bool = False) -> tuple[Any, Any, Any]:
    """Truth, probabilities (with ties when `coarse`) and weights."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n_rows, n_classes))
    scores = np.round(scores, 0 if coarse else 9)
    truth = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return truth, chances, rng.uniform(0.1, 3.0, size=n_rows)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_metrics_are_those_of_scikit_learn(seed: int, coarse: bool, weighted: bool) -> None:
    y, p, w = classes(2, seed, coarse=coarse)
    w = w if weighted else np.ones(y.size)
    said, one = (p[:, 1] >= 0.4).astype(int), p[:, 1]
    close(ours.accuracy(y, said, w), theirs.accuracy_score(y, said, sample_weight=w))
    close(ours.balanced_accuracy(y, said, w), theirs.balanced_accuracy_score(y, said, sample_weight=w))
    close(ours.precision(y, said, w), theirs.precision_score(y, said, sample_weight=w))
    close(ours.recall(y, said, w), theirs.recall_score(y, said, sample_weight=w))
    close(ours.f1(y, said, w), theirs.f1_score(y, said, sample_weight=w))
    close(ours.roc_auc(y, p, w), theirs.roc_auc_score(y, one, sample_weight=w))
    close(ours.average_precision(y, p, w), theirs.average_precision_score(y, one, sample_weight=w))
    close(ours.log_loss(y, p, w), theirs.log_loss(y, p, sample_weight=w))
    close(ours.brier(y, p, w), theirs.brier_score_loss(y, one, sample_weight=w))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("coarse", [False, True])
def test_multiclass_metrics_are_those_of_scikit_learn(seed: int, coarse: bool) -> None:
    y, p, w = classes(4, seed, coarse=coarse)
    said = p.argmax(axis=1)
    settings_ = {"average": "macro", "zero_division": 0, "sample_weight": w}
    close(ours.macro_precision(y, said, w), theirs.precision_score(y, said, **settings_))
    close(ours.macro_recall(y, said, w), theirs.recall_score(y, said, **settings_))
    close(ours.macro_f1(y, said, w), theirs.f1_score(y, said, **settings_))
    close(ours.roc_auc(y, p, w), theirs.roc_auc_score(y, p, multi_class="ovr", sample_weight=w))
    one_hot = np.eye(4)[y]
    close(ours.average_precision(y, p, w), theirs.average_precision_score(one_hot, p, sample_weight=w))
    close(ours.log_loss(y, p, w), theirs.log_loss(y, p, sample_weight=w))
    close(ours.brier(y, p, w), theirs.brier_score_loss(y, p, sample_weight=w))


@pytest.mark.parametrize("n_rows", [2, 3, 50, 51])
def test_regression_metrics_are_those_of_scikit_learn(n_rows: int) -> None:
    rng = np.random.default_rng(n_rows)
    y, v, w = rng.normal(size=n_rows) + 1e4, rng.normal(size=n_rows) + 1e4, rng.uniform(0.1, 3, n_rows)
    close(ours.mse(y, v, w), theirs.mean_squared_error(y, v, sample_weight=w))
    close(ours.rmse(y, v, w), theirs.root_mean_squared_error(y, v, sample_weight=w))
    close(ours.mae(y, v, w), theirs.mean_absolute_error(y, v, sample_weight=w))
    np.testing.assert_allclose(ours.r2(y, v, w), theirs.r2_score(y, v, sample_weight=w), rtol=1e-11)
    close(ours.median_absolute_error(y, v, np.ones(n_rows)), theirs.median_absolute_error(y, v))
    for quantile in (0.1, 0.5, 0.9):
        mine = ours.pinball(y, v, w, quantile=quantile)
        close(mine, theirs.mean_pinball_loss(y, v, alpha=quantile, sample_weight=w))


def test_log_loss_of_a_certain_mistake_is_finite() -> None:
    y, p = np.array([0, 1]), np.array([[0.0, 1.0], [0.5, 0.5]])
    close(ours.log_loss(y, p, np.ones(2)), theirs.log_loss(y, p))


def test_calibration_error_is_the_one_written_out_bin_by_bin() -> None:
    y, p, w = classes(2, 5, n_rows=300)
    order = np.array_split(np.argsort(p[:, 1]), 10)
    gaps = [abs((w[rows] * (p[rows, 1] - y[rows])).sum()) for rows in order]
    close(ours.calibration_error(y, p, w), sum(gaps) / w.sum())


def test_calibration_error_sees_overconfidence() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(4000) < 0.5).astype(int)
    sure = np.where(rng.random(4000) < 0.5, 0.9, 0.1)
    assert 0.35 < float(ours.calibration_error(y, np.stack([1 - sure, sure], axis=1), np.ones(4000))) < 0.45


@st.composite
def tables(draw: Any) -> tuple[str, Any, Any, Any]:
    kind = draw(st.sampled_from(["binary", "multiclass", "regression"]))
    n_rows, seed = draw(st.integers(1, 40)), draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    if kind == "regression":
        return kind, rng.integers(-3, 4, n_rows).astype(float), rng.normal(size=n_rows), None
    n_classes = 2 if kind == "binary" else draw(st.integers(3, 6))
    truth, chances, _ = classes(n_classes, seed, n_rows, coarse=draw(st.booleans()))
    return kind, truth, chances, chances.argmax(axis=1)


@settings(max_examples=60, deadline=None)
@given(tables())
def test_every_metric_keeps_its_contract(table: tuple[str, Any, Any, Any]) -> None:
    kind, truth, answer, said = table
    for measure in METRICS[kind].values():
        check_measure(measure, truth, said if measure.takes == "labels" else answer)


@settings(max_examples=40, deadline=None)
@given(tables())
def test_a_perfect_answer_is_the_best_there_is(table: tuple[str, Any, Any, Any]) -> None:
    kind, truth, answer, _ = table
    perfect = truth if kind == "regression" else np.eye(answer.shape[1])[truth]
    for measure in METRICS[kind].values():
        value = float(measure.function(truth, truth if measure.takes == "labels" else perfect, np.ones(truth.size)))
        best = 1.0 if NAMES[measure.name].better == "higher" else 0.0
        assert np.isnan(value) or value == pytest.approx(best, abs=1e-12), measure.name


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_one_class_only_is_nan_where_it_is_not_defined_and_never_a_warning(kind: str) -> None:
    n_classes = 2 if kind == "binary" else 3
    truth, chances = np.zeros(6, dtype=int), np.full((6, n_classes), 1 / n_classes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = {
            m.name: float(m.function(truth, truth if m.takes == "labels" else chances, np.ones(6)))
            for m in METRICS[kind].values()
        }
    assert np.isnan(values["roc_auc"])
    assert values["accuracy"] == 1.0
    assert np.isfinite(values["log_loss"])


def test_names_and_functions_agree() -> None:
    for kind, measures in METRICS.items():
        assert set(AUTO[kind]) <= set(measures) <= set(NAMES)
        assert FALLBACK[kind] in AUTO[kind]
        assert all(measure.name == name and measure.reference for name, measure in measures.items())
    assert set(NAMES) == set(BESIDE).union(*(measures for measures in METRICS.values()))
