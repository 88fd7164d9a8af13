"""Numbers brought to median 0 and interquartile range 1: outliers in training do not move the scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.features._numbers import (
    apply_scaling,
    emit_scaling,
    finite_moments,
    finite_quantiles,
    same_names,
    scaling,
)
from modelwright.features.base import State, Step

if TYPE_CHECKING:
    import numpy as np


class RobustSpec(Spec):
    """Robust scaling."""

    bound: float = Field(10.0, gt=0, allow_inf_nan=False, description="scaled numbers are brought into -bound..bound")


def learn(x: np.ndarray, *, spec: RobustSpec, **_: Any) -> State:
    """Median and interquartile range of each column, missing values left out: shape (k,).

    A column whose quartiles are equal (mostly zeros, say) takes its standard deviation as scale.

    Reference: Huber (1981), "Robust Statistics", section 5.1.

    >>> import numpy as np
    >>> state = learn(np.array([[1.0], [2.0], [3.0], [4.0], [1e6]]), spec=RobustSpec())
    >>> apply_scaling(state, np.array([[3.0], [5.0]])).tolist()
    [[0.0], [1.0]]
    """
    import numpy as np

    low, middle, high = finite_quantiles(x, (0.25, 0.5, 0.75))
    spread = high - low
    return scaling(middle, np.where(spread > 0, spread, finite_moments(x)[1]), -spec.bound, spec.bound)


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """The columns' own names."""
    return same_names(columns)


STEP = Step(
    name="robust",
    accepts="numbers",
    spec=RobustSpec,
    learn=learn,
    apply=apply_scaling,
    names=names,
    emit=emit_scaling,
)
