"""A category as the rank of its level's frequency: enough for a tree to cut common levels from rare ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.features._levels import by_frequency, codes, emit_codes
from modelwright.features._numbers import same_names
from modelwright.features.base import State, Step

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph


class OrdinalSpec(Spec):
    """Which levels are told apart."""

    max_levels: int = Field(10_000, ge=1, description="levels beyond the most frequent ones count as unseen")


def learn(x: np.ndarray, *, spec: OrdinalSpec, **_: Any) -> State:
    """The levels of each column, most frequent first.

    >>> import numpy as np
    >>> state = learn(np.array([["a"], ["b"], ["b"]], dtype=object), spec=OrdinalSpec())
    >>> apply(state, np.array([["b"], ["a"], ["z"]], dtype=object)).tolist()
    [[0.0], [1.0], [-1.0]]
    """
    return {"levels": by_frequency(x, max_levels=spec.max_levels)}


def apply(state: State, x: np.ndarray) -> np.ndarray:
    """Ranks from 0 (most frequent), -1 for a level not seen: float64 of shape (n, k)."""
    import numpy as np

    ranks: np.ndarray = codes(state["levels"], x).astype(np.float64)
    return ranks


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """The columns' own names."""
    return same_names(columns)


def emit(state: State, graph: Graph, x: str) -> str:
    """`apply` as nodes."""
    return graph.tensor(emit_codes(state["levels"], graph, x)).cast("float64")


STEP = Step(name="ordinal", accepts="categories", spec=OrdinalSpec, learn=learn, apply=apply, names=names, emit=emit)
