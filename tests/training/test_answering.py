"""How joined answers become what is told: calibrations, goals, intervals, sets, quantiles, as mathematics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.errors import UserError
from modelwright.graph import Graph
from modelwright.training import TrainSpec
from modelwright.training.answering import calibration, conformal, costs, goals
from modelwright.training.answering.quantiles import column_of, levels_of, pinball, point_of
from modelwright.training.answering.spec import ConformalSpec, GoalSpec, ObjectiveSpec
from modelwright.training.losses import log_loss
from modelwright_runtime.beside import members
from modelwright_runtime.engine import open_session
from modelwright_runtime.signature import Task

YES_NO = Task(kind="binary", target="y", classes=("no", "yes"))
METHODS = ("temperature", "platt", "isotonic")


def unsure(n: int, n_classes: int, seed: int, sharpness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and classes drawn by probabilities that are sharper or flatter than those."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, n_classes)) * 1.5
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = (rng.random(n)[:, None] > true.cumsum(axis=1)).sum(axis=1).clip(0, n_classes - 1)
    told = np.exp(logits * sharpness)
    return told / told.sum(axis=1, keepdims=True), y


def by_graph(write: Any, answers: np.ndarray) -> list[np.ndarray]:
    graph = Graph()
    write(graph, graph.input("x", "float64", (None, answers.shape[1])))
    return open_session(graph.to_bytes(), n_threads=1).run(None, {"x": answers})  # type: ignore[no-any-return]


# Calibration --------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([2, 3, 5]), st.floats(0.3, 3.0))
def test_a_temperature_never_changes_the_order(seed: int, n_classes: int, sharpness: float) -> None:
    shares, y = unsure(120, n_classes, seed, sharpness)
    after = calibration.fit("temperature", shares, y, np.ones(len(y))).apply(shares)
    np.testing.assert_allclose(after.sum(axis=1), 1)
    for row, risen in zip(shares, after, strict=True):
        assert (np.diff(risen[np.argsort(row, kind="stable")]) >= 0).all()
    if n_classes == 2:
        assert (np.diff(after[np.argsort(shares[:, 1], kind="stable"), 1]) >= 0).all(), "nor that of rows"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 3.0))
def test_a_rising_line_keeps_the_order_of_rows(seed: int, sharpness: float) -> None:
    shares, y = unsure(150, 2, seed, sharpness)
    made = calibration.fit("isotonic", shares, y, np.ones(len(y)))
    assert isinstance(made, calibration.Lines)
    (at, value), steepest = made.knots[0], calibration.STEEPEST
    assert (np.diff(at) > 0).all() and (np.diff(value) > 0).all() and value[0] > 0 and value[-1] < 1
    assert (np.diff(value) <= steepest * np.diff(at) + 1e-12).all(), "no cliff that rounding could fall over"
    assert (np.diff(made.apply(shares)[np.argsort(shares[:, 1], kind="stable"), 1]) >= 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("sharpness", [0.4, 2.5])
def test_calibration_brings_probabilities_nearer_to_what_comes_true(
    method: Any, n_classes: int, sharpness: float
) -> None:
    shares, y = unsure(4000, n_classes, 1, sharpness)
    made = calibration.fit(method, shares[:2000], y[:2000], np.ones(2000))
    before, after = shares[2000:], made.apply(shares[2000:])
    assert log_loss(y[2000:], after, np.ones(2000)) < log_loss(y[2000:], before, np.ones(2000)) - 0.02
    assert calibration.calibration_error(after, y[2000:]) < 0.5 * calibration.calibration_error(before, y[2000:])


def test_the_temperature_is_that_of_the_network_s_own() -> None:
    from modelwright.training.network.answers import best_temperature

    shares, y = unsure(800, 3, 2, 2.0)
    made = calibration.fit("temperature", shares, y, np.ones(800))
    assert isinstance(made, calibration.Slope)
    assert 1 / made.slope == pytest.approx(best_temperature(np.log(shares), y), rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_graph_calibrates_as_the_library_does(method: Any, n_classes: int) -> None:
    shares, y = unsure(500, n_classes, 3, 2.0)
    made = calibration.fit(method, shares, y, np.random.default_rng(0).random(500) + 0.5)
    extreme = np.eye(n_classes)
    rows = np.concatenate([shares, extreme, np.full((1, n_classes), 1 / n_classes)])
    (told,) = by_graph(lambda g, x: g.output("y", made.emit(g, x), "float64", (None, n_classes)), rows)
    np.testing.assert_allclose(told, made.apply(rows), atol=1e-12)


def test_auto_takes_a_temperature_only_where_it_clearly_helps() -> None:
    weights, parts = np.ones(600), np.arange(600) % 5
    for sharpness, helps in ((1.0, False), (3.0, True)):
        shares, y = unsure(600, 2, 4, sharpness)
        made, told = calibration.choose("auto", shares, y, weights, parts, task=YES_NO)
        assert (made is not None) == helps and told[0].about == "calibration"
        assert "on folds" in told[0].reason and "log loss" in told[0].reason
    assert calibration.choose("none", shares, y, weights, parts, task=YES_NO) == (None, [])
    few = calibration.choose("platt", shares[:20], y[:20], weights[:20], parts[:20], task=YES_NO)
    assert few[0] is None and "too few" in few[1][0].reason


def test_a_calibration_is_judged_on_folds_that_it_did_not_see() -> None:
    """Of noise, each fold's rising line fits its own rows and is worse elsewhere: cross-fitting shows it."""
    rng = np.random.default_rng(0)
    p = rng.random(100)
    shares, y = np.stack([1 - p, p], axis=1), (rng.random(100) < 0.5).astype(int)
    ones, parts = np.ones(100), np.arange(100) % 5
    own = calibration.fit("isotonic", shares, y, ones).apply(shares)
    honest = calibration.cross_fitted("isotonic", shares, y, ones, parts)
    assert log_loss(y, honest, ones) > log_loss(y, own, ones) + 0.02


