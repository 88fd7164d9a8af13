"""onnxruntime, opened the one way that we trust: CPU, no telemetry, no outside data."""

from __future__ import annotations

import os
from typing import Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _state

ENGINE_ERRORS: tuple[type[Exception], ...] = (
    _state.Fail,
    _state.InvalidArgument,
    _state.InvalidGraph,
    _state.InvalidProtobuf,
    _state.NotImplemented,
    _state.RuntimeException,
    RuntimeError,
)
"""What onnxruntime raises when it cannot open or run a graph; they share no base of their own."""


def n_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_session(graph: bytes, *, n_threads: int = 0) -> Any:
    """An inference session over a graph in memory. `n_threads` 0 lets onnxruntime choose; 1 is best for
    single rows. Threads sleep between calls: by default they spin, which starves whatever else runs there
    (10,000 rows on a busy machine of 2 cores took 330 ms spinning, 127 ms not)."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
