"""Texts by a recurrent network: read in order, in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class TextRecurrentSpec(Spec):
    """The cells."""

    cell: Literal["lstm", "gru"] = Field(default="gru", description="kind of cell")
    embedding: int = Field(default=128, ge=1, le=4096, description="length of a token's vector")
    units: int = Field(default=128, ge=1, le=4096, description="units of a layer and direction")
    layers: int = Field(default=1, ge=1, le=8, description="layers")
    bidirectional: bool = Field(default=True, description="read backwards as well")
    pool: Literal["last", "mean", "max"] = Field(default="max", description="how steps become one vector")
    dropout: float = Field(
        default=0.3, ge=0, lt=1, description="share of token vectors and outputs left out in training"
    )


def build(spec: TextRecurrentSpec, input: ArrayInput) -> nn.Module:
    """Int64 tokens (n, length) to (n, width): units, twice that where it reads in both directions.

    Each direction starts at the text's own end, so padding (0) changes nothing; a text without tokens gives zeros.
    The map is (n, length, width), 0 at padding. Costs one step after the other: slower than the others on long texts.

    References: Hochreiter and Schmidhuber (1997); Cho et al. (2014); Schuster and Paliwal (1997).

    >>> from modelwright.testing.networks import sample_input
    >>> build(TextRecurrentSpec(units=32), sample_input("tokens")).width
    64
    """
    from modelwright.networks.modules.recurrent import TextRecurrent

    return TextRecurrent(spec, input)


ENCODER = Encoder(forms=("tokens",), spec=TextRecurrentSpec, build=build, gives_map=True)
