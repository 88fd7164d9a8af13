"""Missing numbers filled with one number per column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.features._numbers import same_names
from modelwright.features.base import State, Step

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph


class ImputeSpec(Spec):
    """How a missing number is filled."""

    by: Literal["median", "mean", "most_frequent", "constant"] = Field(
        "median", description="which number of the training rows fills a gap"
    )
    constant: float = Field(
        0.0,
        allow_inf_nan=False,
        description="what fills a gap by `constant`, and a column with no value at all",
    )


def learn(x: np.ndarray, *, spec: ImputeSpec, **_: Any) -> State:
    """The filling of each column: shape (k,). A tie for the most frequent goes to the smallest.

    Reference: Little and Rubin (2019), "Statistical Analysis with Missing Data", chapter 4.

    >>> import numpy as np
    >>> state = learn(np.array([[1.0], [np.nan], [2.0], [9.0]]), spec=ImputeSpec())
    >>> apply(state, np.array([[np.nan], [5.0]])).tolist()
    [[2.0], [5.0]]
    """
    import numpy as np

    fill = np.full(x.shape[1], spec.constant, dtype=np.float64)
    for index in range(x.shape[1] if spec.by != "constant" else 0):
        known = x[~np.isnan(x[:, index]), index]
        if known.size:
            fill[index] = _middle(known, spec.by)
    return {"fill": fill}


def _middle(known: np.ndarray, by: str) -> float:
    import numpy as np

    if by == "most_frequent":
        values, counts = np.unique(known, return_counts=True)
        return float(values[counts.argmax()])
    if by == "median":
        return float(np.median(known / 2) * 2)  # halved, for the middle of two huge numbers overflows
    largest = np.abs(known).max()
    return float((known / largest).mean() * largest) if largest else 0.0


def apply(state: State, x: np.ndarray) -> np.ndarray:
    """The same matrix without gaps."""
    import numpy as np

    return np.where(np.isnan(x), state["fill"], x)


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """The columns' own names."""
    return same_names(columns)


def emit(state: State, graph: Graph, x: str) -> str:
    """`apply` as nodes."""
    return graph.node("Where", graph.node("IsNaN", x), graph.constant(state["fill"][None], "float64"), x)


STEP = Step(name="impute", accepts="numbers", spec=ImputeSpec, learn=learn, apply=apply, names=names, emit=emit)
