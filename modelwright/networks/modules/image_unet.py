"""The module of `encoders/image_unet.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.modules.images import Pixels, channels_last, conv, halved, size_of

if TYPE_CHECKING:
    from modelwright.networks.encoders.image_unet import ImageUnetSpec
    from modelwright_runtime.signature import ArrayInput

MOST_WIDENING = 4  # halvings after which channels are doubled no more


class ImageUnet(nn.Module):
    """Two convolutions a level going down; going up, joined with what was seen there."""

    def __init__(self, spec: ImageUnetSpec, input: ArrayInput) -> None:
        super().__init__()
        self.pixels = Pixels(input)
        whole = math.log2(spec.start)
        finest = int(math.log2(spec.stride) - whole)
        sizes = [size_of(input)]
        for _ in range(int(whole)):
            sizes.append(halved(sizes[-1]))
        depth = spec.depth or max(1, min(5, int(math.log2(min(sizes[-1]) / 4))))
        depth = max(depth, finest + 1)
        widths = [spec.channels * 2 ** min(level, MOST_WIDENING) for level in range(depth + 1)]
        self.sizes = [sizes[-1]]
        self.down = nn.ModuleList()
        n_inputs = int(input.settings["channels"])
        for level, width in enumerate(widths):
            step = spec.start if level == 0 else 2
            self.down.append(
                nn.Sequential(
                    *conv(n_inputs, width, max(3, step + 1), norm=spec.norm, act=spec.activation, stride=step),
                    *conv(width, width, 3, norm=spec.norm, act=spec.activation),
                )
            )
            n_inputs = width
            if level:
                self.sizes.append(halved(self.sizes[-1]))
        self.up = nn.ModuleDict()
        for level in reversed(range(finest, depth)):
            joined = widths[level + 1] + widths[level]
            block = conv(widths[level], widths[level], 3, norm=spec.norm, act=spec.activation)
            if level == finest:
                # A map that ended in a ReLU would be 0 in large parts: there the bias of a head alone could say the
                # class, and it is the slowest to learn.
                block.pop()
            self.up[str(level)] = nn.Sequential(
                *conv(joined, widths[level], 1, norm=spec.norm, act=spec.activation),
                *block,
            )
        self.dropout = nn.Dropout2d(spec.dropout) if spec.dropout else nn.Identity()
        self.width = self.map_channels = widths[finest]
        self.map_size, self.stride = self.sizes[finest], spec.stride
        channels_last(self)

    def map(self, x: Tensor) -> Tensor:
        """(n, map_channels, height / stride, width / stride)."""
        y: Tensor = self.pixels(x)
        seen = []
        for level in self.down:
            y = level(y)
            seen.append(y)
        y = self.dropout(y)
        for name, level in self.up.items():
            index = int(name)
            y = nn.functional.interpolate(y, size=self.sizes[index], mode="nearest")
            y = level(torch.cat([y, seen[index]], dim=1))
        return y

    def pool(self, map: Tensor, x: Tensor) -> Tensor:
        """The mean over the map."""
        return map.mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """(n, width)."""
        return self.pool(self.map(x), x)
