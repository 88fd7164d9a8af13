"""A small writer of ONNX graphs: features and models say their mathematics as nodes, in order.

Opsets are old on purpose (any onnxruntime since 1.15 runs them): a package must load for years. Two nodes
that say the same of the same tensors are one node, so the models of an ensemble share their features.

>>> graph = Graph()
>>> x = graph.input("x", "float64", (None, 2))
>>> graph.output("y", graph.node("Mul", x, graph.constant([[2.0, 3.0]], "float64")), "float64", (None, 2))
>>> len(graph.to_bytes()) > 50
True
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

OPSET, ML_OPSET, IR_VERSION = 18, 3, 8
ML = "ai.onnx.ml"


class Graph:
    """Nodes, constants, inputs and outputs in the making. `node` returns the name of its tensor."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._known: dict[bytes, list[str]] = {}
        self._n_names = 0

    def name(self, stem: str) -> str:
        """A tensor name that is not taken yet."""
        self._n_names += 1
        return f"{stem}_{self._n_names}"

    def input(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> str:
        """Declare an input; None in the shape is the number of rows. `dtype` is NumPy's name, or "str"."""
        self._inputs.append(_tensor_info(name, dtype, shape))
        return name

    def output(self, name: str, tensor: str, dtype: str, shape: tuple[int | None, ...]) -> None:
        """Declare that `tensor` leaves the graph under `name`."""
        self._nodes.append(_make_node("Identity", [tensor], [name]))
        self._outputs.append(_tensor_info(name, dtype, shape))

    def constant(self, values: Any, dtype: str) -> str:
        """Store an array (or texts, with dtype "str") in the graph, once, and return its name."""
        import numpy as np
        from onnx import TensorProto, helper, numpy_helper

        if dtype == "str":
            flat = [str(value).encode() for value in np.asarray(values, dtype=object).ravel()]
            shape = np.asarray(values, dtype=object).shape
            tensor = helper.make_tensor("", TensorProto.STRING, shape, flat)  # type: ignore[arg-type]
        else:
            tensor = numpy_helper.from_array(np.asarray(values, dtype=dtype))
        key = b"constant" + _digest(tensor)
        if key not in self._known:
            tensor.name = self.name("constant")
            self._constants.append(tensor)
            self._known[key] = [tensor.name]
        return self._known[key][0]

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name.

        An integer array among the attributes becomes a list of integers, a float array a tensor.
        """
        return self.nodes(operator, *inputs, n_outputs=1, domain=domain, **attributes)[0]

    def nodes(self, operator: str, *inputs: str, n_outputs: int, domain: str = "", **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names."""
        node = _make_node(operator, list(inputs), [], domain=domain, **attributes)
        key = _digest(node)
        if key not in self._known:
            self._known[key] = [self.name(operator.lower()) for _ in range(n_outputs)]
            node.output.extend(self._known[key])
            self._nodes.append(node)
        return self._known[key]

    def tensor(self, name: str) -> Tensor:
        """A float64 tensor that can be reckoned with: `(graph.tensor(x) - mean) / scale`."""
        return Tensor(self, name)

    def to_bytes(self) -> bytes:
        """The checked model, serialised deterministically."""
        from onnx import checker, helper

        body = helper.make_graph(self._nodes, "modelwright", self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="modelwright")
        checker.check_model(model)
        encoded: bytes = model.SerializeToString(deterministic=True)
        return encoded


class Tensor:
    """A float64 tensor of a graph that adds nodes when reckoned with; arrays and numbers become constants."""

    __array_ufunc__ = None  # so that `array - tensor` asks the tensor, not NumPy

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def _apply(self, operator: str, other: Operand, *, reverse: bool = False) -> Tensor:
        right = other.name if isinstance(other, Tensor) else self.graph.constant(other, "float64")
        pair = (right, self.name) if reverse else (self.name, right)
        return Tensor(self.graph, self.graph.node(operator, *pair))

    def __add__(self, other: Operand) -> Tensor:
        return self._apply("Add", other)

    def __sub__(self, other: Operand) -> Tensor:
        return self._apply("Sub", other)

    def __rsub__(self, other: Operand) -> Tensor:
        return self._apply("Sub", other, reverse=True)

    def __mul__(self, other: Operand) -> Tensor:
        return self._apply("Mul", other)

    def __truediv__(self, other: Operand) -> Tensor:
        return self._apply("Div", other)

    def __matmul__(self, other: Operand) -> Tensor:
        return self._apply("MatMul", other)

    __radd__, __rmul__ = __add__, __mul__

    def map(self, operator: str, **attributes: Any) -> Tensor:
        """One operator of one input over it, e.g. `map("Exp")` or `map("Softmax", axis=1)`."""
        return Tensor(self.graph, self.graph.node(operator, self.name, **attributes))

    def cast(self, dtype: str) -> str:
        """The name of the same tensor in another type, e.g. "float32"."""
        import numpy as np
        from onnx import helper

        return self.graph.node("Cast", self.name, to=int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype))))

    def clip(self, low: float, high: float) -> Tensor:
        """Each value brought into low..high; NaN stays."""
        bounds = (self.graph.constant(bound, "float64") for bound in (low, high))
        return Tensor(self.graph, self.graph.node("Clip", self.name, *bounds))


if TYPE_CHECKING:
    Operand = Tensor | np.ndarray | float


def _digest(message: Any) -> bytes:
    return hashlib.sha256(message.SerializeToString(deterministic=True)).digest()


def _make_node(operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    import numpy as np
    from onnx import AttributeProto, helper, numpy_helper

    arrays = {name: value for name, value in attributes.items() if isinstance(value, np.ndarray)}
    node = helper.make_node(
        operator, inputs, outputs, **{name: attributes[name] for name in attributes if name not in arrays}
    )
    for name, array in sorted(arrays.items()):
        if array.dtype.kind in "iu":  # onnx's own helper looks at each integer: slow for a forest's millions
            node.attribute.append(AttributeProto(name=name, type=AttributeProto.INTS, ints=array.tolist()))
        else:
            node.attribute.append(helper.make_attribute(name, numpy_helper.from_array(array)))
    return node


def _tensor_info(name: str, dtype: str, shape: tuple[int | None, ...]) -> Any:
    import numpy as np
    from onnx import TensorProto, helper

    kind = TensorProto.STRING if dtype == "str" else helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, ["n" if size is None else size for size in shape])
