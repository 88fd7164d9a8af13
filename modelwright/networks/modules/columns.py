"""The module of `trunks/attention.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.modules.attention import Blocks

if TYPE_CHECKING:
    from modelwright.networks.base import Part
    from modelwright.networks.trunks.attention import AttentionSpec


class Columns(nn.Module):
    """Attention over a vector per column; what the gathering vector has seen is the answer."""

    wants_tokens = True

    def __init__(self, spec: AttentionSpec, parts: tuple[Part, ...]) -> None:
        super().__init__()
        self.width = spec.width
        self.enter = nn.ModuleList(nn.Linear(part.width, spec.width) for part in parts)
        self.gather = nn.Parameter(torch.randn(spec.width) * spec.width**-0.5)
        self.blocks = Blocks(spec.width, spec.layers, spec.heads, dropout=spec.dropout, drop_path=spec.drop_path)

    def forward(self, parts: tuple[Tensor, ...]) -> Tensor:
        """Parts (n, width_i) or (n, n_tokens_i, width_i) to (n, width)."""
        tokens = [self.gather.expand(parts[0].shape[0], 1, -1)]
        for enter, part in zip(self.enter, parts, strict=True):
            entered = enter(part)
            tokens.append(entered.unsqueeze(1) if part.ndim == 2 else entered)
        seen: Tensor = self.blocks(torch.cat(tokens, dim=1))
        return seen[:, 0]
