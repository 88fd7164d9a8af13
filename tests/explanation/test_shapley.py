"""Shapley values against brute force, a closed form and the library `shap`."""

from __future__ import annotations

from itertools import product
from math import factorial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.explanation.shapley import Shares, exact_shares, n_exact, sampled_shares

if TYPE_CHECKING:
    from modelwright.explanation.shapley import Value

Array = np.ndarray
PLACES = np.arange(40)
BACKGROUND = np.sin(PLACES[:, None] * np.array([1.0, 2.3, 3.1, 4.7, 5.9]) + 0.5)
ROWS = np.array([[0.5, -1.0, 2.0, 0.3, 1.0], [1.5, 0.2, -0.7, -0.4, -2.0], [0.0, 0.0, 1.0, 1.0, 0.0]])
# from shap 0.51.0, exact explainer: benchmarks/explanation/peers/shap_table.py
OF_SHAP = np.array([
    [-0.1428530025, -0.2620958596, 1.4876790191, 0.5319888477, -0.2293006627],
    [0.3172461504, 0.1308347487, 0.216097509, -0.0934498569, 0.7431195606],
    [-0.0072840769, -0.0076953556, 0.2797010483, 0.1569888477, -0.0241749641],
])  # fmt: skip


def answer(x: Array) -> Array:
    """The same as in the script."""
    together = np.tanh(x[:, 0] * x[:, 1]) + 0.5 * x[:, 2] ** 2 * (x[:, 3] > 0)
    return np.asarray(together - 0.3 * x[:, 4] + x[:, 0] * x[:, 2] * x[:, 4] / 4)


def game(row: Array, background: Array, function: object = answer) -> tuple[Value, Array, float, Array]:
    def value(places: Array, taken: Array) -> Array:
        return function(np.where(taken, row, background[places]))  # type: ignore[operator, no-any-return]

    own = float(function(row[None])[0])  # type: ignore[operator]
    return value, row != background, own, function(background)  # type: ignore[operator]


def brute_force(row: Array, background: Array) -> Array:
    """The definition: every set of columns and every column not in it."""
    m = len(row)
    found = np.zeros(m)
    for chosen in product([False, True], repeat=m):
        taken = np.array(chosen)
        weight = factorial(taken.sum()) * factorial(m - taken.sum() - 1) / factorial(m) if not taken.all() else 0.0
        before = answer(np.where(taken, row, background)).mean()
        for column in np.flatnonzero(~taken):
            with_it = taken | (np.arange(m) == column)
            found[column] += weight * (answer(np.where(with_it, row, background)).mean() - before)
    return found


@pytest.mark.parametrize("place", range(3))
def test_exact_values_are_those_of_shap_and_of_the_definition(place: int) -> None:
    found = exact_shares(*game(ROWS[place], BACKGROUND))
    np.testing.assert_allclose(found.values, OF_SHAP[place], atol=2e-10)
    np.testing.assert_allclose(found.values, brute_force(ROWS[place], BACKGROUND), atol=1e-12)
    assert found.n_asked == n_exact(ROWS[place] != BACKGROUND)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 30))
def test_values_sum_to_the_answer_less_the_background(seed: int, n_levels: int, n_background: int) -> None:
    """Of columns with few levels, many of which row and background share."""
    rng = np.random.default_rng(seed)
    background = rng.integers(0, n_levels, (n_background, 5)).astype(float)
    row = rng.integers(0, n_levels, 5).astype(float)
    value, in_play, own, ground = game(row, background)
    exact = exact_shares(value, in_play, own, ground)
    sampled = sampled_shares(value, in_play, own, ground, rng)
    np.testing.assert_allclose(exact.values, brute_force(row, background), atol=1e-12)
    for found in (exact, sampled):
        assert abs(found.values.sum() - (own - ground.mean())) < 1e-12
        assert (found.values[~in_play.any(axis=0)] == 0).all()


def test_sampled_values_are_exact_for_sums_and_nearly_so_for_pairs() -> None:
    """An order and its reverse cancel what two columns do together: only triples leave an error."""
    weights = np.array([1.0, -2.0, 0.5, 3.0, 0.25])
    for function in (lambda x: x @ weights, lambda x: x @ weights + x[:, 0] * x[:, 1] - 2 * x[:, 2] * x[:, 4]):
        row = ROWS[0]
        exact = exact_shares(*game(row, BACKGROUND, function))
        sampled = sampled_shares(*game(row, BACKGROUND, function), np.random.default_rng(0))
        np.testing.assert_allclose(sampled.values, exact.values, atol=1e-12)
    linear = exact_shares(*game(ROWS[0], BACKGROUND, lambda x: x @ weights))
    np.testing.assert_allclose(linear.values, weights * (ROWS[0] - BACKGROUND.mean(axis=0)), atol=1e-12)


def test_sampled_values_have_no_bias_and_their_errors_are_as_stated() -> None:
    """Over many backgrounds and orders: the mean is the value against the whole population, the spread is the error."""
    rng = np.random.default_rng(1)
    population = rng.normal(size=(4000, 5))
    truth = exact_shares(*game(ROWS[0], population)).values
    found: list[Shares] = []
    for _ in range(300):
        some = population[rng.integers(0, len(population), 50)]
        found.append(sampled_shares(*game(ROWS[0], some), rng))
    values, errors = np.array([one.values for one in found]), np.array([one.errors for one in found])
    assert (np.abs(values.mean(axis=0) - truth) < 4 * values.std(axis=0) / np.sqrt(300)).all()
    ratio = errors.mean(axis=0) / values.std(axis=0)
    assert (ratio > 0.85).all() and (ratio < 1.15).all(), ratio
    covered = (np.abs(values - truth) < 2 * errors).mean()
    assert covered > 0.92, covered


def test_nothing_in_play_is_nothing_added() -> None:
    value, in_play, own, ground = game(ROWS[0], np.tile(ROWS[0], (3, 1)))
    for found in (exact_shares(value, in_play, own, ground),
                  sampled_shares(value, in_play, own, ground, np.random.default_rng(0))):  # fmt: skip
        assert found.n_asked == 0 and not found.values.any() and not found.errors.any()
