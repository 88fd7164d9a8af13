"""Images by a residual network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder
from modelwright.networks.choices import Activation

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class ImageResnetSpec(Spec):
    """The stages."""

    channels: int = Field(default=32, ge=1, le=1024, description="channels of the first stage; each stage doubles them")
    stages: int | None = Field(
        default=None, ge=1, le=6, description="stages, each but the first halving the picture; by its size if left out"
    )
    blocks: int = Field(default=2, ge=1, le=64, description="residual blocks of two convolutions in a stage")
    activation: Activation = Field(default="relu", description="activation after each convolution")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the vector left out in training")
    drop_path: float = Field(default=0.0, ge=0, lt=1, description="share of rows for which the last block is left out")


def build(spec: ImageResnetSpec, input: ArrayInput) -> nn.Module:
    """Uint8 (n, height, width, channels) to (n, width = channels * 2^(stages - 1)): the mean over the last map.

    The last norm of each block starts at zero, so that a deep network begins as a shallow one. Pictures of more than
    96 pixels are halved twice before the first stage. The map is (n, width, height / stride, width / stride).

    Reference: He, Zhang, Ren and Sun (2016), "Deep Residual Learning for Image Recognition".

    >>> from modelwright.testing.networks import sample_input
    >>> build(ImageResnetSpec(channels=16, stages=3), sample_input("image")).width
    64
    """
    from modelwright.networks.modules.image_resnet import ImageResnet

    return ImageResnet(spec, input)


ENCODER = Encoder(forms=("image",), spec=ImageResnetSpec, build=build, gives_map=True)
