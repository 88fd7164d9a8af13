"""Adadelta: steps of the size of the last steps, without a rate to choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.optimizers.base import Memory, OptimizerMethod, on_cuda

if TYPE_CHECKING:
    from torch.optim import Optimizer


class AdadeltaSpec(Spec):
    """How Adadelta steps."""

    learning_rate: float = Field(1.0, gt=0, le=1000, description="size of a step")
    weight_decay: float = Field(0.0, ge=0, lt=10, description="added to the gradient per unit of weight (L2)")
    rho: Memory = Field(0.9, description="memory (0 to under 1) of the squares")
    eps: float = Field(1e-6, gt=0, lt=1, description="added to the root of the squares")


def make(spec: AdadeltaSpec, groups: list[dict[str, Any]]) -> Optimizer:
    """torch's Adadelta.

    Reference: Zeiler (2012), "ADADELTA: an adaptive learning rate method".

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> optimizer = make(AdadeltaSpec(), [{"params": [weight], "lr": 0.1, "weight_decay": 0.0}])
    >>> weight.grad = torch.ones(1)
    >>> optimizer.step()
    >>> round(weight.item(), 4)
    0.9997
    """
    from torch.optim import Adadelta

    return Adadelta(groups, rho=spec.rho, eps=spec.eps, foreach=on_cuda(groups))


OPTIMIZER = OptimizerMethod(name="adadelta", spec=AdadeltaSpec, make=make)
