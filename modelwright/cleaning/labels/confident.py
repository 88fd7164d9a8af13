"""Confident learning: how often each class is mistaken for each other one, from probabilities made out of fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False, kw_only=True)
class Noise:
    """How labels go wrong. `joint` (n_classes given, n_classes true) is the share of rows, all together 1.

    `thresholds` (n_classes,) is the mean probability of a class on the rows that carry it; `confident` (n_rows,) is
    the class that a row reaches the threshold of (the likeliest of several), -1 for none; `n_errors` is the estimated
    number of wrong labels.
    """

    joint: np.ndarray
    thresholds: np.ndarray
    confident: np.ndarray
    n_errors: float

    @property
    def given_true(self) -> np.ndarray:
        """The chance of a given label (first axis) when a class is the true one (second axis); columns sum to 1."""
        whole = self.joint + 1e-6 / self.joint.size
        chances: np.ndarray = whole / whole.sum(axis=0)
        return chances


def noise_of(labels: np.ndarray, probabilities: np.ndarray) -> Noise:
    """Estimate the noise. `labels` are int codes (n,), `probabilities` (n, n_classes) come from folds without the row.

    A row counts as truly of a class when its probability reaches that class's mean on its own rows: so neither a class
    that the model is shy of nor one that it is fond of is counted too seldom or too often.

    Reference: Northcutt, Jiang and Chuang (2021), "Confident learning: estimating uncertainty in dataset labels", JAIR.

    >>> import numpy as np
    >>> sure = np.array([[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 4)
    >>> noise = noise_of(np.array([0, 0, 0, 1, 1, 1, 1, 1]), sure)
    >>> noise.n_errors, noise.joint.round(3).tolist()
    (1.0, [[0.375, 0.0], [0.125, 0.5]])
    """
    import numpy as np

    n_rows, n_classes = probabilities.shape
    n_given = np.bincount(labels, minlength=n_classes)
    own = probabilities[np.arange(n_rows), labels]
    sums = np.bincount(labels, own, n_classes)
    thresholds = np.divide(sums, n_given, out=np.ones(n_classes), where=n_given > 0)
    reaches = probabilities >= thresholds
    confident = np.where(reaches.any(axis=1), np.where(reaches, probabilities, -1).argmax(axis=1), -1)
    told = confident >= 0
    counts = np.bincount(labels[told] * n_classes + confident[told], minlength=n_classes**2).astype(np.float64)
    joint = counts.reshape(n_classes, n_classes)
    empty = joint.sum(axis=1) == 0
    joint[empty, empty] = 1  # a class of which no row is confident keeps its labels
    joint *= (n_given / joint.sum(axis=1))[:, None] / max(n_rows, 1)
    n_errors = float(n_rows * (joint.sum() - np.trace(joint)))
    return Noise(joint=joint, thresholds=thresholds, confident=confident, n_errors=round(n_errors, 9))
