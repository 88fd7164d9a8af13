"""Losses of numbers, one per place: the mean over those that have a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from modelwright.training.objectives.mean import mean_known


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
