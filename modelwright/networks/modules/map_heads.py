"""The modules of `heads/boxes.py` and `heads/mask.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import mark_small
from modelwright.networks.modules.heads import boxes_answer
from modelwright.networks.modules.images import map_norm

if TYPE_CHECKING:
    from modelwright.networks.base import Source
    from modelwright.networks.heads.boxes import BoxesSpec
    from modelwright.networks.heads.mask import MaskSpec

REACH = 1.0  # a centre lies at most so many places from the place that guesses it
MOST_GROWTH = 4.0  # log of a box's side against that at the start


class Boxes(nn.Module):
    """Convolutions, then for each place a box and a logit per class."""

    places: Tensor
    size: Tensor

    def __init__(self, spec: BoxesSpec, source: Source, n_classes: int) -> None:
        super().__init__()
        channels = source.map_channels
        layers: list[nn.Module] = [nn.Dropout2d(spec.dropout)] if spec.dropout else []
        for _ in range(spec.layers):
            layers += [nn.Conv2d(channels, channels, 3, padding=1, bias=False), map_norm("batch", channels), nn.SiLU()]
        self.tower = nn.Sequential(*layers)
        self.boxes = mark_small(nn.Conv2d(channels, 4, 1))
        self.scores = mark_small(nn.Conv2d(channels, n_classes, 1))
        # kept apart from the layer's own bias, which every way of drawing first weights sets to 0
        self.prior = math.log(spec.prior / (1.0 - spec.prior))
        height, width = source.map_size
        self.cells = ((height, width),)  # for the loss: rows and columns of places
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        centres = torch.stack([(columns + 0.5) / width, (rows + 0.5) / height], dim=-1).flatten(0, 1)
        self.register_buffer("places", centres, persistent=False)
        self.register_buffer("size", torch.tensor([1.0 / width, 1.0 / height]), persistent=False)
        self.start = spec.size

    def forward(self, map: Tensor) -> Tensor:
        """(n, A, 4 + K)."""
        map = self.tower(map)
        guess = self.boxes(map).flatten(2).transpose(1, 2)
        centre = self.places + REACH * torch.tanh(guess[..., :2]) * self.size
        half = 0.5 * self.start * torch.exp(MOST_GROWTH * torch.tanh(guess[..., 2:] / MOST_GROWTH))
        logits = self.scores(map).flatten(2).transpose(1, 2) + self.prior
        return torch.cat([centre - half, centre + half, logits], dim=-1)

    def answer(self, raw: Tensor) -> Tensor:
        """Boxes within the picture and scores, float32 (n, A, 4 + K)."""
        return boxes_answer(raw)


class Mask(nn.Module):
    """A logit per class and pixel."""

    def __init__(self, spec: MaskSpec, source: Source, n_classes: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout2d(spec.dropout) if spec.dropout else nn.Identity()
        self.classes = mark_small(nn.Conv2d(source.map_channels, n_classes, 1))
        self.size = None if source.map_size == source.image_size else source.image_size

    def forward(self, map: Tensor) -> Tensor:
        """(n, K, height, width)."""
        logits: Tensor = self.classes(self.dropout(map))
        return logits if self.size is None else nn.functional.interpolate(logits, size=self.size, mode="bilinear")

    def answer(self, raw: Tensor) -> Tensor:
        """Class probabilities, float32 (n, K, height, width)."""
        return torch.softmax(raw.float(), dim=1)
