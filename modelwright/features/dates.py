"""Datetimes (seconds since 1970) taken apart: year, month, day, weekday, hour, day of year, days elapsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelwright.core.spec import Spec
from modelwright.features.base import State, Step
from modelwright_runtime.dates import PARTS, parts_of

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph


class DatesSpec(Spec):
    """No settings: parts that do not vary in training are left out."""


def learn(x: np.ndarray, *, spec: DatesSpec, **_: Any) -> State:
    """The earliest moment of each column and the parts that vary, as positions in a matrix of all parts.

    >>> import numpy as np
    >>> moments = np.array([[0.0], [86400.0 * 366]])
    >>> state = learn(moments, spec=DatesSpec())
    >>> [name for name, _ in names(state, ["at"])]
    ['at year', 'at day', 'at weekday', 'at day of year', 'at days elapsed']
    >>> apply(state, moments).tolist()
    [[1970.0, 1.0, 3.0, 1.0, 0.0], [1971.0, 2.0, 5.0, 2.0, 366.0]]
    """
    import numpy as np

    origin = np.full(x.shape[1], 0.0)
    for index in range(x.shape[1]):
        known = x[~np.isnan(x[:, index]), index]
        origin[index] = known.min() if known.size else 0.0
    parts = np.concatenate(parts_of(x, origin, np.floor), axis=1)
    some = ~np.isnan(parts).all(axis=0)
    varies = np.zeros(parts.shape[1], dtype=bool)
    varies[some] = np.nanmin(parts[:, some], axis=0) < np.nanmax(parts[:, some], axis=0)
    return {"origin": origin, "kept": np.flatnonzero(varies)}


def apply(state: State, x: np.ndarray) -> np.ndarray:
    """The parts that vary: float64 of shape (n, number of them), part by part; NaN where missing."""
    import numpy as np

    parts: np.ndarray = np.concatenate(parts_of(x, state["origin"], np.floor), axis=1)[:, state["kept"]]
    return parts


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """`<column> <part>`."""
    pairs = [(f"{name} {part}", index) for part in PARTS for index, name in enumerate(columns)]
    return [pairs[kept] for kept in state["kept"]]


def emit(state: State, graph: Graph, x: str) -> str:
    """`apply` as nodes."""
    parts = parts_of(graph.tensor(x), state["origin"][None], lambda tensor: tensor.map("Floor"))
    joined = graph.node("Concat", *(part.name for part in parts), axis=1)
    return graph.node("Gather", joined, graph.constant(state["kept"], "int64"), axis=1)


STEP = Step(name="dates", accepts="numbers", spec=DatesSpec, learn=learn, apply=apply, names=names, emit=emit)
