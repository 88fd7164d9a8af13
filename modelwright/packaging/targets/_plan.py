"""The graph of a package as plain steps over arrays of known size: what a compiler of it reads.

One row is answered at a time, so every size is known. Sizes and types are what onnxruntime itself finds for one row,
and whatever does not depend on the row is already a constant here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Value:
    """One tensor for one row: its type and shape, and its content where that is always the same."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    constant: np.ndarray | None = None

    @property
    def size(self) -> int:
        """How many numbers it has."""
        n_cells = 1
        for length in self.shape:
            n_cells *= length
        return n_cells


@dataclass(frozen=True, eq=False)
class Step:
    """One operator at work; an input that was left out is ""."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Plan:
    """Steps in order, every value by name, how often each is read, and what goes in and comes out."""

    steps: tuple[Step, ...]
    values: Mapping[str, Value]
    uses: Mapping[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_plan(graph: bytes) -> Plan:
    """The steps that one row takes through an ONNX graph.

    Raises `UserError("target.graph")` when an input has a size of its own beside the number of rows.

    >>> from modelwright.testing.packages import tiny_graph
    >>> plan = read_plan(tiny_graph())
    >>> [step.operator for step in plan.steps][:3], plan.values["numbers"].shape
    (['IsNaN', 'Where', 'Sub'], (1, 3))
    """
    import onnx

    model = onnx.load_from_string(graph)
    values = _values(model)
    steps = []
    for node in model.graph.node:
        if any(values[name].constant is None for name in node.output if name):
            attributes = {item.name: _attribute(item) for item in node.attribute}
            steps.append(Step(node.op_type, tuple(node.input), tuple(node.output), attributes))
    outputs = tuple(item.name for item in model.graph.output)
    needed = _needed(steps, outputs)
    uses = Counter(name for step in needed for name in step.inputs if name)
    uses.update(outputs)
    return Plan(tuple(needed), values, uses, tuple(item.name for item in model.graph.input), outputs)


def _attribute(item: Any) -> Any:
    from onnx import helper, numpy_helper

    value = helper.get_attribute_value(item)
    if hasattr(value, "raw_data") and hasattr(value, "dims"):
        return numpy_helper.to_array(value)
    return value.decode() if isinstance(value, bytes) else value


def _values(model: Any) -> dict[str, Value]:
    """Every tensor of the graph, as onnxruntime makes it of one blank row."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    from modelwright_runtime.engine import open_session

    known = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    feeds = {item.name: _blank(item) for item in model.graph.input}
    names = [name for node in model.graph.node for name in node.output if name]
    told = onnx.ModelProto()
    told.CopyFrom(model)
    del told.graph.output[:]
    told.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    made = dict(zip(names, open_session(told.SerializeToString(), n_threads=1).run(names, feeds), strict=True))
    constants = set(known)
    for node in model.graph.node:
        if node.op_type == "Shape" or all(name in constants for name in node.input if name):
            constants.update(node.output)
    arrays: dict[str, np.ndarray] = {**known, **feeds, **made}
    return {
        name: Value(name, np.asarray(array).dtype, np.asarray(array).shape, array if name in constants else None)
        for name, array in arrays.items()
    }


def _blank(item: Any) -> np.ndarray:
    """One row of an input, all zero or empty."""
    import numpy as np
    from onnx import TensorProto, helper

    sizes = [axis.dim_value for axis in item.type.tensor_type.shape.dim]
    if any(size == 0 for size in sizes[1:]):
        raise UserError("target.graph", f"the input {item.name!r} has a size that is not fixed.")
    shape = (1, *sizes[1:])
    kind = item.type.tensor_type.elem_type
    if kind == TensorProto.STRING:
        return np.full(shape, "", dtype=object)
    return np.zeros(shape, dtype=helper.tensor_dtype_to_np_dtype(kind))


def _needed(steps: list[Step], outputs: tuple[str, ...]) -> list[Step]:
    wanted = set(outputs)
    kept = []
    for step in reversed(steps):
        if wanted.intersection(step.outputs):
            kept.append(step)
            wanted.update(step.inputs)
    return kept[::-1]
