"""Series by dilated convolutions: short and long patterns at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder
from modelwright.networks.choices import Normalise

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class SeriesTcnSpec(Spec):
    """The blocks."""

    channels: int = Field(default=64, ge=1, le=4096, description="channels of every layer")
    layers: int | None = Field(
        default=None, ge=1, le=16, description="blocks; if left out, until one sees the whole series"
    )
    kernel: int = Field(default=5, ge=2, le=65, description="steps that a filter sees, spread further in every block")
    normalise: Normalise = Field(default="column", description="what a step is measured by")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="share of units left out in training")
    drop_path: float = Field(default=0.0, ge=0, lt=1, description="share of rows for which the last block is left out")


def build(spec: SeriesTcnSpec, input: ArrayInput) -> nn.Module:
    """Float32 (n, n_columns, length) to (n, width = 2 channels): mean over the steps, and the last step.

    Residual blocks of two convolutions, spread twice as far in each block (up to 8 blocks). Padding changes nothing.
    The map is (n, length, channels), 0 at padding.

    Reference: Bai, Kolter and Koltun (2018), "An Empirical Evaluation of Generic Convolutional and Recurrent Networks
    for Sequence Modeling" (here not causal: the whole series is known).

    >>> from modelwright.testing.networks import sample_input
    >>> build(SeriesTcnSpec(channels=32), sample_input("series")).width
    64
    """
    from modelwright.networks.modules.series_convolutions import SeriesTcn

    return SeriesTcn(spec, input)


ENCODER = Encoder(forms=("series",), spec=SeriesTcnSpec, build=build, gives_map=True)
