"""Muon: hidden matrices step along the nearest orthogonal matrix to their momentum, all else by AdamW."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.optimizers.base import Memory, OptimizerMethod

if TYPE_CHECKING:
    from torch.optim import Optimizer


class MuonSpec(Spec):
    """How Muon steps. Rate and decay are of AdamW's size, for Muon's steps are brought to AdamW's length."""

    learning_rate: float = Field(1e-3, gt=0, le=10, description="size of a step, of Muon and AdamW alike")
    weight_decay: float = Field(0.01, ge=0, lt=10, description="share of a weight lost a step, times the rate")
    momentum: Memory = Field(0.95, description="memory (0 to under 1) of a matrix's gradient")
    nesterov: bool = Field(True, description="whether the gradient is followed from where momentum leads")
    n_iterations: int = Field(5, ge=1, le=20, description="Newton-Schulz iterations toward orthogonal")
    betas: tuple[Memory, Memory] = Field((0.9, 0.999), description="AdamW's, for what is no hidden matrix")
    eps: float = Field(1e-8, gt=0, lt=1, description="AdamW's, for what is no hidden matrix")


def make(spec: MuonSpec, groups: list[dict[str, Any]]) -> Optimizer:
    """Muon for hidden matrices and filters (a filter as the matrix of its rows), AdamW for biases, norms,
    embeddings and the matrices that make the answers. One optimizer, whose state has both.

    Reference: Jordan et al. (2024), "Muon: an optimizer for hidden layers in neural networks"; Liu et al. (2025),
    "Muon is scalable for LLM training", for the length of a step.

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.zeros(2, 2))
    >>> optimizer = make(MuonSpec(), [{"params": [weight], "lr": 0.1, "weight_decay": 0.0, "hidden": True}])
    >>> weight.grad = torch.tensor([[0.0, 5.0], [-5.0, 0.0]])
    >>> optimizer.step()
    >>> bool(weight[0, 1] < 0 < weight[1, 0])
    True
    """
    from modelwright.training.optimizers.muon_steps import MuonAndAdamW

    return MuonAndAdamW(
        groups,
        momentum=spec.momentum,
        nesterov=spec.nesterov,
        n_iterations=spec.n_iterations,
        betas=spec.betas,
        eps=spec.eps,
    )


OPTIMIZER = OptimizerMethod(name="muon", spec=MuonSpec, make=make, hidden_apart=True)
