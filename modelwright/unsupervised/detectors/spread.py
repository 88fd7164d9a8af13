"""Spread: a row is odd when it lies far from the middle in many columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.spec import Spec
from modelwright.oddness import TINY
from modelwright.unsupervised.base import Detector

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph


class SpreadSpec(Spec):
    """Nothing to be chosen."""


def fit(points: np.ndarray, *, spec: SpreadSpec, seed: int) -> Fitted:
    """Learn the mean; the score is the logarithm of the sum of the absolute distances from it, column by column.

    Reference: Knorr and Ng (1998), "Algorithms for mining distance-based outliers in large datasets", VLDB.

    >>> import numpy as np
    >>> fitted = fit(np.array([[0.0, 0.0], [2.0, 2.0]]), spec=SpreadSpec(), seed=0)
    >>> np.exp(fitted.predict(np.array([[1.0, 2.0], [4.0, 4.0]]))).round(2).tolist()
    [1.0, 6.0]
    """
    import numpy as np

    from modelwright.core.values import Fitted

    middle = points.mean(axis=0)

    def predict(points: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(np.abs(points - middle).sum(axis=1) + TINY))

    def emit(graph: Graph, x: str) -> str:
        apart = (graph.tensor(x) - middle[None]).map("Abs")
        total = graph.node("ReduceSum", apart.name, graph.constant([1], "int64"), keepdims=1)
        return (graph.tensor(total) + TINY).map("Log").name

    return Fitted(predict=predict, emit=emit)


DETECTOR = Detector(
    name="spread", about="how far a row lies from the middle over all columns", school="global", fit=fit,
    spec=SpreadSpec,
)  # fmt: skip
