"""Adam: steps by the mean of the gradient over the root of its square."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.optimizers.base import Memory, OptimizerMethod

if TYPE_CHECKING:
    from torch.optim import Optimizer


class AdamSpec(Spec):
    """How Adam steps."""

    learning_rate: float = Field(1e-3, gt=0, le=10, description="size of a step")
    weight_decay: float = Field(0.0, ge=0, lt=10, description="added to the gradient per unit of weight (L2)")
    betas: tuple[Memory, Memory] = Field(
        (0.9, 0.999), description="memory (0 to under 1) of the gradient's mean and of its square's"
    )
    eps: float = Field(1e-8, gt=0, lt=1, description="added to the root of the squares")


def make(spec: AdamSpec, groups: list[dict[str, Any]]) -> Optimizer:
    """torch's Adam, fused on CPU and CUDA. With weight decay, `adamw` is the better choice.

    Reference: Kingma and Ba (2015), "Adam: a method for stochastic optimization".

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> optimizer = make(AdamSpec(), [{"params": [weight], "lr": 0.1, "weight_decay": 0.0}])
    >>> weight.grad = torch.ones(1)
    >>> optimizer.step()
    >>> round(weight.item(), 4)
    0.9
    """
    from modelwright.training.optimizers.fused import ShortAdam, runs_on

    return ShortAdam(groups, betas=spec.betas, eps=spec.eps, fused=runs_on(groups) or None)


OPTIMIZER = OptimizerMethod(name="adam", spec=AdamSpec, make=make)
