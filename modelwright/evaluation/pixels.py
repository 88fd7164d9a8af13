"""Masks and pictures of held-out rows, read as training and serving read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelwright.evaluation.metrics import Floats, Ints


def read_mask(cell: bytes, classes: tuple[str, ...]) -> tuple[Ints, tuple[str, ...]]:
    """A mask's class positions at its own size, int64 (height, width), -1 for a grey value that is no class;
    and those values. Classes are grey values as texts, as training names them."""
    from modelwright_runtime.arrays.images import decode_mask, size_of

    width, height = size_of(cell)
    grey = decode_mask(cell, (height, width))
    place = np.full(256, -1, dtype=np.int64)
    for index, name in enumerate(classes):
        if name.isdigit() and int(name) < 256:
            place[int(name)] = index
    mask: Ints = place[grey]
    return mask, tuple(str(value) for value in np.unique(grey[mask < 0]))


def resized(chances: Floats, size: tuple[int, int]) -> Floats:
    """Probabilities (n_classes, height, width) brought to another size, between pixels by straight lines.

    >>> resized(np.array([[[0.0, 1.0]]]), (1, 4)).tolist()
    [[[0.0, 0.25, 0.75, 1.0]]]
    """
    for axis, wanted in ((1, size[0]), (2, size[1])):
        n = chances.shape[axis]
        if n == wanted:
            continue
        place = np.clip((np.arange(wanted) + 0.5) * n / wanted - 0.5, 0, n - 1)
        low = np.minimum(place.astype(int), max(n - 2, 0))
        high = np.minimum(low + 1, n - 1)
        share = (place - low).reshape((-1, 1) if axis == 1 else (1, -1))
        chances = np.take(chances, low, axis=axis) * (1 - share) + np.take(chances, high, axis=axis) * share
    return chances


def class_mask(chances: Floats, size: tuple[int, int]) -> Ints:
    """The likeliest class of each pixel, at a size (height, width), from (n_classes, h, w) probabilities."""
    likeliest: Ints = resized(chances, size).argmax(axis=0)
    return likeliest
