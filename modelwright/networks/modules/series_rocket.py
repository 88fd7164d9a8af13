"""The module of `encoders/series_rocket.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import dropout
from modelwright.networks.modules.series import Past, SeriesInput

if TYPE_CHECKING:
    from modelwright.networks.encoders.series_rocket import SeriesRocketSpec
    from modelwright_runtime.signature import ArrayInput

LENGTHS = (7, 9, 11)
FAR_BELOW = 1e6  # taken off where there is only padding


class SeriesRocket(nn.Module):
    """Random kernels, in groups that share length and dilation: each group is one convolution."""

    def __init__(self, spec: SeriesRocketSpec, input: ArrayInput) -> None:
        super().__init__()
        self.length = int(input.settings["length"])
        self.series = SeriesInput(input, spec.normalise)
        self.groups = nn.ModuleList(_groups(spec.kernels, self.length, len(input.columns)))
        self.width = 2 * spec.kernels
        self.standardise = Standardise(self.width)
        self.dropout = dropout(spec.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width)."""
        steps, there = self.series(x)
        shown = there.unsqueeze(1)
        features = torch.cat([group(steps, shown) for group in self.groups], dim=1)
        answer: Tensor = self.dropout(self.standardise(features))
        return answer

    def history(self, x: Tensor, column: int) -> Past:
        """What a forecast needs of the past."""
        return self.series.history(x, column)


def _groups(n_kernels: int, length: int, n_columns: int) -> list[Kernels]:
    lengths = [size for size in LENGTHS if size <= length] or [min(LENGTHS)]
    chosen: dict[tuple[int, int], int] = {}
    for _ in range(n_kernels):
        size = lengths[int(torch.randint(len(lengths), ()))]
        furthest = max(1.0, (length - 1) / (size - 1))
        # powers of 2: fewer groups, each a larger and quicker convolution
        dilation = 2 ** int(torch.randint(1 + int(math.log2(furthest)), ()))
        chosen[size, dilation] = chosen.get((size, dilation), 0) + 1
    return [Kernels(count, n_columns, size, dilation) for (size, dilation), count in sorted(chosen.items())]


class Kernels(nn.Module):
    """Kernels of one length and dilation: how often each answers above 0, and its largest answer."""

    weight: Tensor
    bias: Tensor

    def __init__(self, count: int, n_columns: int, size: int, dilation: int) -> None:
        super().__init__()
        weight = torch.randn(count, n_columns, size)
        weight = weight - weight.mean(dim=2, keepdim=True)
        if n_columns > 1:  # each kernel looks at 1 to n columns, fewer being likelier
            n_seen = (n_columns ** torch.rand(count, 1)).floor()
            rank = torch.rand(count, n_columns).argsort(dim=1).argsort(dim=1)
            weight = weight * (rank < n_seen).unsqueeze(2)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", torch.rand(count) * 2.0 - 1.0)
        self.dilation, self.padding = dilation, dilation * (size - 1) // 2

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """(n, n_columns, steps) to (n, 2 count); 0 for rows without a step."""
        answers = nn.functional.conv1d(x, self.weight, self.bias, padding=self.padding, dilation=self.dilation)
        shown = there.to(x.dtype)
        count = shown.sum(dim=2)
        answers = answers + (shown - 1.0) * FAR_BELOW
        share = (answers > 0).sum(dim=2) / count.clamp(min=1.0)
        largest = answers.amax(dim=2) * (count > 0).to(x.dtype)
        return torch.cat([share, largest], dim=1)


class Standardise(nn.Module):
    """Features of fixed layers to mean 0 and deviation 1, by all that training has shown so far.

    Batches are not measured by themselves (as batch norm would): a batch of few rows would be noise.
    """

    mean: Tensor
    square: Tensor
    n_seen: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("square", torch.zeros(width))
        self.register_buffer("n_seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(n, width) to the same."""
        if self.training:
            with torch.no_grad():
                total = self.n_seen + len(x)
                away = x.mean(dim=0) - self.mean
                inside = (x - x.mean(dim=0)).square().sum(dim=0)
                self.square += inside + away.square() * self.n_seen * len(x) / total
                self.mean += away * len(x) / total
                self.n_seen.copy_(total)
        deviation = (self.square / self.n_seen.clamp(min=1.0)).sqrt()
        return (x - self.mean) / torch.where(deviation > 1e-6, deviation, 1.0)
