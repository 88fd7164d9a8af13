"""Communities of neighbours: groups of any shape, whose rows have their nearest rows in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.rng import stream
from modelwright.core.spec import Spec
from modelwright.unsupervised.base import Clustering, Grouping
from modelwright.unsupervised.clusterings._louvain import louvain, merged
from modelwright.unsupervised.detectors._known import column, emit_nearest, known_rows
from modelwright.unsupervised.nodes import BLOCK, distances, emit_distances

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph

WIDER = 1.05


class CommunitiesSpec(Spec):
    """How wide a neighbourhood is."""

    neighbours: int = Field(
        15, ge=3, le=200, description="nearest rows that a row is tied to, and that place a new one"
    )


def fit(
    points: np.ndarray, numbers: Sequence[int], *, spec: CommunitiesSpec, seed: int
) -> Mapping[int, Grouping]:  # fmt: skip
    """Tie each row to its nearest rows, by how many neighbours both have in common; find communities of the graph by
    greedy modularity, and join those that are tied most closely until so many are left as are wanted.

    A new row is placed by its nearest rows, the nearer the heavier. At most 4,000 rows make the graph.

    Reference: Levine et al. (2015), "Data-driven phenotypic dissection of AML", Cell 162 (PhenoGraph); Blondel et al.
    (2008).

    >>> import numpy as np
    >>> turn = np.linspace(0, 2 * np.pi, 150)
    >>> ring = np.column_stack([np.cos(turn), np.sin(turn)])
    >>> both = np.concatenate([ring, 3 * ring])
    >>> grouping = fit(both, [2], spec=CommunitiesSpec(neighbours=5), seed=0)[2]
    >>> grouping.groups(np.array([[0.0, 1.02], [0.0, 2.9], [-1.0, 0.0]])).tolist()
    [0, 1, 0]
    """
    import numpy as np

    known = known_rows(points, seed)
    n_near = min(spec.neighbours, len(known) - 1)
    ties = shared_neighbours(known, n_near)
    pieces = louvain(ties, stream(seed, "unsupervised", "communities"))
    found = merged(ties, pieces)
    flags = np.eye(int(pieces.max()) + 1)[pieces]
    asked: list[tuple[np.ndarray, np.ndarray]] = []

    def shares(points: np.ndarray) -> np.ndarray:
        """How much rows belong to each community: asked once for all numbers of groups that are made of them."""
        if not asked or asked[0][0] is not points:
            asked[:] = [(points, _votes(points, known, flags, n_near))]
        return asked[0][1]

    return {n: _grouping(known, pieces, found[n], n_near, shares) for n in numbers if n in found}


def shared_neighbours(points: np.ndarray, n_near: int) -> Any:
    """A sparse matrix (n, n) of how many of their nearest rows two neighbours share, over all that either has."""
    import numpy as np
    from scipy.sparse import csr_matrix, eye
    from sklearn.neighbors import NearestNeighbors

    places = NearestNeighbors(n_neighbors=n_near).fit(points).kneighbors(return_distance=False)
    n = len(points)
    rows = np.repeat(np.arange(n), n_near)
    near = csr_matrix((np.ones(n * n_near), (rows, places.ravel())), shape=(n, n))
    around = csr_matrix(near + eye(n))
    common = csr_matrix((around @ around.T).multiply((near + near.T) > 0))
    common.data = common.data / (2 * (n_near + 1) - common.data)
    return common


def _votes(points: np.ndarray, known: np.ndarray, flags: np.ndarray, n_near: int) -> np.ndarray:
    """Shares of the nearest known rows' flags, the nearer the heavier: the weight falls to nothing at the rim, so that
    no tie there changes the answer."""
    import numpy as np

    def block(points: np.ndarray) -> np.ndarray:
        squared = distances(points, known) ** 2
        rim = np.partition(squared, n_near - 1, axis=1)[:, n_near - 1 : n_near] * WIDER + 1e-6
        votes = np.maximum(1 - squared / rim, 0.0) @ flags
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))

    parts = [block(points[at : at + BLOCK]) for at in range(0, len(points), BLOCK)]
    return np.concatenate([np.empty((0, flags.shape[1])), *parts])


def _grouping(
    known: np.ndarray, pieces: np.ndarray, groups: np.ndarray, n_near: int, shares: Callable[[np.ndarray], np.ndarray]
) -> Grouping:  # fmt: skip
    import numpy as np

    n = int(groups.max()) + 1
    flags = np.eye(n)[groups]
    joined = np.zeros((int(pieces.max()) + 1, n))
    joined[pieces, groups] = 1.0

    def predict(points: np.ndarray) -> np.ndarray:
        return np.asarray(shares(points) @ joined)

    def emit(graph: Graph, x: str) -> str:
        far = emit_distances(graph, x, known)
        last = graph.tensor(column(graph, emit_nearest(graph, far, n_near), n_near - 1))
        votes = (1.0 - (far * far) / ((last * last) * WIDER + 1e-6)).clip(0.0, 1.0) @ flags
        total = graph.node("ReduceSum", votes.name, graph.constant([1], "int64"), keepdims=1)
        return graph.node("Div", votes.name, total)

    about = f"communities of {len(known):,} rows, each tied to its {n_near} nearest"
    return Grouping(n=n, predict=predict, emit=emit, about=about, n_cells_per_row=4 * len(known))


CLUSTERING = Clustering(
    name="communities", about="rows that have their nearest rows in common", fit=fit, rule="agreement",
    spec=CommunitiesSpec,
)  # fmt: skip
