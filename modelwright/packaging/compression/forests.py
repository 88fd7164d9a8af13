"""Tree nodes of a graph as plain arrays, and back: what the compressions of trees share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from modelwright.packaging.compression import edit

OPERATOR = "TreeEnsembleRegressor"


@dataclass(frozen=True, eq=False, kw_only=True)
class Trees:
    """All nodes of one ensemble, tree after tree: `tree` numbers from 0, `feature` is -1 at a leaf, `left` and `right`
    are places in these arrays, `value` (n_nodes, n_outputs) is what a leaf adds."""

    tree: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    nan_left: np.ndarray
    value: np.ndarray

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return int(self.tree.max()) + 1

    @property
    def roots(self) -> np.ndarray:
        """The row of each tree's root."""
        found: np.ndarray = np.flatnonzero(np.diff(self.tree, prepend=-1))
        return found

    def keep(self, rows: np.ndarray) -> Trees:
        """Only these nodes (ascending); a node keeps both children or is a leaf."""
        place = np.full(len(self.tree), -1)
        place[rows] = np.arange(len(rows))
        part = {name: getattr(self, name)[rows] for name in ("feature", "threshold", "nan_left", "value")}
        leaf = part["feature"] < 0
        left, right = (np.where(leaf, -1, place[child[rows]]) for child in (self.left, self.right))
        _, tree = np.unique(self.tree[rows], return_inverse=True)
        return Trees(tree=tree, left=left, right=right, **part)

    def leaves_of(self, x: np.ndarray) -> np.ndarray:
        """The leaf that each row of `x` comes to in each tree: (n_rows, n_trees)."""
        at = np.tile(self.roots, (len(x), 1))
        rows = np.arange(len(x))[:, None]
        while (inner := self.feature[at] >= 0).any():
            seen = x[rows, np.where(inner, self.feature[at], 0)].astype(np.float64)
            goes_left = np.where(np.isnan(seen), self.nan_left[at], seen <= self.threshold[at])
            at = np.where(inner, np.where(goes_left, self.left[at], self.right[at]), at)
        return at


def nodes(model: ModelProto) -> list[NodeProto]:
    """The tree ensembles of a graph that this module can read: as `modelwright.models` writes them."""
    return [
        node
        for node in model.graph.node
        if node.op_type == OPERATOR
        and edit.attribute(node, "nodes_values_as_tensor") is not None
        and set(edit.attribute(node, "nodes_modes")) <= {b"LEAF", b"BRANCH_LEQ"}
    ]


def n_nodes(graph: bytes) -> int:
    """How many tree nodes a graph holds."""
    return sum(len(edit.attribute(node, "nodes_treeids")) for node in nodes(edit.read(graph)))


def trees_of(node: NodeProto) -> Trees:
    """Read one ensemble."""

    def whole(name: str) -> np.ndarray:
        return np.array(edit.attribute(node, name, ()), dtype=np.int64)

    tree, number = whole("nodes_treeids"), whole("nodes_nodeids")
    first = np.flatnonzero(np.diff(tree, prepend=-1))
    offset = np.repeat(first, np.diff([*first, len(tree)]))
    leaf = np.array([mode == b"LEAF" for mode in edit.attribute(node, "nodes_modes")])
    value = np.zeros((len(tree), edit.attribute(node, "n_targets")))
    rows = first[np.searchsorted(tree[first], whole("target_treeids"))] + whole("target_nodeids")
    np.add.at(
        value,
        (rows, whole("target_ids")),
        numpy_helper.to_array(edit.attribute(node, "target_weights_as_tensor")),
    )
    missing = whole("nodes_missing_value_tracks_true")
    if (number != np.arange(len(tree)) - offset).any():
        raise ValueError("nodes are not numbered in order")
    return Trees(
        tree=np.repeat(np.arange(len(first)), np.diff([*first, len(tree)])),
        feature=np.where(leaf, -1, whole("nodes_featureids")),
        threshold=numpy_helper.to_array(edit.attribute(node, "nodes_values_as_tensor")).astype(np.float64),
        left=np.where(leaf, -1, offset + whole("nodes_truenodeids")),
        right=np.where(leaf, -1, offset + whole("nodes_falsenodeids")),
        nan_left=missing.astype(bool) if len(missing) else np.zeros(len(tree), dtype=bool),
        value=value,
    )


def put(node: NodeProto, trees: Trees) -> None:
    """Write these trees into the node, in float64."""
    first, leaf = trees.roots, trees.feature < 0
    offset = first[trees.tree]
    rows, outputs = np.nonzero(leaf[:, None] & (trees.value != 0))
    if not len(rows):
        rows, outputs = np.flatnonzero(leaf)[:1], np.zeros(1, dtype=np.int64)
    settings: dict[str, Any] = {
        "n_targets": trees.value.shape[1],
        "nodes_treeids": trees.tree,
        "nodes_nodeids": np.arange(len(leaf)) - offset,
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_featureids": np.where(leaf, 0, trees.feature),
        "nodes_values_as_tensor": numpy_helper.from_array(np.where(leaf, 0.0, trees.threshold)),
        "nodes_truenodeids": np.where(leaf, 0, trees.left - offset),
        "nodes_falsenodeids": np.where(leaf, 0, trees.right - offset),
        "nodes_missing_value_tracks_true": np.where(leaf, 0, trees.nan_left).astype(np.int64),
        "target_treeids": trees.tree[rows],
        "target_nodeids": (np.arange(len(leaf)) - offset)[rows],
        "target_ids": outputs,
        "target_weights_as_tensor": numpy_helper.from_array(trees.value[rows, outputs]),
    }
    del node.attribute[:]
    for name, value in settings.items():
        plain = value.tolist() if isinstance(value, np.ndarray) else value
        node.attribute.append(helper.make_attribute(name, plain))


def balanced(part: Trees, whole: Trees, x: np.ndarray) -> Trees:
    """The part's leaves scaled, and its first tree shifted, so that its sums come nearest to the whole's on `x`.

    A forest's mean of fewer trees needs them heavier, a boosting cut short needs its missing rounds' mean: least
    squares finds both. All outputs have one scale, so that probabilities go on summing to 1.
    """
    given = part.value[part.leaves_of(x)].sum(axis=1)
    wanted = whole.value[whole.leaves_of(x)].sum(axis=1)
    centred = given - given.mean(axis=0)
    spread = float((centred**2).sum())
    scale = float((centred * wanted).sum()) / spread if spread > 1e-12 else 1.0
    value = part.value * scale
    value[(part.tree == 0) & (part.feature < 0)] += wanted.mean(axis=0) - scale * given.mean(axis=0)
    return replace(part, value=value)


def matrices(model: ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What each ensemble is asked on these rows, by the name of its input."""
    from modelwright_runtime.engine import open_session

    wanted = list(dict.fromkeys(node.input[0] for node in nodes(model)))
    looked = ModelProto.FromString(model.SerializeToString())
    del looked.graph.output[:]
    looked.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in wanted)
    session = open_session(edit.written_parts(looked), n_threads=1)
    asked = [name.name for name in session.get_inputs()]
    given = session.run(None, {name: feeds[name] for name in asked})
    return dict(zip(wanted, given, strict=True))
