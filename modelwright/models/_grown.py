"""What scikit-learn's trees and forests share: reading their trees, and `Fitted` from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelwright.models._trees import Tree, emit_trees
from modelwright.models.base import emit_column, emit_spread, spread

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task


def read_tree(grown: Any, share: float) -> Tree:
    """A tree of scikit-learn (its `tree_`), its leaves multiplied by `share`."""
    import numpy as np

    value = np.asarray(grown.value[:, 0, :], dtype=np.float64)
    leaf = grown.children_left < 0
    return Tree(
        feature=np.where(leaf, -1, grown.feature).astype(np.int64),
        threshold=grown.threshold.astype(np.float64),
        left=grown.children_left.astype(np.int64),
        right=grown.children_right.astype(np.int64),
        nan_left=grown.missing_go_to_left.astype(bool),
        value=value * share,
    )


def fitted(
    model: Any, grown: Sequence[Any], task: Task, present: np.ndarray | None, unit: tuple[float, float]
) -> Fitted:
    """`Fitted` of a scikit-learn tree or forest: the mean of its trees.

    `present` are the classes that training has (None in a regression); values are `unit[0] + unit[1]` times
    the trees' own.
    """
    import numpy as np

    from modelwright.core.values import Fitted

    if hasattr(model, "n_jobs"):
        model.set_params(n_jobs=1)  # threads add up the trees in any order, and rounding shows it
    trees = [read_tree(tree, 1.0 / len(grown)) for tree in grown]

    def predict(x: np.ndarray) -> np.ndarray:
        if present is None:
            values: np.ndarray = model.predict(x) * unit[1] + unit[0]
            return values
        return spread(model.predict_proba(x), present, len(task.classes))

    def emit(graph: Graph, x: str) -> str:
        mean = emit_trees(graph, x, trees)
        if present is None:
            return emit_column(graph, (graph.tensor(mean) * unit[1] + unit[0]).name)
        return emit_spread(graph, graph.tensor(mean).clip(0.0, 1.0).name, present, len(task.classes))

    return Fitted(
        predict=predict,
        emit=emit,
        importance=np.asarray(model.feature_importances_, dtype=np.float64),
        n_units=len(trees),
        info={"nodes": int(sum(len(tree.feature) for tree in trees))},
    )
