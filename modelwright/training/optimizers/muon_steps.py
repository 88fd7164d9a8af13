"""Muon and AdamW as one torch optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from modelwright.training.optimizers.fused import ShortAdamW, runs_on

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic: the steepest at 0 whose fixed points stay near 1 (Jordan et al. 2024)."""

_SMALL = 128 * 128


class MuonAndAdamW(Optimizer):
    """Groups with `hidden` step by Muon, the others by an AdamW within, which shares groups and state."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        momentum: float,
        nesterov: bool,
        n_iterations: int,
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        defaults = {"lr": 1e-3, "weight_decay": 0.0, "hidden": False}
        super().__init__(groups, defaults)
        for group in self.param_groups:
            if group["hidden"]:
                group |= {"momentum": momentum, "nesterov": nesterov, "n_iterations": n_iterations}
        rest = [group for group in self.param_groups if not group["hidden"]]
        fused = runs_on(rest) or None
        self._adamw = ShortAdamW(rest, betas=betas, eps=eps, fused=fused) if rest else None
        self._share()

    def _share(self) -> None:
        if self._adamw is not None:
            self._adamw.state = self.state
            self._adamw.param_groups = [group for group in self.param_groups if not group["hidden"]]

    def load_state_dict(self, state_dict: Any) -> None:
        """torch's own, after which the AdamW within shares the new groups and state."""
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["hidden"]:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._turn(group, parameter)
        if self._adamw is not None:
            self._adamw.step()
        return loss

    def _turn(self, group: dict[str, Any], parameter: Tensor) -> None:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        momentum = state["momentum_buffer"]
        momentum.lerp_(gradient, 1 - group["momentum"])
        update = gradient.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum
        matrix = update.reshape(len(update), -1)
        turned = orthogonal(matrix, group["n_iterations"])
        # An orthogonal matrix of r x c has entries of size 1 / sqrt(max(r, c)); AdamW's steps are of size 0.2.
        rate = group["lr"] * 0.2 * math.sqrt(max(matrix.shape))
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(turned.reshape(parameter.shape), alpha=-rate)


def orthogonal(matrix: Tensor, n_iterations: int) -> Tensor:
    """The matrix with its singular values brought near 1 (0.7 to 1.2), by Newton-Schulz iterations."""
    a, b, c = COEFFICIENTS
    x = matrix.to(precision_for(matrix))
    tall = x.size(0) > x.size(1)
    if tall:
        x = x.T
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(n_iterations):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def precision_for(matrix: Tensor) -> torch.dtype:
    """bfloat16, in which torch's own Muon computes, where it is faster; 1 % of difference does no harm here.

    One thread of a 2.5 GHz Xeon with AVX-512 BF16, float32 against bfloat16: 71 to 384 us for 32 x 64, 0.9 to
    0.7 ms for 128 x 128, 50 to 26 ms for 512 x 512. A CPU without those instructions is slower in bfloat16.
    """
    if matrix.dtype == torch.float64:
        return torch.float64
    if matrix.is_cuda or (torch.cpu._is_avx512_bf16_supported() and matrix.numel() > _SMALL):
        return torch.bfloat16
    return torch.float32
