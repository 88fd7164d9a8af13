"""Series as they are: for linear forecasts and linear classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder
from modelwright.networks.choices import Normalise

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class SeriesLinearSpec(Spec):
    """What a step is measured by."""

    normalise: Normalise = Field(default="column", description="what a step is measured by")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of steps left out in training")


def build(spec: SeriesLinearSpec, input: ArrayInput) -> nn.Module:
    """Float32 (n, n_columns, length) to (n, n_columns * length): the standardised steps side by side.

    Of a target's own past the head of forecasts makes a linear map of the steps, by each row's own mean and
    deviation: with this encoder alone, that map is the whole network (RLinear).

    Reference: Zeng, Chen, Zhang and Xu (2023), "Are Transformers Effective for Time Series Forecasting?"; Li, Qi, Li
    and Xu (2023), "Revisiting Long-term Time Series Forecasting" (RLinear).

    >>> from modelwright.testing.networks import sample_input
    >>> build(SeriesLinearSpec(), sample_input("series")).width
    64
    """
    from modelwright.networks.modules.series_linear import SeriesLinear

    return SeriesLinear(spec, input)


ENCODER = Encoder(forms=("series",), spec=SeriesLinearSpec, build=build)
