"""Arrays in, one raw output per task out: encoders -> trunk -> heads. Needs the extra `deep`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.networks.base import Encoder, Head, Part, Source, Trunk
from modelwright.networks.spec import NetworkSpec, default_encoder, plan, wanted_inputs

if TYPE_CHECKING:
    from modelwright.networks.network import Network, adopt, build, freeze, n_parameters
    from modelwright.networks.onnx_graph import example, export
    from modelwright.networks.transfer import load_matching, read_weights, weights

_LAZY = {
    **dict.fromkeys(("Network", "adopt", "build", "freeze", "n_parameters"), "network"),
    **dict.fromkeys(("example", "export"), "onnx_graph"),
    **dict.fromkeys(("load_matching", "read_weights", "weights"), "transfer"),
}

__all__ = [
    "Encoder", "Head", "Network", "NetworkSpec", "Part", "Source", "Trunk", "adopt", "build", "default_encoder",
    "example", "export", "freeze", "load_matching", "n_parameters", "plan", "read_weights", "wanted_inputs", "weights",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    from importlib import import_module

    from modelwright.core.optional import need

    if name not in _LAZY:
        raise AttributeError(f"module 'modelwright.networks' has no attribute {name!r}")
    need("torch", extra="deep", why="a network")
    return getattr(import_module(f"modelwright.networks.{_LAZY[name]}"), name)
