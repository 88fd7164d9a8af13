"""Supervised contrastive loss: vectors of one class drawn together, those of others pushed apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction

if TYPE_CHECKING:
    from torch import Tensor


class ContrastiveSpec(Spec):
    """How sharply near and far are told apart."""

    temperature: float = Field(0.1, gt=0, le=10, description="divides the cosine between two vectors")


def make(spec: ContrastiveSpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """The supervised contrastive loss: for each row, the mean over rows of the same class of `-log` of the share
    that it has among all other rows of the batch, by the exponential of cosine over temperature.

    Outputs are vectors (n, d) of any length, targets int64 (n,), -1 where missing. A row without another of its
    class pulls nowhere and is left out of the mean. Two views of each row and its number as the class make it
    InfoNCE. It teaches an encoder, not a class head.

    Reference: Khosla et al. (2020), "Supervised contrastive learning", equation 2; van den Oord et al. (2018),
    "Representation learning with contrastive predictive coding", for InfoNCE.

    >>> import torch
    >>> vectors = torch.tensor([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0]])
    >>> round(make(ContrastiveSpec())(vectors, torch.tensor([0, 0, 1])).item(), 4)
    0.0
    """
    import torch
    from torch.nn.functional import normalize

    from modelwright.training.objectives.mean import full, mean_known

    def loss(output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        vectors = normalize(full(output), dim=1)
        itself = torch.eye(len(target), dtype=torch.bool, device=target.device)
        absent = itself | (target < 0)
        likeness = (vectors @ vectors.T / spec.temperature).masked_fill(absent, -1e9)
        shares = torch.log_softmax(likeness, dim=1)
        same = (target[:, None] == target[None, :]) & ~absent & (target >= 0)[:, None]
        n_same = same.sum(dim=1)
        losses = -torch.where(same, shares, 0.0).sum(dim=1) / n_same.clamp(min=1)
        return mean_known(losses, n_same > 0, weights)

    return loss


LOSS = Loss(
    name="contrastive",
    kinds=("binary", "multiclass"),
    spec=ContrastiveSpec,
    make=make,
    takes="outputs (n, width) and targets (n,)",
    fits=lambda output, target, spec: len(output) == 2 and target == output[:1],
)
