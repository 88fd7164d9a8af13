"""What encoders of tokens share: vectors of tokens, and where the padding begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import is_exporting

if TYPE_CHECKING:
    from modelwright_runtime.signature import ArrayInput


def n_tokens(input: ArrayInput) -> int:
    """Size of the vocabulary with padding (0) and unknown (1)."""
    return 2 + len(input.settings["vocabulary"])


def trimmed(tokens: Tensor) -> Tensor:
    """Without the columns that are padding in every row: most texts are much shorter than the longest.

    On a CPU only (elsewhere the look at the data would stop the device), and never in a graph.
    """
    if is_exporting() or tokens.device.type != "cpu" or not len(tokens):
        return tokens
    used = int((tokens != 0).any(dim=0).sum())
    return tokens[:, : max(used, 1)]


class Tokens(nn.Module):
    """Vectors of tokens (n, steps, size), zero at padding."""

    def __init__(self, input: ArrayInput, size: int) -> None:
        super().__init__()
        self.table = nn.Embedding(n_tokens(input), size, padding_idx=0)

    def forward(self, tokens: Tensor) -> Tensor:
        """Int64 (n, steps) to (n, steps, size). Tokens beyond the vocabulary count as unknown."""
        known = torch.where(tokens < self.table.num_embeddings, tokens, 1)
        vectors: Tensor = self.table(known)
        return vectors


def masked_mean(map: Tensor, mask: Tensor) -> Tensor:
    """The mean over steps (n, width) where `mask` (n, steps) is 1; zeros where it never is."""
    mask = mask.to(map.dtype).unsqueeze(-1)
    return (map * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1.0)
