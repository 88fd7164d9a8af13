"""The mean over what is known."""

from __future__ import annotations

from torch import Tensor


def mean_known(losses: Tensor, known: Tensor, weights: Tensor | None) -> Tensor:
    """The mean of `losses` (n, ...) where `known` (the same shape), rows weighed by `weights` (n,); 0 if none.

    >>> import torch
    >>> mean_known(torch.tensor([1.0, 9.0, 4.0]), torch.tensor([True, False, True]), torch.tensor([2.0, 1, 1])).item()
    2.0
    """
    shares = known.to(losses.dtype)
    if weights is not None:
        shares = shares * per_row(weights, losses)
    total = shares.sum()
    return (losses * shares).sum() / total.masked_fill(total == 0, 1.0)


def per_row(weights: Tensor, like: Tensor) -> Tensor:
    """Weights (n,) in a form that multiplies a tensor (n, ...)."""
    return weights.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))
