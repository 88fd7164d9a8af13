"""Generalised cross-entropy: between cross-entropy and the mean absolute error, for labels of which many are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction

if TYPE_CHECKING:
    from torch import Tensor


class GceSpec(Spec):
    """How little a label counts that the network does not believe."""

    q: float = Field(0.7, gt=0, le=1, description="near 0 cross-entropy; 1 the mean absolute error")


def make(spec: GceSpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """Mean of `(1 - p ** q) / q`, p the softmax's share of the target's class: its gradient is that of cross-entropy
    times `p ** q`, so that rows whose label seems wrong pull less. Shares as targets weigh the terms of all classes.
    Targets are int64, -1 where missing, or shares (n, K), NaN where missing.

    Reference: Zhang and Sabuncu (2018), "Generalized cross entropy loss for training deep neural networks with noisy
    labels".

    >>> import torch
    >>> round(make(GceSpec(q=0.5))(torch.tensor([[0.0, 0.0]]), torch.tensor([1])).item(), 4)
    0.5858
    """
    from modelwright.training.objectives.classes import generalised_known

    q = spec.q

    def loss(output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        return generalised_known(output, target, weights, q=q)

    return loss


LOSS = Loss(
    name="gce",
    kinds=("binary", "multiclass", "segmentation"),
    spec=GceSpec,
    make=make,
    takes="outputs (n, K) and targets (n,) or (n, K), or outputs (n, K, height, width) and targets (n, height, width)",
    fits=lambda output, target, spec: len(output) >= 2 and target in (output[:1] + output[2:], output),
)
