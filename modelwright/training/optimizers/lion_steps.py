"""Lion as a torch optimizer: torch has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


class Lion(Optimizer):
    """Algorithm 2 of Chen et al. (2023). One tensor of state a parameter: half of Adam's.

    On a CPU one parameter after the other: torch's lists of tensors (`_foreach_`) took three times as long for
    eight 512 x 512 matrices, and longer for small ones too. On CUDA they save the launches.
    """

    def __init__(self, groups: list[dict[str, Any]], *, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        super().__init__(groups, {"lr": 1e-4, "weight_decay": 0.0, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """`u = sign(b1 m + (1 - b1) g)`; the weight loses `lr (u + decay w)`; `m = b2 m + (1 - b2) g`."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [parameter for parameter in group["params"] if parameter.grad is not None]
            momenta = [self._momentum(parameter) for parameter in params]
            if params:
                (_all_at_once if params[0].is_cuda else _one_by_one)(group, params, momenta)
        return loss

    def _momentum(self, parameter: Any) -> torch.Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: torch.Tensor = state["momentum"]
        return momentum


def _one_by_one(group: dict[str, Any], params: list[Any], momenta: list[torch.Tensor]) -> None:
    rate, (of_step, kept) = group["lr"], group["betas"]
    for parameter, momentum in zip(params, momenta, strict=True):
        direction = momentum.lerp(parameter.grad, 1 - of_step).sign_()
        if group["weight_decay"]:
            parameter.mul_(1 - rate * group["weight_decay"])
        parameter.add_(direction, alpha=-rate)
        momentum.lerp_(parameter.grad, 1 - kept)


def _all_at_once(group: dict[str, Any], params: list[Any], momenta: list[torch.Tensor]) -> None:
    rate, (of_step, kept) = group["lr"], group["betas"]
    gradients = [parameter.grad for parameter in params]
    directions = torch._foreach_lerp(momenta, gradients, 1 - of_step)
    torch._foreach_sign_(directions)
    if group["weight_decay"]:
        torch._foreach_mul_(params, 1 - rate * group["weight_decay"])
    torch._foreach_add_(params, directions, alpha=-rate)
    torch._foreach_lerp_(momenta, gradients, 1 - kept)
