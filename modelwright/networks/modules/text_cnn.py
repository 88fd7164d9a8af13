"""The module of `encoders/text_cnn.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import dropout
from modelwright.networks.modules.bag import Bag
from modelwright.networks.modules.tokens import Tokens, trimmed

if TYPE_CHECKING:
    from modelwright.networks.encoders.text_cnn import TextCnnSpec
    from modelwright_runtime.signature import ArrayInput


class TextCnn(nn.Module):
    """Token vectors, filters of several sizes, the maximum over the text; beside them words and pairs as they are."""

    def __init__(self, spec: TextCnnSpec, input: ArrayInput) -> None:
        super().__init__()
        self.tokens_table = Tokens(input, spec.embedding)
        self.kernels = spec.kernels
        self.filters = nn.ModuleList(nn.Conv1d(spec.embedding, spec.filters, kernel) for kernel in spec.kernels)
        self.dropout = dropout(spec.dropout)
        self.bag = Bag(input, spec.bag, spec.dropout) if spec.bag else None
        self.map_channels, self.stride = spec.filters * len(spec.kernels), 1
        self.width = self.map_channels + spec.bag
        self.map_size = (int(input.settings["length"]),)

    def map(self, tokens: Tensor) -> Tensor:
        """(n, length, width): each filter's answer around each token, 0 at padding."""
        return self._answers(tokens).transpose(1, 2)

    def pool(self, map: Tensor, tokens: Tensor) -> Tensor:
        """The strongest answers: they are 0 or more, so zeros at padding never win."""
        return self._joined(map.amax(dim=1), tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, width)."""
        tokens = trimmed(tokens)
        return self._joined(self._answers(tokens).amax(dim=2), tokens)

    def maps_only(self) -> None:
        """Forget what is in the vector alone."""
        self.bag, self.width = None, self.map_channels

    def _joined(self, strongest: Tensor, tokens: Tensor) -> Tensor:
        vector: Tensor = self.dropout(strongest)
        return vector if self.bag is None else torch.cat([vector, self.bag(tokens)], dim=1)

    def _answers(self, tokens: Tensor) -> Tensor:
        x = self.dropout(self.tokens_table(tokens)).transpose(1, 2)
        answers = []
        for kernel, conv in zip(self.kernels, self.filters, strict=True):
            before = (kernel - 1) // 2
            answers.append(conv(nn.functional.pad(x, (before, kernel - 1 - before))))
        return torch.relu(torch.cat(answers, dim=1)) * (tokens != 0).to(x.dtype).unsqueeze(1)
