"""How the losses of several tasks are added up: by fixed weights, by uncertainty, by their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from modelwright.core.errors import UserError, nearest
from modelwright.core.spec import Spec
from modelwright.core.use import Use


class FixedSpec(Spec):
    """Weights that stay."""

    shares: tuple[float, ...] = Field((), description="weight of each task's loss, in order; empty: all 1")


class UncertaintySpec(Spec):
    """Weights that are learned with the network."""


class GradNormSpec(Spec):
    """Weights that follow the gradients."""

    asymmetry: float = Field(1.5, ge=0, le=10, description="how much more weight a task gets that learns slowly")
    rate: float = Field(0.1, gt=0, le=1, description="share of the way to the balance that a call goes")


class Weighting(nn.Module):
    """Fixed weights, and what the other ways of weighing have in common."""

    needs_balance = False
    shares: Tensor

    def __init__(self, shares: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("shares", torch.tensor(shares, dtype=torch.float32))

    def total(self, losses: tuple[Tensor, ...]) -> Tensor:
        """The weighed sum."""
        return (torch.stack(losses) * self.shares).sum()

    def balance(self, losses: tuple[Tensor, ...], shared_parameter: Tensor) -> None:
        """Nothing: the weights do not follow gradients."""


class Uncertainty(Weighting):
    """Each loss divided by a noise that is learned: `exp(-s) L + s / 2` for classes, half of L for values.

    `s` is the logarithm of the noise's variance. A loss of any unit comes to weigh alike, for at the best `s`
    the weighed loss is 1/2 whatever the unit.

    Reference: Kendall, Gal and Cipolla (2018), "Multi-task learning using uncertainty to weigh losses".
    """

    def __init__(self, kinds: tuple[str, ...]) -> None:
        super().__init__(tuple(0.5 if kind in ("regression", "forecast") else 1.0 for kind in kinds))
        self.log_variances = nn.Parameter(torch.zeros(len(kinds)))

    def total(self, losses: tuple[Tensor, ...]) -> Tensor:
        """The weighed sum and what keeps the noise from growing."""
        weighed = torch.stack(losses) * self.shares * torch.exp(-self.log_variances)
        return (weighed + 0.5 * self.log_variances).sum()


class GradNorm(Weighting):
    """Weights under which every task moves a shared parameter alike, the slower ones more.

    With g the norms of the losses' gradients and r how much of its first loss a task still has, against the
    mean over tasks, balance is where `w g` is proportional to `r ** asymmetry` and the weights sum to the
    number of tasks. The paper descends to that point with an optimizer of its own; here the logarithms of the
    weights go a share of the way at each call. The point is the same, and the way does not depend on units.

    Reference: Chen et al. (2018), "GradNorm: gradient normalization for adaptive loss balancing".
    """

    needs_balance = True
    first: Tensor

    def __init__(self, spec: GradNormSpec, n_tasks: int) -> None:
        super().__init__((1.0,) * n_tasks)
        self.asymmetry, self.rate = spec.asymmetry, spec.rate
        self.register_buffer("first", torch.full((n_tasks,), float("nan")))

    def balance(self, losses: tuple[Tensor, ...], shared_parameter: Tensor) -> None:
        """One backward pass per task, down to the shared parameter only; nothing is read by the host."""
        norms = torch.stack([_norm_of_gradient(loss, shared_parameter) for loss in losses]).float()
        with torch.no_grad():
            now = torch.stack(losses).float()
            self.first.copy_(torch.where(self.first.isnan() & (norms > 0), now, self.first))
            left = now / self.first.clamp(min=1e-12)
            # A task without a gradient here (no row has its target) keeps its weight, and counts for no other's.
            usable = (norms > 0) & torch.isfinite(norms) & torch.isfinite(left)
            n_usable = usable.sum().clamp(min=1)
            slowness = left / (torch.where(usable, left, 0.0).sum() / n_usable).clamp(min=1e-12)
            goal = self.asymmetry * torch.log(slowness.clamp(min=1e-6)) - torch.log(norms.clamp(min=1e-12))
            present = torch.log(self.shares)
            shift = torch.where(usable, present - goal, 0.0).sum() / n_usable
            moved = torch.exp(present + self.rate * torch.where(usable, goal + shift - present, 0.0))
            self.shares.copy_(moved * len(losses) / moved.sum())


def _norm_of_gradient(loss: Tensor, parameter: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(loss, parameter, retain_graph=True, allow_unused=True)
    norm: Tensor = loss.new_zeros(()) if gradient is None else torch.linalg.vector_norm(gradient)
    return norm


def _fixed(spec: FixedSpec, kinds: tuple[str, ...]) -> Weighting:
    shares = spec.shares or (1.0,) * len(kinds)
    if len(shares) != len(kinds) or any(not 0 <= share < float("inf") for share in shares):
        raise UserError("objective.tasks", f"{len(kinds)} tasks need as many weights of 0 or more; got {shares}.")
    return Weighting(shares)


_WAYS: dict[str, tuple[type[Spec], Callable[[Any, tuple[str, ...]], Weighting]]] = {
    "fixed": (FixedSpec, _fixed),
    "uncertainty": (UncertaintySpec, lambda spec, kinds: Uncertainty(kinds)),
    "gradnorm": (GradNormSpec, lambda spec, kinds: GradNorm(spec, len(kinds))),
}


def make_weighting(use: Use | str, kinds: tuple[str, ...]) -> Weighting:
    """The weighting of tasks of those kinds.

    Errors: `objective.weighting` for an unknown way, `spec.*`, `objective.tasks` for weights of another number.

    >>> make_weighting(Use(method="fixed", settings={"shares": [1.0, 0.5]}), ("binary", "regression")).shares
    tensor([1.0000, 0.5000])
    """
    use = use if isinstance(use, Use) else Use(method=use)
    if use.method not in _WAYS:
        raise UserError(
            "objective.weighting", f"there is no weighting {use.method!r}.", hint=nearest(use.method, _WAYS)
        )
    spec, make = _WAYS[use.method]
    return make(spec.parse(use.settings, where=use.method), kinds)
