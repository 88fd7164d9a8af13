"""Every search against its contract, and against what it is for; pruners against Optuna's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad

from modelwright.core import registry
from modelwright.core.errors import UserError
from modelwright.core.rng import stream
from modelwright.testing.tuning import SPACES, check_pruner, check_search
from modelwright.tuning import Space, StudySpec, Tried, tune
from modelwright.tuning.searches import _process, gp
from modelwright.tuning.study import comparable
from modelwright.tuning.surface import importance

LEARN = ("tpe", "gp", "cmaes")


@pytest.mark.parametrize("name", registry.entries("searches"))
def test_a_search_keeps_the_contract(name: str) -> None:
    if name in ("tpe", "cmaes"):
        pytest.importorskip("optuna" if name == "tpe" else "cmaes")
    check_search(registry.get("searches", name), learns=name in LEARN)


@pytest.mark.parametrize("name", registry.entries("pruners"))
def test_a_pruner_keeps_the_contract(name: str) -> None:
    check_pruner(registry.get("pruners", name))


def branin(trial: Mapping[str, float]) -> float:
    """Its least value is 0.3979."""
    x, y = trial["x"], trial["y"]
    bowl = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


@pytest.mark.parametrize(("name", "trials", "near"), [("gp", 30, 0.45), ("tpe", 60, 0.75), ("cmaes", 90, 0.75)])
def test_a_search_that_learns_finds_the_least_value(name: str, trials: int, near: float) -> None:
    space = {"x": {"low": -5, "high": 10}, "y": {"low": 0, "high": 15}}
    spec = StudySpec(search=name, trials=trials, prune="none")
    found = sorted(tune(branin, space, spec, seed=seed).best.loss or 0.0 for seed in range(2))
    by_chance = sorted(tune(branin, space, spec.but(search="random"), seed=seed).best.loss or 0.0 for seed in range(5))
    assert found[1] < near and found[1] < by_chance[2]


def kernels(trial: Mapping[str, Any]) -> float:
    if trial["kernel"] == "linear":
        return 0.3 + 0.01 * abs(math.log10(trial["cost"]))
    return 0.1 + 0.1 * (math.log10(trial["width"]) + 1) ** 2 + 0.05 * abs(trial.get("degree", 3) - 3)


@pytest.mark.parametrize("name", ["gp", "tpe"])
def test_a_conditional_space_is_searched_where_it_is_good(name: str) -> None:
    spec = StudySpec(search=name, trials=36, prune="none")
    study = tune(kernels, SPACES["conditional"], spec, seed=2)
    assert study.best.settings["kernel"] != "linear" and (study.best.loss or 1.0) < 0.12
    assert sum(one.settings["kernel"] == "linear" for one in study.trials[20:]) < 8


def test_a_grid_sees_every_combination() -> None:
    space = {"a": [1, 2, 3], "b": ["x", "y"]}
    study = tune(lambda trial: trial["a"] * (trial["b"] == "x"), space, StudySpec(search="grid", trials=10))
    assert len(study.trials) == 6 == len({tuple(one.settings.items()) for one in study.trials})


@pytest.mark.parametrize("name", [name for name in registry.entries("searches") if name != "grid"])
def test_a_small_space_is_tried_once_each(name: str) -> None:
    space = {"a": [1, 2, 3], "b": {"low": 1, "high": 4, "integer": True}}
    study = tune(lambda trial: trial["a"] * trial["b"], space, StudySpec(search=name, trials=40, prune="none"))
    assert len(study.trials) == 12 == len({tuple(one.settings.items()) for one in study.trials})


def test_evenly_spread_settings_leave_no_large_gap() -> None:
    space = {"x": {"low": 0.0, "high": 1.0}}
    spread = sorted(one.settings["x"] for one in tune(lambda _: 0.0, space, StudySpec(search="qmc", trials=64)).trials)
    assert max(np.diff([0, *spread, 1])) < 0.035


def test_unknown_words_are_refused_with_what_is_known() -> None:
    with pytest.raises(UserError, match="known: cmaes, gp, grid, qmc, random, tpe"):
        StudySpec(search="bayes")
    with pytest.raises(UserError, match="known: halving, hyperband, median"):
        StudySpec(prune="early")


# The Gaussian process -----------------------------------------------------------------------------------------------


def seen(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    points = stream(3, "test").random((n, d))
    losses = np.sin(4 * points[:, 0]) + (points[:, -1] > 0.5)
    return points, (losses - losses.mean()) / losses.std()


def test_the_slope_of_the_likelihood_is_right() -> None:
    points, losses = seen(15, 3)
    apart = _process._apart(points, points, np.array([False, False, True]))
    at = np.array([0.3, -0.2, 0.5, 0.1, -3.0])
    assert (
        check_grad(
            lambda s: _process._surprise(s, apart, losses)[0], lambda s: _process._surprise(s, apart, losses)[1], at
        )
        < 1e-3
    )


def test_the_process_is_that_of_scikit_learn() -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    points, losses = seen(20, 2)
    asked = stream(4, "test").random((7, 2))
    process = _process.Process(points, losses, np.zeros(2, bool), np.array([4.0, 25.0]), 1.7, 1e-3)
    kernel = ConstantKernel(1.7, "fixed") * Matern([0.5, 0.2], "fixed", nu=2.5)
    known = GaussianProcessRegressor(kernel, alpha=1e-3, optimizer=None).fit(points, losses)
    for ours, theirs in zip(process.at(asked), known.predict(asked, return_std=True), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_expected_gain_is_that_of_the_integral() -> None:
    points, losses = seen(12, 2)
    process = _process.Process.fitted(points, losses, np.zeros(2, bool))
    asked = np.vstack([stream(5, "test").random((4, 2)), points[losses.argmax()]])
    mean, deviation = process.at(asked)
    drawn = stream(6, "test").normal(size=(200_000, 1)) * deviation + mean
    expected = np.maximum(losses.min() - drawn, 0).mean(axis=0)
    gain = np.exp(process.gain(asked, losses.min()))
    np.testing.assert_allclose(gain, expected, rtol=0.1, atol=1e-4)
    assert np.isfinite(process.gain(asked, losses.min() - 50)).all()


@given(st.sampled_from(sorted(SPACES)), st.integers(0, 10**6))
def test_snapped_points_are_those_of_their_settings(name: str, seed: int) -> None:
    space = Space.parse(SPACES[name])
    points = stream(seed, "test").random((5, len(space)))
    expected = [space.place(space.at(point)) for point in points.tolist()]
    near = gp.snapped(space, points)
    whole = [one.n_values is not None for one in space.parameters.values()]
    np.testing.assert_allclose(near[:, whole], np.array(expected)[:, whole], atol=1e-9)


# Pruners ------------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.floats(0, 1, width=16), min_size=4, max_size=4), min_size=1, max_size=12), st.integers(1, 4)
)
def test_the_median_rule_is_optunas(curves: list[list[float]], step: int) -> None:
    """Of curves that fall: there the best value so far is the last one."""
    optuna = pytest.importorskip("optuna")
    fall = [np.minimum.accumulate(curve).tolist() for curve in curves]
    *others, own = fall
    tried = [Tried(number=n, settings={}, state="done", loss=c[-1], reports=tuple(c)) for n, c in enumerate(others)]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=5))
    for curve in others:
        study.add_trial(optuna.create_trial(value=curve[-1], intermediate_values=dict(enumerate(curve))))
    trial = study.ask()
    for place, value in enumerate(own[:step]):
        trial.report(value, place)
    assert registry.get("pruners", "median").stop(len(others), own[:step], tried) == trial.should_prune()


def test_halving_keeps_a_third_at_each_rung() -> None:
    stop = registry.get("pruners", "halving").stop
    tried: list[Tried] = []
    for number, level in enumerate(stream(0, "test").permutation(90)):
        reports: list[float] = []
        while len(reports) < 9 and not (reports and stop(number, reports, tried)):
            reports.append(float(level))
        state = "done" if len(reports) == 9 else "stopped"
        tried.append(Tried(number=number, settings={}, state=state, loss=float(level), reports=tuple(reports)))
    reached = [sum(len(one.reports) >= rung for one in tried) for rung in (1, 2, 4, 9)]
    assert reached[0] == 90 and 25 <= reached[1] <= 45 and 8 <= reached[2] <= 25 and reached[3] <= 15
    best = min(tried, key=lambda one: one.loss or 0.0)
    assert best.state == "done"


def test_a_stopped_trial_is_guessed_no_better_than_the_median() -> None:
    done = [Tried(number=n, settings={}, state="done", loss=float(n), reports=(n / 10,)) for n in range(5)]
    stopped = Tried(number=5, settings={}, state="stopped", reports=(0.05,))
    far = Tried(number=6, settings={}, state="stopped", reports=(0.9,))
    failed = Tried(number=7, settings={}, state="failed")
    running = Tried(number=8, settings={})
    losses = {one.number: loss for one, loss in comparable([*done, stopped, far, failed, running])}
    assert losses[5] == 2.0 and losses[6] == pytest.approx(2.7) and losses[7] == 4.0 and 8 not in losses


# What mattered ------------------------------------------------------------------------------------------------------


def test_importance_is_that_of_optunas_functional_anova() -> None:
    optuna = pytest.importorskip("optuna")
    space = Space.parse({name: {"low": 0.0, "high": 1.0} for name in "abc"})
    points = [space.at(point) for point in stream(1, "test").random((80, 3))]
    losses = [4 * one["a"] + (one["b"] - 0.5) ** 2 * 8 for one in points]
    tried = [
        Tried(number=n, settings=one, state="done", loss=loss)
        for n, (one, loss) in enumerate(zip(points, losses, strict=True))
    ]
    ours = importance(space, tried)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    unit = {name: optuna.distributions.FloatDistribution(0, 1) for name in "abc"}
    study.add_trials([optuna.create_trial(params=one.settings, distributions=unit, value=one.loss) for one in tried])
    theirs = optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
    )
    assert list(ours) == ["a", "b", "c"] == list(theirs)
    assert all(abs(ours[name] - theirs[name]) < 0.12 for name in "abc")


def test_importance_of_a_conditional_space_and_of_too_little() -> None:
    study = tune(kernels, SPACES["conditional"], StudySpec(search="random", trials=60, prune="none"))
    shares = study.importance()
    assert max(shares, key=lambda name: shares[name]) in ("kernel", "width") and shares["cost"] < 0.1
    few = tune(kernels, SPACES["conditional"], StudySpec(search="random", trials=5, prune="none"))
    assert few.importance() == {}
