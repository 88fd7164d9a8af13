"""Words and pairs of neighbours, wherever they stand: the linear part of a text encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import dropout
from modelwright.networks.modules.tokens import Tokens, n_tokens

if TYPE_CHECKING:
    from modelwright_runtime.signature import ArrayInput

PAIRS_A_TOKEN, MOST_PAIRS = 16, 32_768
_FIRST, _SECOND = 1_000_003, 8_191  # primes: neighbours in another order fall into another place


class Bag(nn.Module):
    """Int64 tokens (n, steps) to (n, size): the sum of learned vectors of its tokens and of its pairs of neighbours,
    over the root of their number. Pairs share `n_places` vectors, 16 a token and at most 32,768, by their hash.

    Reference: Joulin, Grave, Bojanowski and Mikolov (2017), "Bag of Tricks for Efficient Text Classification".
    """

    def __init__(self, input: ArrayInput, size: int, share: float) -> None:
        super().__init__()
        self.n_places = min(MOST_PAIRS, PAIRS_A_TOKEN * n_tokens(input))
        self.tokens, self.pairs = Tokens(input, size), nn.Embedding(self.n_places, size)
        self.dropout = dropout(share)

    def forward(self, tokens: Tensor) -> Tensor:
        """A text without tokens gives zeros."""
        there = (tokens != 0).to(self.pairs.weight.dtype).unsqueeze(-1)
        both = there[:, 1:] * there[:, :-1]
        places = (tokens[:, :-1] * _FIRST + tokens[:, 1:] * _SECOND) % self.n_places
        total = (self.tokens(tokens) * there).sum(dim=1) + (self.pairs(places) * both).sum(dim=1)
        n_summed = (there.sum(dim=1) + both.sum(dim=1)).clamp(min=1.0)
        said: Tensor = self.dropout(total / torch.sqrt(n_summed))
        return said
