"""The parameters of a network by kind: what is decayed, what is slowed, what is frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from modelwright.core.errors import UserError, nearest

_WEIGHING = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)
_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.batchnorm._NormBase)
_WORDS_OF_EMBEDDINGS = ("embed", "position", "token", "frequenc")


@dataclass(frozen=True, slots=True)
class Part:
    """One parameter that is trained: whether it is decayed, whether it is a hidden matrix, its rate's factor."""

    parameter: Tensor
    decayed: bool
    hidden: bool
    factor: float


def split(network: nn.Module, rates: Mapping[str, float], more: tuple[Tensor, ...]) -> list[Part]:
    """Every parameter that is trained, once, in the network's own order; freezes those of factor 0."""
    named = dict(network.named_parameters())
    _check(rates, named)
    weights = {name for name, parameter in _with_owner(network) if _is_weight(*parameter, name)}
    last = _last(weights, named)
    parts = []
    for name, parameter in named.items():
        factor = _factor(name, rates)
        if factor == 0.0:
            parameter.requires_grad_(False)
        elif parameter.requires_grad:
            parts.append(Part(parameter, name in weights, name in weights and name not in last, factor))
    parts += [Part(parameter, False, False, 1.0) for parameter in more]
    if not parts:
        raise UserError("optimizer.frozen", "no parameter of the network is left to train.", hint="freeze fewer")
    return parts


def as_groups(
    parts: list[Part], *, learning_rate: float, weight_decay: float, hidden_apart: bool
) -> list[dict[str, Any]]:
    """As few groups as torch needs: each costs a call of the kernel a step."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for part in parts:
        rate, decay = learning_rate * part.factor, weight_decay if part.decayed else 0.0
        key = (rate, decay, part.hidden if hidden_apart else None)
        if key not in groups:
            groups[key] = {"params": [], "lr": rate, "initial_lr": rate, "weight_decay": decay}
            if hidden_apart:
                groups[key]["hidden"] = part.hidden
        groups[key]["params"].append(part.parameter)
    return list(groups.values())


def decayed(network: nn.Module) -> list[Tensor]:
    """Matrices and filters, embeddings left out: what weight decay and other penalties are about.

    >>> [tuple(weight.shape) for weight in decayed(nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2)))]
    [(2, 4)]
    """
    return [parameter for name, (owner, parameter) in _with_owner(network) if _is_weight(owner, parameter, name)]


def _with_owner(network: nn.Module) -> list[tuple[str, tuple[nn.Module, Tensor]]]:
    found: dict[int, tuple[str, tuple[nn.Module, Tensor]]] = {}
    for prefix, owner in network.named_modules():
        for name, parameter in owner.named_parameters(recurse=False):
            # An embedding that is also the output's matrix (tied weights) counts as what it is first.
            found.setdefault(id(parameter), (f"{prefix}.{name}" if prefix else name, (owner, parameter)))
    return list(found.values())


def _is_weight(owner: nn.Module, parameter: Tensor, name: str) -> bool:
    if parameter.ndim < 2 or isinstance(owner, (nn.Embedding, nn.EmbeddingBag, *_NORMS)):
        return False
    if isinstance(owner, _WEIGHING):
        return "bias" not in name.rpartition(".")[2]
    return not any(word in name.lower() for word in _WORDS_OF_EMBEDDINGS)


def _last(weights: set[str], named: Mapping[str, Tensor]) -> set[str]:
    """The matrices that make the answers: those of heads, or else the last one."""
    in_heads = {name for name in weights if any(part.startswith("head") for part in name.split("."))}
    in_order = [name for name in named if name in weights]
    return in_heads or set(in_order[-1:])


def _factor(name: str, rates: Mapping[str, float]) -> float:
    fitting = [start for start in rates if name.startswith(start)]
    return float(rates[max(fitting, key=len)]) if fitting else 1.0


def _check(rates: Mapping[str, float], named: Mapping[str, Tensor]) -> None:
    for start, factor in rates.items():
        if not 0.0 <= factor < float("inf"):
            raise UserError("optimizer.rates", f"the rate's factor of {start!r} is 0 or more; got {factor!r}.")
        if not any(name.startswith(start) for name in named):
            starts = {".".join(name.split(".")[:n]) for name in named for n in (1, 2)}
            raise UserError(
                "optimizer.rates", f"no parameter's name starts with {start!r}.", hint=nearest(start, starts)
            )
