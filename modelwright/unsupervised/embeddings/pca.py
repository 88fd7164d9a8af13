"""Principal components: the directions in which rows differ most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.spec import Spec
from modelwright.unsupervised.base import Embedding
from modelwright.unsupervised.space import principal

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph


class PcaSpec(Spec):
    """Nothing to be chosen."""


def fit(points: np.ndarray, n: int, *, spec: PcaSpec, seed: int) -> Fitted:
    """Learn the first `n` principal axes; coordinates are the distances along them from the middle.

    Each axis points to where its largest entry is positive.

    Reference: Pearson (1901), "On lines and planes of closest fit"; Jolliffe (2002), "Principal component analysis".

    >>> import numpy as np
    >>> line = np.linspace(-1, 1, 50)
    >>> fitted = fit(np.column_stack([line, line]), 1, spec=PcaSpec(), seed=0)
    >>> fitted.predict(np.array([[1.0, 1.0], [0.0, 0.0]])).round(3).tolist()
    [[1.414], [0.0]]
    """
    import numpy as np

    from modelwright.core.values import Fitted

    centre = points.mean(axis=0)
    axes, variances = principal(points - centre, seed)
    axes = axes[:, :n]

    def predict(points: np.ndarray) -> np.ndarray:
        return np.asarray((points - centre) @ axes)

    def emit(graph: Graph, x: str) -> str:
        places: str = ((graph.tensor(x) - centre[None]) @ axes).name
        return places

    shares = (variances / max(variances.sum(), 1e-300)).tolist()
    return Fitted(predict=predict, emit=emit, info={"shares": shares[: max(n, 30)], "centre": centre, "axes": axes})


EMBEDDING = Embedding(name="pca", about="the directions in which rows differ most", fit=fit, spec=PcaSpec)
