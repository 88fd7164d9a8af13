"""The module of `encoders/series_patch.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import dropout
from modelwright.networks.modules.attention import Blocks, seen_somewhere
from modelwright.networks.modules.series import Past, SeriesInput
from modelwright.networks.modules.tokens import masked_mean

if TYPE_CHECKING:
    from modelwright.networks.encoders.series_patch import SeriesPatchSpec
    from modelwright_runtime.signature import ArrayInput


class SeriesPatch(nn.Module):
    """Patches of each column, pre-norm blocks, their mean or all of them."""

    def __init__(self, spec: SeriesPatchSpec, input: ArrayInput) -> None:
        super().__init__()
        self.length, self.n_columns = int(input.settings["length"]), len(input.columns)
        self.series = SeriesInput(input, spec.normalise)
        self.patch = min(spec.patch, self.length)
        self.step = min(spec.stride, self.patch)
        self.rest = -(self.length - self.patch) % self.step  # steps added so that the last patch is whole
        n_patches = (self.length + self.rest - self.patch) // self.step + 1
        self.enter = nn.Conv1d(1, spec.width, self.patch, stride=self.step)
        self.positions = nn.Parameter(torch.randn(n_patches, spec.width) * 0.02)
        self.dropout = dropout(spec.dropout)
        self.blocks = Blocks(spec.width, spec.layers, spec.heads, dropout=spec.dropout, drop_path=spec.drop_path)
        self.flatten = spec.pool == "flatten"
        self.map_channels = self.n_columns * spec.width
        self.width = self.map_channels * (n_patches if self.flatten else 1)
        self.map_size, self.stride = (n_patches,), self.step

    def map(self, x: Tensor) -> Tensor:
        """(n, n_patches, n_columns * width), 0 where a patch is nothing but padding."""
        steps, there = self.series(x)
        there = self._patches(there)
        rows = nn.functional.pad(steps, (self.rest, 0)).reshape(-1, 1, self.length + self.rest)
        entered = self.enter(rows).transpose(1, 2) + self.positions
        shown = there.repeat_interleave(self.n_columns, dim=0)
        seen = self.blocks(self.dropout(entered), seen_somewhere(shown)) * shown.unsqueeze(-1).to(steps.dtype)
        return torch.cat(seen.unflatten(0, (-1, self.n_columns)).unbind(1), dim=2)

    def pool(self, map: Tensor, x: Tensor) -> Tensor:
        """The mean over patches, or all of them side by side."""
        if self.flatten:
            return map.flatten(1)
        return masked_mean(map, self._patches(self.series(x)[1]))

    def forward(self, x: Tensor) -> Tensor:
        """(n, width)."""
        return self.pool(self.map(x), x)

    def history(self, x: Tensor, column: int) -> Past:
        """What a forecast needs of the past."""
        return self.series.history(x, column)

    def _patches(self, there: Tensor) -> Tensor:
        """Bool (n, n_patches): whether a patch has a step."""
        padded = nn.functional.pad(there.float().unsqueeze(1), (self.rest, 0))
        return nn.functional.max_pool1d(padded, self.patch, stride=self.step).squeeze(1) > 0
