"""Soft Dice over the places of masks."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from modelwright.training.objectives.classes import cross_entropy_known
from modelwright.training.objectives.mean import full, per_row


def dice_and_cross_entropy(output: Tensor, target: Tensor, weights: Tensor | None, *, share: float) -> Tensor:
    """`output` (n, K, h, w), `target` (n, H, W), -1 where nothing is known."""
    output = full(output)
    if output.shape[2:] != target.shape[1:]:
        output = interpolate(output, size=target.shape[1:], mode="bilinear", align_corners=False)
    entropy = cross_entropy_known(output, target, weights)
    return share * (1.0 - mean_dice(output.softmax(dim=1), target, weights)) + (1.0 - share) * entropy


def mean_dice(probabilities: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean Dice of the classes that `target` has; 1 where it has none.

    >>> import torch
    >>> mask = torch.tensor([[[0, 1], [1, 1]]])
    >>> round(mean_dice(torch.full((1, 2, 2, 2), 0.5), mask).item(), 4)  # classes: 2 * 0.5 / 3 and 2 * 1.5 / 5
    0.4667
    """
    counted = (target >= 0).to(probabilities.dtype)
    if weights is not None:
        counted = counted * per_row(weights, counted)
    truth = one_hot(target.clamp(min=0), probabilities.shape[1]).movedim(-1, 1) * counted.unsqueeze(1)
    places = (0, 2, 3)
    both = (probabilities * truth).sum(dim=places)
    n_truth = truth.sum(dim=places)
    sums = (probabilities * counted.unsqueeze(1)).sum(dim=places) + n_truth
    present = (n_truth > 0).to(probabilities.dtype)
    dice = 2.0 * both / sums.masked_fill(sums == 0, 1.0)
    n_present = present.sum()
    # 1 - (mean of 1 - dice): so that nothing present gives 1, a loss of 0 with a gradient of 0
    return 1.0 - ((1.0 - dice) * present).sum() / n_present.masked_fill(n_present == 0, 1.0)
