"""Small pieces that several networks share."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelwright_runtime.signature import ArrayInput


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
}


def activation(name: str) -> nn.Module:
    """A fresh activation.

    >>> activation("relu")
    ReLU()
    """
    return ACTIVATIONS[name]()


def norm(name: str, width: int) -> nn.Module:
    """A normalisation of vectors (n, width)."""
    if name == "none":
        return nn.Identity()
    return nn.LayerNorm(width) if name == "layer" else nn.BatchNorm1d(width)


def dropout(share: float) -> nn.Module:
    """Dropout, or nothing at all: an idle module costs a call a step."""
    return nn.Dropout(share) if share > 0 else nn.Identity()


def mark_zero(module: nn.Module) -> nn.Module:
    """Mark the last layer of a residual branch: `initialise` sets it to zero, so that the branch starts as nothing."""
    module.starts_at_zero = True  # type: ignore[assignment]
    return module


def mark_small(module: nn.Module) -> nn.Module:
    """Mark the last layer of a head: `initialise` makes it small, so that the first answers are near the mean."""
    module.starts_small = True  # type: ignore[assignment]
    return module


def is_exporting() -> bool:
    """Whether a graph is being traced, where the Python of a shortcut would be frozen in."""
    return torch.compiler.is_compiling()


def per_column(input: ArrayInput, name: str, default: float) -> Tensor:
    """One setting per column of an array, as float32 (n_columns,); `default` where it was not learned."""
    given = cast("Sequence[float] | None", input.settings.get(name))
    if given is None:
        return torch.full((len(input.columns),), default)
    values = torch.tensor([float(value) for value in given], dtype=torch.float32)
    return values if name != "scale" else torch.where(values > 0, values, torch.ones_like(values))


class DropPath(nn.Module):
    """Leaves a residual branch out for a share of the rows, in training only.

    Reference: Huang, Sun, Liu, Sedra and Weinberger (2016), "Deep Networks with Stochastic Depth".

    >>> DropPath(0.5).eval()(torch.ones(2, 3)).sum().item()
    6.0
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """The branch (n, ...), rows left out or scaled up."""
        if not self.training or self.share == 0.0:
            return x
        keep = torch.rand(x.shape[0], *([1] * (x.ndim - 1)), device=x.device) >= self.share
        return x * keep.to(x.dtype) / (1.0 - self.share)


def drop_path(share: float) -> nn.Module:
    """`DropPath`, or nothing at all."""
    return DropPath(share) if share > 0 else nn.Identity()
