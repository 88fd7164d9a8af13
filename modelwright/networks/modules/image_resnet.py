"""The module of `encoders/image_resnet.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor, nn

from modelwright.networks.layers import activation, drop_path, dropout, mark_zero
from modelwright.networks.modules.images import Pixels, channels_last, conv, halved, size_of

if TYPE_CHECKING:
    from modelwright.networks.encoders.image_resnet import ImageResnetSpec
    from modelwright_runtime.signature import ArrayInput

LARGE = 96  # pixels of the smaller side


class Residual(nn.Module):
    """shortcut(x) + two convolutions, the last norm zero at the start."""

    def __init__(self, n_inputs: int, channels: int, *, stride: int, act: str, path: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *conv(n_inputs, channels, 3, norm="batch", act=act, stride=stride),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            mark_zero(nn.BatchNorm2d(channels)),
        )
        self.path = drop_path(path)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or n_inputs != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(n_inputs, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels)
            )
        self.activation = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_inputs, h, w) to (n, channels, h / stride, w / stride)."""
        changed: Tensor = self.activation(self.shortcut(x) + self.path(self.branch(x)))
        return changed


class ImageResnet(nn.Module):
    """A first convolution, stages of residual blocks, the mean over the map."""

    def __init__(self, spec: ImageResnetSpec, input: ArrayInput) -> None:
        super().__init__()
        self.pixels = Pixels(input)
        size = size_of(input)
        large = min(size) > LARGE
        stem = conv(int(input.settings["channels"]), spec.channels, 7 if large else 3, norm="batch",
                    act=spec.activation, stride=2 if large else 1)  # fmt: skip
        if large:
            stem.append(nn.MaxPool2d(3, stride=2, padding=1))
            size = halved(halved(size))
        stages = spec.stages or max(1, min(4, 1 + int(math.log2(min(size) / 4))))
        n_blocks = stages * spec.blocks
        blocks: list[nn.Module] = []
        n_inputs, channels = spec.channels, spec.channels
        for index in range(n_blocks):
            stage, block = divmod(index, spec.blocks)
            stride = 2 if stage and not block else 1
            if stride == 2:
                channels, size = 2 * channels, halved(size)
            path = spec.drop_path * (index + 1) / n_blocks
            blocks.append(Residual(n_inputs, channels, stride=stride, act=spec.activation, path=path))
            n_inputs = channels
        self.blocks = nn.Sequential(*stem, *blocks)
        self.dropout = dropout(spec.dropout)
        self.width = self.map_channels = channels
        self.map_size, self.stride = size, (4 if large else 1) * 2 ** (stages - 1)
        channels_last(self)

    def map(self, x: Tensor) -> Tensor:
        """(n, width, height / stride, width / stride)."""
        last: Tensor = self.blocks(self.pixels(x))
        return last

    def pool(self, map: Tensor, x: Tensor) -> Tensor:
        """The mean over the map."""
        vector: Tensor = self.dropout(map.mean(dim=(2, 3)))
        return vector

    def forward(self, x: Tensor) -> Tensor:
        """(n, width)."""
        return self.pool(self.map(x), x)
