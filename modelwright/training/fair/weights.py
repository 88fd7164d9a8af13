"""Training rows weighed until group and class are independent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MOST = 20.0
"""A weight is at most so many times the mean: a group's few rows of a class must not decide alone."""


def reweighed(group: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights under which every group has the same share of each class: the share of (group, class) that would be
    expected if both were independent, over the share that is seen. Mean 1; no weight is above 20 times the mean.

    `group` and `y` (n,) number groups and classes, `weights` (n,) are what rows weigh so far. What is learned then
    says less of the group; groups whose other columns differ may still be told apart.

    Reference: Kamiran and Calders (2012), "Data preprocessing techniques for classification without discrimination".

    >>> import numpy as np
    >>> group, y = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([1, 1, 1, 0, 1, 0, 0, 0])
    >>> made = reweighed(group, y, np.ones(8))
    >>> made.round(2).tolist()
    [0.67, 0.67, 0.67, 2.0, 2.0, 0.67, 0.67, 0.67]
    >>> [float(np.average(y[group == one], weights=made[group == one]).round(2)) for one in (0, 1)]
    [0.5, 0.5]
    """
    import numpy as np

    n_groups, n_classes = int(group.max()) + 1, int(y.max()) + 1
    totals = np.bincount(group * n_classes + y, weights, minlength=n_groups * n_classes).astype(np.float64)
    seen = (totals / totals.sum()).reshape(n_groups, n_classes)
    expected = seen.sum(axis=1, keepdims=True) * seen.sum(axis=0, keepdims=True)
    factor = np.divide(expected, seen, out=np.ones_like(seen), where=seen > 0)
    made: np.ndarray = weights * factor[group, y]
    made = np.minimum(made / made.mean(), MOST)
    return np.asarray(made / made.mean())
