"""SOAP: Adam in the axes of Shampoo. Second order for networks, from the package pytorch_optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.optional import need
from modelwright.core.spec import Spec
from modelwright.training.optimizers.base import Memory, OptimizerMethod

if TYPE_CHECKING:
    from torch.optim import Optimizer


class SoapSpec(Spec):
    """How SOAP steps."""

    learning_rate: float = Field(3e-3, gt=0, le=10, description="size of a step")
    weight_decay: float = Field(0.01, ge=0, lt=10, description="share of a weight lost a step, times the rate")
    betas: tuple[Memory, Memory] = Field(
        (0.95, 0.95), description="memory (0 to under 1) of the gradient's mean and of its square's"
    )
    eps: float = Field(1e-8, gt=0, lt=1, description="added to the root of the squares")
    every: int = Field(10, ge=1, description="steps between new axes: the costly part")
    largest: int = Field(2048, ge=1, description="length of a side above which it keeps its own axes")


def make(spec: SoapSpec, groups: list[dict[str, Any]]) -> Optimizer:
    """SOAP for matrices and filters; vectors step as in Adam. The first step only looks at the gradient.

    Error: `optional.missing` without the package (`pip install "modelwright[optimizers]"`).

    Reference: Vyas et al. (2025), "SOAP: improving and stabilizing Shampoo using Adam".

    >>> SoapSpec(every=20).every
    20
    """
    library = need("pytorch_optimizer", extra="optimizers", why="the optimizer `soap`")
    optimizer: Optimizer = library.SOAP(
        groups,
        betas=spec.betas,
        eps=spec.eps,
        precondition_frequency=spec.every,
        max_precondition_dim=spec.largest,
    )
    return optimizer


OPTIMIZER = OptimizerMethod(name="soap", spec=SoapSpec, make=make)
