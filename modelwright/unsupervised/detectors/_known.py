"""What detectors that compare rows with rows share: a sample of known rows, and who is near whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.rng import stream
from modelwright.unsupervised.nodes import BLOCK, NOTHING, distances

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from modelwright.graph import Graph, Tensor

MOST_KNOWN = 4_000
"""Rows that a package holds for comparison. A sample does as well as all rows: Sugiyama and Borgwardt (2013), "Rapid
distance-based outlier detection via sampling"."""


def known_rows(points: np.ndarray, seed: int, most: int = MOST_KNOWN) -> np.ndarray:
    """The rows that others are compared with, in their order."""
    import numpy as np

    if len(points) <= most:
        return points
    return points[np.sort(stream(seed, "unsupervised", "known").permutation(len(points))[:most])]


def by_block(points: np.ndarray, known: np.ndarray, answer: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`answer(distances)` for blocks of rows, joined."""
    import numpy as np

    parts = [answer(distances(points[at : at + BLOCK], known)) for at in range(0, len(points), BLOCK)]
    return np.concatenate([np.empty(0), *parts])


def reach(far: np.ndarray, n: int) -> np.ndarray:
    """The distance to the `n`-th nearest known row, (n_rows, 1); a row that is among them is not its own neighbour."""
    import numpy as np

    nearest = np.partition(far, min(n, far.shape[1] - 1), axis=1)[:, : n + 1]
    nearest.sort(axis=1)
    itself = nearest[:, :1] < NOTHING
    return np.where(itself, nearest[:, -1:], nearest[:, -2:-1])


def emit_reach(graph: Graph, far: Tensor, n: int) -> Tensor:
    """`reach` as nodes."""
    nearest = emit_nearest(graph, far, n + 1)
    itself = emit_itself(graph, nearest)
    return graph.tensor(graph.node("Where", itself, column(graph, nearest, n), column(graph, nearest, n - 1)))


def emit_nearest(graph: Graph, far: Tensor, n: int) -> str:
    """The `n` least distances in rising order, (n_rows, n)."""
    count = graph.constant([n], "int64")
    return graph.nodes("TopK", far.name, count, n_outputs=2, largest=0, sorted=1)[0]


def emit_itself(graph: Graph, nearest: str) -> str:
    """Whether a row is among the known ones, (n_rows, 1)."""
    return graph.node("Less", column(graph, nearest, 0), graph.constant(NOTHING, "float64"))


def column(graph: Graph, x: str, place: int) -> str:
    """One column as (n_rows, 1)."""
    return graph.node("Gather", x, graph.constant([place], "int64"), axis=1)
