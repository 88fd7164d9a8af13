"""Texts by a transformer: every token looks at every other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class TextTransformerSpec(Spec):
    """The blocks."""

    width: int = Field(default=128, ge=2, le=8192, description="length of a token's vector")
    layers: int = Field(default=2, ge=1, le=48, description="blocks")
    heads: int = Field(default=4, ge=1, le=128, description="heads of attention; each gets width / heads numbers")
    positions: Literal["rotary", "learned"] = Field(default="rotary", description="how a token knows its place")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="share of units left out in training")
    drop_path: float = Field(default=0.0, ge=0, lt=1, description="share of rows for which the last block is left out")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(f"twice the heads ({self.heads}) must divide width ({self.width})")
        return self


def build(spec: TextTransformerSpec, input: ArrayInput) -> nn.Module:
    """Int64 tokens (n, length) to (n, width): the mean over the tokens after pre-norm blocks.

    Padding (0) is looked at by nobody and changes nothing; a text without tokens gives zeros. The map is (n,
    length, width). Costs the square of the length; from scratch it wants more rows than `text_cnn`.

    References: see `modules/attention.py`.

    >>> from modelwright.testing.networks import sample_input
    >>> build(TextTransformerSpec(width=64), sample_input("tokens")).width
    64
    """
    from modelwright.networks.modules.text_transformer import TextTransformer

    return TextTransformer(spec, input)


ENCODER = Encoder(forms=("tokens",), spec=TextTransformerSpec, build=build, gives_map=True)
