"""Lion: steps of one size, in the direction that the momentum's sign gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.optimizers.base import Memory, OptimizerMethod

if TYPE_CHECKING:
    from torch.optim import Optimizer


class LionSpec(Spec):
    """How Lion steps."""

    learning_rate: float = Field(1e-4, gt=0, le=10, description="size of a step")
    weight_decay: float = Field(0.0, ge=0, lt=10, description="share of a weight lost a step, times the rate")
    betas: tuple[Memory, Memory] = Field(
        (0.9, 0.99), description="memory (0 to under 1) of the momentum as a step uses it, and as it is kept"
    )


def make(spec: LionSpec, groups: list[dict[str, Any]]) -> Optimizer:
    """A third of AdamW's rate or less, three times its decay or more, is where to begin.

    Reference: Chen et al. (2023), "Symbolic discovery of optimization algorithms", algorithm 2.

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> optimizer = make(LionSpec(), [{"params": [weight], "lr": 0.1, "weight_decay": 0.0}])
    >>> weight.grad = torch.ones(1)
    >>> optimizer.step()
    >>> round(weight.item(), 4)
    0.9
    """
    from modelwright.training.optimizers.lion_steps import Lion

    return Lion(groups, betas=spec.betas)


OPTIMIZER = OptimizerMethod(name="lion", spec=LionSpec, make=make)
