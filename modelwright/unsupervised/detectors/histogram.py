"""Histograms: a row is odd when values such as its own are rarely met, each column taken by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright import oddness
from modelwright.core.spec import Spec
from modelwright.unsupervised.base import Detector
from modelwright.unsupervised.nodes import emit_steps, steps

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph


class HistogramSpec(Spec):
    """Nothing to be chosen: half the square root of the rows is the number of bins, and 5 at the least."""


def fit(points: np.ndarray, *, spec: HistogramSpec, seed: int) -> Fitted:
    """Learn bins of equal width for each column; the score is minus the logarithm of their shares, summed.

    Reference: Goldstein and Dengel (2012), "Histogram-based outlier score (HBOS)", KI.

    >>> import numpy as np
    >>> fitted = fit(np.append(np.zeros(99), 10.0)[:, None], spec=HistogramSpec(), seed=0)
    >>> np.exp(-fitted.predict(np.array([[0.0], [10.0]]))).round(3).tolist()
    [0.995, 0.015]
    """
    import numpy as np

    from modelwright.core.values import Fitted

    edges, falls = zip(*(oddness.histogram_of(column) for column in points.T), strict=True)
    rises = np.diff(np.stack(falls), axis=1, prepend=0.0)
    inner = np.stack(edges)

    def predict(points: np.ndarray) -> np.ndarray:
        return np.asarray(steps(points, inner, rises).sum(axis=1))

    def emit(graph: Graph, x: str) -> str:
        rare = emit_steps(graph, x, inner, rises)
        return graph.node("ReduceSum", rare.name, graph.constant([1], "int64"), keepdims=1)

    return Fitted(predict=predict, emit=emit, n_cells_per_row=3 * inner.size)


DETECTOR = Detector(
    name="histogram", about="how rarely such values are met, column by column", school="global", fit=fit,
    spec=HistogramSpec,
)  # fmt: skip
