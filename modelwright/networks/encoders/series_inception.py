"""Series by convolutions of several lengths side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder
from modelwright.networks.choices import Normalise

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class SeriesInceptionSpec(Spec):
    """The blocks."""

    filters: int = Field(default=32, ge=1, le=1024, description="filters of each kernel size")
    layers: int = Field(default=6, ge=1, le=24, description="blocks; every third adds what it was given")
    kernels: tuple[int, ...] = Field(default=(9, 19, 39), min_length=1, description="steps that a filter sees; odd")
    normalise: Normalise = Field(default="column", description="what a step is measured by")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the vector left out in training")

    @field_validator("kernels")
    @classmethod
    def _odd(cls, kernels: tuple[int, ...]) -> tuple[int, ...]:
        if any(kernel < 1 or kernel % 2 == 0 for kernel in kernels):
            raise ValueError("kernels must be odd and at least 1")
        return kernels


def build(spec: SeriesInceptionSpec, input: ArrayInput) -> nn.Module:
    """Float32 (n, n_columns, length) to (n, width): filters for each kernel and one more; the mean over the steps.

    Kernels longer than the series are cut to it. Padding changes nothing. The map is (n, length, width).

    Reference: Ismail Fawaz et al. (2020), "InceptionTime: Finding AlexNet for time series classification".

    >>> from modelwright.testing.networks import sample_input
    >>> build(SeriesInceptionSpec(filters=8), sample_input("series")).width
    32
    """
    from modelwright.networks.modules.series_convolutions import SeriesInception

    return SeriesInception(spec, input)


ENCODER = Encoder(forms=("series",), spec=SeriesInceptionSpec, build=build, gives_map=True)
