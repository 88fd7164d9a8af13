"""The module of `heads/forecast.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from modelwright.networks.layers import dropout, mark_small
from modelwright.networks.modules.heads import Unit, middle_of, rising

if TYPE_CHECKING:
    from modelwright.networks.base import Source
    from modelwright.networks.modules.series import Past


class Forecast(nn.Module):
    """A linear map of the past, a linear map of the vector, or both."""

    def __init__(self, source: Source, horizon: int, quantiles: tuple[float, ...], share: float) -> None:
        super().__init__()
        n_outputs = horizon * max(1, len(quantiles))
        self.n_quantiles, self.middle = len(quantiles), middle_of(quantiles)
        self.past = mark_small(nn.Linear(source.length, n_outputs)) if source.length else None
        self.linear = mark_small(nn.Linear(source.width, n_outputs)) if source.width else None
        self.dropout = dropout(share)
        self.unit = Unit()

    def forward(self, vector: Tensor | None, past: Past | None = None) -> Tensor:
        """Float32 (n, horizon), or (n, horizon, Q)."""
        parts = []
        if self.past is not None and past is not None:
            parts.append(self.past(past.steps))
        if self.linear is not None and vector is not None:
            parts.append(self.linear(self.dropout(vector)))
        raw: Tensor = sum(parts[1:], parts[0])
        if self.n_quantiles:
            raw = rising(raw.unflatten(1, (-1, self.n_quantiles)), self.middle)
        if past is None:
            return raw
        # in float64: a level of a million and steps of one would be lost in the sum
        by_row = (-1, *([1] * (raw.ndim - 1)))
        shift = ((past.shift - self.unit.centre) / self.unit.scale).view(by_row)
        spread = (past.spread / self.unit.scale).view(by_row)
        return (shift + spread * raw.double()).to(raw.dtype)

    def answer(self, raw: Tensor) -> Tensor:
        """Values in the target's unit, float64."""
        return self.unit.restore(raw)
