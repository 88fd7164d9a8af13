"""Trees as plain arrays, and the one emitter that writes them as an ONNX node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree; the nodes are numbered, 0 is the root.

    `feature` (int64) is -1 at a leaf. A row goes to `left` where `x[feature] <= threshold` (float64), else
    to `right`; NaN goes to `left` where `nan_left`. `value` (float64, shape (n_nodes, n_outputs)) is what a
    leaf gives; at other nodes it means nothing.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    nan_left: np.ndarray
    value: np.ndarray


def emit_trees(graph: Graph, x: str, trees: Sequence[Tree]) -> str:
    """The sum of the trees as nodes: a float64 tensor (n, n_outputs), from the float32 matrix `x`.

    Thresholds and leaves stay float64, and `x` is cast to it, so that every comparison and every sum is the
    library's own. onnxruntime rounds the summed leaves to float32 at the end: each tree's middle is taken out
    before and added after, so that what is rounded is small.
    """
    import numpy as np

    n_outputs = trees[0].value.shape[1]
    sizes = [len(tree.feature) for tree in trees]
    leaf = np.concatenate([tree.feature < 0 for tree in trees])
    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.concatenate([np.arange(size) for size in sizes])
    middles = [_middle(tree) for tree in trees]
    values = np.concatenate([tree.value - middle for tree, middle in zip(trees, middles, strict=True)])
    target_nodes, target_ids = np.nonzero(leaf[:, None] & (values != 0))
    if not len(target_nodes):  # every leaf is its tree's middle: the node must have a leaf value all the same
        target_nodes, target_ids = np.flatnonzero(leaf)[:1], np.zeros(1, dtype=np.int64)
    modes = np.where(leaf, "LEAF", "BRANCH_LEQ").tolist()

    def joined(name: str) -> np.ndarray:
        column: np.ndarray = np.concatenate([getattr(tree, name) for tree in trees])
        return np.where(leaf, 0, column)

    summed = graph.node(
        "TreeEnsembleRegressor",
        graph.tensor(x).cast("float64"),
        domain="ai.onnx.ml",
        n_targets=n_outputs,
        nodes_treeids=tree_ids,
        nodes_nodeids=node_ids,
        nodes_modes=modes,
        nodes_featureids=joined("feature"),
        nodes_values_as_tensor=joined("threshold").astype(np.float64),
        nodes_truenodeids=joined("left"),
        nodes_falsenodeids=joined("right"),
        nodes_missing_value_tracks_true=joined("nan_left").astype(np.int64),
        target_treeids=tree_ids[target_nodes],
        target_nodeids=node_ids[target_nodes],
        target_ids=target_ids,
        target_weights_as_tensor=values[target_nodes, target_ids],
    )
    total = graph.tensor(graph.tensor(summed).cast("float64")) + np.sum(middles, axis=0)[None]
    name: str = total.name
    return name


def _middle(tree: Tree) -> np.ndarray:
    """Halfway between the least and the largest leaf, per output."""
    leaves = tree.value[tree.feature < 0]
    middle: np.ndarray = leaves.min(axis=0) / 2 + leaves.max(axis=0) / 2
    return middle