# Costs and goals ----------------------------------------------------------------------------------------------------


def test_costs_are_read_and_refused() -> None:
    assert costs.matrix_of({"2": {"1": 5}}, ("1", "2")) == ((0.0, 1.0), (5.0, 0.0))
    for wrong, words in (
        ({"maybe": {"no": 1}}, "'maybe'"), ({"no": {"maybe": 1}}, "'maybe'"), ({"no": {"yes": -1}}, "'yes' for 'no'"),
        ({"no": {"no": 3, "yes": 1}}, "no more than the right"), ({"no": {"yes": 0}}, "no more than the right"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=words) as problem:
            costs.matrix_of(wrong, ("no", "yes"))
        assert problem.value.code == "train.costs" and problem.value.hint
    with pytest.raises(UserError, match="did you mean `yes`"):
        costs.matrix_of({"yess": {"no": 1}}, ("no", "yes"))
    assert costs.matrix_of({"yes": {"No": 5}}, ("false", "true")) == ((0.0, 1.0), (5.0, 0.0)), (
        "yes/no becomes true/false"
    )
    assert TrainSpec(costs={1: {2: 1}, 2: {1: 5}}).costs == {"1": {"2": 1}, "2": {"1": 5}}  # type: ignore[dict-item]


def scored(n: int, seed: int, rate: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows with a score that is the true probability: class, probabilities, weights."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2 * rate / (1 - rate), 2, n)
    return (rng.random(n) < p).astype(int), np.stack([1 - p, p], axis=1), np.ones(n)


@pytest.mark.parametrize("goal", [{"precision": 0.55}, {"recall": 0.9}])
def test_a_goal_holds_on_new_rows_as_often_as_it_says(goal: dict[str, float]) -> None:
    """In 200 worlds the share of thresholds that miss the goal on new rows stays near one less the confidence."""
    fresh_y, fresh, _ = scored(60_000, 99_999)
    missed = n_told = 0
    for seed in range(200):
        y, shares, weights = scored(800, seed)
        threshold, told = goals.choose_goal(GoalSpec(**goal), YES_NO, y, shares, weights, n_trained=800)
        if told[0].about == goals.NOT_REACHED:
            continue
        n_told += 1
        said = fresh[:, 1] >= threshold
        right = (said & (fresh_y == 1)).sum()
        missed += right / max(said.sum() if "precision" in goal else (fresh_y == 1).sum(), 1) < next(
            iter(goal.values())
        )
    assert n_told > 150 and missed <= 0.05 * 200 + 3 * np.sqrt(0.05 * 0.95 * 200)


def test_a_precision_is_met_with_as_many_rows_told_as_can_be() -> None:
    y, shares, weights = scored(5_000, 0)
    sure, told = goals.choose_goal(GoalSpec(precision=0.7), YES_NO, y, shares, weights, n_trained=5_000)
    surer, _ = goals.choose_goal(GoalSpec(precision=0.7, confidence=0.999), YES_NO, y, shares, weights, n_trained=5_000)
    strict, _ = goals.choose_goal(GoalSpec(precision=0.9), YES_NO, y, shares, weights, n_trained=5_000)
    assert sure < surer < strict
    assert "holds with 95% confidence" in told[0].reason and "are found" in told[0].reason


def test_a_goal_out_of_reach_is_said_to_be() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(200)
    shares, y = np.stack([1 - p, p], axis=1), (rng.random(200) < 0.2).astype(int)
    for goal in ({"precision": 0.95}, {"recall": 0.999}):
        threshold, told = goals.choose_goal(GoalSpec(**goal), YES_NO, y, shares, np.ones(200), n_trained=200)
        assert told[0].about == goals.NOT_REACHED and "cannot be shown" in told[0].reason and 0 < threshold < 1


def test_so_many_of_the_training_rows_is_a_share_of_any_rows() -> None:
    y, shares, weights = scored(2_000, 3)
    for top, n_trained, share in ((100, 4_000, 0.025), (0.1, 4_000, 0.1)):
        threshold, told = goals.choose_goal(GoalSpec(top=top), YES_NO, y, shares, weights, n_trained=n_trained)
        assert (shares[:, 1] >= threshold).mean() == pytest.approx(share, abs=1 / 2_000)
        assert f"{share:.3%} of any rows" in told[0].reason
    with pytest.raises(UserError, match="5000 of 4,000"):
        goals.choose_goal(GoalSpec(top=5_000), YES_NO, y, shares, weights, n_trained=4_000)


def test_the_least_cost_is_that_of_brute_force() -> None:
    y, shares, weights = scored(300, 5)
    goal = GoalSpec(cost={"no": {"yes": 1}, "yes": {"no": 4}})
    threshold, told = goals.choose_goal(goal, YES_NO, y, shares, weights, n_trained=300)
    matrix = np.array([[0.0, 1.0], [4.0, 0.0]])

    def cost(at: float) -> float:
        return float(matrix[y, (shares[:, 1] >= at).astype(int)].mean())

    every = [cost(at) for at in (0.0, *np.unique(shares[:, 1]), 1.1)]
    assert cost(threshold) == pytest.approx(min(every)) and f"costs {min(every):.4g}" in told[0].reason
    shares[:, 1] = shares[:, 1] - 2.0 * shares[:, 1] * (y == 1)  # no row of the class is above one that is not
    never, about = goals.choose_goal(
        GoalSpec(cost={"no": {"yes": 1000}}), YES_NO, y, shares.clip(0.0), weights, n_trained=300
    )  # fmt: skip
    assert (shares[:, 1] < never).all() and about[0].choice == "never"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"goal": {}}, "one of precision"), ({"goal": {"precision": 0.9, "recall": 0.9}}, "one of precision"),
        ({"goal": {"precision": 90}}, "less than 1"), ({"objective": {}}, "one of quantile"),
        ({"objective": {"quantile": [0, 0.5]}}, "between 0.001"), ({"conformal": 90}, "less than 1"),
        ({"conformal": 0.9, "metric": "cost"}, "needs `costs`"), ({"metric": "pinball"}, "needs an `objective`"),
        ({"goal": {"recall": 0.9}, "threshold": 0.3}, "state one of them"),
        ({"costs": {"a": {"b": 1}}, "goal": {"recall": 0.9}}, "state one of them"),
        ({"costs": {"a": {"b": 1}}, "fair": {"by": ["a"], "method": "thresholds"}}, "state one of them"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        TrainSpec(**wrong)


# Intervals and sets -------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.6, 0.8, 0.9]), st.integers(40, 300))
def test_intervals_hold_exchangeable_rows_as_often_as_stated(seed: int, coverage: float, n: int) -> None:
    """Over many draws of the rows that it is made on, the mean coverage lies between c and c + 1 / (n + 1)."""
    rng = np.random.default_rng(seed)
    held = []
    for _ in range(60):
        errors, fresh = np.abs(rng.standard_t(3, n)), np.abs(rng.standard_t(3, 2_000))
        held.append((fresh <= conformal.limit(errors, coverage)).mean())
    error = np.sqrt(coverage * (1 - coverage) / n / 60) * 4
    assert coverage - error <= np.mean(held) <= coverage + 1 / (n + 1) + error


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_sets_hold_exchangeable_rows_as_often_as_stated(method: Any) -> None:
    spec = ConformalSpec(coverage=0.9, method=method)
    held, sizes = [], []
    for seed in range(40):
        shares, y = unsure(1_200, 6, seed, 1.4)
        rule, _ = conformal.sets_of(y[:200], shares[:200], spec)
        inside = members(shares[200:], rule)
        held.append(inside[np.arange(1_000), y[200:]].mean())
        sizes.append(inside.sum(axis=1).mean())
    assert 0.89 <= np.mean(held) <= 0.91
    assert 1 < np.mean(sizes) < 6


def test_too_few_rows_for_a_coverage_are_named() -> None:
    with pytest.raises(UserError, match="needs at least 19 validation rows; there are 12") as problem:
        conformal.limit(np.arange(12.0), 0.95)
    assert problem.value.code == "train.conformal"
    assert conformal.limit(np.arange(1.0, 20.0), 0.95) == 19.0


@pytest.mark.parametrize("case", ["plain", "scaled", "quantiles", "narrowed"])
def test_the_graph_s_interval_is_that_of_the_library(case: str) -> None:
    rng = np.random.default_rng(0)
    value, spread = rng.normal(size=(50, 1)), rng.random((50, 1)) + 0.1
    quantiles = np.sort(rng.normal(size=(50, 3)), axis=1)
    of_quantiles = case in ("quantiles", "narrowed")
    band = conformal.Band(
        reach=-0.8 if case == "narrowed" else 0.7, ends=(0, 2) if of_quantiles else None, scaled=case == "scaled",
        floor=-1.0 if case == "plain" else None,
    )  # fmt: skip

    def write(graph: Graph, x: str) -> None:
        parts = graph.nodes("Split", x, graph.constant([1, 1, 3], "int64"), n_outputs=3, axis=1)
        told = band.emit(graph, parts[0], parts[2] if of_quantiles else None, parts[1] if band.scaled else None)
        graph.output("y", told, "float64", (None, 2))

    (told,) = by_graph(write, np.concatenate([value, spread, quantiles], axis=1))
    low, high = band.apply(value[:, 0], quantiles if of_quantiles else None, spread[:, 0] if band.scaled else None)
    np.testing.assert_allclose(told, np.stack([low, high], axis=1))
    assert (low <= high).all(), "narrowed quantiles do not pass each other"
    assert case != "plain" or low.min() == -1.0


# Quantiles ----------------------------------------------------------------------------------------------------------


def test_levels_and_their_names() -> None:
    assert [column_of(level) for level in (0.005, 0.05, 0.1, 0.5, 0.975)] == ["q00.5", "q05", "q10", "q50", "q97.5"]
    one = ObjectiveSpec(quantile=(0.9,))
    assert levels_of(one, None) == (0.9,) and point_of(one) == 0.9
    costly = ObjectiveSpec(asymmetric={"over": 1, "under": 3})  # type: ignore[arg-type]
    assert point_of(costly) == 0.75 and levels_of(costly, ConformalSpec(coverage=0.8)) == (0.1, 0.75, 0.9)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 0.95), st.integers(0, 1_000))
def test_the_quantile_has_the_least_pinball_loss(level: float, seed: int) -> None:
    y = np.random.default_rng(seed).exponential(size=200)
    best = np.quantile(y, level, method="inverted_cdf")
    for other in np.quantile(y, [0.1, 0.3, 0.5, 0.7, 0.9]):
        losses = [pinball(y, np.full((200, 1), one), np.ones(200), levels=(level,)) for one in (best, other)]
        assert losses[0] <= losses[1] + 1e-12
