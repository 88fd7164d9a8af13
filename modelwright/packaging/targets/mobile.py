"""A package's graph for ONNX Runtime on phones and small boards: `.ort`, which needs no ONNX parser to be read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelwright_runtime.model import Model


def ort_bytes(graph: bytes) -> bytes:
    """An ONNX graph in the format of ONNX Runtime mobile, optimised in ways that any processor can run.

    Raises `UserError("package.graph")` when onnxruntime cannot open the graph. Cost: one opening of the graph.
    Reference: https://onnxruntime.ai/docs/performance/model-optimizations/ort-format-models.html

    >>> from modelwright.testing.packages import tiny_graph
    >>> ort_bytes(tiny_graph())[4:8]
    b'ORTM'
    """
    import onnxruntime

    from modelwright.core.errors import UserError
    from modelwright_runtime.engine import ENGINE_ERRORS

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ort"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # beyond "extended" the layout of this very processor is written into the file
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.add_session_config_entry("session.save_model_format", "ORT")
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except ENGINE_ERRORS as problem:
            told = str(problem).splitlines()[0][:200]
            raise UserError("package.graph", f"the graph cannot be used: {told}.") from None
        return path.read_bytes()


def replayed(model: Model, data: bytes) -> float:
    """The largest difference between the golden rows' answers and those of an `.ort`, run by onnxruntime."""
    from modelwright_runtime.model import Model, replay

    mobile = Model(data, model.signature, name=model.name)
    return replay(mobile, model.facts["golden"])
