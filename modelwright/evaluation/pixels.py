"""Masks and pictures of held-out rows, read and placed as training and serving read and place them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.evaluation.metrics import Floats, Ints
    from modelwright_runtime.signature import ArrayInput, Signature

Size = tuple[int, int]
"""Width and height in pixels, as a picture is shown."""


def image_input(signature: Signature) -> ArrayInput:
    """The picture that boxes and masks are about: the first that the model is given."""
    return next(array for array in signature.arrays if array.form == "image")


def picture_sizes(signature: Signature, rows: Dataset) -> list[Size | None]:
    """The size of each row's picture; None where it is missing."""
    from modelwright_runtime.arrays.images import size_of

    cells = rows.column(image_input(signature).columns[0]).to_list()
    return [None if cell is None else size_of(cell) for cell in cells]


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


def class_mask(signature: Signature, raw: np.ndarray, picture: Size | None, shape: tuple[int, ...]) -> Ints:
    """The likeliest class of each pixel at a mask's own shape (height, width), as serving tells it."""
    from modelwright_runtime.pictures import class_map

    wanted = (shape[1], shape[0])
    likeliest: Ints = class_map(raw, picture or wanted, wanted, image_input(signature).settings).astype(np.int64)
    return likeliest


def in_pixels(signature: Signature, corners: Floats, picture: Size) -> Floats:
    """Boxes (n, 4) told as left, top, right, bottom in shares of what the network sees, as left, top, width and
    height in pixels of the picture, cut to it."""
    from modelwright_runtime.arrays.images import placed

    settings = image_input(signature).settings
    left, top, wide, high = placed(picture, settings)
    frame = np.array([settings["width"], settings["height"]] * 2, dtype=np.float64)
    scale = np.array([picture[0] / wide, picture[1] / high] * 2)
    edges = np.clip((corners * frame - np.array([left, top] * 2)) * scale, 0.0, [*picture, *picture])
    return np.hstack([edges[:, :2], edges[:, 2:] - edges[:, :2]])
