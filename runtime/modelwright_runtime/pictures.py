"""A detector's boxes and a segmenter's masks, told in the pixels of the original picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelwright_runtime.arrays.images import pillow_module, placed
from modelwright_runtime.detection import decode_boxes
from modelwright_runtime.predictions import objects
from modelwright_runtime.signature import Task

Sizes = Sequence[tuple[int, int] | None]
MAX_MASK_PIXELS = 2**22
"""Masks of larger pictures are told at a smaller size, of the same shape."""


def boxes(answer: np.ndarray, task: Task, sizes: Sizes, settings: Mapping[str, Any], *, score: float) -> np.ndarray:
    """Per row a list of `{label, score, x, y, width, height}`, the surest first; empty without a picture.

    `answer` is float32 (n, A, 4 + K) as in `Task`, `sizes` width and height of the pictures as shown.

    >>> task = Task(kind="detection", target="cells", classes=("red",))
    >>> raw = np.array([[[0.0, 0.0, 0.5, 0.5, 0.9]]], dtype=np.float32)
    >>> boxes(raw, task, [(100, 40)], {"width": 8, "height": 8}, score=0.5)[0]
    [{'label': 'red', 'score': 0.9, 'x': 0.0, 'y': 0.0, 'width': 50.0, 'height': 20.0}]
    """
    return objects(
        [
            [] if size is None else _boxes_of_one(raw, task, size, settings, score=score)
            for raw, size in zip(answer, sizes, strict=True)
        ]
    )


def _boxes_of_one(
    raw: np.ndarray, task: Task, size: tuple[int, int], settings: Mapping[str, Any], *, score: float
) -> list[dict[str, Any]]:
    corners, scores, classes = decode_boxes(raw, score=score)
    left, top, wide, high = placed(size, settings)
    frame = np.array([settings["width"], settings["height"]] * 2, dtype=np.float64)
    start, scale = np.array([left, top] * 2), np.array([size[0] / wide, size[1] / high] * 2)
    edges = np.clip((corners * frame - start) * scale, 0.0, [*size, *size])
    found = []
    for edge, value, index in zip(edges.tolist(), scores.tolist(), classes.tolist(), strict=True):
        x, y, right, bottom = (round(number, 2) for number in edge)
        if right > x and bottom > y:
            told = {"label": task.classes[index], "score": round(value, 4), "x": x, "y": y}
            found.append({**told, "width": round(right - x, 2), "height": round(bottom - y, 2)})
    return found


def masks(answer: np.ndarray, task: Task, sizes: Sizes, settings: Mapping[str, Any]) -> np.ndarray:
    """Per row `{mask, width, height, shares}`: a PNG in base64 whose palette numbers are the classes', at the
    picture's size, and the share of each class; None without a picture.

    `answer` is float32 (n, K, height, width) as in `Task`; it is enlarged by bilinear interpolation.
    """
    return objects(
        [
            None if size is None else _mask_of_one(raw, task, size, settings)
            for raw, size in zip(answer, sizes, strict=True)
        ]
    )


def _mask_of_one(raw: np.ndarray, task: Task, size: tuple[int, int], settings: Mapping[str, Any]) -> dict[str, Any]:
    shrink = min(1.0, (MAX_MASK_PIXELS / (size[0] * size[1])) ** 0.5)
    width, height = max(1, int(size[0] * shrink)), max(1, int(size[1] * shrink))
    classes = class_map(raw, size, (width, height), settings)
    counts = np.bincount(classes.ravel(), minlength=len(task.classes))
    shares = {name: round(float(count / classes.size), 4) for name, count in zip(task.classes, counts, strict=True)}
    return {"mask": _png(classes, len(task.classes)), "width": width, "height": height, "shares": shares}


def class_map(
    raw: np.ndarray, size: tuple[int, int], wanted: tuple[int, int], settings: Mapping[str, Any]
) -> np.ndarray:
    """The likeliest class of each pixel, uint8 (height, width) of `wanted` (width, height).

    `raw` is (K, h, w) over the network's own picture, in which one of `size` lies as `settings` say.
    """
    pillow = pillow_module()
    left, top, wide, high = placed(size, settings)
    across, down = raw.shape[2] / float(settings["width"]), raw.shape[1] / float(settings["height"])
    box = [left * across, top * down, (left + wide) * across, (top + high) * down]
    before = [max(0, int(np.ceil(-box[0]))), max(0, int(np.ceil(-box[1])))]
    after = [max(0, int(np.ceil(box[2] - raw.shape[2]))), max(0, int(np.ceil(box[3] - raw.shape[1])))]
    best = np.full((wanted[1], wanted[0]), -np.inf, dtype=np.float32)
    chosen = np.zeros((wanted[1], wanted[0]), dtype=np.uint8)
    for index, plane in enumerate(raw.astype(np.float32)):
        plane = np.pad(plane, ((before[1], after[1]), (before[0], after[0])), mode="edge")  # what a crop left out
        there = (box[0] + before[0], box[1] + before[1], box[2] + before[0], box[3] + before[1])
        there = (there[0], there[1], min(there[2], plane.shape[1]), min(there[3], plane.shape[0]))
        grown = np.asarray(pillow.fromarray(plane).resize(wanted, pillow.Resampling.BILINEAR, box=there))
        higher = grown > best
        best[higher] = grown[higher]
        chosen[higher] = index
    return chosen


def _png(classes: np.ndarray, n_classes: int) -> str:
    """A palette PNG: class numbers, in colours that a person can tell apart."""
    image = pillow_module().fromarray(classes).convert("L")
    image.putpalette([channel for index in range(n_classes) for channel in _colour(index)])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False)
    return base64.b64encode(buffer.getvalue()).decode()


def _colour(index: int) -> tuple[int, int, int]:
    """0 is black, 1 white, then colours whose bits are spread over the channels (as PASCAL VOC does)."""
    if index < 2:
        return (255 * index,) * 3
    channels, rest = [0, 0, 0], index - 1
    for bit in range(7, -1, -1):
        for channel in range(3):
            channels[channel] |= (rest >> channel & 1) << bit
        rest >>= 3
    return channels[0], channels[1], channels[2]
