"""The modules of `encoders/series_tcn.py` and `encoders/series_inception.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import drop_path, dropout, mark_zero
from modelwright.networks.modules.series import Past, SeriesInput
from modelwright.networks.modules.tokens import masked_mean

if TYPE_CHECKING:
    from modelwright.networks.encoders.series_inception import SeriesInceptionSpec
    from modelwright.networks.encoders.series_tcn import SeriesTcnSpec
    from modelwright_runtime.signature import ArrayInput

MOST_LAYERS = 8


class Dilated(nn.Module):
    """x + two convolutions whose steps lie `dilation` apart."""

    def __init__(self, spec: SeriesTcnSpec, dilation: int, path: float) -> None:
        super().__init__()
        channels, reach = spec.channels, (spec.kernel - 1) * dilation
        self.before = (reach // 2, reach - reach // 2)
        self.first = nn.Conv1d(channels, channels, spec.kernel, dilation=dilation, bias=False)
        self.second = nn.Conv1d(channels, channels, spec.kernel, dilation=dilation, bias=False)
        self.norm_1, self.norm_2 = nn.BatchNorm1d(channels), nn.BatchNorm1d(channels)
        mark_zero(self.norm_2)
        self.dropout, self.path = dropout(spec.dropout), drop_path(path)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """(n, channels, steps) to the same, 0 at padding."""
        pad = nn.functional.pad
        y = torch.relu(self.norm_1(self.first(pad(x, self.before)))) * there
        y = self.norm_2(self.second(pad(self.dropout(y), self.before)))
        changed: Tensor = torch.relu(x + self.path(y)) * there
        return changed


class SeriesTcn(nn.Module):
    """Residual blocks of dilated convolutions."""

    def __init__(self, spec: SeriesTcnSpec, input: ArrayInput) -> None:
        super().__init__()
        self.length = int(input.settings["length"])
        self.series = SeriesInput(input, spec.normalise)
        self.enter = nn.Conv1d(len(input.columns), spec.channels, 1)
        n_layers = spec.layers or _layers_for(self.length, spec.kernel)
        self.blocks = nn.ModuleList(
            Dilated(spec, 2**index, spec.drop_path * (index + 1) / n_layers) for index in range(n_layers)
        )
        self.width, self.map_channels = 2 * spec.channels, spec.channels
        self.map_size, self.stride = (self.length,), 1

    def map(self, x: Tensor) -> Tensor:
        """(n, length, channels), 0 at padding."""
        steps, there = self.series(x)
        shown = there.unsqueeze(1).to(steps.dtype)
        y: Tensor = self.enter(steps) * shown
        for block in self.blocks:
            y = block(y, shown)
        return y.transpose(1, 2)

    def pool(self, map: Tensor, x: Tensor) -> Tensor:
        """Mean over the steps, and the last step."""
        there = self.series(x)[1]
        if self.series.pads_left:
            last = map[:, -1]
        else:
            end = (there.sum(dim=1) - 1).clamp(min=0)[:, None, None].expand(-1, 1, map.shape[2])
            last = torch.gather(map, 1, end).squeeze(1)
        return torch.cat([masked_mean(map, there), last], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width)."""
        return self.pool(self.map(x), x)

    def history(self, x: Tensor, column: int) -> Past:
        """What a forecast needs of the past."""
        return self.series.history(x, column)


def _layers_for(length: int, kernel: int) -> int:
    """Blocks until one step sees the whole series: a block of dilation d sees 2 (kernel - 1) d more."""
    wanted = math.ceil(math.log2(1 + length / (2 * (kernel - 1))))
    return max(1, min(MOST_LAYERS, wanted))


class Inception(nn.Module):
    """Convolutions of several lengths side by side, and one after a running maximum."""

    def __init__(self, n_inputs: int, filters: int, kernels: list[int]) -> None:
        super().__init__()
        self.narrow = nn.Conv1d(n_inputs, filters, 1, bias=False) if n_inputs > 1 else None
        n_narrow = filters if self.narrow is not None else n_inputs
        self.filters = nn.ModuleList(
            nn.Conv1d(n_narrow, filters, kernel, padding=kernel // 2, bias=False) for kernel in kernels
        )
        self.peaks = nn.Conv1d(n_inputs, filters, 1, bias=False)
        self.norm = nn.BatchNorm1d(filters * (len(kernels) + 1))

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        narrow = x if self.narrow is None else self.narrow(x)
        peaks = self.peaks(nn.functional.max_pool1d(x, 3, stride=1, padding=1) * there)
        joined = torch.cat([*(conv(narrow) for conv in self.filters), peaks], dim=1)
        return torch.relu(self.norm(joined)) * there


class SeriesInception(nn.Module):
    """Blocks of convolutions of several lengths; every third adds what it was given."""

    def __init__(self, spec: SeriesInceptionSpec, input: ArrayInput) -> None:
        super().__init__()
        self.length = int(input.settings["length"])
        self.series = SeriesInput(input, spec.normalise)
        kernels = [min(kernel, self.length - 1 + self.length % 2) for kernel in spec.kernels]
        self.width = self.map_channels = spec.filters * (len(kernels) + 1)
        self.map_size, self.stride = (self.length,), 1
        n_inputs = len(input.columns)
        self.blocks = nn.ModuleList(
            Inception(self.width if index else n_inputs, spec.filters, kernels) for index in range(spec.layers)
        )
        self.shortcuts = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(self.width if index else n_inputs, self.width, 1, bias=False), nn.BatchNorm1d(self.width)
            )
            for index in range(spec.layers // 3)
        )
        self.dropout = dropout(spec.dropout)

    def map(self, x: Tensor) -> Tensor:
        """(n, length, width), 0 at padding."""
        steps, there = self.series(x)
        shown = there.unsqueeze(1).to(steps.dtype)
        y: Tensor = steps
        given = steps
        for index, block in enumerate(self.blocks):
            y = block(y, shown)
            if index % 3 == 2:
                y = torch.relu(y + self.shortcuts[index // 3](given)) * shown
                given = y
        return y.transpose(1, 2)

    def pool(self, map: Tensor, x: Tensor) -> Tensor:
        """Mean over the steps."""
        pooled: Tensor = self.dropout(masked_mean(map, self.series(x)[1]))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """(n, width)."""
        return self.pool(self.map(x), x)

    def history(self, x: Tensor, column: int) -> Past:
        """What a forecast needs of the past."""
        return self.series.history(x, column)
