"""Images by a network that goes down and up again: a fine map that has seen the surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder
from modelwright.networks.choices import Activation, MapNorm

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class ImageUnetSpec(Spec):
    """The levels."""

    channels: int = Field(
        default=16, ge=1, le=1024, description="channels of the first level; each one doubles them, up to 16 times"
    )
    depth: int | None = Field(
        default=None, ge=1, le=6, description="halvings after the first level; by the size of the picture if left out"
    )
    start: Literal[1, 2, 4] = Field(
        default=1, description="pixels to one of the first level: 2 costs a quarter, and loses what is a pixel wide"
    )
    stride: Literal[1, 2, 4, 8, 16] = Field(default=1, description="pixels to one of the map: 1 for masks, 8 for boxes")
    activation: Activation = Field(default="relu", description="activation after each convolution")
    norm: MapNorm = Field(default="batch", description="normalisation after each convolution")
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="share of the deepest map's channels left out in training"
    )

    @model_validator(mode="after")
    def _map_is_no_finer(self) -> ImageUnetSpec:
        if self.stride < self.start:
            raise ValueError(f"stride must be at least start ({self.start}); got {self.stride}")
        return self


def build(spec: ImageUnetSpec, input: ArrayInput) -> nn.Module:
    """Uint8 (n, height, width, channels) to a map (n, map_channels, height / stride, width / stride), and its mean (n,
    width).

    Each level is two convolutions; going up, what was seen going down is joined again, by a convolution of one pixel
    and one of three. By itself it goes down to 4 to 8 pixels, in at most 5 halvings, and at least to `stride`. The
    map has both signs: its last activation is left out.

    Reference: Ronneberger, Fischer and Brox (2015), "U-Net".

    >>> from modelwright.testing.networks import sample_input
    >>> build(ImageUnetSpec(channels=8), sample_input("image")).width
    8
    """
    from modelwright.networks.modules.image_unet import ImageUnet

    return ImageUnet(spec, input)


ENCODER = Encoder(forms=("image",), spec=ImageUnetSpec, build=build, gives_map=True)
