"""Cross-entropy where targets may be missing, classes and rows weighed: what several losses build on."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelwright.training.objectives.labels import focus
from modelwright.training.objectives.mean import LEAST, full, mean_known, per_row


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
        losses = cross_entropy(output, target, class_weights, reduction="none", label_smoothing=smoothing)
        return mean_known(losses, known, weights)
    shares: Tensor = target >= 0
    if class_weights is not None:
        shares = shares * class_weights[target.clamp(min=0)]
    reduction = "sum" if weights is None else "none"
    losses = cross_entropy(
        output, target, class_weights, ignore_index=-1, reduction=reduction, label_smoothing=smoothing
    )
    if weights is None:
        return losses / shares.sum().clamp(min=LEAST if shares.is_floating_point() else 1)
    rows = per_row(weights, losses)
    return (losses * rows).sum() / (shares * rows).sum().clamp(min=LEAST)


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


def focal_known(output: Tensor, target: Tensor, weights: Tensor | None, *, gamma: float) -> Tensor:
    """The mean focal loss over rows (and places) that have a target."""
    logs = torch.log_softmax(full(output), dim=1)
    if target.is_floating_point():
        known = ~target.isnan().any(dim=1)
        shares = torch.where(known.unsqueeze(1), target, 0.0).to(logs.dtype)
        return mean_known(-(shares * focus(1.0 - logs.exp(), gamma) * logs).sum(dim=1), known, weights)
    known = target >= 0
    log = logs.gather(1, target.clamp(min=0).unsqueeze(1)).squeeze(1)
    return mean_known(-focus(1.0 - log.exp(), gamma) * log, known, weights)


def generalised_known(output: Tensor, target: Tensor, weights: Tensor | None, *, q: float) -> Tensor:
    """The mean generalised cross-entropy over rows (and places) that have a target."""
    logs = torch.log_softmax(full(output), dim=1)
    if target.is_floating_point():
        known = ~target.isnan().any(dim=1)
        shares = torch.where(known.unsqueeze(1), target, 0.0).to(logs.dtype)
        return mean_known((shares * -torch.expm1(q * logs)).sum(dim=1) / q, known, weights)
    known = target >= 0
    log = logs.gather(1, target.clamp(min=0).unsqueeze(1)).squeeze(1)
    return mean_known(-torch.expm1(q * log) / q, known, weights)
