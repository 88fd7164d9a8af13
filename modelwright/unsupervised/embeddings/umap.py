"""UMAP: a map on which rows keep their neighbours. An extra: it brings numba."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.optional import need
from modelwright.core.spec import Spec
from modelwright.unsupervised.base import Embedding
from modelwright.unsupervised.detectors._known import column, emit_nearest, known_rows
from modelwright.unsupervised.nodes import BLOCK, distances, emit_distances

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph

MOST_KNOWN = 10_000
LEAST = 1e-4
WIDER = 1.05


class UmapSpec(Spec):
    """How wide neighbourhoods are, and how close rows may lie on the map."""

    neighbours: int = Field(15, ge=2, le=200, description="nearest rows whose nearness is to be kept")
    least_distance: float = Field(0.1, ge=0, lt=1, description="how close rows may come on the map")
    placed_by: int = Field(10, ge=2, le=100, description="nearest rows by which a new row is placed")


def fit(points: np.ndarray, n: int, *, spec: UmapSpec, seed: int) -> Fitted:
    """Lay at most 10,000 rows out on a map of `n` dimensions by umap-learn, on one thread.

    A new row lies at the weighted mean of its nearest rows' places, which is where UMAP's own transform begins; it is
    not moved on from there, for a graph cannot. The weights (Franke and Little's) make a row that was laid out itself
    stay where it is, and fall to nothing at the last neighbour. Raises UserError `optional.missing` without umap-learn.

    Reference: McInnes, Healy and Melville (2018), "UMAP: uniform manifold approximation and projection"; Franke and
    Nielson (1980), "Smooth interpolation of large sets of scattered data", for the weights.
    """
    umap = need("umap", extra="umap", why="`task: {embedding: {method: umap}}`")
    known = known_rows(points, seed, MOST_KNOWN)
    model = umap.UMAP(
        n_components=n, n_neighbors=min(spec.neighbours, len(known) - 1), min_dist=spec.least_distance,
        random_state=seed % 2**32, n_jobs=1,
    )  # fmt: skip
    return placed(known, model.fit_transform(known).astype("float64"), min(spec.placed_by, len(known) - 1))


def placed(known: np.ndarray, places: np.ndarray, n_near: int) -> Fitted:
    """Known rows (n, d) and their places (n, k) as a function of any row.

    >>> import numpy as np
    >>> fitted = placed(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([[0.0], [10.0], [20.0], [30.0]]), 3)
    >>> fitted.predict(np.array([[1.0], [1.5]])).round(2).tolist()
    [[10.0], [15.0]]
    """
    import numpy as np

    from modelwright.core.values import Fitted

    def block(points: np.ndarray) -> np.ndarray:
        far = distances(points, known)
        rim = np.partition(far, n_near - 1, axis=1)[:, n_near - 1 : n_near] * WIDER + LEAST
        weights = np.square(np.maximum(1 - far / rim, 0.0) / np.maximum(far, LEAST))
        return np.asarray(weights @ places / weights.sum(axis=1, keepdims=True))

    def predict(points: np.ndarray) -> np.ndarray:
        parts = [block(points[at : at + BLOCK]) for at in range(0, len(points), BLOCK)]
        return np.concatenate([np.empty((0, places.shape[1])), *parts])

    def emit(graph: Graph, x: str) -> str:
        far = emit_distances(graph, x, known)
        rim = graph.tensor(column(graph, emit_nearest(graph, far, n_near), n_near - 1)) * WIDER + LEAST
        shares = (1.0 - far / rim).clip(0.0, 1.0) / far.clip(LEAST, np.inf)
        weights = shares * shares
        total = graph.node("ReduceSum", weights.name, graph.constant([1], "int64"), keepdims=1)
        return graph.node("Div", (weights @ places).name, total)

    return Fitted(predict=predict, emit=emit, n_cells_per_row=5 * len(known))


EMBEDDING = Embedding(
    name="umap", about="a map on which rows keep their neighbours", fit=fit, spec=UmapSpec, needs=("umap", "umap")
)
