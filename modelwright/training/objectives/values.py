"""Losses of numbers, one per place: the mean over those that have a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from modelwright.training.objectives.mean import LEAST, mean_known


def pointwise(function: Callable[..., Tensor], *, complete: bool, **settings: Any) -> Callable[..., Tensor]:
    """A loss from one of torch's functions `(output, target, reduction=...)`. NaN targets are missing."""

    def loss(output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        if output.shape != target.shape:
            output = output.reshape(target.shape)
        if complete and weights is None:
            return function(output, target, **settings)
        known = ~target.isnan()
        losses = function(output, torch.where(known, target, 0.0), reduction="none", **settings)
        return mean_known(losses, known, weights)

    return loss


def relative_known(output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean over rows of twice the absolute error against the size of target and output, steps summed up."""
    known = ~target.isnan()
    target = torch.where(known, target, 0.0)
    missed = ((output - target).abs() * known).sum(dim=1)
    size = target.abs().sum(dim=1) + (output.detach().abs() * known).sum(dim=1)
    return mean_known(2.0 * missed / size.clamp(min=LEAST), known.any(dim=1), weights)
