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
    scale: Tensor

    def __init__(self, spec: NumberSpec, input: ArrayInput) -> None:
        super().__init__()
        n_columns = len(input.columns)
        self.register_buffer("mean", per_column(input, "mean", 0.0))
        self.register_buffer("scale", per_column(input, "scale", 1.0))
        self.embedding = _embedding(spec, input)
        if self.embedding is None:
            self.width = 2 * n_columns
        else:
            self.n_tokens, self.token_width = n_columns, spec.size
            self.width = n_columns * spec.size
        # no gap in training leaves this at zero, so that a gap in serving says nothing rather than noise
        self.gap = nn.Parameter(torch.zeros(n_columns, spec.size) if self.embedding else torch.zeros(n_columns))

    def tokens(self, x: Tensor) -> Tensor:
        """(n, n_columns, size): a vector per number."""
        assert self.embedding is not None
        missing = torch.isnan(x)
        vectors: Tensor = self.embedding(self._standardised(x, missing))
        return torch.where(missing.unsqueeze(-1), self.gap, vectors)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width): standardised numbers and what gaps say, or the vectors side by side."""
        if self.embedding is not None:
            return self.tokens(x).flatten(1)
        missing = torch.isnan(x)
        return torch.cat([self._standardised(x, missing), missing * self.gap], dim=1)

    def _standardised(self, x: Tensor, missing: Tensor) -> Tensor:
        z = (torch.where(missing, self.mean, x) - self.mean) / self.scale
        z = z.clamp(-1e6, 1e6)  # the square of more overflows
        return z * torch.rsqrt(1.0 + (z / SOFT_LIMIT).square())


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
    return (z * torch.rsqrt(1.0 + (z / SOFT_LIMIT).square())).float()


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
