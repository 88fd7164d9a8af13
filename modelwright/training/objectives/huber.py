"""Huber: squares near the target, absolute values far from it."""

from __future__ import annotations

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction


class HuberSpec(Spec):
    """Where near ends."""

    delta: float = Field(1.0, gt=0, description="distance, in deviations of the target, up to which errors are squared")


def make(spec: HuberSpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """Mean of `d^2 / 2` for `|d| <= delta`, else of `delta (|d| - delta / 2)`, with d the error.

    Reference: Huber (1964), "Robust estimation of a location parameter".

    >>> import torch
    >>> make(HuberSpec())(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0])).item()
    1.25
    """
    from torch.nn.functional import huber_loss

    from modelwright.training.objectives.values import pointwise

    return pointwise(huber_loss, complete=complete, delta=spec.delta)


LOSS = Loss(
    name="huber",
    kinds=("regression", "forecast"),
    spec=HuberSpec,
    make=make,
    takes="outputs of the targets' shape, (n,) or (n, horizon)",
    fits=lambda output, target, spec: output in (target, (*target, 1)),
)
