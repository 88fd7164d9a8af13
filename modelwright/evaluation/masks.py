"""Segmentation: each picture's pixels counted once by true and answered class; overlaps made of the counts.

Counts are pooled over pictures before they are divided, as in Pascal VOC: a large thing weighs as it is large.

Reference: Everingham et al. (2015), "The Pascal visual object classes challenge: a retrospective".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from modelwright.evaluation.metrics import Floats, Ints, Measure, mean_over, ratio
from modelwright.evaluation.sums import Sums


def count_pixels(truth: Ints, answer: Ints, n_classes: int) -> Floats:
    """`counts[i, j]`: pixels of class i that were answered with class j. A truth below 0 does not count.

    >>> count_pixels(np.array([[0, 1], [1, -1]]), np.array([[0, 0], [1, 1]]), 2).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    known = truth >= 0
    cells = np.bincount(truth[known] * n_classes + answer[known], minlength=n_classes**2)
    counts: Floats = cells.reshape(n_classes, n_classes).astype(np.float64)
    return counts


def mask_sums(counts: Sequence[Floats], classes: tuple[str, ...]) -> Sums:
    """Pictures as their counts of pixels.

    >>> sums = mask_sums([count_pixels(np.array([[0, 1]]), np.array([[0, 1]]), 2)], ("back", "cell"))
    >>> {measure.name: float(measure.function(sums, np.ones(1))) for measure in SEGMENTATION}["mean_iou"]
    1.0
    """
    stacked = np.stack(counts)
    return Sums(kind="segmentation", classes=classes, weights=np.ones(len(stacked)), rows={"pixels": stacked})


def _pooled(sums: Sums, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Per class (last axis): pixels answered rightly, pixels of the class, pixels given the class."""
    counts = sums.rows["pixels"]
    n_classes = counts.shape[-1]
    parts = np.hstack([np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=2), counts.sum(axis=1)])
    pooled = weights @ parts
    return pooled[..., :n_classes], pooled[..., n_classes : 2 * n_classes], pooled[..., 2 * n_classes :]


def class_overlap(sums: Sums, weights: Floats, *, dice: bool) -> Floats:
    """Per class (last axis): intersection over union, or Dice's coefficient; NaN where a class is nowhere."""
    right, of_class, given = _pooled(sums, weights)
    if dice:
        return ratio(2.0 * right, of_class + given)
    return ratio(right, of_class + given - right)


def mean_overlap(sums: Sums, weights: Floats, *, dice: bool) -> Floats:
    """The mean over the classes that are in the truth or in the answers."""
    of_class = class_overlap(sums, weights, dice=dice)
    return mean_over(of_class, np.isfinite(of_class))


def overlap(sums: Sums, weights: Floats, *, dice: bool) -> Floats:
    """Of the second of two classes (the first is the background); not defined for more."""
    if len(sums.classes) != 2:
        return np.full(weights.shape[:-1], np.nan)
    return class_overlap(sums, weights, dice=dice)[..., 1]


def pixel_accuracy(sums: Sums, weights: Floats) -> Floats:
    """Share of pixels answered rightly."""
    right, of_class, _ = _pooled(sums, weights)
    return ratio(right.sum(axis=-1), of_class.sum(axis=-1))


_VOC = "Everingham et al. (2015), The Pascal visual object classes challenge"
_DICE = "Dice (1945), Measures of the amount of ecologic association between species"


def _measure(name: str, function: Callable[..., Floats], reference: str) -> Measure:
    return Measure(name, function, "sums", reference)


SEGMENTATION = (
    _measure("mean_iou", partial(mean_overlap, dice=False), _VOC),
    _measure("mean_dice", partial(mean_overlap, dice=True), _DICE),
    _measure("iou", partial(overlap, dice=False), _VOC),
    _measure("dice", partial(overlap, dice=True), _DICE),
    _measure("pixel_accuracy", pixel_accuracy, "Long, Shelhamer and Darrell (2015), Fully convolutional networks"),
)
