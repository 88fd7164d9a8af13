"""Low-rank adapters: a few learned numbers beside frozen matrices.

Reference: Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang and Chen (2021), "LoRA: Low-Rank Adaptation of Large Language
Models".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Adapted(nn.Module):
    """`linear(x) + alpha / rank * (x down) up`, the linear layer frozen, `up` zero at the start."""

    own_start = True

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(requires_grad=False)
        self.factor = alpha / rank
        self.down = nn.Parameter(torch.empty(rank, linear.in_features))
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5.0))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        fine = nn.functional.linear(nn.functional.linear(x, self.down), self.up)
        changed: Tensor = self.linear(x) + self.factor * fine
        return changed

    def merged(self) -> nn.Linear:
        """One linear layer that says the same."""
        with torch.no_grad():
            self.linear.weight += self.factor * (self.up @ self.down)
        return self.linear


def adapt(module: nn.Module, names: tuple[str, ...], *, rank: int = 8, alpha: float = 16.0) -> list[str]:
    """Put an adapter on every linear layer whose own name is among `names` (all, if there are none), in place.

    Everything else in `module` is frozen. Returns the full names of the adapted layers, in order.

    >>> model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> adapt(model, (), rank=2), [name for name, p in model.named_parameters() if p.requires_grad]
    (['0', '2'], ['0.down', '0.up', '2.down', '2.up'])
    """
    module.requires_grad_(requires_grad=False)
    chosen = [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and (not names or name.rpartition(".")[2] in names)
    ]
    for name in chosen:
        _replace(module, name, lambda layer: Adapted(layer, rank, alpha))
    return chosen


def merge(module: nn.Module) -> nn.Module:
    """Fold every adapter in `module` into its layer, in place; answers stay as they were, but for rounding.

    >>> model = nn.Sequential(nn.Linear(4, 2))
    >>> _ = adapt(model, ())
    >>> merge(model)
    Sequential(
      (0): Linear(in_features=4, out_features=2, bias=True)
    )
    """
    if isinstance(module, Adapted):
        return module.merged()
    for name in [name for name, layer in module.named_modules() if isinstance(layer, Adapted)]:
        _replace(module, name, lambda layer: layer.merged())
    return module


def _replace(module: nn.Module, name: str, change: Callable[..., nn.Module]) -> None:
    parent_name, _, own = name.rpartition(".")
    parent = module.get_submodule(parent_name)
    setattr(parent, own, change(parent.get_submodule(own)))
