"""Local outlier factor: a row is odd when it is much sparser around it than around its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright import oddness
from modelwright.core.spec import Spec
from modelwright.unsupervised.base import Detector
from modelwright.unsupervised.detectors._known import by_block, emit_reach, known_rows, reach
from modelwright.unsupervised.nodes import NOTHING, emit_distances

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph

LEAST = 1e-4
"""Least reachability distance: among equal rows the density would be without bound."""


class LofSpec(Spec):
    """How wide the neighbourhood is."""

    neighbours: int = Field(oddness.N_NEAR, ge=2, le=500, description="nearest rows that make a neighbourhood")


def fit(points: np.ndarray, *, spec: LofSpec, seed: int) -> Fitted:
    """Keep at most 4,000 rows with the density around each; the score is the logarithm of the factor.

    All rows as near as the last neighbour are neighbours, as the authors have it: so ties cannot change the answer.

    Reference: Breunig et al. (2000), "LOF: identifying density-based local outliers", SIGMOD.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> fitted = fit(rng.normal(size=(200, 2)), spec=LofSpec(), seed=0)
    >>> usual, odd = np.exp(fitted.predict(np.array([[0.0, 0.0], [6.0, 6.0]])))
    >>> bool(usual < 1.1), bool(odd > 3)
    (True, True)
    """
    import numpy as np

    from modelwright.core.values import Fitted

    known = known_rows(points, seed)
    n = min(spec.neighbours, len(known) - 1)
    reaches, dense = oddness.densities(known, n)
    reaches, dense = np.maximum(reaches, LEAST), np.minimum(dense, 1 / LEAST)

    def factor(far: np.ndarray) -> np.ndarray:
        near = (far <= reach(far, n) + NOTHING).astype(np.float64) * (far >= NOTHING)
        count = np.maximum(near.sum(axis=1), 1)
        own = (near * np.maximum(far, reaches)).sum(axis=1) / count
        return np.asarray(np.maximum(own, LEAST) * np.maximum(near @ dense / count, 1e-9))

    def predict(points: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(by_block(points, known, factor)))

    def emit(graph: Graph, x: str) -> str:
        far = emit_distances(graph, x, known)
        rim = emit_reach(graph, far, n) + NOTHING
        within = graph.node("LessOrEqual", far.name, rim.name)
        beside = graph.node("GreaterOrEqual", far.name, graph.constant(NOTHING, "float64"))
        near = graph.tensor(graph.tensor(graph.node("And", within, beside)).cast("float64"))
        count = (near @ np.ones((len(known), 1))).clip(1.0, np.inf)
        reached = graph.tensor(graph.node("Max", far.name, graph.constant(reaches[None], "float64")))
        own = graph.node("ReduceSum", (near * reached).name, graph.constant([1], "int64"), keepdims=1)
        sparse = (graph.tensor(own) / count).clip(LEAST, np.inf)
        odd: str = (sparse * ((near @ dense[:, None]) / count).clip(1e-9, np.inf)).map("Log").name
        return odd

    return Fitted(predict=predict, emit=emit, n_cells_per_row=6 * len(known))


DETECTOR = Detector(
    name="lof", about="how much sparser it is around a row than around its neighbours", school="local", fit=fit,
    spec=LofSpec,
)  # fmt: skip
