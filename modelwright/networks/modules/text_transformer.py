"""The module of `encoders/text_transformer.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import dropout
from modelwright.networks.modules.attention import Blocks, seen_somewhere
from modelwright.networks.modules.tokens import Tokens, masked_mean, trimmed

if TYPE_CHECKING:
    from modelwright.networks.encoders.text_transformer import TextTransformerSpec
    from modelwright_runtime.signature import ArrayInput


class TextTransformer(nn.Module):
    """Token vectors, pre-norm blocks, the mean over the text."""

    def __init__(self, spec: TextTransformerSpec, input: ArrayInput) -> None:
        super().__init__()
        length = int(input.settings["length"])
        rotary = spec.positions == "rotary"
        self.table = Tokens(input, spec.width)
        self.positions = None if rotary else nn.Parameter(torch.randn(length, spec.width) * 0.02)
        self.dropout = dropout(spec.dropout)
        self.blocks = Blocks(
            spec.width, spec.layers, spec.heads, dropout=spec.dropout, drop_path=spec.drop_path,
            rotary_steps=length if rotary else 0,
        )  # fmt: skip
        self.width = self.map_channels = spec.width
        self.map_size, self.stride = (length,), 1

    def map(self, tokens: Tensor) -> Tensor:
        """(n, length, width)."""
        x = self.table(tokens)
        if self.positions is not None:
            x = x + self.positions[: tokens.shape[1]]
        seen: Tensor = self.blocks(self.dropout(x), seen_somewhere(tokens != 0))
        return seen

    def pool(self, map: Tensor, tokens: Tensor) -> Tensor:
        """The mean over tokens that are there."""
        return masked_mean(map, tokens != 0)

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, width)."""
        tokens = trimmed(tokens)
        return self.pool(self.map(tokens), tokens)
