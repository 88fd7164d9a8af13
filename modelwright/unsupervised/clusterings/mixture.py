"""Gaussian mixture: clouds that may overlap, and each row's chance of having come from each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.unsupervised.base import Clustering, Grouping

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph

SHAPES = ("full", "tied", "diag", "spherical")
FLOOR = 1e-3
"""Variance that every direction has at the least, so that no cloud shrinks onto a few rows."""
PATIENCE = 4
"""More clouds are tried until so many numbers in a row were no better."""


class MixtureSpec(Spec):
    """What clouds may look like."""

    shape: Literal["auto", "full", "tied", "diag", "spherical"] = Field(
        "auto", description="of the clouds: full, tied (all alike), diag (along the columns), spherical, or auto"
    )
    starts: int = Field(1, ge=1, le=50, description="beginnings, of which the best is kept")


def fit(points: np.ndarray, numbers: Sequence[int], *, spec: MixtureSpec, seed: int) -> Mapping[int, Grouping]:
    """Expectation and maximisation from k-means beginnings; for each number of clouds the shape of the best criterion.

    The criterion is the integrated completed likelihood: BIC, less the doubt about which cloud rows came from. BIC
    alone counts the clouds that a density is made of, not the groups that can be told apart.

    Reference: Biernacki, Celeux and Govaert (2000), "Assessing a mixture model for clustering with the integrated
    completed likelihood", PAMI 22(7).

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> points = np.concatenate([rng.normal(0, 1, (200, 2)), rng.normal(6, 1, (100, 2))])
    >>> found = fit(points, [1, 2, 3], spec=MixtureSpec(), seed=0)
    >>> max(found, key=lambda n: found[n].criterion), found[2].predict(points[:1]).max().round(2)
    (2, np.float64(1.0))
    """
    shapes = SHAPES if spec.shape == "auto" else (spec.shape,)
    best: dict[int, tuple[float, Any]] = {}
    for shape in shapes:
        worse, top = 0, -float("inf")
        for n in sorted(numbers):
            criterion, model = _fitted(points, n, shape, spec.starts, seed)
            if n not in best or criterion > best[n][0]:
                best[n] = (criterion, model)
            worse, top = (0, criterion) if criterion > top else (worse + 1, top)
            if worse == PATIENCE:
                break
    return {n: _grouping(model, criterion) for n, (criterion, model) in sorted(best.items())}


def _fitted(points: np.ndarray, n: int, shape: str, starts: int, seed: int) -> tuple[float, Any]:
    """A mixture and its integrated completed likelihood (larger is better)."""
    import numpy as np
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(n, covariance_type=shape, n_init=starts, reg_covar=FLOOR, random_state=seed % 2**32)
    model.fit(points)
    shares = model.predict_proba(points)
    doubt = -float((shares * np.log(np.maximum(shares, 1e-300))).sum())
    return -float(model.bic(points)) - 2 * doubt, model


def _grouping(model: Any, criterion: float) -> Grouping:
    import numpy as np
    from scipy.special import softmax

    n, d = model.means_.shape
    roots = _roots(model)
    centred = np.stack([mean @ root for mean, root in zip(model.means_, roots, strict=True)])
    sizes = np.log(model.weights_) + np.array([np.log(np.abs(np.diag(root))).sum() for root in roots])
    wide = np.concatenate(roots, axis=1)

    def predict(points: np.ndarray) -> np.ndarray:
        apart = (points @ wide).reshape(len(points), n, d) - centred
        shares: np.ndarray = softmax(sizes - np.square(apart).sum(axis=2) / 2, axis=1)
        return shares

    def emit(graph: Graph, x: str) -> str:
        flat = graph.tensor(x) @ wide
        apart = graph.tensor(graph.node("Reshape", flat.name, graph.constant([-1, n, d], "int64"))) - centred[None]
        far = graph.node("ReduceSumSquare", apart.name, graph.constant([2], "int64"), keepdims=0)
        shares: str = (graph.tensor(far) * -0.5 + sizes[None]).map("Softmax", axis=1).name
        return shares

    about = f"a mixture of Gaussian clouds, {model.covariance_type} covariance"
    return Grouping(n=n, predict=predict, emit=emit, criterion=criterion, about=about, n_cells_per_row=3 * n * d)


def _roots(model: Any) -> list[np.ndarray]:
    """For each cloud a matrix (d, d) that turns a difference from its middle into deviations."""
    import numpy as np

    n, d = model.means_.shape
    given = model.precisions_cholesky_
    if model.covariance_type == "full":
        return list(given)
    if model.covariance_type == "tied":
        return [given] * n
    if model.covariance_type == "diag":
        return [np.diag(one) for one in given]
    return [np.eye(d) * one for one in given]


CLUSTERING = Clustering(
    name="mixture", about="Gaussian clouds that may overlap", fit=fit, rule="criterion", spec=MixtureSpec
)
