"""The pinball loss as a module, for its levels go with it to another device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modelwright.training.objectives.mean import full, mean_known


class Pinball(nn.Module):
    """The mean over rows and levels. Outputs (..., levels), targets (...), NaN where missing."""

    levels: Tensor

    def __init__(self, levels: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float64), persistent=False)

    def forward(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """A scalar."""
        output, known = full(output), ~target.isnan()
        levels = self.levels.to(output.dtype)
        above = torch.where(known, target, 0.0).unsqueeze(-1) - output
        losses = torch.maximum(levels * above, (levels - 1.0) * above).mean(dim=-1)
        return mean_known(losses, known, weights)
