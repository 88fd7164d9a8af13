"""L-BFGS: second-order steps from the last changes of gradient and weights, for small problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.errors import UserError
from modelwright.core.spec import Spec
from modelwright.training.optimizers.base import OptimizerMethod

if TYPE_CHECKING:
    from torch.optim import Optimizer


class LbfgsSpec(Spec):
    """How L-BFGS steps. It has no weight decay: it needs a loss that says all."""

    learning_rate: float = Field(1.0, gt=0, le=10, description="share of the step that the curvature asks for")
    n_inner: int = Field(10, ge=1, le=1000, description="iterations, each with at least one pass, of one step")
    history: int = Field(10, ge=1, le=1000, description="how many last changes tell the curvature")
    line_search: bool = Field(True, description="whether the length of a step is searched for (strong Wolfe)")


def make(spec: LbfgsSpec, groups: list[dict[str, Any]]) -> Optimizer:
    """torch's L-BFGS: `needs_closure` is true, so the loop calls `step(closure)`. It takes the loss for one
    function, so a batch should be all rows, or large, and dropout and augmentation off. All parameters have one rate.

    Error: `optimizer.rates` where layers have rates of their own.

    Reference: Liu and Nocedal (1989), "On the limited memory BFGS method for large scale optimization".

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.tensor([3.0]))
    >>> optimizer = make(LbfgsSpec(), [{"params": [weight], "lr": 1.0, "initial_lr": 1.0, "weight_decay": 0.0}])
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((weight - 1.0) ** 4).sum()
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(5):
    ...     _ = optimizer.step(closure)
    >>> round(weight.item(), 1)
    1.0
    """
    from modelwright.training.optimizers.lbfgs_steps import Lbfgs

    if len({group["lr"] for group in groups}) > 1:
        raise UserError(
            "optimizer.rates",
            "lbfgs has one rate for all parameters.",
            hint="freeze layers with a factor of 0, or name another optimizer",
        )
    whole = {**groups[0], "params": [parameter for group in groups for parameter in group["params"]]}
    return Lbfgs(
        [whole],
        max_iter=spec.n_inner,
        history_size=spec.history,
        line_search_fn="strong_wolfe" if spec.line_search else None,
    )


OPTIMIZER = OptimizerMethod(name="lbfgs", spec=LbfgsSpec, make=make)
