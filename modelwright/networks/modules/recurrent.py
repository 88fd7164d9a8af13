"""The modules of `encoders/text_recurrent.py` and `encoders/series_recurrent.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import dropout
from modelwright.networks.modules.series import Past, SeriesInput
from modelwright.networks.modules.tokens import Tokens, masked_mean, trimmed

if TYPE_CHECKING:
    from modelwright.networks.encoders.series_recurrent import SeriesRecurrentSpec
    from modelwright.networks.encoders.text_recurrent import TextRecurrentSpec
    from modelwright_runtime.signature import ArrayInput


class Recurrent(nn.Module):
    """Layers of LSTM or GRU over rows of their own length, padded on the right.

    The backward direction is a forward one over each row turned round within its length: an ordinary
    bidirectional layer would begin in the padding, and packed rows cannot be written as a graph.
    """

    def __init__(self, spec: TextRecurrentSpec | SeriesRecurrentSpec, n_inputs: int) -> None:
        super().__init__()
        cell = nn.LSTM if spec.cell == "lstm" else nn.GRU
        self.width = spec.units * (2 if spec.bidirectional else 1)
        widths = [n_inputs] + [self.width] * (spec.layers - 1)
        self.forwards = nn.ModuleList(cell(width, spec.units, batch_first=True) for width in widths)
        backwards = [cell(width, spec.units, batch_first=True) for width in widths if spec.bidirectional]
        self.backwards = nn.ModuleList(backwards)
        self.between = dropout(spec.dropout)
        self.how = spec.pool

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(n, steps, n_inputs) and int64 (n,) to (n, steps, width), 0 beyond each row's length."""
        steps = torch.arange(x.shape[1], device=x.device)
        there = steps < lengths[:, None]
        order = torch.where(there, lengths[:, None] - 1 - steps, steps).unsqueeze(-1) if len(self.backwards) else None
        for index, layer in enumerate(self.forwards):
            x = x if index == 0 else self.between(x)
            said = layer(x)[0]
            if order is not None:
                said = torch.cat([said, _turned(self.backwards[index](_turned(x, order))[0], order)], dim=-1)
            x = said
        return x * there.unsqueeze(-1).to(x.dtype)

    def pool(self, map: Tensor, lengths: Tensor) -> Tensor:
        """One vector a row: of the last step (the first, backwards), or the mean or maximum over the row."""
        if self.how == "last":
            end = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, map.shape[2])
            last = torch.gather(map, 1, end).squeeze(1)
            if not len(self.backwards):
                return last
            half = self.width // 2
            return torch.cat([last[:, :half], map[:, 0, half:]], dim=1)
        there = torch.arange(map.shape[1], device=map.device) < lengths[:, None]
        if self.how == "mean":
            return masked_mean(map, there)
        lowest = torch.where(there.unsqueeze(-1), map, -1.0)  # LSTM and GRU answer within -1..1
        return lowest.amax(dim=1) * (lengths > 0).to(map.dtype).unsqueeze(-1)


def _turned(x: Tensor, order: Tensor) -> Tensor:
    return torch.gather(x, 1, order.expand(-1, -1, x.shape[2]))


class TextRecurrent(nn.Module):
    """Token vectors, recurrent layers, one vector a text."""

    def __init__(self, spec: TextRecurrentSpec, input: ArrayInput) -> None:
        super().__init__()
        self.table = Tokens(input, spec.embedding)
        self.dropout = dropout(spec.dropout)
        self.layers = Recurrent(spec, spec.embedding)
        self.width = self.map_channels = self.layers.width
        self.map_size, self.stride = (int(input.settings["length"]),), 1

    def map(self, tokens: Tensor) -> Tensor:
        """(n, length, width), 0 at padding."""
        said: Tensor = self.layers(self.dropout(self.table(tokens)), _lengths(tokens))
        return said

    def pool(self, map: Tensor, tokens: Tensor) -> Tensor:
        """One vector a text."""
        pooled: Tensor = self.dropout(self.layers.pool(map, _lengths(tokens)))
        return pooled

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, width)."""
        tokens = trimmed(tokens)
        return self.pool(self.map(tokens), tokens)


def _lengths(tokens: Tensor) -> Tensor:
    return (tokens != 0).sum(dim=1)


class SeriesRecurrent(nn.Module):
    """Standardised steps, recurrent layers, one vector a series."""

    def __init__(self, spec: SeriesRecurrentSpec, input: ArrayInput) -> None:
        super().__init__()
        self.series = SeriesInput(input, spec.normalise)
        self.layers = Recurrent(spec, len(input.columns))
        self.dropout = dropout(spec.dropout)
        self.width = self.map_channels = self.layers.width
        self.length = int(input.settings["length"])
        self.map_size, self.stride = (self.length,), 1

    def map(self, x: Tensor) -> Tensor:
        """(n, length, width), 0 at padding; rows padded on the left begin at step 0."""
        steps, there = self.series(x)
        lengths = there.sum(dim=1)
        steps = steps.transpose(1, 2)
        if self.series.pads_left:
            order = torch.arange(self.length, device=x.device) + (self.length - lengths)[:, None]
            steps = _turned(steps, order.clamp(max=self.length - 1).unsqueeze(-1))
        said: Tensor = self.layers(steps, lengths)
        return said

    def pool(self, map: Tensor, x: Tensor) -> Tensor:
        """One vector a series."""
        pooled: Tensor = self.dropout(self.layers.pool(map, self.series(x)[1].sum(dim=1)))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """(n, width)."""
        return self.pool(self.map(x), x)

    def history(self, x: Tensor, column: int) -> Past:
        """What a forecast needs of the past."""
        return self.series.history(x, column)
