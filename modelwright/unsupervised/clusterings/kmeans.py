"""k-means: groups around centres, as compact as can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.unsupervised.base import Clustering, Grouping

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph


class KMeansSpec(Spec):
    """How often it begins anew."""

    starts: int = Field(5, ge=1, le=100, description="beginnings, of which the best is kept")


def fit(points: np.ndarray, numbers: Sequence[int], *, spec: KMeansSpec, seed: int) -> Mapping[int, Grouping]:
    """Lloyd's algorithm from k-means++ beginnings. How much a row belongs to a group is the chance that a mixture of
    equal round clouds gives it, of which k-means is the limit.

    Reference: Lloyd (1982), "Least squares quantization in PCM"; Arthur and Vassilvitskii (2007), "k-means++".

    >>> import numpy as np
    >>> points = np.array([[0.0], [0.2], [5.0], [5.2]])
    >>> fit(points, [2], spec=KMeansSpec(), seed=0)[2].predict(np.array([[0.1], [2.6]])).max(axis=1).round(2).tolist()
    [1.0, 0.5]
    """
    from sklearn.cluster import KMeans

    found = {}
    for n in numbers:
        model = KMeans(n, n_init=spec.starts, random_state=seed % 2**32).fit(points)
        variance = max(model.inertia_ / points.size, 1e-9)
        found[n] = _grouping(model.cluster_centers_.astype("float64"), variance)
    return found


def _grouping(centres: np.ndarray, variance: float) -> Grouping:
    import numpy as np
    from scipy.special import softmax

    # |x|^2 is the same for all centres, and drops out of the shares
    slopes, shifts = centres.T / variance, -np.square(centres).sum(axis=1) / (2 * variance)

    def predict(points: np.ndarray) -> np.ndarray:
        shares: np.ndarray = softmax(points @ slopes + shifts, axis=1)
        return shares

    def emit(graph: Graph, x: str) -> str:
        shares: str = (graph.tensor(x) @ slopes + shifts[None]).map("Softmax", axis=1).name
        return shares

    return Grouping(n=len(centres), predict=predict, emit=emit, about="groups around centres")


CLUSTERING = Clustering(name="kmeans", about="compact groups around centres", fit=fit, rule="strength", spec=KMeansSpec)
