"""Focal loss: cross-entropy in which rows that are right already weigh little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction

if TYPE_CHECKING:
    from torch import Tensor


class FocalSpec(Spec):
    """How much the hard rows are looked at."""

    gamma: float = Field(2.0, ge=0, le=10, description="how little a row that is right weighs; 0 is cross-entropy")


def make(spec: FocalSpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """Mean of `-(1 - p) ** gamma * log p`, p the softmax's share of the target's class. Shares as targets weigh
    the terms of all classes. Targets are int64, -1 where missing, or shares (n, K), NaN where missing.

    Reference: Lin et al. (2017), "Focal loss for dense object detection".

    >>> import torch
    >>> round(make(FocalSpec())(torch.tensor([[0.0, 0.0]]), torch.tensor([1])).item(), 4)
    0.1733
    """
    from modelwright.training.objectives.classes import focal_known

    gamma = spec.gamma

    def loss(output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        return focal_known(output, target, weights, gamma=gamma)

    return loss


LOSS = Loss(
    name="focal",
    kinds=("binary", "multiclass", "segmentation"),
    spec=FocalSpec,
    make=make,
    takes="outputs (n, K) and targets (n,) or (n, K), or outputs (n, K, height, width) and targets (n, height, width)",
    fits=lambda output, target, spec: len(output) >= 2 and target in (output[:1] + output[2:], output),
)
