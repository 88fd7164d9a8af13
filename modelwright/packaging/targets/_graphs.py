"""The graph that a model answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelwright_runtime.model import Model


def graph_of(model: Model) -> bytes:
    """The ONNX graph of a loaded package."""
    graph: bytes = model._graph
    return graph
