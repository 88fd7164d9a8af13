"""Metrics of costs, quantiles, intervals and sets, held against sums by hand; what the report says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.values import Metric, Report
from modelwright.evaluation import text
from modelwright.evaluation.answers import class_answers, value_answers
from modelwright.evaluation.beside import cost, in_interval, in_set, measures_beside, pinball, set_size, width
from modelwright.evaluation.names import BESIDE, NAMES
from modelwright_runtime.beside import Sets
from modelwright_runtime.signature import Task

YES_NO = Task(kind="binary", target="y", classes=("no", "yes"), costs=((0.0, 1.0), (5.0, 0.0)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_sums_by_hand(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 4, (3, n)).astype(float)
    weights[:, 0] += 1
    truth, said = rng.integers(0, 2, n), rng.integers(0, 2, n)
    paid = np.array([YES_NO.costs[k][j] for k, j in zip(truth, said, strict=True)])
    np.testing.assert_allclose(
        cost(truth, said, weights, matrix=YES_NO.costs), (weights * paid).sum(1) / weights.sum(1)
    )
    values, told = rng.normal(size=n), np.sort(rng.normal(size=(n, 4)), axis=1)
    held = [(low <= y <= high) for y, low, high in zip(values, told[:, -2], told[:, -1], strict=True)]
    np.testing.assert_allclose(in_interval(values, told, weights), (weights * held).sum(1) / weights.sum(1))
    np.testing.assert_allclose(
        width(values, told, weights), (weights * (told[:, 3] - told[:, 2])).sum(1) / weights.sum(1)
    )
    losses = np.mean([
        [level * (y - q) if y > q else (1 - level) * (q - y) for y, q in zip(values, told[:, place], strict=True)]
        for place, level in enumerate((0.2, 0.7))
    ], axis=0)  # fmt: skip
    np.testing.assert_allclose(
        pinball(values, told, weights, levels=(0.2, 0.7)), (weights * losses).sum(1) / weights.sum(1)
    )
    inside = rng.integers(0, 2, (n, 2)).astype(float)
    np.testing.assert_allclose(
        in_set(truth, inside, weights)[0], (weights[0] * inside[range(n), truth]).sum() / weights[0].sum()
    )
    np.testing.assert_allclose(
        set_size(truth, inside, weights)[1], (weights[1] * inside.sum(1)).sum() / weights[1].sum()
    )


def test_every_task_has_the_metrics_of_what_it_tells() -> None:
    number = Task(kind="regression", target="y")
    cases: list[tuple[Task, list[str]]] = [
        (YES_NO, ["cost"]), (number, []), (replace(number, quantiles=(0.8,)), ["pinball"]),
        (replace(number, columns=("low", "high"), coverage=0.9), ["coverage", "width"]),
        (replace(YES_NO, costs=(), sets=Sets(method="lac", limit=0.2), coverage=0.9), ["coverage", "set_size"]),
    ]  # fmt: skip
    for task, names in cases:
        measures = measures_beside(task)
        assert [measure.name for measure in measures] == names
        assert all(measure.name in NAMES and measure.name in BESIDE and measure.reference for measure in measures)


def test_a_class_that_training_never_saw_costs_most_and_is_in_no_set() -> None:
    task = Task(
        kind="multiclass", target="y", classes=("a", "b", "c"), costs=((0, 1, 1), (2, 0, 1), (7, 1, 0)), coverage=0.9,
        sets=Sets(method="lac", limit=0.0),
    )  # fmt: skip
    answers, _ = class_answers(task, pl.Series("y", ["a", "z"]), np.array([[0.8, 0.1, 0.1]] * 2), 0.5)
    measures = {measure.name: measure for measure in measures_beside(task)}
    assert float(answers.measured(measures["cost"])) == pytest.approx((0 + 7) / 2)
    assert float(answers.measured(measures["coverage"])) == 0.5 and float(answers.measured(measures["set_size"])) == 3.0


def test_the_baseline_of_costs_is_the_cheapest_constant_answer_and_has_no_interval() -> None:
    chances = np.array([[0.9, 0.1]] * 8 + [[0.2, 0.8]] * 2)
    answers, _ = class_answers(YES_NO, pl.Series("y", ["no"] * 8 + ["yes"] * 2), chances, 1 / 6)
    (measure,) = measures_beside(YES_NO)
    base = answers.constant(answers.average())
    assert float(base.measured(measure)) == pytest.approx(min(8 * 1.0, 2 * 5.0) / 10)
    number = replace(value_answers(pl.Series("y", [1.0, 2.0]), np.zeros(2)), beside=np.zeros((2, 2)))
    coverage = measures_beside(Task(kind="regression", target="y", columns=("low", "high"), coverage=0.9))[0]
    assert np.isnan(float(number.constant(np.zeros(1)).measured(coverage)))


def told(coverage: tuple[float, float, float], by: list[dict[str, Any]], **curves: Any) -> Report:
    value, low, high = coverage
    metrics = (
        Metric(name="mae", value=2.0, low=1.5, high=2.5, better="lower"),
        Metric(name="coverage", value=value, low=low, high=high, better="higher"),
    )
    return Report(
        task="regression", n_rows=400, primary="mae", metrics=metrics, baseline=(), slices=(), importance={},
        curves={"sure": {"stated": 0.9, "by": by}, **curves},
    )  # fmt: skip


def test_the_report_warns_of_intervals_that_hold_too_little() -> None:
    group = {"column": "city", "level": "Oslo", "n_rows": 50, "value": 0.6, "low": 0.5, "high": 0.7, "differs": True}
    assert "90% intervals hold the truth of 91%" in text.headline(told((0.91, 0.89, 0.93), []))
    assert any("hold it for 80%" in line for line in text.cautions(told((0.8, 0.76, 0.84), [])))
    assert any("city = Oslo: 60%, not 90%" in line for line in text.cautions(told((0.9, 0.88, 0.92), [group])))
    assert not any(
        "Intervals" in line for line in text.cautions(told((0.9, 0.88, 0.92), [{**group, "differs": False}]))
    )
    assert "A goal." in text.cautions(told((0.9, 0.88, 0.92), [], cautions=["a goal."]))
