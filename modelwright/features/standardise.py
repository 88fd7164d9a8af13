"""Numbers brought to mean 0 and standard deviation 1, with bounds for what lies far out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.features._numbers import apply_scaling, emit_scaling, finite_moments, same_names, scaling
from modelwright.features.base import State, Step

if TYPE_CHECKING:
    import numpy as np


class StandardiseSpec(Spec):
    """Standardising."""

    bound: float = Field(10.0, gt=0, allow_inf_nan=False, description="scaled numbers are brought into -bound..bound")


def learn(x: np.ndarray, *, spec: StandardiseSpec, **_: Any) -> State:
    """Mean and standard deviation of each column, missing values left out: shape (k,).

    Reference: Hastie, Tibshirani and Friedman (2009), "The Elements of Statistical Learning", section 14.3.

    >>> import numpy as np
    >>> state = learn(np.array([[1.0], [3.0]]), spec=StandardiseSpec())
    >>> apply_scaling(state, np.array([[1.0], [4.0], [1e9]])).tolist()
    [[-1.0], [2.0], [10.0]]
    """
    mean, deviation = finite_moments(x)
    return scaling(mean, deviation, -spec.bound, spec.bound)


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """The columns' own names."""
    return same_names(columns)


STEP = Step(
    name="standardise",
    accepts="numbers",
    spec=StandardiseSpec,
    learn=learn,
    apply=apply_scaling,
    names=names,
    emit=emit_scaling,
)
