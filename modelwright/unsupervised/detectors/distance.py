"""Distance to the nearest rows: a row is odd when rows like it are far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.oddness import N_NEAR
from modelwright.unsupervised.base import Detector
from modelwright.unsupervised.detectors._known import by_block, emit_itself, emit_nearest, known_rows
from modelwright.unsupervised.nodes import NOTHING, emit_distances

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph

LEAST = 1e-4
"""Distances of nothing count as this, so that their logarithm is not the noise of rounding."""


class DistanceSpec(Spec):
    """How wide the neighbourhood is."""

    neighbours: int = Field(N_NEAR, ge=2, le=500, description="nearest rows whose distances are averaged")


def fit(points: np.ndarray, *, spec: DistanceSpec, seed: int) -> Fitted:
    """Keep at most 4,000 rows; the score is the logarithm of the mean distance to the nearest of them.

    Reference: Ramaswamy, Rastogi and Shim (2000), "Efficient algorithms for mining outliers from large data sets",
    SIGMOD; Angiulli and Pizzuti (2002) for the mean.

    >>> import numpy as np
    >>> fitted = fit(np.arange(40.0)[:, None], spec=DistanceSpec(neighbours=2), seed=0)
    >>> np.exp(fitted.predict(np.array([[20.0], [50.0]]))).round(2).tolist()
    [1.0, 11.5]
    """
    import numpy as np

    from modelwright.core.values import Fitted

    known = known_rows(points, seed)
    n = min(spec.neighbours, len(known) - 1)

    def mean(far: np.ndarray) -> np.ndarray:
        nearest = np.sort(np.partition(far, n, axis=1)[:, : n + 1], axis=1)
        first = np.where(nearest[:, 0] < NOTHING, nearest[:, -1], nearest[:, 0])  # itself gives way to the next one
        total = nearest[:, 1:-1].sum(axis=1) + first
        return np.asarray(total / n)

    def predict(points: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(np.maximum(by_block(points, known, mean), LEAST)))

    def emit(graph: Graph, x: str) -> str:
        nearest = emit_nearest(graph, emit_distances(graph, x, known), n + 1)
        parts = [graph.node("Gather", nearest, graph.constant(which, "int64"), axis=1)
                 for which in ([0], list(range(1, n)), [n])]  # fmt: skip
        first = graph.node("Where", emit_itself(graph, nearest), parts[2], parts[0])
        inner = graph.node("ReduceSum", parts[1], graph.constant([1], "int64"), keepdims=1)
        averaged = (graph.tensor(first) + graph.tensor(inner)) * (1 / n)
        return averaged.clip(LEAST, np.inf).map("Log").name

    return Fitted(predict=predict, emit=emit, n_cells_per_row=3 * len(known))


DETECTOR = Detector(name="distance", about="how far the nearest rows are", school="local", fit=fit, spec=DistanceSpec)
