"""Intervals: they cover as often as they say, repeat to the bit, and cost a bounded time."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from modelwright.evaluation import EvaluateSpec, bootstrap
from modelwright.evaluation.answers import Answers
from modelwright.evaluation.catalogue import measures_of
from modelwright.evaluation.measuring import Measured, measure_all


def logistic(n_rows: int, seed: int, n_classes: int = 2) -> Answers:
    """Rows with few positives, answered with their true chances."""
    rng = np.random.default_rng([seed, n_classes])
    scores = rng.normal(size=(n_rows, n_classes))
    scores[:, 0] += 2.0
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    truth = (chances.cumsum(axis=1) < rng.random((n_rows, 1))).sum(axis=1)
    return Answers(
        kind="binary" if n_classes == 2 else "multiclass",
        classes=tuple(map(str, range(n_classes))),
        truth=truth,
        predicted=chances.argmax(axis=1),
        probabilities=chances,
        weights=np.ones(n_rows),
    )


def numbers(n_rows: int, seed: int) -> Answers:
    """Rows whose errors have heavy tails."""
    rng = np.random.default_rng([seed, 77])
    predicted = rng.normal(size=n_rows)
    truth = predicted + rng.standard_t(6, size=n_rows)
    return Answers(
        kind="regression",
        classes=(),
        truth=truth,
        predicted=predicted,
        probabilities=None,
        weights=np.ones(n_rows),
    )


def measured(answers: Answers, measures: Any, spec: EvaluateSpec, answer: Any = None, *, seed: int = 0) -> Measured:
    """All metrics against the constant answer: `answer`, or the rows' own average."""
    base = answers.constant(answers.average() if answer is None else answer)
    return measure_all(answers, base, measures, spec, seed=seed)


def coverage(make: Any, kind: str, names: list[str], n_rows: int) -> dict[str, float]:
    """How often the 95 % interval of `n_rows` rows holds the value of 200,000."""
    measures = measures_of(kind, names)
    truth = {m.name: float(make(200_000, 999_999).measured(m)) for m in measures}
    n_tries, held = 250, dict.fromkeys(names, 0)
    spec = EvaluateSpec(n_bootstrap=200)
    for seed in range(n_tries):
        found = measured(make(n_rows, seed), measures, spec, seed=seed)
        for metric in found.metrics:
            held[metric.name] += metric.low <= truth[metric.name] <= metric.high
    return {name: count / n_tries for name, count in held.items()}


def test_intervals_of_class_metrics_cover() -> None:
    # The classes are uneven and found unevenly well: draws stratified by class would fail here.
    names = ["accuracy", "precision", "recall", "f1", "roc_auc", "average_precision", "log_loss", "brier"]
    found = coverage(logistic, "binary", names, 300)
    assert all(0.90 <= share <= 0.99 for share in found.values()), found


def test_intervals_of_value_metrics_cover() -> None:
    names = ["mse", "rmse", "mae", "r2", "median_absolute_error", "pinball_10"]
    found = coverage(numbers, "regression", names, 300)
    assert all(0.89 <= share <= 0.99 for share in found.values()), found


def test_a_sub_sample_gives_intervals_of_the_same_width() -> None:
    answers = logistic(20_000, 1)
    measures = measures_of("binary", ["roc_auc", "log_loss"])
    for measure in measures:
        widths = []
        for cells in (400 * 20_000, 400 * 2_500):
            how = bootstrap.plan(answers, 400, np.random.default_rng(0), n_cells=cells)
            drawn = bootstrap.replicates({"m": answers}, [measure], how, np.random.default_rng(1))
            widths.append(bootstrap.deviations(drawn["m"][measure.name], how.scale).std())
        assert how.rows.size == 2_500
        assert widths[0] == pytest.approx(widths[1], rel=0.2)


def test_same_seed_same_bits_and_another_seed_another_interval() -> None:
    answers, measures, spec = logistic(200, 3), measures_of("binary", ["roc_auc"]), EvaluateSpec()
    first, again, other = (measured(answers, measures, spec, seed=seed).metrics[0] for seed in (1, 1, 2))
    assert first == again
    assert first.value == other.value
    assert first.low != other.low


def test_the_gain_is_paired() -> None:
    # The model and a baseline that is the model: whatever the draws, the gain is nothing at all.
    answers = logistic(300, 4)
    shares = answers.probabilities.mean(axis=0)  # type: ignore[union-attr]
    constant = answers.constant(shares)
    measures = measures_of("binary", ["log_loss"])
    nothing = measured(constant, measures, EvaluateSpec(), shares).gains["log_loss"]
    assert nothing["low"] == nothing["value"] == nothing["high"] == 0.0
    real = measured(answers, measures, EvaluateSpec(), shares)
    own = real.metrics[0].high - real.metrics[0].low
    assert 0 < float(real.gains["log_loss"]["high"]) - float(real.gains["log_loss"]["low"]) < 2 * own


def test_without_a_single_error_the_interval_is_not_a_point() -> None:
    answers = logistic(60, 5)
    flawless = replace(answers, predicted=answers.truth)
    measures = measures_of("binary", ["accuracy", "recall"])
    accuracy, recall = measured(flawless, measures, EvaluateSpec()).metrics
    n_rarest = int(np.bincount(answers.truth).min())
    assert accuracy.low == pytest.approx(0.05 ** (1 / answers.n_rows))
    assert recall.low == pytest.approx(0.05 ** (1 / n_rarest))
    assert accuracy.high == recall.high == 1.0


def test_a_wider_confidence_gives_a_wider_interval() -> None:
    answers, measures = numbers(100, 6), measures_of("regression", ["rmse"])
    narrow, wide = (measured(answers, measures, EvaluateSpec(confidence=c)).metrics[0] for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


@pytest.mark.parametrize(("n_rows", "n_classes"), [(100_000, 2), (100_000, 10), (5_000, 300)])
def test_cost_is_bounded(n_rows: int, n_classes: int) -> None:
    from modelwright.evaluation.names import AUTO

    answers = logistic(n_rows, 7, n_classes)
    kind = "binary" if n_classes == 2 else "multiclass"
    began = time.process_time()
    found = measured(answers, measures_of(kind, list(AUTO[kind])), EvaluateSpec())
    assert time.process_time() - began < 20.0  # some 3 s on a quiet machine, of the processor's own time
    assert any(decision.about == "intervals" for decision in found.decisions)
