"""Trimmed ellipse: a row is odd when its columns do not go together as they usually do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright import oddness
from modelwright.core.spec import Spec
from modelwright.unsupervised.base import Detector

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph

LEAST = 1e-9


class EllipseSpec(Spec):
    """Nothing to be chosen: the tenth that is farthest out is left out, and the covariance is shrunk."""


def fit(points: np.ndarray, *, spec: EllipseSpec, seed: int) -> Fitted:
    """Learn centre and covariance without the tenth that is farthest out; the score is the logarithm of the
    Mahalanobis distance, squared.

    Reference: Rousseeuw and Van Driessen (1999), "A fast algorithm for the minimum covariance determinant estimator";
    Ledoit and Wolf (2004).

    >>> import numpy as np
    >>> line = np.linspace(-2, 2, 100)
    >>> fitted = fit(np.column_stack([line, line + 0.1 * np.cos(9 * line)]), spec=EllipseSpec(), seed=0)
    >>> on, off = fitted.predict(np.array([[1.5, 1.5], [1.5, -1.5]]))
    >>> bool(off > on)
    True
    """
    import numpy as np

    from modelwright.core.values import Fitted

    centre, precision = oddness.trimmed(points)

    def predict(points: np.ndarray) -> np.ndarray:
        apart = points - centre
        return np.asarray(np.log(np.maximum((apart @ precision * apart).sum(axis=1), LEAST)))

    def emit(graph: Graph, x: str) -> str:
        apart = graph.tensor(x) - centre[None]
        squares = (apart @ precision) * apart
        total = graph.node("ReduceSum", squares.name, graph.constant([1], "int64"), keepdims=1)
        return graph.tensor(total).clip(LEAST, np.inf).map("Log").name

    return Fitted(predict=predict, emit=emit)


DETECTOR = Detector(
    name="ellipse", about="how badly the columns go together", school="local", fit=fit, spec=EllipseSpec
)
