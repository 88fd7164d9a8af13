"""Images by a transformer over patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class ImageVitSpec(Spec):
    """The patches and blocks."""

    patch: int | None = Field(
        default=None, ge=1, le=256, description="side of a patch, pixels; if left out, for about 64 patches"
    )
    width: int = Field(default=128, ge=1, le=8192, description="length of a patch's vector")
    layers: int = Field(default=4, ge=1, le=48, description="blocks")
    heads: int = Field(default=4, ge=1, le=128, description="heads of attention; divides the width")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of units left out in training")
    drop_path: float = Field(default=0.0, ge=0, lt=1, description="share of rows for which the last block is left out")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide width ({self.width})")
        return self


def build(spec: ImageVitSpec, input: ArrayInput) -> nn.Module:
    """Uint8 (n, height, width, channels) to (n, width): the mean over the patches after pre-norm blocks.

    Places are told by fixed sines and cosines; pictures are padded to whole patches. The map is (n, width, rows,
    columns of patches). From scratch it wants tens of thousands of pictures; under that the convolutional ones are
    better.

    References: Dosovitskiy et al. (2021), "An Image is Worth 16x16 Words"; Beyer, Zhai and Kolesnikov (2022), "Better
    plain ViT baselines for ImageNet-1k".

    >>> from modelwright.testing.networks import sample_input
    >>> build(ImageVitSpec(width=64), sample_input("image")).width
    64
    """
    from modelwright.networks.modules.image_vit import ImageVit

    return ImageVit(spec, input)


ENCODER = Encoder(forms=("image",), spec=ImageVitSpec, build=build, gives_map=True)
