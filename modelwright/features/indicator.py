"""Missing flags: 1 where a value is missing, for the columns that miss some in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelwright.core.spec import Spec
from modelwright.features.base import State, Step, select

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph


class IndicatorSpec(Spec):
    """No settings."""


def learn(x: np.ndarray, *, spec: IndicatorSpec, **_: Any) -> State:
    """Note which columns miss values.

    >>> import numpy as np
    >>> state = learn(np.array([[1.0, np.nan], [2.0, 3.0]]), spec=IndicatorSpec())
    >>> apply(state, np.array([[np.nan, np.nan]])).tolist(), names(state, ["a", "b"])
    ([[1.0]], [('b missing', 1)])
    """
    import numpy as np

    return {"columns": np.flatnonzero(np.isnan(x).any(axis=0)), "n_columns": x.shape[1]}


def apply(state: State, x: np.ndarray) -> np.ndarray:
    """The flags, float64 of shape (n, number of columns that miss values in training)."""
    import numpy as np

    flags: np.ndarray = np.isnan(x[:, state["columns"]]).astype(np.float64)
    return flags


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """`<column> missing`."""
    return [(f"{columns[index]} missing", int(index)) for index in state["columns"]]


def emit(state: State, graph: Graph, x: str) -> str:
    """`apply` as nodes."""
    chosen = select(graph, x, range(state["n_columns"]), state["columns"].tolist())
    return graph.tensor(graph.node("IsNaN", chosen)).cast("float64")


STEP = Step(
    name="indicator",
    accepts="numbers",
    spec=IndicatorSpec,
    learn=learn,
    apply=apply,
    names=names,
    emit=emit,
)
