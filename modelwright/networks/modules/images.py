"""What encoders of images share: pixels as numbers, norms of maps, blocks of convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import activation

if TYPE_CHECKING:
    from modelwright_runtime.signature import ArrayInput


class Pixels(nn.Module):
    """Uint8 (n, height, width, channels) to float32 (n, channels, height, width), standardised per channel by
    `settings["mean"]` and `settings["scale"]`, shares of white. Its memory stays channels-last."""

    factor: Tensor
    offset: Tensor

    def __init__(self, input: ArrayInput) -> None:
        super().__init__()
        n_channels = int(input.settings["channels"])
        mean = torch.tensor(input.settings.get("mean", [0.5] * n_channels), dtype=torch.float32)
        scale = torch.tensor(input.settings.get("scale", [0.25] * n_channels), dtype=torch.float32).clamp(min=1e-3)
        self.register_buffer("factor", 1.0 / (255.0 * scale))
        self.register_buffer("offset", -mean / scale)

    def forward(self, x: Tensor) -> Tensor:
        """Standardised pixels."""
        return (x.to(self.factor.dtype) * self.factor + self.offset).permute(0, 3, 1, 2)


def size_of(input: ArrayInput) -> tuple[int, int]:
    """(height, width)."""
    return int(input.settings["height"]), int(input.settings["width"])


def halved(size: tuple[int, int]) -> tuple[int, int]:
    """Of a stride of 2, rounded up: no pixel at the edge is lost."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def map_norm(name: str, channels: int) -> nn.Module:
    """A normalisation of maps (n, channels, height, width)."""
    if name == "none":
        return nn.Identity()
    if name == "batch":
        return nn.BatchNorm2d(channels)
    n_groups = next(count for count in (8, 4, 2, 1) if channels % count == 0)
    return nn.GroupNorm(n_groups, channels)


def conv(n_inputs: int, channels: int, kernel: int, *, norm: str, act: str, stride: int = 1) -> list[nn.Module]:
    """Convolution, norm, activation."""
    plain = norm == "none"
    layers = [nn.Conv2d(n_inputs, channels, kernel, stride=stride, padding=kernel // 2, bias=plain)]
    return [*layers, *([] if plain else [map_norm(norm, channels)]), activation(act)]


def channels_last(module: nn.Module) -> None:
    """Weights of convolutions as a CPU's and a GPU's quickest kernels want them, in place."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
