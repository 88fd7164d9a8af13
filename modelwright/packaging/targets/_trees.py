"""Trees as one flat table and one loop: 8 bytes a node, the left branch always next to its parent.

A threshold that is compared with float32 is rounded down to float32: which way every row goes stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.packaging.targets._literals import C_BYTES, integer_type
from modelwright.packaging.targets._writer import Writer, unsupported

if TYPE_CHECKING:
    import numpy as np

    from modelwright.packaging.targets._plan import Step

LEAF = 0x7FFF
NAN_LEFT = 0x8000


@dataclass(frozen=True, eq=False)
class Nodes:
    """All trees node by node, each left branch right behind its parent: what is compared with what, how far the
    right branch lies, and where each tree starts. Leaves have the feature -1; `leaf` numbers their values."""

    feature: np.ndarray
    threshold: np.ndarray
    nan_left: np.ndarray
    jump: np.ndarray
    leaf: np.ndarray
    roots: np.ndarray
    values: np.ndarray


def write_trees(writer: Writer, step: Step) -> None:
    """Write a TreeEnsembleRegressor. Raises `UserError("target.operator")` for comparisons other than <= and <."""
    import numpy as np

    if step.attributes.get("aggregate_function", "SUM") != "SUM" or step.attributes.get("post_transform") not in (
        None, "NONE",
    ):  # fmt: skip
        raise unsupported(step.operator, "with other than a plain sum")
    source = _source(writer, step.inputs[0])
    narrow = writer.value(source).dtype == np.float32
    nodes = read_nodes(step.attributes, narrow=narrow)
    n_outputs = int(step.attributes.get("n_targets", 1))
    base = np.zeros(n_outputs)
    given = step.attributes.get("base_values_as_tensor", step.attributes.get("base_values"))
    if given is not None and len(given):
        base[:] = np.asarray(given)
    x = writer.buffer(source)
    out = writer.room(step.outputs[0])
    table, leaves = _tables(writer, nodes, "float" if narrow else "double")
    real = "float" if narrow else "double"
    writer.text(f"for (j = 0; j < {n_outputs}; ++j) sums[j] = {writer.table(base, kind='double')}[j];")
    writer.text(f"for (r = 0; r < {len(nodes.roots)}; ++r) {{")
    writer.text(f"  const {table}_node *node = {table} + {writer.table(nodes.roots)}[r];")
    flagged = nodes.nan_left[nodes.feature >= 0]
    mixed = bool(flagged.any() and not flagged.all())
    feature = f"(node->feature & {LEAF})" if mixed else "node->feature"
    left = "!(one > node->threshold)" if flagged.any() else "one <= node->threshold"
    if mixed:
        left = f"one <= node->threshold || (one != one && (node->feature & {NAN_LEFT}))"
    writer.text(f"  while ({feature} != {LEAF}) {{")
    writer.text(f"    const {real} one = {x}[{feature}];")
    writer.text(f"    node += {left} ? 1 : node->jump;")
    writer.text("  }")
    if leaves is None:
        place = "0" if n_outputs == 1 else "node->jump"
        writer.text(f"  sums[{place}] += node->threshold;")
    else:
        writer.text(f"  for (j = 0; j < {n_outputs}; ++j) sums[j] += {leaves}[node->jump * {n_outputs} + j];")
    writer.text("}")
    writer.text(f"for (j = 0; j < {n_outputs}; ++j) {out}[j] = (float)sums[j];")
    writer.helpers.add(f"sums {n_outputs}")


def _source(writer: Writer, name: str) -> str:
    """The float32 tensor that this one was widened from, if it was."""
    import numpy as np

    maker = next((step for step in writer.plan.steps if name in step.outputs), None)
    if maker is not None and maker.operator == "Cast" and writer.value(maker.inputs[0]).dtype == np.float32:
        return maker.inputs[0]
    return name


def _tables(writer: Writer, nodes: Nodes, real: str) -> tuple[str, str | None]:
    """The table of nodes, and that of the leaves' values where a leaf has several."""
    import numpy as np

    jumps, thresholds = nodes.jump.copy(), nodes.threshold.copy()
    is_leaf = nodes.feature < 0
    n_outputs = nodes.values.shape[1]
    single = (nodes.values != 0).sum(axis=1).max(initial=0) <= 1
    leaves = None
    if single:  # a leaf holds its value where a branch has its threshold, and its output where it has its jump
        targets = np.abs(nodes.values).argmax(axis=1)
        thresholds[is_leaf] = nodes.values[np.arange(len(targets)), targets][nodes.leaf[is_leaf]]
        jumps[is_leaf] = targets[nodes.leaf[is_leaf]] if n_outputs > 1 else 0
    else:
        rows, place = np.unique(nodes.values.astype(np.float32), axis=0, return_inverse=True)
        jumps[is_leaf] = place.ravel()[nodes.leaf[is_leaf]]
        thresholds[is_leaf] = 0
        leaves = writer.table(rows)
    flagged = nodes.nan_left[~is_leaf]
    mixed = bool(flagged.any() and not flagged.all())  # where all branches agree, the loop says it
    feature = np.where(is_leaf, LEAF, nodes.feature) | np.where(nodes.nan_left & ~is_leaf & mixed, NAN_LEFT, 0)
    kind = integer_type(0, max(int(jumps.max(initial=0)), 256))
    name = f"mw_trees_{len(writer.tables)}"
    packed = zip(thresholds.tolist(), jumps.tolist(), feature.tolist(), strict=True)
    writer.tables.append(
        f"typedef struct {{ {real} threshold; {kind} jump; uint16_t feature; }} {name}_node;\n"
        f"static const {name}_node {name}[{len(feature)}] = {{\n{_rows(packed, real)}\n}};"
    )
    size_bytes = C_BYTES[real] + C_BYTES[kind] + 2
    aligned = -(-size_bytes // C_BYTES[real]) * C_BYTES[real]
    writer.table_bytes += aligned * len(feature)
    return name, leaves


def _rows(packed: Any, real: str) -> str:
    from modelwright.packaging.targets._literals import literal

    cells = [f"{{{literal(threshold, real)}, {jump}, {feature}}}" for threshold, jump, feature in packed]
    return ",\n".join("  " + ", ".join(cells[start : start + 4]) for start in range(0, len(cells), 4))


def read_nodes(attributes: Any, *, narrow: bool) -> Nodes:
    """The trees of a node, laid out anew. `narrow`: what is compared is float32, so thresholds are brought down to it.

    Raises `UserError("target.operator")` when a tree is no tree, or is larger than can be said.
    """
    import numpy as np

    def array(name: str, kind: Any) -> np.ndarray:
        given = attributes.get(f"{name}_as_tensor", attributes.get(name, ()))
        return np.asarray(given, dtype=kind)

    trees, ids = array("nodes_treeids", np.int64), array("nodes_nodeids", np.int64)
    modes = [mode.decode() if isinstance(mode, bytes) else mode for mode in attributes["nodes_modes"]]
    odd = set(modes) - {"LEAF", "BRANCH_LEQ", "BRANCH_LT"}
    if odd:
        raise unsupported("TreeEnsemble", f"with {sorted(odd)[0]}")
    place = {pair: index for index, pair in enumerate(zip(trees.tolist(), ids.tolist(), strict=True))}
    yes, no = array("nodes_truenodeids", np.int64).tolist(), array("nodes_falsenodeids", np.int64).tolist()
    order, jumps, roots = _ordered(trees.tolist(), place, yes, no, modes)
    is_leaf = np.array([modes[index] == "LEAF" for index in order])
    feature = np.where(is_leaf, -1, array("nodes_featureids", np.int64)[order])
    if feature.max(initial=0) >= LEAF:
        raise unsupported("TreeEnsemble", f"over {LEAF} columns or more")
    threshold = array("nodes_values", np.float64)[order]
    strict = np.array([modes[index] == "BRANCH_LT" for index in order])
    threshold[strict] = np.nextafter(threshold, -np.inf)[strict]
    if narrow:
        threshold = _rounded_down(threshold)
    tracks = array("nodes_missing_value_tracks_true", np.int64)
    nan_left = tracks[order].astype(bool) if len(tracks) else np.zeros(len(order), dtype=bool)
    numbered, values = _leaf_values(attributes, array, place)
    leaf = np.array([numbered.get(index, 0) for index in order])
    return Nodes(feature, threshold, nan_left, np.array(jumps), leaf, np.array(roots), values)


def _rounded_down(threshold: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above each: the same float32 numbers lie at or below it."""
    import numpy as np

    near = threshold.astype(np.float32)
    above = near.astype(np.float64) > threshold
    return np.where(above, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float64)


def _ordered(
    trees: list[int], place: dict[tuple[int, int], int], yes: list[int], no: list[int], modes: list[str]
) -> tuple[list[int], list[int], list[int]]:
    """Old positions in the new order, how far each right branch lies from its parent, and where the trees start."""
    order: list[int] = []
    jumps: list[int] = []
    roots: list[int] = []
    firsts: dict[int, int] = {}
    for index, tree in enumerate(trees):
        firsts.setdefault(tree, index)
    for tree, first in firsts.items():
        roots.append(len(order))
        waiting: list[tuple[int, int]] = [(first, -1)]
        while waiting:
            index, parent = waiting.pop()
            if parent >= 0:
                jumps[parent] = len(order) - parent
            here = len(order)
            order.append(index)
            jumps.append(0)
            if len(order) > len(trees):
                raise unsupported("TreeEnsemble", "whose branches meet again")
            if modes[index] != "LEAF":
                waiting += [(place[tree, no[index]], here), (place[tree, yes[index]], -1)]
    return order, jumps, roots


def _leaf_values(attributes: Any, array: Any, place: dict[tuple[int, int], int]) -> tuple[dict[int, int], np.ndarray]:
    """Which row of values each leaf has, by its old position; a leaf that is not listed has zeros, row 0."""
    import numpy as np

    keys = list(
        zip(array("target_treeids", np.int64).tolist(), array("target_nodeids", np.int64).tolist(), strict=True)
    )
    numbered: dict[int, int] = {}
    for key in keys:
        numbered.setdefault(place[key], len(numbered) + 1)
    values = np.zeros((len(numbered) + 1, int(attributes.get("n_targets", 1))))
    rows = [numbered[place[key]] for key in keys]
    np.add.at(values, (rows, array("target_ids", np.int64)), array("target_weights", np.float64))
    return numbered, values
