"""The module of `encoders/image_cnn.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor, nn

from modelwright.networks.layers import activation, dropout
from modelwright.networks.modules.images import Pixels, channels_last, conv, halved, map_norm, size_of

if TYPE_CHECKING:
    from modelwright.networks.encoders.image_cnn import ImageCnnSpec
    from modelwright_runtime.signature import ArrayInput


class ImageCnn(nn.Module):
    """Blocks that halve the picture and double the channels."""

    def __init__(self, spec: ImageCnnSpec, input: ArrayInput) -> None:
        super().__init__()
        self.pixels = Pixels(input)
        size = size_of(input)
        depth = spec.depth or max(1, min(4, int(math.log2(min(size) / 3))))
        n_inputs, channels = int(input.settings["channels"]), spec.channels
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += halving(
                n_inputs, channels, spec.convolutions, kernel=spec.kernel, norm=spec.norm, act=spec.activation
            )
            n_inputs, channels, size = channels, 2 * channels, halved(size)
        self.blocks = nn.Sequential(*layers)
        self.mean = spec.pool == "mean"
        self.dropout = dropout(spec.dropout)
        self.width = self.map_channels = n_inputs
        self.map_size, self.stride = size, 2**depth
        channels_last(self)

    def map(self, x: Tensor) -> Tensor:
        """(n, width, height / stride, width / stride)."""
        last: Tensor = self.blocks(self.pixels(x))
        return last

    def pool(self, map: Tensor, x: Tensor) -> Tensor:
        """The mean or maximum over the map."""
        pooled = map.mean(dim=(2, 3)) if self.mean else map.amax(dim=(2, 3))
        vector: Tensor = self.dropout(pooled)
        return vector

    def forward(self, x: Tensor) -> Tensor:
        """(n, width)."""
        return self.pool(self.map(x), x)


def halving(n_inputs: int, channels: int, convolutions: int, *, kernel: int, norm: str, act: str) -> list[nn.Module]:
    """Convolution, halving, norm, activation; then the other convolutions. Halving first makes the norm cheaper."""
    first = nn.Conv2d(n_inputs, channels, kernel, padding=kernel // 2, bias=norm == "none")
    layers: list[nn.Module] = [first, nn.MaxPool2d(2, ceil_mode=True), map_norm(norm, channels), activation(act)]
    for _ in range(convolutions - 1):
        layers += conv(channels, channels, kernel, norm=norm, act=act)
    return [layer for layer in layers if not isinstance(layer, nn.Identity)]
