"""NAdam: Adam with Nesterov's look ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.optimizers.base import Memory, OptimizerMethod, on_cuda

if TYPE_CHECKING:
    from torch.optim import Optimizer


class NadamSpec(Spec):
    """How NAdam steps."""

    learning_rate: float = Field(2e-3, gt=0, le=10, description="size of a step")
    weight_decay: float = Field(0.0, ge=0, lt=10, description="share of a weight lost a step, times the rate")
    betas: tuple[Memory, Memory] = Field(
        (0.9, 0.999), description="memory (0 to under 1) of the gradient's mean and of its square's"
    )
    eps: float = Field(1e-8, gt=0, lt=1, description="added to the root of the squares")
    momentum_decay: float = Field(4e-3, ge=0, lt=1, description="how fast the look ahead grows")


def make(spec: NadamSpec, groups: list[dict[str, Any]]) -> Optimizer:
    """torch's NAdam, with the decay of weights apart from the gradient as in AdamW.

    Reference: Dozat (2016), "Incorporating Nesterov momentum into Adam".

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> optimizer = make(NadamSpec(), [{"params": [weight], "lr": 0.1, "weight_decay": 0.0}])
    >>> weight.grad = torch.ones(1)
    >>> optimizer.step()
    >>> round(weight.item(), 4)
    0.8944
    """
    from torch.optim import NAdam

    return NAdam(
        groups,
        betas=spec.betas,
        eps=spec.eps,
        momentum_decay=spec.momentum_decay,
        decoupled_weight_decay=True,
        foreach=on_cuda(groups),
    )


OPTIMIZER = OptimizerMethod(name="nadam", spec=NadamSpec, make=make)
