"""Images by a small convolutional network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder
from modelwright.networks.choices import Activation, MapNorm

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class ImageCnnSpec(Spec):
    """The blocks."""

    channels: int = Field(default=32, ge=1, le=2048, description="channels of the first block; each block doubles them")
    depth: int | None = Field(
        default=None, ge=1, le=8, description="blocks, each halving the picture; by its size if left out"
    )
    convolutions: int = Field(default=2, ge=1, le=8, description="convolutions in a block")
    kernel: Literal[3, 5, 7] = Field(default=3, description="pixels that a filter sees, each way")
    activation: Activation = Field(default="gelu", description="activation after each convolution")
    norm: MapNorm = Field(default="batch", description="normalisation after each convolution")
    pool: Literal["mean", "max"] = Field(default="max", description="how the last map becomes a vector")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the vector left out in training")


def build(spec: ImageCnnSpec, input: ArrayInput) -> nn.Module:
    """Uint8 (n, height, width, channels) to (n, width = channels * 2^(depth - 1)).

    Each block: convolution, halving by maximum, norm, activation, then the other convolutions. By itself it goes down
    to a map of about 3 to 5 pixels, in at most 4 blocks. The map is (n, width, height / stride, width / stride).

    Reference: Jordan (2024), "94% on CIFAR-10 in 3.29 Seconds on a Single GPU".

    >>> from modelwright.testing.networks import sample_input
    >>> build(ImageCnnSpec(channels=16), sample_input("image")).width
    32
    """
    from modelwright.networks.modules.image_cnn import ImageCnn

    return ImageCnn(spec, input)


ENCODER = Encoder(forms=("image",), spec=ImageCnnSpec, build=build, gives_map=True)
