"""Trees in single precision: the same decisions to the last row, smaller and read faster.

What a tree compares is float32 already, so a float64 threshold may be rounded down to the next float32 without any row
going another way. Leaves are rounded; their sum moves by about a ten-millionth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.packaging.compression.case import Compression, Variant

if TYPE_CHECKING:
    import numpy as np

    from modelwright.packaging.compression.case import Case


def down(values: np.ndarray) -> np.ndarray:
    """The largest float32 that is no larger: for a float32 `x`, `x <= value` and `x <= down(value)` mean the same.

    >>> import numpy as np
    >>> values = np.array([0.1, 1.0])
    >>> (down(values) <= values).all(), down(values)[1]
    (np.True_, np.float32(1.0))
    """
    import numpy as np

    near = np.clip(values, -3.4e38, 3.4e38).astype(np.float32)
    rounded: np.ndarray = np.where(near.astype(np.float64) > values, np.nextafter(near, np.float32(-np.inf)), near)
    return rounded


def _make(case: Case) -> list[Variant]:
    from modelwright.packaging.compression import edit

    model = edit.read(case.trained.graph)
    for node, cast in _in_double(model):
        _single(node)
        node.input[0] = cast.input[0]
    return [Variant(name="lean_trees", graph=edit.written(model), signature=case.trained.signature)]


def _single(node: Any) -> None:
    import numpy as np
    from onnx import helper, numpy_helper

    from modelwright.packaging.compression import edit

    threshold = numpy_helper.to_array(edit.attribute(node, "nodes_values_as_tensor"))
    leaves = numpy_helper.to_array(edit.attribute(node, "target_weights_as_tensor"))
    left_alone = ("nodes_values_as_tensor", "target_weights_as_tensor", "nodes_missing_value_tracks_true")
    gaps_left = edit.attribute(node, "nodes_missing_value_tracks_true", ())
    kept = [item for item in node.attribute if item.name not in left_alone]
    del node.attribute[:]
    node.attribute.extend(kept)
    if any(gaps_left):
        node.attribute.append(helper.make_attribute("nodes_missing_value_tracks_true", list(gaps_left)))
    node.attribute.append(helper.make_attribute("nodes_values", down(threshold).tolist()))
    node.attribute.append(helper.make_attribute("target_weights", leaves.astype(np.float32).tolist()))


def _in_double(model: Any) -> list[tuple[Any, Any]]:
    """Ensembles in float64 whose input was cast from float32, with that cast."""
    from onnx import TensorProto

    from modelwright.packaging.compression import edit, forests

    made = edit.makers(model)
    single = {
        node.output[0]
        for node in model.graph.node
        if node.op_type == "Cast" and edit.attribute(node, "to") == TensorProto.FLOAT
    }
    single |= {one.name for one in model.graph.input if one.type.tensor_type.elem_type == TensorProto.FLOAT}
    pairs = [(node, made.get(node.input[0])) for node in forests.nodes(model)]
    return [(node, cast) for node, cast in pairs if cast and cast.op_type == "Cast" and cast.input[0] in single]


def _suits(case: Case) -> str:
    from modelwright.packaging.compression import edit

    return "" if _in_double(edit.read(case.trained.graph)) else "the graph holds no trees in double precision"


COMPRESSION = Compression(name="lean_trees", suits=_suits, make=_make, storage=True)
