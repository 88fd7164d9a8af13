"""Adagrad: each weight at a rate that falls with its gradients so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.optimizers.base import OptimizerMethod

if TYPE_CHECKING:
    from torch.optim import Optimizer


class AdagradSpec(Spec):
    """How Adagrad steps."""

    learning_rate: float = Field(0.01, gt=0, le=1000, description="size of a step")
    weight_decay: float = Field(0.0, ge=0, lt=10, description="added to the gradient per unit of weight (L2)")
    eps: float = Field(1e-10, gt=0, lt=1, description="added to the root of the squares")


def make(spec: AdagradSpec, groups: list[dict[str, Any]]) -> Optimizer:
    """torch's Adagrad, fused on a CPU (torch has no such kernel for CUDA).

    Reference: Duchi, Hazan and Singer (2011), "Adaptive subgradient methods for online learning".

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> optimizer = make(AdagradSpec(), [{"params": [weight], "lr": 0.1, "weight_decay": 0.0}])
    >>> weight.grad = torch.ones(1)
    >>> optimizer.step()
    >>> round(weight.item(), 4)
    0.9
    """
    from modelwright.training.optimizers.fused import ShortAdagrad, runs_on

    return ShortAdagrad(groups, eps=spec.eps, fused=runs_on(groups, ("cpu",)) or None)


OPTIMIZER = OptimizerMethod(name="adagrad", spec=AdagradSpec, make=make)
