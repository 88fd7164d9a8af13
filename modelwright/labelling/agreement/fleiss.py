"""Fleiss' kappa: agreement of many people on classes, against the chance that the classes' shares give."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def fleiss(votes: np.ndarray) -> float:
    """Kappa of votes (n_tasks, n_classes). Tasks may have different numbers of answers; those with one are left out.

    NaN where no task has two answers, or all answers are one class.

    Reference: Fleiss (1971), "Measuring nominal scale agreement among many raters", Psychological Bulletin 76(5).

    >>> import numpy as np
    >>> round(fleiss(np.array([[2, 0], [0, 2], [1, 1]])), 3)
    0.333
    """
    import numpy as np

    told = np.asarray(votes, dtype=np.float64)
    told = told[told.sum(axis=1) > 1]
    if not len(told):
        return float("nan")
    n = told.sum(axis=1)
    agreed = float((((told**2).sum(axis=1) - n) / (n * (n - 1))).mean())
    chance = float(((told.sum(axis=0) / told.sum()) ** 2).sum())
    return (agreed - chance) / (1 - chance) if chance < 1 else float("nan")
