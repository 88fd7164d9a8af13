"""RMSprop: each step divided by the size of the last gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.optimizers.base import Memory, OptimizerMethod, on_cuda

if TYPE_CHECKING:
    from torch.optim import Optimizer


class RmspropSpec(Spec):
    """How RMSprop steps."""

    learning_rate: float = Field(1e-3, gt=0, le=10, description="size of a step")
    weight_decay: float = Field(0.0, ge=0, lt=10, description="added to the gradient per unit of weight (L2)")
    alpha: Memory = Field(0.99, description="memory (0 to under 1) of the gradient's square")
    momentum: Memory = Field(0.0, description="share of the last step that is kept (0 to under 1)")
    centered: bool = Field(False, description="whether the gradient's mean is taken from its square")
    eps: float = Field(1e-8, gt=0, lt=1, description="added to the root of the squares")


def make(spec: RmspropSpec, groups: list[dict[str, Any]]) -> Optimizer:
    """torch's RMSprop.

    Reference: Tieleman and Hinton (2012), "Lecture 6.5: RMSprop".

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> optimizer = make(RmspropSpec(), [{"params": [weight], "lr": 0.1, "weight_decay": 0.0}])
    >>> weight.grad = torch.ones(1)
    >>> optimizer.step()
    >>> round(weight.item(), 4)
    0.0
    """
    from torch.optim import RMSprop

    return RMSprop(
        groups,
        alpha=spec.alpha,
        momentum=spec.momentum,
        centered=spec.centered,
        eps=spec.eps,
        foreach=on_cuda(groups),
    )


OPTIMIZER = OptimizerMethod(name="rmsprop", spec=RmspropSpec, make=make)
