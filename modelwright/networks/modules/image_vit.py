"""The module of `encoders/image_vit.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import dropout
from modelwright.networks.modules.attention import Blocks, waves
from modelwright.networks.modules.images import Pixels, size_of

if TYPE_CHECKING:
    from modelwright.networks.encoders.image_vit import ImageVitSpec
    from modelwright_runtime.signature import ArrayInput

WANTED_PATCHES = 64


class ImageVit(nn.Module):
    """Patches with fixed places, pre-norm blocks, the mean over the patches."""

    positions: Tensor

    def __init__(self, spec: ImageVitSpec, input: ArrayInput) -> None:
        super().__init__()
        self.pixels = Pixels(input)
        height, width = size_of(input)
        side = min(spec.patch or max(2, round(math.sqrt(height * width / WANTED_PATCHES))), height, width)
        self.rest = (0, -width % side, 0, -height % side)
        rows, columns = -(-height // side), -(-width // side)
        self.enter = nn.Conv2d(int(input.settings["channels"]), spec.width, side, stride=side)
        self.register_buffer("positions", _places(rows, columns, spec.width), persistent=False)
        self.dropout = dropout(spec.dropout)
        self.blocks = Blocks(spec.width, spec.layers, spec.heads, dropout=spec.dropout, drop_path=spec.drop_path)
        self.width = self.map_channels = spec.width
        self.map_size, self.stride = (rows, columns), side

    def map(self, x: Tensor) -> Tensor:
        """(n, width, rows, columns of patches)."""
        return self._patches(x).transpose(1, 2).reshape(-1, self.width, *self.map_size)

    def pool(self, map: Tensor, x: Tensor) -> Tensor:
        """The mean over the patches."""
        return map.mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """(n, width)."""
        return self._patches(x).mean(dim=1)

    def _patches(self, x: Tensor) -> Tensor:
        entered = self.enter(nn.functional.pad(self.pixels(x), self.rest)).flatten(2).transpose(1, 2)
        seen: Tensor = self.blocks(self.dropout(entered + self.positions))
        return seen


def _places(rows: int, columns: int, width: int) -> Tensor:
    """(rows * columns, width): half of the numbers tell the row, half the column."""
    half = (width + 1) // 2
    by_row = waves(rows, half)[:, None].expand(-1, columns, -1)
    by_column = waves(columns, width - half)[None].expand(rows, -1, -1)
    return torch.cat([by_row, by_column], dim=-1).flatten(0, 1).contiguous()
