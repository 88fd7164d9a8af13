"""Stochastic gradient descent, with momentum and Nesterov's look ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from modelwright.core.spec import Spec
from modelwright.training.optimizers.base import Memory, OptimizerMethod

if TYPE_CHECKING:
    from torch.optim import Optimizer


class SgdSpec(Spec):
    """How gradient descent steps."""

    learning_rate: float = Field(0.05, gt=0, le=1000, description="size of a step")
    weight_decay: float = Field(0.0, ge=0, lt=10, description="added to the gradient per unit of weight (L2)")
    momentum: Memory = Field(0.9, description="share of the last step that is kept (0 to under 1)")
    nesterov: bool = Field(True, description="whether the gradient is followed from where momentum leads")

    @model_validator(mode="after")
    def _look_ahead_needs_momentum(self) -> SgdSpec:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0: set `nesterov: false`")
        return self


def make(spec: SgdSpec, groups: list[dict[str, Any]]) -> Optimizer:
    """torch's SGD, fused on CPU and CUDA.

    Reference: Sutskever et al. (2013), "On the importance of initialization and momentum in deep learning".

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> optimizer = make(SgdSpec(), [{"params": [weight], "lr": 0.1, "weight_decay": 0.0}])
    >>> weight.grad = torch.ones(1)
    >>> optimizer.step()
    >>> round(weight.item(), 4)
    0.81
    """
    from modelwright.training.optimizers.fused import ShortSGD, runs_on

    fused = runs_on(groups) or None
    return ShortSGD(groups, momentum=spec.momentum, nesterov=spec.nesterov, fused=fused)


OPTIMIZER = OptimizerMethod(name="sgd", spec=SgdSpec, make=make)
