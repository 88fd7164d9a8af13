"""Numbers brought into 0..1 by the least and the largest value seen in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelwright.core.spec import Spec
from modelwright.features._numbers import (
    apply_scaling,
    emit_scaling,
    finite_quantiles,
    same_names,
    scaling,
)
from modelwright.features.base import State, Step

if TYPE_CHECKING:
    import numpy as np


class MinMaxSpec(Spec):
    """No settings: what lies outside the training range becomes 0 or 1."""


def learn(x: np.ndarray, *, spec: MinMaxSpec, **_: Any) -> State:
    """Least value and range of each column, missing values left out: shape (k,).

    Reference: Han, Kamber and Pei (2011), "Data Mining: Concepts and Techniques", section 3.5.

    >>> import numpy as np
    >>> state = learn(np.array([[1.0], [3.0]]), spec=MinMaxSpec())
    >>> apply_scaling(state, np.array([[2.0], [9.0]])).tolist()
    [[0.5], [1.0]]
    """
    low, high = finite_quantiles(x, (0.0, 1.0))
    return scaling(low, high - low, 0.0, 1.0)


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """The columns' own names."""
    return same_names(columns)


STEP = Step(
    name="minmax",
    accepts="numbers",
    spec=MinMaxSpec,
    learn=learn,
    apply=apply_scaling,
    names=names,
    emit=emit_scaling,
)
