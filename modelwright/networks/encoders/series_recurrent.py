"""Series by a recurrent network: read step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder
from modelwright.networks.choices import Normalise

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class SeriesRecurrentSpec(Spec):
    """The cells."""

    cell: Literal["lstm", "gru"] = Field(default="gru", description="kind of cell")
    units: int = Field(default=64, ge=1, le=4096, description="units of a layer and direction")
    layers: int = Field(default=1, ge=1, le=8, description="layers")
    bidirectional: bool = Field(default=False, description="read backwards as well")
    pool: Literal["last", "mean", "max"] = Field(default="last", description="how steps become one vector")
    normalise: Normalise = Field(default="column", description="what a step is measured by")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of outputs left out in training")


def build(spec: SeriesRecurrentSpec, input: ArrayInput) -> nn.Module:
    """Float32 (n, n_columns, length) to (n, width): units, twice that where it reads in both directions.

    Padding changes nothing. The map is (n, length, width).

    References: Hochreiter and Schmidhuber (1997); Cho et al. (2014).

    >>> from modelwright.testing.networks import sample_input
    >>> build(SeriesRecurrentSpec(cell="lstm", units=32), sample_input("series")).width
    32
    """
    from modelwright.networks.modules.recurrent import SeriesRecurrent

    return SeriesRecurrent(spec, input)


ENCODER = Encoder(forms=("series",), spec=SeriesRecurrentSpec, build=build, gives_map=True)
