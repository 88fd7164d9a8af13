"""The suite fails for steps that break a rule: a test that cannot fail proves nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from modelwright.features.impute import STEP as IMPUTE
from modelwright.features.standardise import STEP as STANDARDISE
from modelwright.features.target import STEP as TARGET
from modelwright.testing.features import check_step


def unbounded(state: Any, graph: Any, x: str) -> str:
    return ((graph.tensor(x) - state["centre"][None]) / state["scale"][None]).name


def of_all_rows(state: Any, x: np.ndarray) -> np.ndarray:
    return x * 0 + len(x)


def in_place(state: Any, x: np.ndarray) -> np.ndarray:
    x[np.isnan(x)] = 0.0
    return x


def by_chance(x: np.ndarray, **_: Any) -> dict[str, Any]:
    return {"fill": np.random.default_rng().normal(size=x.shape[1])}


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        (replace(TARGET, learn_apply=None), "own target"),
        (replace(STANDARDISE, emit=unbounded), "other numbers"),
        (replace(STANDARDISE, apply=of_all_rows), "other rows|other numbers|one row"),
        (replace(IMPUTE, apply=in_place), "changes its"),
        (replace(IMPUTE, learn=by_chance), "same seed"),
        (replace(STANDARDISE, names=lambda state, columns: [("x", 0)] * len(columns)), "same name"),
        (replace(STANDARDISE, names=lambda state, columns: []), "width|one name"),
    ],
)
def test_a_broken_step_is_caught(step: Any, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_step(step)
