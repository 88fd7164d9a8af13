"""A category as how often its level is met: the logarithm of its share of the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.features._levels import by_frequency, codes, emit_codes
from modelwright.features.base import State, Step

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph


class FrequencySpec(Spec):
    """Which levels are counted."""

    max_levels: int = Field(10_000, ge=1, description="levels beyond the most frequent ones count as unseen")


def learn(x: np.ndarray, *, spec: FrequencySpec, **_: Any) -> State:
    """The levels of each column with the logarithm of their share; an unseen level counts as half a row.

    Rare levels lie far below the others, so that a rare or unseen one is odd by this column alone.

    >>> import numpy as np
    >>> state = learn(np.array([["a"], ["b"], ["b"], ["b"]], dtype=object), spec=FrequencySpec())
    >>> np.exp(apply(state, np.array([["b"], ["a"], ["z"]], dtype=object))).round(3).tolist()
    [[0.75], [0.25], [0.125]]
    """
    import numpy as np

    levels = by_frequency(x, max_levels=spec.max_levels)
    shares = []
    for index, known in enumerate(levels):
        coded = codes([known], x[:, index : index + 1])[:, 0]
        shares.append(np.log(np.bincount(coded[coded >= 0], minlength=len(known)) / max(len(x), 1)).tolist())
    return {"levels": levels, "shares": shares, "unseen": float(np.log(0.5 / max(len(x), 1)))}


def _table(state: State) -> tuple[np.ndarray, np.ndarray]:
    """All shares in one row, each column's begun by that of an unseen level; and where each column begins."""
    import numpy as np

    parts = [np.array([state["unseen"], *shares]) for shares in state["shares"]]
    starts = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)[: len(parts)]
    return np.concatenate([np.empty(0), *parts]), starts


def apply(state: State, x: np.ndarray) -> np.ndarray:
    """Logarithms of shares: float64 of shape (n, k)."""
    table, starts = _table(state)
    shares: np.ndarray = table[codes(state["levels"], x) + 1 + starts[None]]
    return shares


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """`<column> frequency`."""
    return [(f"{name} frequency", index) for index, name in enumerate(columns)]


def emit(state: State, graph: Graph, x: str) -> str:
    """`apply` as nodes."""
    table, starts = _table(state)
    places = graph.node("Add", emit_codes(state["levels"], graph, x), graph.constant(starts[None] + 1, "int64"))
    return graph.node("Gather", graph.constant(table, "float64"), places)


STEP = Step(
    name="frequency", accepts="categories", spec=FrequencySpec, learn=learn, apply=apply, names=names, emit=emit
)
