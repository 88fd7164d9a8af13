"""Arrays in, one raw output per task out: encoders -> trunk -> heads. Needs the extra `deep`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.networks.base import Encoder, Head, Part, Source, Trunk
from modelwright.networks.spec import NetworkSpec, default_encoder, plan

if TYPE_CHECKING:
    from modelwright.networks.network import Network, adopt, build, n_parameters
    from modelwright.networks.onnx_graph import example, export

_LAZY = {
    "build": "network",
    "adopt": "network",
    "Network": "network",
    "n_parameters": "network",
    "export": "onnx_graph",
    "example": "onnx_graph",
}

__all__ = [
    "Encoder",
    "Head",
    "Network",
    "NetworkSpec",
    "Part",
    "Source",
    "Trunk",
    "adopt",
    "build",
    "default_encoder",
    "example",
    "export",
    "n_parameters",
    "plan",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    from modelwright.core.optional import need

    if name not in _LAZY:
        raise AttributeError(f"module 'modelwright.networks' has no attribute {name!r}")
    need("torch", extra="deep", why="a network")
    return getattr(import_module(f"modelwright.networks.{_LAZY[name]}"), name)
