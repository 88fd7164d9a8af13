"""Mean absolute error."""

from __future__ import annotations

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction


class MaeSpec(Spec):
    """Nothing to set."""


def make(spec: MaeSpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """Mean of `|output - target|`, whose best answer is the median: far-off targets weigh no more than others.

    >>> import torch
    >>> make(MaeSpec())(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0])).item()
    1.5
    """
    from torch.nn.functional import l1_loss

    from modelwright.training.objectives.values import pointwise

    return pointwise(l1_loss, complete=complete)


LOSS = Loss(
    name="mae",
    kinds=("regression", "forecast"),
    spec=MaeSpec,
    make=make,
    takes="outputs of the targets' shape, (n,) or (n, horizon)",
    fits=lambda output, target, spec: output in (target, (*target, 1)),
)
