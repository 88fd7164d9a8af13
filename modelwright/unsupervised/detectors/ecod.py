"""ECOD: a row is odd when its values lie far out in the columns, each taken by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright import oddness
from modelwright.core.spec import Spec
from modelwright.unsupervised.base import Detector
from modelwright.unsupervised.nodes import emit_steps, steps

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph


class EcodSpec(Spec):
    """How finely tails are kept."""

    grain: float = Field(
        0.05, gt=0, le=1, description="least step of the logarithm of a tail: finer steps make the package larger"
    )


def fit(points: np.ndarray, *, spec: EcodSpec, seed: int) -> Fitted:
    """Learn each column's tails: minus the logarithm of the share of rows that lie at least as far out.

    A row's score is their sum. Either side counts, in place of the one to which a column leans.

    Reference: Li et al. (2022), "ECOD: unsupervised outlier detection using empirical cumulative distribution
    functions", TKDE.

    >>> import numpy as np
    >>> fitted = fit(np.arange(100.0)[:, None], spec=EcodSpec(), seed=0)
    >>> fitted.predict(np.array([[50.0], [99.0], [1e6]])).round(1).tolist()
    [0.7, 4.6, 4.6]
    """
    from modelwright.core.values import Fitted

    edges, rises = tail_steps(points, spec.grain)

    def predict(points: np.ndarray) -> np.ndarray:
        total: np.ndarray = steps(points, edges, rises).sum(axis=1)
        return total

    def emit(graph: Graph, x: str) -> str:
        tails = emit_steps(graph, x, edges, rises)
        return graph.node("ReduceSum", tails.name, graph.constant([1], "int64"), keepdims=1)

    return Fitted(predict=predict, emit=emit, n_cells_per_row=3 * edges.size)


def tail_steps(points: np.ndarray, grain: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Each column's tails as a step function (see `nodes.steps`): edges (d, k), rises (d, k + 1).

    A value counts as the nearest of the values seen; values whose tails differ by less than `grain` are one step.
    """
    import numpy as np

    made = []
    for column in points.T:
        seen = np.unique(column)
        tails = oddness.tails(seen[:, None], column[:, None])[:, 0]
        kept = [0]
        for place in range(1, len(seen)):  # the first and the last value stay: nothing lies farther out
            if abs(tails[place] - tails[kept[-1]]) >= grain or place == len(seen) - 1:
                kept.append(place)
        middles = (seen[np.array(kept[1:], dtype=int) - 1] + seen[kept[1:]]) / 2
        made.append((middles, np.diff(tails[kept], prepend=0.0)))
    width = max(1, max(len(middles) for middles, _ in made))
    edges = np.full((len(made), width), np.inf)
    rises = np.zeros((len(made), width + 1))
    for row, (middles, rise) in enumerate(made):
        edges[row, : len(middles)] = middles
        rises[row, : len(rise)] = rise
    return edges, rises


DETECTOR = Detector(
    name="ecod", about="how far out the values lie, column by column", school="global", fit=fit, spec=EcodSpec
)
