"""The module of `encoders/text_cnn.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import dropout
from modelwright.networks.modules.tokens import Tokens, trimmed

if TYPE_CHECKING:
    from modelwright.networks.encoders.text_cnn import TextCnnSpec
    from modelwright_runtime.signature import ArrayInput


class TextCnn(nn.Module):
    """Token vectors, filters of several sizes, the maximum over the text."""

    def __init__(self, spec: TextCnnSpec, input: ArrayInput) -> None:
        super().__init__()
        self.tokens_table = Tokens(input, spec.embedding)
        self.kernels = spec.kernels
        self.filters = nn.ModuleList(nn.Conv1d(spec.embedding, spec.filters, kernel) for kernel in spec.kernels)
        self.dropout = dropout(spec.dropout)
        self.width = spec.filters * len(spec.kernels)
        self.map_channels, self.stride = self.width, 1
        self.map_size = (int(input.settings["length"]),)

    def map(self, tokens: Tensor) -> Tensor:
        """(n, length, width): each filter's answer around each token, 0 at padding."""
        return self._answers(tokens).transpose(1, 2)

    def pool(self, map: Tensor, tokens: Tensor) -> Tensor:
        """The strongest answers: they are 0 or more, so zeros at padding never win."""
        pooled: Tensor = self.dropout(map.amax(dim=1))
        return pooled

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, width)."""
        strongest: Tensor = self.dropout(self._answers(trimmed(tokens)).amax(dim=2))
        return strongest

    def _answers(self, tokens: Tensor) -> Tensor:
        x = self.dropout(self.tokens_table(tokens)).transpose(1, 2)
        answers = []
        for kernel, conv in zip(self.kernels, self.filters, strict=True):
            before = (kernel - 1) // 2
            answers.append(conv(nn.functional.pad(x, (before, kernel - 1 - before))))
        return torch.relu(torch.cat(answers, dim=1)) * (tokens != 0).to(x.dtype).unsqueeze(1)
