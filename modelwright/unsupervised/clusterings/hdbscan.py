"""HDBSCAN: dense groups of any shape, and rows that are in none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.unsupervised.base import Clustering, Grouping
from modelwright.unsupervised.detectors._known import emit_reach, known_rows, reach
from modelwright.unsupervised.nodes import BLOCK, distances, emit_distances

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph


CLOSER = 1e-6
"""Of rows as near in mutual reachability the one that is nearer in truth counts."""
SLACK = 1 + 2 * CLOSER  # a group's own outermost row is in it


class HdbscanSpec(Spec):
    """How large a group is at the least."""

    least_share: float = Field(0.02, gt=0, le=0.5, description="least share of the rows that makes a group")
    least_rows: int = Field(5, ge=2, le=10_000, description="and fewest rows")


def fit(points: np.ndarray, numbers: Sequence[int], *, spec: HdbscanSpec, seed: int) -> Mapping[int, Grouping]:
    """Find dense groups that persist over the most densities; their number follows from that, and `numbers` does not
    matter. Rows in no dense group belong to none.

    A new row joins the group of the row that is nearest in mutual reachability (the larger of their distance and of
    how far each one's neighbours are), unless it lies farther from it than any row of the group lies from the rest of
    it. How much it belongs falls with that distance. At most 4,000 rows are kept.

    Reference: Campello, Moulavi and Sander (2013), "Density-based clustering based on hierarchical density
    estimates"; McInnes, Healy and Astels (2017), "hdbscan", JOSS 2(11), for the placing of new rows.

    >>> import numpy as np
    >>> line = np.linspace(0, 1, 60)
    >>> both = np.column_stack([np.tile(line, 2), np.repeat([0.0, 1.0], 60)])
    >>> (grouping,) = fit(both, [], spec=HdbscanSpec(), seed=0).values()
    >>> grouping.groups(np.array([[0.5, 0.01], [0.5, 0.99], [9.0, 9.0]])).tolist()
    [0, 1, -1]
    """
    import numpy as np
    from sklearn.cluster import HDBSCAN

    known = known_rows(points, seed)
    least = max(spec.least_rows, round(spec.least_share * len(known)))
    labels = HDBSCAN(min_cluster_size=least, copy=True).fit(known).labels_
    n = int(labels.max()) + 1
    if n < 1:
        return {}
    n_near = min(least, len(known) - 1)
    inside = known[labels >= 0]
    far = distances(known, known)
    cores = reach(far, n_near)[:, 0]
    mutual = np.maximum(far, np.maximum(cores[:, None], cores[None]))
    np.fill_diagonal(mutual, np.inf)
    rims, dense = np.empty(n), np.empty(n)
    for group in range(n):
        own = labels == group
        rims[group] = mutual[np.ix_(own, own)].min(axis=1).max() * SLACK
        dense[group] = max(cores[own].min(), 1e-9)
    groups = labels[labels >= 0]
    return {n: _grouping(known, inside, cores[labels >= 0], groups, rims, dense, n_near)}


def _grouping(
    known: np.ndarray, inside: np.ndarray, cores: np.ndarray, groups: np.ndarray, rims: np.ndarray, dense: np.ndarray,
    n_near: int,
) -> Grouping:  # fmt: skip
    import numpy as np

    n = len(rims)
    members = [np.flatnonzero(groups == group) for group in range(n)]

    def block(points: np.ndarray) -> np.ndarray:
        far = distances(points, inside)
        apart = np.maximum(far, np.maximum(reach(distances(points, known), n_near), cores[None])) + CLOSER * far
        nearest = np.column_stack([apart[:, some].min(axis=1) for some in members])
        chosen = np.arange(n)[None] == nearest.argmin(axis=1)[:, None]
        return np.asarray(np.where(chosen & (nearest <= rims), np.minimum(dense / nearest, 1.0), 0.0))

    def predict(points: np.ndarray) -> np.ndarray:
        parts = [block(points[at : at + BLOCK]) for at in range(0, len(points), BLOCK)]
        return np.concatenate([np.empty((0, n)), *parts])

    def emit(graph: Graph, x: str) -> str:
        own = emit_reach(graph, emit_distances(graph, x, known), n_near)
        far = emit_distances(graph, x, inside)
        mutual = graph.node("Max", far.name, own.name, graph.constant(cores[None], "float64"))
        apart = (graph.tensor(mutual) + far * CLOSER).name
        axis = graph.constant([1], "int64")
        parts = []
        for some in members:
            beside = graph.node("Gather", apart, graph.constant(some, "int64"), axis=1)
            parts.append(graph.node("ReduceMin", beside, axis, keepdims=1))
        nearest = graph.node("Concat", *parts, axis=1) if n > 1 else parts[0]
        first = graph.node("ArgMin", nearest, axis=1, keepdims=1)
        chosen = graph.node("Equal", first, graph.constant(np.arange(n)[None], "int64"))
        within = graph.node("LessOrEqual", nearest, graph.constant(rims[None], "float64"))
        share = graph.node("Min", graph.node("Div", graph.constant(dense[None], "float64"), nearest),
                           graph.constant(1.0, "float64"))  # fmt: skip
        return graph.node("Where", graph.node("And", chosen, within), share, graph.constant(0.0, "float64"))

    about = "dense groups that persist, and rows in none"
    return Grouping(n=n, predict=predict, emit=emit, about=about, n_cells_per_row=8 * len(known))


CLUSTERING = Clustering(
    name="hdbscan", about="dense groups of any shape, and rows in none", fit=fit, rule="own", spec=HdbscanSpec
)
