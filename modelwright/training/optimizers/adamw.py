"""AdamW: Adam with the decay of weights apart from the gradient. The default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.optimizers.base import Memory, OptimizerMethod

if TYPE_CHECKING:
    from torch.optim import Optimizer


class AdamWSpec(Spec):
    """How AdamW steps."""

    learning_rate: float = Field(1e-3, gt=0, le=10, description="size of a step")
    weight_decay: float = Field(0.01, ge=0, lt=10, description="share of a weight lost a step, times the rate")
    betas: tuple[Memory, Memory] = Field(
        (0.9, 0.999), description="memory (0 to under 1) of the gradient's mean and of its square's"
    )
    eps: float = Field(1e-8, gt=0, lt=1, description="added to the root of the squares")


def make(spec: AdamWSpec, groups: list[dict[str, Any]]) -> Optimizer:
    """torch's AdamW, fused on CPU and CUDA.

    Reference: Loshchilov and Hutter (2019), "Decoupled weight decay regularization".

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> optimizer = make(AdamWSpec(), [{"params": [weight], "lr": 0.1, "weight_decay": 0.0}])
    >>> weight.grad = torch.ones(1)
    >>> optimizer.step()
    >>> round(weight.item(), 4)
    0.9
    """
    from modelwright.training.optimizers.fused import ShortAdamW, runs_on

    return ShortAdamW(groups, betas=spec.betas, eps=spec.eps, fused=runs_on(groups) or None)


OPTIMIZER = OptimizerMethod(name="adamw", spec=AdamWSpec, make=make)
