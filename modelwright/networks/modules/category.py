"""The module of `encoders/category.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from modelwright.networks.encoders.category import CategorySpec
    from modelwright_runtime.signature import ArrayInput

LARGEST = 64


def n_codes(input: ArrayInput) -> list[int]:
    """Codes per column, missing and unseen included."""
    levels = input.settings["levels"]
    lists = [levels[column] for column in input.columns] if isinstance(levels, Mapping) else levels
    return [2 + len(some) for some in lists]


def size_of(n_levels: int) -> int:
    """Length of the vector of a column: 1.6 n^0.56, up to a power of 2 so that many columns share a table."""
    return int(min(LARGEST, 2 ** math.ceil(math.log2(max(2.0, 1.6 * n_levels**0.56)))))


class Category(nn.Module):
    """A table of vectors for all columns of the same size."""

    counts: Tensor

    def __init__(self, spec: CategorySpec, input: ArrayInput) -> None:
        super().__init__()
        counts = n_codes(input)
        sizes = [spec.size or size_of(count) for count in counts]
        self.register_buffer("counts", torch.tensor(counts))
        self.tables = nn.ModuleList()
        self.places: list[list[int]] = []
        for size in sorted(set(sizes)):
            places = [index for index, other in enumerate(sizes) if other == size]
            self.places.append(places)
            self.tables.append(_Table([counts[place] for place in places], size))
        self.dropout = spec.dropout
        self.width = sum(sizes)
        if len(self.tables) == 1:
            self.n_tokens, self.token_width = len(sizes), sizes[0]

    def tokens(self, codes: Tensor) -> Tensor:
        """(n, n_columns, size): a vector per category, where all columns have the same size."""
        vectors: Tensor = self.tables[0](self._known(codes))
        return vectors

    def forward(self, codes: Tensor) -> Tensor:
        """(n, width): the vectors of all columns side by side, smaller ones first."""
        codes = self._known(codes)
        if len(self.tables) == 1:
            only: Tensor = self.tables[0](codes)
            return only.flatten(1)
        parts = [table(codes[:, places]).flatten(1) for table, places in zip(self.tables, self.places, strict=True)]
        return torch.cat(parts, dim=1)

    def _known(self, codes: Tensor) -> Tensor:
        codes = torch.where((codes >= 0) & (codes < self.counts), codes, 1)
        if self.training and self.dropout > 0:
            lost = torch.rand(codes.shape, device=codes.device) < self.dropout
            codes = torch.where(lost, 1, codes)
        return codes


class _Table(nn.Module):
    """Vectors of one size for several columns in one matrix: one look-up for all."""

    starts: Tensor

    def __init__(self, counts: list[int], size: int) -> None:
        super().__init__()
        starts = torch.tensor([0, *counts[:-1]]).cumsum(0)
        self.register_buffer("starts", starts)
        weight = torch.randn(sum(counts), size) * size**-0.5
        weight[starts] = 0.0
        weight[starts + 1] = 0.0
        self.weight = nn.Parameter(weight)

    def forward(self, codes: Tensor) -> Tensor:
        return nn.functional.embedding(codes + self.starts, self.weight)
