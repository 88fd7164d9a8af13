"""Attention over steps, patches or columns: the block of every transformer here.

References: Vaswani et al. (2017), "Attention Is All You Need"; Xiong et al. (2020), "On Layer Normalization in the
Transformer Architecture"; Su, Lu, Pan, Murtadha, Wen and Liu (2021), "RoFormer" for rotary positions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from modelwright.networks.layers import drop_path, dropout, mark_zero


class Attention(nn.Module):
    """Every step looks at every step that is not padding."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, width: int, heads: int, rotary_steps: int = 0) -> None:
        super().__init__()
        self.heads = heads
        self.question_key_value = nn.Linear(width, 3 * width)
        self.question_key_value.in_attention = True  # type: ignore[assignment]
        self.out = mark_zero(nn.Linear(width, width))
        self.rotary = rotary_steps > 0
        if self.rotary:
            half = width // heads // 2
            angles = torch.arange(rotary_steps)[:, None] * 10_000.0 ** (-torch.arange(half) / half)
            self.register_buffer("cosine", angles.cos(), persistent=False)
            self.register_buffer("sine", angles.sin(), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, steps, width) to the same; `mask` is bool (n, steps), False at padding."""
        parts = self.question_key_value(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        question, key, value = parts.unbind(0)
        if self.rotary:
            question, key = self._turned(question), self._turned(key)
        shown = None if mask is None else mask[:, None, None, :]
        seen = nn.functional.scaled_dot_product_attention(question, key, value, attn_mask=shown)
        joined: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return joined

    def _turned(self, x: Tensor) -> Tensor:
        steps = x.shape[2]
        first, second = x.chunk(2, dim=-1)
        cosine, sine = self.cosine[:steps], self.sine[:steps]
        return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); both branches start at zero."""

    def __init__(self, width: int, heads: int, share: float, path: float = 0.0, rotary_steps: int = 0) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, rotary_steps)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), dropout(share), mark_zero(nn.Linear(4 * width, width))
        )
        self.dropout, self.path = dropout(share), drop_path(path)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, steps, width) to the same."""
        x = x + self.path(self.dropout(self.attention(self.norm_1(x), mask)))
        changed: Tensor = x + self.path(self.dropout(self.mlp(self.norm_2(x))))
        return changed


class Blocks(nn.Module):
    """Several blocks and a last norm. Branches are left out more often the deeper they are."""

    def __init__(
        self, width: int, layers: int, heads: int, *, dropout: float, drop_path: float = 0.0, rotary_steps: int = 0
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(width, heads, dropout, drop_path * (index + 1) / layers, rotary_steps) for index in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, steps, width) to the same; `mask` is bool (n, steps), False at padding."""
        for block in self.blocks:
            x = block(x, mask)
        normed: Tensor = self.norm(x)
        return normed


def seen_somewhere(mask: Tensor) -> Tensor:
    """The mask with the first step always True: a softmax over nothing is not a number."""
    first = torch.zeros_like(mask)
    first[:, 0] = True
    return mask | first


def waves(steps: int, width: int) -> Tensor:
    """Fixed positions (steps, width): sines and cosines, from one turn in 2 pi steps to one in 10,000 times that."""
    half = (width + 1) // 2
    angles = torch.arange(steps)[:, None] * torch.exp(-math.log(10_000.0) * torch.arange(half) / max(half - 1, 1))
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]
