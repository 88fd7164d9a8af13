"""The module of `encoders/series_linear.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from modelwright.networks.layers import dropout
from modelwright.networks.modules.series import Past, SeriesInput

if TYPE_CHECKING:
    from modelwright.networks.encoders.series_linear import SeriesLinearSpec
    from modelwright_runtime.signature import ArrayInput


class SeriesLinear(nn.Module):
    """Standardised steps side by side."""

    only_history = True

    def __init__(self, spec: SeriesLinearSpec, input: ArrayInput) -> None:
        super().__init__()
        self.series = SeriesInput(input, spec.normalise)
        self.dropout = dropout(spec.dropout)
        self.length = int(input.settings["length"])
        self.width = len(input.columns) * self.length

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_columns * length)."""
        steps: Tensor = self.dropout(self.series(x)[0])
        return steps.flatten(1)

    def history(self, x: Tensor, column: int) -> Past:
        """What a forecast needs of the past."""
        past = self.series.history(x, column)
        return past._replace(steps=self.dropout(past.steps))
