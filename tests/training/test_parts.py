"""The pure parts of training: losses, ensemble selection, thresholds, tasks."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.metrics import log_loss as library_log_loss

from modelwright.core.task import recognise
from modelwright.training.classes import class_order, class_texts
from modelwright.training.ensemble import blend, greedy, select
from modelwright.training.losses import accuracy, log_loss, mae, rmse, roc_auc
from modelwright.training.threshold import best_f1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(5, 60), rounded=st.booleans())
def test_losses_agree_with_scikit_learn(seed: int, n: int, *, rounded: bool) -> None:
    rng = np.random.default_rng(seed)
    y = np.append(rng.integers(0, 2, n), [0, 1])
    p = rng.uniform(0.01, 0.99, n + 2)
    p = np.round(p, 1).clip(0.05, 0.95) if rounded else p
    weights = rng.uniform(0.1, 3, n + 2)
    pair = np.stack([1 - p, p], axis=1)
    assert roc_auc(y, pair, weights) == pytest.approx(1 - roc_auc_score(y, p, sample_weight=weights))
    assert log_loss(y, pair, weights) == pytest.approx(library_log_loss(y, p, sample_weight=weights))
    assert accuracy(y, pair, weights) == pytest.approx(np.average((p > 0.5) != y, weights=weights))


def test_roc_auc_of_several_classes_passes_over_absent_ones() -> None:
    y = np.array([0, 1, 0, 1])
    predicted = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])
    assert roc_auc(y, predicted, np.ones(4)) == 0.0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(4, 60))
def test_the_threshold_has_the_best_f1_of_all(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    score = np.round(rng.random(n), 1)
    positive = rng.random(n) < score
    positive[0] = True
    threshold, best = best_f1(positive, score, np.ones(n))
    assert f1_score(positive, score >= threshold) == pytest.approx(best)
    for other in np.unique(score):
        assert f1_score(positive, score >= other) <= best + 1e-12


def candidates(seed: int, n: int = 300) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    return y, [y + rng.normal(0, 1, n) for _ in range(4)]


def test_a_mean_of_independent_errors_is_found() -> None:
    y, predicted = candidates(0)
    found = select(predicted, y, np.ones(len(y)), rmse, most_members=4, rng=np.random.default_rng(0))
    assert found.loss < 0.65 * found.best_single
    assert (found.weights > 0.1).all() and found.weights.sum() == pytest.approx(1)


def test_copies_of_one_model_are_no_ensemble() -> None:
    y, predicted = candidates(1)
    found = select([predicted[0]] * 3, y, np.ones(len(y)), rmse, most_members=3, rng=np.random.default_rng(0))
    assert sorted(found.weights) == [0, 0, 1]


def test_a_useless_model_gets_no_weight_and_members_are_limited() -> None:
    y, predicted = candidates(2)
    found = select([*predicted, y * 0 + 50], y, np.ones(len(y)), mae, most_members=2, rng=np.random.default_rng(0))
    assert found.weights[4] == 0 and (found.weights > 0).sum() == 2


def test_selection_sees_row_weights() -> None:
    y = np.zeros(100)
    half = np.arange(100) < 50
    first, second = np.where(half, 0.0, 5.0), np.where(half, 5.0, 0.0)
    share = greedy(np.stack([first, second]), y, np.where(half, 100.0, 1.0), rmse)
    assert share[0] > 0.9


def test_blend_is_the_weighted_mean_of_probabilities() -> None:
    parts = np.array([[[0.2, 0.8]], [[0.6, 0.4]]])
    np.testing.assert_allclose(blend(parts, np.array([0.75, 0.25])), [[0.3, 0.7]])


@pytest.mark.parametrize(
    ("values", "kind", "task"),
    [
        ([3.0, 4.0, 5.0, 6.0, 7.0, 8.0], "number", "regression"),
        ([0.0, 1.0, 1.0], "number", "binary"),
        (["a", "b", "c"], "category", "multiclass"),
        ([True, False, True], "boolean", "binary"),
    ],
)
def test_the_task_is_read_from_the_target(values: list[object], kind: str, task: str) -> None:
    assert recognise(pl.Series("y", values), kind)[0] == task  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([True, False, True], ("false", "true")),
        ([1.0, 0.0, 1.0], ("0", "1")),
        ([-1.0, 1.0, 1.0], ("-1", "1")),
        ([1.0, 2.0, 1.0], ("1", "2")),
        (["yes", "no", "yes"], ("no", "yes")),
        (["g", "b", "g"], ("g", "b")),
        (["10", "9", "nan"], ("9", "10", "nan")),
    ],
)
def test_the_positive_class_is_last(values: list[object], classes: tuple[str, ...]) -> None:
    assert class_order(class_texts(pl.Series("y", values))) == classes
