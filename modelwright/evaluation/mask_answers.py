"""Held-out pictures with masks: answers brought to the mask's own size, pixels counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from modelwright.core.data import Decision
from modelwright.evaluation.answers import stranger_reason
from modelwright.evaluation.asking import Asked, about_baseline
from modelwright.evaluation.masks import class_overlap, count_pixels, mask_sums
from modelwright.evaluation.metrics import Floats
from modelwright.evaluation.pixels import class_mask, picture_sizes, read_mask

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.evaluation.background import Background
    from modelwright_runtime.signature import Signature, Task


@dataclass(frozen=True, eq=False)
class Part:
    """Counts of pixels (n_classes, n_classes) per picture, and grey values that are no class."""

    counts: list[Floats]
    strangers: set[str]


def mask_part(task: Task, signature: Signature, chunk: Dataset, chances: np.ndarray) -> Part:
    """Pixels of some rows, counted at the size of each mask."""
    counts: list[Floats] = []
    strangers: set[str] = set()
    sizes = picture_sizes(signature, chunk)
    for cell, one, size in zip(chunk.column(task.target).to_list(), chances, sizes, strict=True):
        mask, unknown = read_mask(cell, task.classes)
        counts.append(count_pixels(mask, class_mask(signature, one, size, mask.shape), len(task.classes)))
        strangers.update(unknown)
    return Part(counts, strangers)


def asked_masks(
    task: Task, rows: Dataset, parts: Sequence[Part], weights: Floats, background: Background | None
) -> Asked:
    """All pictures as counts; the baseline gives every pixel the class that most pixels have."""
    counts = [one for part in parts for one in part.counts]
    sums = replace(mask_sums(counts, task.classes), weights=weights)
    of_class = sums.rows["pixels"].sum(axis=2)
    shares = of_class.sum(axis=0) if background is None or background.answer is None else background.answer
    same = np.zeros_like(sums.rows["pixels"])
    same[:, :, int(np.argmax(shares))] = of_class
    each = np.array([np.nanmean(class_overlap(sums, one, dice=True)) for one in np.eye(len(counts))])
    strangers = sorted({name for part in parts for name in part.strangers})
    decisions = list(about_baseline(background is not None and background.answer is not None))
    if strangers:
        decisions.append(Decision("evaluation", "classes", "pixels not counted", stranger_reason(strangers)))
    return Asked(
        task=task,
        rows=rows,
        model=sums,
        base=replace(sums, rows={"pixels": same}),
        base_name="the commonest class everywhere",
        losses=1.0 - np.nan_to_num(each),
        decisions=tuple(decisions),
    )
