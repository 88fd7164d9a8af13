"""Boxes that were found, held against those that were drawn: average precision, and the score to tell boxes from.

Evaluation says all that COCO says of a detector; training needs one number and a threshold, of validation rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LEAST_SCORE = 0.01  # boxes less sure are not looked at
OVERLAP = 0.5  # from which a found box is a drawn one


@dataclass(frozen=True, eq=False)
class Found:
    """The boxes found in some pictures, the surest first: score, class, and whether each is right; and how many
    boxes of each class were drawn."""

    score: np.ndarray
    of_class: np.ndarray
    right: np.ndarray
    n_drawn: np.ndarray

    def average_precision(self) -> float:
        """The mean over the drawn classes of the area under precision by recall, at an overlap of a half.

        Reference: Everingham et al. (2010), "The Pascal visual object classes challenge", as of 2010.
        """
        import numpy as np

        each = []
        for kind in np.flatnonzero(self.n_drawn):
            right = self.right[self.of_class == kind]
            precision = np.cumsum(right) / np.arange(1, len(right) + 1)
            best = np.maximum.accumulate(precision[::-1])[::-1]
            each.append(float(best[right].sum() / self.n_drawn[kind]))
        return sum(each) / len(each) if each else 0.0

    def threshold(self) -> tuple[float, float]:
        """The score from which the mean over the classes of F1 is best, and that mean."""
        import numpy as np

        levels = np.linspace(0.05, 0.95, 91)
        kinds = np.flatnonzero(self.n_drawn)
        if not len(kinds):
            return 0.5, 0.0
        means = np.zeros(len(levels))
        for kind in kinds:
            own = self.of_class == kind
            hits = np.append(0, np.cumsum(self.right[own]))
            told = np.searchsorted(-self.score[own], -levels, side="right")
            means += 2.0 * hits[told] / (told + self.n_drawn[kind]) / len(kinds)
        best = int(means.argmax())
        return float(levels[best]), float(means[best])


def found_in(truth: np.ndarray, answers: np.ndarray, n_classes: int) -> Found:
    """`truth` (n, M, 5) as training has it, `answers` (n, A, 4 + K) as the graph gives them, decoded as serving does.

    Each found box, the surest first, takes the drawn box of its class that it overlaps most, if nothing has it yet.

    >>> import numpy as np
    >>> truth = np.array([[[0, 0.1, 0.1, 0.5, 0.5], [-1, 0, 0, 0, 0]]])
    >>> answers = np.array([[[0.1, 0.1, 0.5, 0.5, 0.9], [0.6, 0.6, 0.9, 0.9, 0.4]]])
    >>> found = found_in(truth, answers, 1)
    >>> found.right.tolist(), found.average_precision(), found.threshold()[1]
    ([True, False], 1.0, 1.0)
    """
    import numpy as np

    from modelwright_runtime.detection import decode_boxes

    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for drawn, answer in zip(truth, answers, strict=True):
        corners, scores, classes = decode_boxes(answer, score=LEAST_SCORE)
        parts.append((scores, classes, _right(drawn[drawn[:, 0] >= 0], corners, classes)))
    score, of_class, right = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(-score, kind="stable")
    kinds = truth[..., 0][truth[..., 0] >= 0].astype(np.int64)
    return Found(score[order], of_class[order], right[order], np.bincount(kinds, minlength=n_classes))


def _right(drawn: np.ndarray, corners: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Which of one picture's found boxes, the surest first, are right."""
    import numpy as np

    right = np.zeros(len(corners), dtype=bool)
    if not len(drawn) or not len(corners):
        return right
    low = np.maximum(corners[:, None, :2], drawn[None, :, 1:3])
    high = np.minimum(corners[:, None, 2:], drawn[None, :, 3:5])
    shared = np.clip(high - low, 0.0, None).prod(axis=2)
    areas = (corners[:, 2:] - corners[:, :2]).prod(axis=1)[:, None] + (drawn[:, 3:5] - drawn[:, 1:3]).prod(axis=1)
    lap = np.where(classes[:, None] == drawn[None, :, 0], shared / np.maximum(areas - shared, 1e-12), 0.0)
    for box in range(len(corners)):
        best = int(lap[box].argmax())
        if lap[box, best] >= OVERLAP:
            right[box] = True
            lap[:, best] = 0.0
    return right
