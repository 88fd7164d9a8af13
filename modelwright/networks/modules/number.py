"""The module of `encoders/number.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import per_column

if TYPE_CHECKING:
    from modelwright.networks.encoders.number import NumberSpec
    from modelwright_runtime.signature import ArrayInput

SOFT_LIMIT = 5.0  # standard deviations: one cell of a million must not drown the others


class Number(nn.Module):
    """Standardised numbers (n, n_columns) as vectors."""

    mean: Tensor
    factor: Tensor

    def __init__(self, spec: NumberSpec, input: ArrayInput) -> None:
        super().__init__()
        n_columns = len(input.columns)
        mean, scale = per_column(input, "mean", 0.0).double(), per_column(input, "scale", 1.0).double()
        self.register_buffer("factor", (1.0 / (SOFT_LIMIT * scale)).float())
        self.register_buffer("mean", mean.float())
        self.embedding = _embedding(spec, input)
        gaps = _gaps(input)
        self.gaps = gaps if len(gaps) < n_columns else None
        # no gap in training leaves this at zero, so that a gap in serving says nothing rather than noise
        self.gap: nn.Parameter | None = None
        if self.embedding is not None:
            self.n_tokens, self.token_width = n_columns, spec.size
            self.width = n_columns * spec.size
            self.gap = nn.Parameter(torch.zeros(n_columns, spec.size))
        else:
            self.width = n_columns + len(gaps)
            self.gap = nn.Parameter(torch.zeros(len(gaps))) if gaps else None

    def tokens(self, x: Tensor) -> Tensor:
        """(n, n_columns, size): a vector per number."""
        assert self.embedding is not None and self.gap is not None
        vectors: Tensor = self.embedding(self._standardised(x))
        return torch.where(torch.isnan(x).unsqueeze(-1), self.gap, vectors)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width): standardised numbers and what gaps say, or the vectors side by side."""
        if self.embedding is not None:
            return self.tokens(x).flatten(1)
        z = self._standardised(x)
        if self.gap is None:
            return z
        missing = torch.isnan(x if self.gaps is None else x[:, self.gaps])
        return torch.cat([z, missing * self.gap], dim=1)

    def _standardised(self, x: Tensor) -> Tensor:
        """(n, n_columns), the mean where missing. `tanh` holds even what is infinite within the limit."""
        z = torch.tanh((x - self.mean) * self.factor)
        return torch.nan_to_num(z, nan=0.0) * SOFT_LIMIT


def _gaps(input: ArrayInput) -> list[int]:
    """The columns that had gaps in training; all, where nobody looked."""
    told = input.settings.get("gaps")
    return [index for index in range(len(input.columns)) if told is None or told[index]]


def _embedding(spec: NumberSpec, input: ArrayInput) -> nn.Module | None:
    n_columns = len(input.columns)
    if spec.embedding == "linear":
        return Linear(n_columns, spec.size)
    if spec.embedding == "periodic":
        return Periodic(n_columns, spec.frequencies, spec.sigma, spec.size)
    if spec.embedding == "piecewise":
        return Piecewise(_edges(spec, input), spec.size)
    return None


def _edges(spec: NumberSpec, input: ArrayInput) -> Tensor:
    """(n_columns, n_edges) in standardised units, rising."""
    given = input.settings.get("edges")
    if given is None:
        shares = torch.linspace(0.01, 0.99, spec.bins + 1, dtype=torch.float64)
        normal = math.sqrt(2.0) * torch.erfinv(2.0 * shares - 1.0)
        return normal.float().repeat(len(input.columns), 1)
    edges = torch.tensor(given, dtype=torch.float64)
    z = (edges - per_column(input, "mean", 0.0).double()[:, None]) / per_column(input, "scale", 1.0).double()[:, None]
    return (SOFT_LIMIT * torch.tanh(z / SOFT_LIMIT)).float()


class Linear(nn.Module):
    """A straight line per column: z * weight + bias."""

    def __init__(self, n_columns: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_columns, size) * size**-0.5)
        self.bias = nn.Parameter(torch.randn(n_columns, size) * size**-0.5)

    def forward(self, z: Tensor) -> Tensor:
        """(n, n_columns) to (n, n_columns, size)."""
        return z.unsqueeze(-1) * self.weight + self.bias


class _PerColumn(nn.Module):
    """A matrix of its own for each column, and a ReLU."""

    def __init__(self, n_columns: int, n_features: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_columns, n_features, size) * (2.0 / n_features) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(n_columns, size))

    def forward(self, features: Tensor) -> Tensor:
        mixed = torch.einsum("ncf,cfs->ncs", features, self.weight) + self.bias
        return torch.relu(mixed)


class Periodic(nn.Module):
    """Sines and cosines of learned frequencies, and the number itself, through a matrix and a ReLU per column."""

    def __init__(self, n_columns: int, n_frequencies: int, sigma: float, size: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(n_columns, n_frequencies) * sigma)
        self.mix = _PerColumn(n_columns, 2 * n_frequencies + 1, size)

    def forward(self, z: Tensor) -> Tensor:
        """(n, n_columns) to (n, n_columns, size)."""
        z = z.unsqueeze(-1)
        angle = 2.0 * math.pi * z * self.frequencies
        mixed: Tensor = self.mix(torch.cat([torch.sin(angle), torch.cos(angle), z], dim=-1))
        return mixed


class Piecewise(nn.Module):
    """How far a number has climbed through each bin, through a matrix and a ReLU per column."""

    low: Tensor
    rise: Tensor
    least: Tensor
    most: Tensor

    def __init__(self, edges: Tensor, size: int) -> None:
        super().__init__()
        n_columns, n_edges = edges.shape
        n_bins = n_edges - 1
        width = edges[:, 1:] - edges[:, :-1]
        self.register_buffer("low", edges[:, :-1].clone())
        self.register_buffer("rise", torch.where(width > 1e-6, 1.0 / width.clamp(min=1e-6), torch.zeros_like(width)))
        least, most = torch.zeros(n_bins), torch.ones(n_bins)
        least[0], most[-1] = -SOFT_LIMIT, SOFT_LIMIT  # the outer bins go on beyond what training saw
        self.register_buffer("least", least)
        self.register_buffer("most", most)
        self.mix = _PerColumn(n_columns, n_bins, size)

    def forward(self, z: Tensor) -> Tensor:
        """(n, n_columns) to (n, n_columns, size)."""
        climbed = (z.unsqueeze(-1) - self.low) * self.rise
        mixed: Tensor = self.mix(torch.minimum(torch.maximum(climbed, self.least), self.most))
        return mixed
