"""Isolation forest: a row is odd when few random cuts set it apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright import oddness
from modelwright.core import registry
from modelwright.core.spec import Spec
from modelwright.unsupervised.base import Detector

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph


class IsolationForestSpec(Spec):
    """Number and size of the trees."""

    trees: int = Field(200, ge=10, le=2000, description="number of trees; a package holds about 7 kB for each")
    rows: int = Field(256, ge=8, le=100_000, description="rows that each tree is grown on")


def fit(points: np.ndarray, *, spec: IsolationForestSpec, seed: int) -> Fitted:
    """Grow the trees. The score is 2 to the power of minus the mean depth, over that of a random search tree.

    Reference: Liu, Ting and Zhou (2008), "Isolation forest", ICDM.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> fitted = fit(rng.normal(size=(200, 2)), spec=IsolationForestSpec(trees=50), seed=0)
    >>> usual, odd = fitted.predict(np.array([[0.0, 0.0], [6.0, 6.0]]))
    >>> bool(odd > usual)
    True
    """
    import numpy as np

    from modelwright.core.values import Fitted

    forest = oddness.forest_of(points.astype(np.float32), seed, spec.trees, spec.rows)
    search_depth = float(_mean_depth(np.array([forest.max_samples_]))[0])

    def predict(points: np.ndarray) -> np.ndarray:
        if not len(points):  # the library asks for one row at the least
            return np.empty(0)
        odd: np.ndarray = -forest.score_samples(points.astype(np.float32))
        return odd

    def emit(graph: Graph, x: str) -> str:
        verbs = registry.verbs("models")
        trees = [_tree(grown.tree_, columns, verbs.Tree) for grown, columns in _grown(forest)]
        depth = graph.tensor(verbs.emit_trees(graph, graph.tensor(x).cast("float32"), trees))
        odd: str = (depth * (-float(np.log(2.0)) / (len(trees) * search_depth))).map("Exp").name
        return odd

    return Fitted(predict=predict, emit=emit, n_units=spec.trees)


def _grown(forest: Any) -> Any:
    return zip(forest.estimators_, forest.estimators_features_, strict=True)


def _tree(tree: Any, columns: np.ndarray, Tree: Any) -> Any:
    """One tree as plain arrays; a leaf gives its depth, and the depth that its rows would need to be set apart."""
    import numpy as np

    leaf = tree.children_left < 0
    depth = np.zeros(tree.node_count)
    for node in np.flatnonzero(~leaf):  # children come after their parents
        depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
    return Tree(
        feature=np.where(leaf, -1, columns[np.maximum(tree.feature, 0)]).astype(np.int64),
        threshold=tree.threshold.astype(np.float64),
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        nan_left=np.zeros(tree.node_count, dtype=bool),
        value=(depth + _mean_depth(tree.n_node_samples))[:, None],
    )


def _mean_depth(n: np.ndarray) -> np.ndarray:
    """The mean depth of a leaf in a random search tree of n rows."""
    import numpy as np

    wide = n.astype(np.float64)
    many = 2 * (np.log(np.maximum(wide - 1, 1)) + np.euler_gamma) - 2 * (wide - 1) / np.maximum(wide, 1)
    return np.where(wide <= 1, 0.0, np.where(wide == 2, 1.0, many))


DETECTOR = Detector(
    name="isolation_forest", about="how few random cuts set a row apart", school="global", fit=fit,
    spec=IsolationForestSpec,
)  # fmt: skip
