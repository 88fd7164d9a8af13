"""Mean squared error."""

from __future__ import annotations

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction


class MseSpec(Spec):
    """Nothing to set."""


def make(spec: MseSpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """Mean of `(output - target) ** 2`, whose best answer is the mean.

    >>> import torch
    >>> make(MseSpec())(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0])).item()
    4.5
    """
    from torch.nn.functional import mse_loss

    from modelwright.training.objectives.values import pointwise

    return pointwise(mse_loss, complete=complete)


LOSS = Loss(
    name="mse",
    kinds=("regression", "forecast"),
    spec=MseSpec,
    make=make,
    takes="outputs of the targets' shape, (n,) or (n, horizon)",
    fits=lambda output, target, spec: output in (target, (*target, 1)),
)
