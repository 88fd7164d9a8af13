"""Filters and matrices in whole numbers of 8 bits, inputs scaled by what training rows showed (QDQ, per channel)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.packaging.compression.case import Compression, Variant

if TYPE_CHECKING:
    import numpy as np

    from modelwright.packaging.compression.case import Case

AT_ONCE = 16
OPERATORS = ("Conv", "MatMul", "Gemm")


class _Rows:
    """Training rows as the quantiser asks for them: part by part, then None."""

    def __init__(self, feeds: dict[str, np.ndarray]) -> None:
        n_rows = len(next(iter(feeds.values())))
        parts = range(0, n_rows, AT_ONCE)
        self._parts = iter([{name: x[start : start + AT_ONCE] for name, x in feeds.items()} for start in parts])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._parts, None)

    def __len__(self) -> int:
        return 1


def _make(case: Case) -> list[Variant]:
    """Weights have 7 bits, so that no processor overflows.

    Reference: Jacob et al. (2018), "Quantization and training of neural networks for efficient inference".
    """
    import logging
    import tempfile
    from pathlib import Path

    from onnx import load
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    from modelwright.packaging.compression import edit

    model = edit.read(case.trained.graph)
    chosen = _named(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantised.onnx"
        root, level = logging.getLogger(), logging.getLogger().level
        root.setLevel(logging.ERROR)  # it says "please consider pre-processing" on the root logger
        try:
            quantize_static(
                model, path, _Rows(case.calibration), quant_format=QuantFormat.QDQ, per_channel=True,
                reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                op_types_to_quantize=list(OPERATORS), nodes_to_quantize=chosen,
            )  # fmt: skip
        finally:
            root.setLevel(level)
        made = load(path)
    del made.metadata_props[:]
    made.producer_name, made.producer_version = "modelwright", ""
    return [Variant(name="static_int8", graph=edit.written(made), signature=case.trained.signature)]


def _named(model: Any) -> list[str]:
    """Give every node a name; those of the nodes with float32 weights."""
    import numpy as np

    from modelwright.packaging.compression import edit

    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{index}"
    found = [w for w in edit.weights(model) if w.node.op_type in OPERATORS and w.values.dtype == np.float32]
    return list(dict.fromkeys(weight.node.name for weight in found))


def _suits(case: Case) -> str:
    from modelwright.packaging.compression import edit

    return "" if _named(edit.read(case.trained.graph)) else "the graph holds no larger float32 matrices or filters"


COMPRESSION = Compression(name="static_int8", suits=_suits, make=_make)
