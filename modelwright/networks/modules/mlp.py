"""The modules of `trunks/none.py` and `trunks/mlp.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import activation, dropout, mark_zero, norm

if TYPE_CHECKING:
    from modelwright.networks.base import Part
    from modelwright.networks.trunks.mlp import MlpSpec


class Joined(nn.Module):
    """Vectors side by side."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        super().__init__()
        self.width = sum(part.width for part in parts)

    def forward(self, parts: tuple[Tensor, ...]) -> Tensor:
        """(n, sum of widths)."""
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


class Mlp(nn.Module):
    """Vectors side by side through hidden layers."""

    def __init__(self, spec: MlpSpec, parts: tuple[Part, ...]) -> None:
        super().__init__()
        self.width = spec.width
        layers: list[nn.Module] = []
        for index in range(spec.layers):
            if index and spec.residual:
                layers.append(ResidualLayer(spec))
                continue
            layers.append(nn.Linear(spec.width if index else sum(part.width for part in parts), spec.width))
            layers += [norm(spec.norm, spec.width), activation(spec.activation), dropout(spec.dropout)]
        self.layers = nn.Sequential(*(layer for layer in layers if not isinstance(layer, nn.Identity)))

    def forward(self, parts: tuple[Tensor, ...]) -> Tensor:
        """(n, width)."""
        x: Tensor = self.layers(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))
        return x


class ResidualLayer(nn.Module):
    """x + matrix(dropout(activation(matrix(norm(x))))), the last matrix zero at the start."""

    def __init__(self, spec: MlpSpec) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            norm(spec.norm, spec.width),
            nn.Linear(spec.width, spec.width),
            activation(spec.activation),
            dropout(spec.dropout),
            mark_zero(nn.Linear(spec.width, spec.width)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, width) to (n, width)."""
        changed: Tensor = x + self.branch(x)
        return changed
