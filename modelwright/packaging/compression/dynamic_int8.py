"""Matrix products in whole numbers of 8 bits, each row scaled by its own largest number.

The usual operator scales by the largest number of the whole batch: a row's answer then depends on the rows that are
asked with it. Here each row has a scale of its own, so it does not; that costs a few nodes more. Weights have 7 bits,
so that no processor overflows and all answer alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.packaging.compression.case import Compression, Variant

if TYPE_CHECKING:
    from modelwright.packaging.compression.case import Case
    from modelwright.packaging.compression.edit import Weight

LEAST = 4096
LEVELS = 63


def _make(case: Case) -> list[Variant]:
    """Reference: Dettmers et al. (2022), "LLM.int8()", section 2 (vector-wise quantisation)."""
    from modelwright.packaging.compression import edit

    model = edit.read(case.trained.graph)
    for weight in _products(model):
        _in_whole_numbers(model, weight)
    return [Variant(name="dynamic_int8", graph=edit.written(model), signature=case.trained.signature)]


def _products(model: Any) -> list[Weight]:
    import numpy as np

    from modelwright.packaging.compression import edit

    reads = edit.users(model)
    return [
        weight
        for weight in edit.weights(model, least=LEAST)
        if weight.node.op_type in ("MatMul", "Gemm")
        and weight.values.dtype == np.float32
        and weight.values.ndim == 2
        and len(reads[weight.name]) == 1
        and not edit.attribute(weight.node, "transA", 0)
        and edit.attribute(weight.node, "alpha", 1.0) == edit.attribute(weight.node, "beta", 1.0) == 1.0
    ]


def _in_whole_numbers(model: Any, weight: Weight) -> None:
    import numpy as np
    from onnx import TensorProto, helper

    from modelwright.packaging.compression import edit
    from modelwright.packaging.compression.int8_weights import rounded

    node, stem = weight.node, f"{weight.name}.int8"
    whole, scale = rounded(weight.values, weight.axis, LEVELS)
    if weight.axis == 0:  # Gemm with transB
        whole, scale = whole.T, scale.T
    arrays = {
        "whole": whole, "scale": scale.reshape(-1), "zero": np.array(128, np.uint8), "shift": np.float32(128.0),
        "levels": np.float32(127.0), "least": np.float32(1e-12), "last": np.array([-1], np.int64),
    }  # fmt: skip
    named = {part: edit.add(model, f"{stem}.{part}", np.asarray(values)) for part, values in arrays.items()}
    made: list[Any] = []

    def step(operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{stem}.{len(made)}"
        made.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    x = node.input[0]
    reach = step("Max", step("ReduceMax", step("Abs", x), named["last"], keepdims=1), named["least"])
    unit = step("Div", reach, named["levels"])
    placed = step("Add", step("Round", step("Div", x, unit)), named["shift"])
    product = step("MatMulInteger", step("Cast", placed, to=TensorProto.UINT8), named["whole"], named["zero"])
    real = step("Mul", step("Cast", product, to=TensorProto.FLOAT), unit)
    has_bias = node.op_type == "Gemm" and len(node.input) > 2
    scaled = step("Mul", real, named["scale"], output="" if has_bias else node.output[0])
    if has_bias:
        step("Add", scaled, node.input[2], output=node.output[0])
    place = list(model.graph.node).index(node)
    body = [*model.graph.node[:place], *made, *model.graph.node[place + 1 :]]
    del model.graph.node[:]
    model.graph.node.extend(body)


def _suits(case: Case) -> str:
    from modelwright.packaging.compression import edit

    return "" if _products(edit.read(case.trained.graph)) else f"no matrix has {LEAST:,} numbers"


COMPRESSION = Compression(name="dynamic_int8", suits=_suits, make=_make)
