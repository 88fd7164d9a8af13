"""Soft Dice and cross-entropy together, for masks."""

from __future__ import annotations

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction


class DiceSpec(Spec):
    """How overlap and places are weighed."""

    share: float = Field(0.5, ge=0, le=1, description="share of Dice in the loss; the rest is cross-entropy")


def make(spec: DiceSpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """`share * (1 - Dice) + (1 - share) * cross-entropy`. Dice of a class is `2 sum(p t) / (sum(p) + sum(t))` over
    all places of the batch that are known; the mean is over the classes that the targets have.

    Outputs are (n, K, h, w), targets int64 (n, H, W), -1 where nothing is known; where the sizes differ, outputs
    are stretched to the targets.

    Reference: Milletari et al. (2016), "V-Net"; Isensee et al. (2021), "nnU-Net", for the sum of both.

    >>> import torch
    >>> mask = torch.tensor([[[0, 1], [1, -1]]])
    >>> sure = 20.0 * torch.nn.functional.one_hot(mask.clamp(min=0), 2).movedim(-1, 1).float()
    >>> round(make(DiceSpec())(sure, mask).item(), 4), round(make(DiceSpec())(torch.zeros(1, 2, 2, 2), mask).item(), 4)
    (0.0, 0.6037)
    """
    from modelwright.training.objectives.masks import dice_and_cross_entropy

    share = spec.share
    return lambda output, target, weights=None: dice_and_cross_entropy(output, target, weights, share=share)


LOSS = Loss(
    name="dice",
    kinds=("segmentation",),
    spec=DiceSpec,
    make=make,
    takes="outputs (n, K, height, width) and targets (n, height, width)",
    fits=lambda output, target, spec: len(output) == 4 and len(target) == 3 and output[0] == target[0],
)
