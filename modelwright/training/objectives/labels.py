"""Binary cross-entropy as a module, for its weights go with it to another device."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from modelwright.training.objectives.mean import full, mean_known


class BinaryCrossEntropy(nn.Module):
    """The mean over the labels (n, K) that have a target."""

    positive_weights: Tensor | None

    def __init__(self, smoothing: float, gamma: float, positive_weights: tuple[float, ...], *, complete: bool) -> None:
        super().__init__()
        self.smoothing, self.gamma = smoothing, gamma
        weights = torch.tensor(positive_weights, dtype=torch.float32) if positive_weights else None
        self.register_buffer("positive_weights", weights, persistent=False)
        self.is_bare = complete and not (smoothing or gamma or positive_weights)

    def forward(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """A scalar."""
        if self.is_bare and weights is None:
            return binary_cross_entropy_with_logits(output, target)
        output, known = full(output), ~target.isnan()
        target = torch.where(known, target, 0.0).to(output.dtype)
        target = target * (1.0 - self.smoothing) + 0.5 * self.smoothing
        positive = None if self.positive_weights is None else self.positive_weights.to(output.dtype)
        losses = binary_cross_entropy_with_logits(output, target, pos_weight=positive, reduction="none")
        if self.gamma:
            losses = losses * focus(target - torch.sigmoid(output), self.gamma)
        return mean_known(losses, known, weights)


def focus(distance: Tensor, gamma: float) -> Tensor:
    """`|distance| ** gamma`, with a gradient that is finite at 0 for gamma below 1 too."""
    return distance.abs().clamp(min=1e-7) ** gamma
