"""The mean over what is known."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = 1e-30
"""What a sum of weights is taken for at least: 0 / LEAST is 0, and any real weight is more."""


def mean_known(losses: Tensor, known: Tensor, weights: Tensor | None) -> Tensor:
    """The mean of `losses` (n, ...) where `known` (the same shape), rows weighed by `weights` (n,); 0 if none.

    >>> import torch
    >>> mean_known(torch.tensor([1.0, 9.0, 4.0]), torch.tensor([True, False, True]), torch.tensor([2.0, 1, 1])).item()
    2.0
    """
    if weights is None:
        return (losses * known).sum() / known.sum().clamp(min=1)
    shares = per_row(weights, losses) * known
    return (losses * shares).sum() / shares.sum().clamp(min=LEAST)


def per_row(weights: Tensor, like: Tensor) -> Tensor:
    """Weights (n,) in a form that multiplies a tensor (n, ...)."""
    weights = weights.to(like.dtype)
    return weights if like.ndim == 1 else weights.reshape(-1, *[1] * (like.ndim - 1))


def full(output: Tensor) -> Tensor:
    """The same in at least float32: sums in half precision lose too much."""
    return output if output.dtype in (torch.float32, torch.float64) else output.float()
