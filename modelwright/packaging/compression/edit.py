"""Reading and changing ONNX graphs: weights, their users, and a graph without what nobody reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, checker, helper, load_from_string, numpy_helper

LEAST = 256
"""Smaller arrays are left as they are: nothing is won by them."""
_CHANNEL = {"Conv": 0, "ConvTranspose": 1, "LSTM": 1, "GRU": 1, "Gather": 0}


@dataclass(frozen=True)
class Weight:
    """A stored array that a node multiplies by; `axis` is the one whose slices are scaled apart."""

    name: str
    values: np.ndarray
    axis: int
    node: NodeProto


def read(graph: bytes) -> ModelProto:
    """The graph as a message that can be changed."""
    return load_from_string(graph)


def stored(model: ModelProto) -> dict[str, TensorProto]:
    """Stored arrays by name."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def users(model: ModelProto) -> dict[str, list[NodeProto]]:
    """The nodes that read each tensor."""
    found: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def makers(model: ModelProto) -> dict[str, NodeProto]:
    """The node that makes each tensor."""
    return {name: node for node in model.graph.node for name in node.output}


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """A node's attribute."""
    return next((helper.get_attribute_value(item) for item in node.attribute if item.name == name), default)


def weights(model: ModelProto, *, least: int = LEAST) -> Iterator[Weight]:
    """Every matrix or filter that a network or a linear model multiplies by: each once, of at least so many numbers.

    What the preprocessing looks up (float64 tables, vectors of means and scales) is none of them.
    """
    arrays = stored(model)
    reads = users(model)
    for name, tensor in arrays.items():
        size = int(np.prod(tensor.dims)) if tensor.dims else 1
        if size < least or len(tensor.dims) < 2 or max(tensor.dims) == size or name not in reads:
            continue
        node = reads[name][0]
        if any(user.op_type != node.op_type for user in reads[name]) or not _multiplies(node, name, tensor.data_type):
            continue
        axis = _CHANNEL.get(node.op_type, len(tensor.dims) - 1)
        if node.op_type == "Gemm" and attribute(node, "transB", 0):
            axis = 0
        yield Weight(name, numpy_helper.to_array(tensor), axis, node)


def _multiplies(node: NodeProto, name: str, data_type: int) -> bool:
    place = list(node.input).index(name)
    if node.op_type in ("MatMul", "Gemm"):
        return place == 1 and data_type in (TensorProto.FLOAT, TensorProto.DOUBLE)
    if data_type != TensorProto.FLOAT:
        return False
    return (node.op_type in _CHANNEL and place in (1, 2)) or (node.op_type == "Gather" and place == 0)


def replace_stored(model: ModelProto, name: str, tensors: list[TensorProto], nodes: list[NodeProto]) -> None:
    """Put other arrays, and nodes that make `name` of them, in the place of a stored array."""
    kept = [tensor for tensor in model.graph.initializer if tensor.name != name]
    del model.graph.initializer[:]
    model.graph.initializer.extend([*kept, *tensors])
    body = [*nodes, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(body)


def add(model: ModelProto, name: str, values: np.ndarray) -> str:
    """Store an array under a name that is not taken yet."""
    taken = {tensor.name for tensor in model.graph.initializer}
    free = name
    while free in taken:
        free += "_"
    model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), free))
    return free


def normalise(model: ModelProto) -> None:
    """Let the first output's rows sum to 1 again, where heavier trees went below 0 and were clipped."""
    name = model.graph.output[0].name
    node = next(node for node in model.graph.node if name in node.output)
    raw, total, axes = f"{name}.raw", f"{name}.total", add(model, f"{name}.axes", np.array([1], np.int64))
    node.output[list(node.output).index(name)] = raw
    model.graph.node.append(helper.make_node("ReduceSum", [raw, axes], [total], keepdims=1))
    model.graph.node.append(helper.make_node("Div", [raw, total], [name]))


def written(model: ModelProto) -> bytes:
    """The graph without nodes, arrays and operator sets that nothing reads; checked, the same bytes for the same graph.

    Raises onnx's ValidationError for a graph that is none.
    """
    encoded = written_parts(model)
    checker.check_model(model)
    return encoded


def _short(model: ModelProto) -> None:
    """Tensors inside the graph under short names, and nothing of where it came from: it can be half of it."""
    graph = model.graph
    kept = {one.name for one in (*graph.input, *graph.output)} | {""}
    if any(item.type == AttributeProto.GRAPH for node in graph.node for item in node.attribute):
        return  # a graph within the graph may read any tensor by its name
    short: dict[str, str] = {name: name for name in kept}
    for name in [one.name for one in graph.initializer] + [name for node in graph.node for name in node.output]:
        short.setdefault(name, np.base_repr(len(short), 36).lower())
    for tensor in graph.initializer:
        tensor.name = short[tensor.name]
        tensor.doc_string = ""
    for node in graph.node:
        for names in (node.input, node.output):
            changed = [short[name] for name in names]
            del names[:]
            names.extend(changed)
        node.name = node.doc_string = ""
        del node.metadata_props[:]


def written_parts(model: ModelProto) -> bytes:
    """As `written`, unchecked: for a look at a tensor within the graph, whose type it need not say."""
    wanted = {output.name for output in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
            for item in node.attribute:
                wanted.update(name for inner in item.g.node for name in inner.input)
    arrays = [tensor for tensor in model.graph.initializer if tensor.name in wanted]
    domains = {node.domain for node in kept} | {""}
    opsets = [opset for opset in model.opset_import if opset.domain in domains]
    nodes = list(reversed(kept))
    for field, items in ((model.graph.node, nodes), (model.graph.initializer, arrays), (model.opset_import, opsets)):
        copies = [type(item).FromString(item.SerializeToString()) for item in items]
        del field[:]
        field.extend(copies)
    del model.graph.value_info[:]
    _short(model)
    encoded: bytes = model.SerializeToString(deterministic=True)
    return encoded
