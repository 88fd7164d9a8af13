"""A network as an ONNX graph: arrays in, answers out, standard operators only."""

from __future__ import annotations

import copy
import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from modelwright.core.errors import UserError
from modelwright.core.optional import need

if TYPE_CHECKING:
    import onnx

    from modelwright_runtime.signature import ArrayInput, Task

OPSET, IR_VERSION = 18, 8  # any onnxruntime since 1.15: a package must load for years
OUTPUTS = {
    "binary": "probabilities",
    "multiclass": "probabilities",
    "multilabel": "probabilities",
    "regression": "values",
    "forecast": "values",
    "detection": "boxes",
    "segmentation": "masks",
}


class _Answering(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        network: Any = self.network
        answers: tuple[Tensor, ...] = network.answers(network(*arrays))
        return answers


def example(input: ArrayInput, n_rows: int = 2) -> Tensor:
    """Rows of the array's shape and type with nothing in them: zeros, token and level 1.

    >>> from modelwright_runtime.signature import ArrayInput
    >>> example(ArrayInput(form="tokens", columns=("text",), settings={"length": 5})).shape
    torch.Size([2, 5])
    """
    settings, n_columns = input.settings, len(input.columns)
    if input.form == "image":
        shape = (n_rows, int(settings["height"]), int(settings["width"]), int(settings.get("channels", 3)))
        return torch.zeros(shape, dtype=torch.uint8)
    if input.form == "audio":
        return torch.zeros(n_rows, int(settings["n_samples"]))
    if input.form == "series":
        return torch.zeros(n_rows, n_columns, int(settings["length"]))
    if input.form == "tokens":
        return torch.ones(n_rows, int(settings["length"]), dtype=torch.int64)
    if input.form == "codes":
        return torch.ones(n_rows, n_columns, dtype=torch.int64)
    return torch.zeros(n_rows, n_columns)


def export(network: nn.Module, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...]) -> bytes:
    """The network's answers as an ONNX graph with inputs `array_<i>` and any number of rows.

    Outputs are in the order of `tasks`, named `probabilities_<i>`, `values_<i>`, `boxes_<i>` or `masks_<i>`. The
    network is copied, put on the CPU and in evaluation mode, its adapters (LoRA) are merged; it is left as it
    was. The same network gives the same bytes; paths and notes of torch are left out.

    Raises `UserError("networks.export")` when torch cannot write the network (a module of the user's, say, whose
    path depends on the data), or when it asks for operators outside the standard.

    >>> from modelwright.networks import NetworkSpec, build
    >>> from modelwright_runtime.signature import ArrayInput, Task
    >>> inputs, tasks = (ArrayInput(form="numbers", columns=("a",)),), (Task(kind="regression", target="y"),)
    >>> len(export(build(NetworkSpec(), inputs, tasks), inputs, tasks)) > 1000
    True
    """
    from modelwright.networks.lora import merge
    from modelwright_runtime.graphcheck import check_graph

    need("onnxscript", extra="deep", why="writing a network as a graph")
    ready = merge(copy.deepcopy(network).cpu().eval().requires_grad_(requires_grad=False))
    model = _trace(_Answering(ready), inputs, tasks)
    encoded: bytes = _bare(model).SerializeToString(deterministic=True)
    try:
        check_graph(encoded)
    except UserError as problem:
        raise UserError("networks.export", f"the network cannot be packaged: {problem.message}") from problem
    return encoded


def _trace(module: nn.Module, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...]) -> onnx.ModelProto:
    names = [f"array_{index}" for index in range(len(inputs))]
    outputs = [f"{OUTPUTS[task.kind]}_{index}" for index, task in enumerate(tasks)]
    rows = torch.export.Dim("rows")
    arrays = tuple(example(input) for input in inputs)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                arrays,
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=names,
                output_names=outputs,
                dynamic_shapes=(tuple({0: rows} for _ in arrays),),
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as problem:
        reason = str(problem).strip().splitlines()
        raise UserError(
            "networks.export",
            f"torch cannot write this network as a graph: {(reason or ['no reason given'])[0][:300]}",
            hint="leave out paths that depend on the data, and calls that have no ONNX operator",
        ) from problem
    finally:
        logger.setLevel(level)
    assert program is not None
    return program.model_proto


def _bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without torch's notes: file paths, stack traces, names of Python classes."""
    del model.metadata_props[:]
    model.producer_name, model.producer_version, model.doc_string = "modelwright", "", ""
    model.ir_version = min(model.ir_version, IR_VERSION)
    _bare_graph(model.graph)
    return model


def _bare_graph(graph: onnx.GraphProto) -> None:
    graph.name, graph.doc_string = "modelwright", ""
    del graph.metadata_props[:]
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        value.doc_string = ""
        del value.metadata_props[:]
    for tensor in graph.initializer:
        tensor.doc_string = ""
        del tensor.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
        for attribute in node.attribute:
            attribute.doc_string = ""
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    _bare_graph(inner)
