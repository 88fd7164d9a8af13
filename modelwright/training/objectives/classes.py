"""Cross-entropy where targets may be missing, classes and rows weighed: what several losses build on."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelwright.training.objectives.mean import per_row


def cross_entropy_known(
    output: Tensor,
    target: Tensor,
    weights: Tensor | None,
    *,
    smoothing: float = 0.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """The mean over rows (and places) that have a target; `output` (n, K, ...), `target` as in `Batch`."""
    if target.is_floating_point():
        known = ~target.isnan().any(dim=1)
        target = torch.where(known.unsqueeze(1), target, 0.0)
        shares = known.to(output.dtype)
    else:
        known = target >= 0
        shares = known.to(output.dtype)
        if class_weights is not None:
            shares = shares * class_weights.to(output.dtype)[target.clamp(min=0)]
    if weights is None and not target.is_floating_point():
        total = cross_entropy(
            output, target, class_weights, ignore_index=-1, reduction="sum", label_smoothing=smoothing
        )
    else:
        losses = cross_entropy(
            output, target, class_weights, ignore_index=-1, reduction="none", label_smoothing=smoothing
        )
        factors = known.to(losses.dtype) if weights is None else known * per_row(weights, losses)
        total = (losses * factors).sum()
        shares = shares if weights is None else shares * per_row(weights, shares)
    n_known = shares.sum()
    return total / n_known.masked_fill(n_known == 0, 1.0)


class _Weighed(nn.Module):
    """Cross-entropy with weights of classes, which move with the module to another device."""

    class_weights: Tensor

    def __init__(self, class_weights: tuple[float, ...], smoothing: float) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.register_buffer("class_weights", torch.tensor(class_weights, dtype=torch.float32), persistent=False)

    def forward(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        class_weights = self.class_weights.to(output.dtype)
        return cross_entropy_known(output, target, weights, smoothing=self.smoothing, class_weights=class_weights)


def with_weights(class_weights: tuple[float, ...], smoothing: float) -> nn.Module:
    """Cross-entropy in which a row counts as much as its class weighs."""
    return _Weighed(class_weights, smoothing)
