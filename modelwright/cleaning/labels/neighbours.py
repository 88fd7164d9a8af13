"""What the rows most like a row are labelled: evidence that a classifier's probability does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

N_NEIGHBOURS = 10
MOST_ASKED = 10_000
"""Neighbours are looked for among at most so many rows (drawn evenly): 50,000 rows of 100 columns take seconds."""
AT_ONCE = 1_000


def neighbour_votes(features: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Shares of the labels of each row's ten nearest other rows, float64 (n_rows, n_classes), smoothed by the classes'
    own shares; nearest by the straight distance between rows of `features` (n_rows, n_columns).

    >>> import numpy as np
    >>> points = np.repeat([[0.0], [5.0]], 20, axis=0)
    >>> labels = np.array([1] + [0] * 19 + [1] * 20)  # the first row lies among rows of class 0
    >>> neighbour_votes(points, labels, 2)[0].round(2).tolist()
    [0.91, 0.09]
    """
    import numpy as np

    n_rows = len(labels)
    places = (features - features.mean(axis=0)).astype(np.float32)
    asked = np.unique(np.linspace(0, n_rows - 1, min(n_rows, MOST_ASKED)).astype(np.int64))
    n_near = min(N_NEIGHBOURS, max(1, (n_rows - 1) // 2))
    votes = np.zeros((n_rows, n_classes))
    number = np.full(n_rows, -1)
    number[asked] = np.arange(len(asked))
    half = 0.5 * np.einsum("ij,ij->i", places[asked], places[asked])
    for start in range(0, n_rows, AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, n_rows))
        alike = places[rows] @ places[asked].T - half  # minus half the squared distance, but for the row's own part
        itself = number[rows] >= 0
        alike[np.flatnonzero(itself), number[rows[itself]]] = -np.inf
        near = asked[np.argpartition(-alike, n_near - 1, axis=1)[:, :n_near]]
        np.add.at(votes, (np.repeat(rows, n_near), labels[near].ravel()), 1)
    shares = np.bincount(labels, minlength=n_classes) / max(n_rows, 1)
    smooth: np.ndarray = (votes + n_classes * shares) / (n_near + n_classes)
    return smooth
