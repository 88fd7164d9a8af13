"""A running mean of the weights: often better than the last ones, and steadier."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn


class Average:
    """An exponential mean of a network's parameters, with a warm-up so that early steps are soon forgotten.

    Reference: Polyak and Juditsky (1992), "Acceleration of stochastic approximation by averaging".
    """

    def __init__(self, network: nn.Module, memory: float) -> None:
        self.memory = memory
        self.parameters = [parameter.detach() for parameter in network.parameters()]
        self.means = [parameter.clone() for parameter in self.parameters]
        self.n_updates = 0

    def update(self) -> None:
        """Take in the parameters as they are now."""
        import torch

        self.n_updates += 1
        memory = min(self.memory, self.n_updates / (self.n_updates + 10.0))
        torch._foreach_lerp_(self.means, self.parameters, 1.0 - memory)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The network has the mean weights in here, and its own again after."""
        import torch

        own = [parameter.clone() for parameter in self.parameters]
        torch._foreach_copy_(self.parameters, self.means)
        try:
            yield
        finally:
            torch._foreach_copy_(self.parameters, own)

    def tensors(self) -> dict[str, torch.Tensor]:
        """For a checkpoint."""
        return {str(index): mean for index, mean in enumerate(self.means)}

    def load(self, tensors: dict[str, torch.Tensor], n_updates: int) -> None:
        """From a checkpoint."""
        for index, mean in enumerate(self.means):
            mean.copy_(tensors[str(index)])
        self.n_updates = n_updates
