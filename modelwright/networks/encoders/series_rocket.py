"""Series by fixed random convolutions: nothing but the head is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder
from modelwright.networks.choices import Normalise

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class SeriesRocketSpec(Spec):
    """The kernels."""

    kernels: int = Field(default=1000, ge=4, le=100_000, description="random kernels; each gives two numbers")
    normalise: Normalise = Field(default="column", description="what a step is measured by")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of those numbers left out in training")


def build(spec: SeriesRocketSpec, input: ArrayInput) -> nn.Module:
    """Float32 (n, n_columns, length) to (n, width = 2 kernels): for each kernel the share of steps where it answers
    above 0, and its largest answer, standardised as training goes.

    Kernels of 7, 9 or 11 steps, spread at random up to the length of the series, over random columns. The best
    choice for few series (tens to hundreds); costs kernels * length a row and learns nothing.

    Reference: Dempster, Petitjean and Webb (2020), "ROCKET".

    >>> from modelwright.testing.networks import sample_input
    >>> build(SeriesRocketSpec(kernels=64), sample_input("series")).width
    128
    """
    from modelwright.networks.modules.series_rocket import SeriesRocket

    return SeriesRocket(spec, input)


ENCODER = Encoder(forms=("series",), spec=SeriesRocketSpec, build=build)
