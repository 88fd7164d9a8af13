"""Texts by a convolutional network: phrases of a few words, wherever they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class TextCnnSpec(Spec):
    """The filters."""

    embedding: int = Field(default=128, ge=1, le=4096, description="length of a token's vector")
    kernels: tuple[int, ...] = Field(default=(1, 2, 3, 5), min_length=1, description="tokens that a filter sees")
    filters: int = Field(default=64, ge=1, le=4096, description="filters of each kernel size")
    bag: int = Field(
        default=16,
        ge=0,
        le=4096,
        description="length of the vectors of words and pairs that are summed beside; 0: none",
    )
    dropout: float = Field(
        default=0.3, ge=0, lt=1, description="share of token vectors and filters left out in training"
    )


def build(spec: TextCnnSpec, input: ArrayInput) -> nn.Module:
    """Int64 tokens (n, length), words or characters, to (n, width = filters * kernels + bag): for each filter its
    strongest answer anywhere in the text, and the sum of its words' and pairs' own vectors, as a linear model has it.

    0 is padding and changes nothing; a text without tokens gives zeros. The map is (n, length, width), 0 at padding.

    References: Kim (2014), "Convolutional Neural Networks for Sentence Classification"; Cheng et al. (2016), "Wide &
    Deep Learning for Recommender Systems", for the two side by side.

    >>> from modelwright.testing.networks import sample_input
    >>> build(TextCnnSpec(filters=8, bag=4), sample_input("tokens")).width
    36
    """
    from modelwright.networks.modules.text_cnn import TextCnn

    return TextCnn(spec, input)


ENCODER = Encoder(forms=("tokens",), spec=TextCnnSpec, build=build, gives_map=True)
