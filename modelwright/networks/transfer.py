"""Weights as bytes, and another network's weights as a start: our own transfer learning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from modelwright.core.errors import UserError
from modelwright.core.optional import need


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one tensor of the new network: `reason` is empty where it was taken."""

    name: str
    taken: bool
    reason: str = ""


def weights(network: nn.Module) -> bytes:
    """Every weight and buffer of a network by name, as safetensors.

    >>> weights(nn.Linear(2, 1)) == weights(nn.Linear(2, 1))
    False
    """
    need("safetensors", extra="deep", why="keeping weights")
    from safetensors.torch import save

    tensors = {name: values.detach().cpu().contiguous() for name, values in network.state_dict().items()}
    encoded: bytes = save(tensors)
    return encoded


def read_weights(encoded: bytes) -> dict[str, Tensor]:
    """The inverse of `weights`. Raises `UserError("networks.weights")` for bytes that are no safetensors.

    >>> layer = nn.Linear(2, 1)
    >>> bool((read_weights(weights(layer))["bias"] == layer.bias).all())
    True
    """
    need("safetensors", extra="deep", why="reading weights")
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors: dict[str, Tensor] = load(encoded)
    except SafetensorError as problem:
        raise UserError("networks.weights", f"these are no weights: {problem}.") from problem
    return tensors


def load_matching(network: nn.Module, tensors: Mapping[str, Tensor]) -> tuple[Taken, ...]:
    """Take another network's encoders and trunk where name and shape agree, in place; its heads answer other tasks.

    The arrays of encoders that are taken must be made in the same way (the same vocabulary, levels and columns: start
    from the other network's `ArrayInput`s), for a weight belongs to what it was trained on. Everything is told,
    also what was not taken and why. Raises `UserError("networks.weights")` when nothing fits.

    >>> from modelwright.networks import NetworkSpec, build
    >>> from modelwright_runtime.signature import ArrayInput, Task
    >>> inputs = (ArrayInput(form="numbers", columns=("a", "b")),)
    >>> old = build(NetworkSpec(), inputs, (Task(kind="regression", target="y"),), seed=1)
    >>> new = build(NetworkSpec(), inputs, (Task(kind="binary", target="z", classes=("no", "yes")),), seed=2)
    >>> told = load_matching(new, old.state_dict())
    >>> {one.reason for one in told if not one.taken}
    {'heads answer other tasks'}
    """
    told = []
    with torch.no_grad():
        for name, values in network.state_dict().items():
            reason = _why_not(name, values, tensors)
            if not reason:
                values.copy_(tensors[name])
            told.append(Taken(name, not reason, reason))
    if not any(one.taken for one in told):
        raise UserError(
            "networks.weights",
            "no weight of the other network fits this one.",
            hint="take the same encoders with the same settings, and arrays made in the same way",
        )
    return tuple(told)


def _why_not(name: str, values: Tensor, tensors: Mapping[str, Tensor]) -> str:
    if name.startswith("heads."):
        return "heads answer other tasks"
    if name not in tensors:
        return "the other network has none of that name"
    if tensors[name].shape != values.shape:
        return f"its shape is {tuple(tensors[name].shape)}, here {tuple(values.shape)}"
    return ""
