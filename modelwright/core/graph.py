"""A small writer of ONNX graphs: features and models say their mathematics as nodes, in order.

Opsets are old on purpose (any onnxruntime since 1.15 runs them): a package must load for years.

>>> graph = Graph()
>>> x = graph.input("x", "float64", (None, 2))
>>> graph.output("y", graph.node("Mul", x, graph.constant([[2.0, 3.0]], "float64")), "float64", (None, 2))
>>> len(graph.to_bytes()) > 50
True
"""

from __future__ import annotations

from typing import Any

OPSET, ML_OPSET, IR_VERSION = 18, 3, 8
ML = "ai.onnx.ml"


class Graph:
    """Nodes, constants, inputs and outputs in the making. `node` returns the name of its tensor."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
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
        """Store an array (or texts, with dtype "str") in the graph and return its name."""
        import numpy as np
        from onnx import TensorProto, helper, numpy_helper

        name = self.name("constant")
        if dtype == "str":
            flat = [str(value).encode() for value in np.asarray(values, dtype=object).ravel()]
            shape = np.asarray(values, dtype=object).shape
            self._constants.append(helper.make_tensor(name, TensorProto.STRING, shape, flat))  # type: ignore[arg-type]
        else:
            self._constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        output = self.name(operator.lower())
        self._nodes.append(_make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def nodes(
        self, operator: str, *inputs: str, n_outputs: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs and return their names."""
        outputs = [self.name(operator.lower()) for _ in range(n_outputs)]
        self._nodes.append(_make_node(operator, list(inputs), outputs, domain=domain, **attributes))
        return outputs

    def to_bytes(self) -> bytes:
        """The checked model, serialised deterministically."""
        from onnx import checker, helper

        body = helper.make_graph(self._nodes, "modelwright", self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        model = helper.make_model(
            body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="modelwright"
        )
        checker.check_model(model)
        encoded: bytes = model.SerializeToString(deterministic=True)
        return encoded


def _make_node(operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(operator, inputs, outputs, **attributes)


def _tensor_info(name: str, dtype: str, shape: tuple[int | None, ...]) -> Any:
    import numpy as np
    from onnx import TensorProto, helper

    kind = TensorProto.STRING if dtype == "str" else helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, ["n" if size is None else size for size in shape])
