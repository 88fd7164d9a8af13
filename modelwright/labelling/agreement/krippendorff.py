"""Krippendorff's alpha: observed over expected disagreement, for any number of people, with gaps, for three scales."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from modelwright.labelling.agreement.base import Level


def alpha(votes: np.ndarray, level: Level = "nominal", values: np.ndarray | None = None) -> float:
    """Alpha of votes (n_tasks, n_classes): how often each class was given to each task. NaN where it is not defined.

    `values` (n_classes,) are the classes' numbers, for `interval`. Alpha is 1 - observed / expected disagreement; all
    three scales come from one formula, as the squared distances of ordinal classes are those of their mid-ranks.

    Reference: Krippendorff (2011), "Computing Krippendorff's alpha-reliability", section E.

    >>> import numpy as np
    >>> round(alpha(np.array([[2, 0], [0, 2], [1, 1.0]])), 3)
    0.444
    """
    import numpy as np

    told = votes[votes.sum(axis=1) > 1]
    return float(_alphas(told, np.ones((1, len(told))), level, values)[0])


def alpha_interval(
    votes: np.ndarray, level: Level = "nominal", values: np.ndarray | None = None, *, n_resamples: int = 1000,
    coverage: float = 0.95, rng: np.random.Generator,
) -> tuple[float, float]:  # fmt: skip
    """A percentile bootstrap interval of alpha, over tasks drawn with replacement. NaN without tasks or draws.

    >>> import numpy as np
    >>> votes = np.array([[2, 0], [0, 2], [1, 1.0], [2, 0]] * 25)
    >>> low, high = alpha_interval(votes, rng=np.random.default_rng(0))
    >>> low < alpha(votes) < high
    True
    """
    import numpy as np

    told = votes[votes.sum(axis=1) > 1]
    n_tasks = len(told)
    if not n_tasks or not n_resamples:
        return float("nan"), float("nan")
    at_once = max(1, 4_000_000 // n_tasks)  # draws of 32 MB at a time
    found = []
    for start in range(0, n_resamples, at_once):
        rows = min(at_once, n_resamples - start)
        drawn = rng.integers(n_tasks, size=(rows, n_tasks)) + np.arange(rows)[:, None] * n_tasks
        weights = np.bincount(drawn.ravel(), minlength=rows * n_tasks).reshape(rows, n_tasks)
        found.append(_alphas(told, weights.astype(np.float64), level, values))
    drawn_alphas = np.concatenate(found)
    drawn_alphas = drawn_alphas[~np.isnan(drawn_alphas)]  # a draw in which all answers are one class has none
    if not len(drawn_alphas):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn_alphas, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)


def _alphas(votes: np.ndarray, weights: np.ndarray, level: Level, values: np.ndarray | None) -> np.ndarray:
    """Alpha of each row of `weights` (n_draws, n_tasks): how often each task counts."""
    import numpy as np

    n_of_task = votes.sum(axis=1)
    n_of_class = weights @ votes
    n = n_of_class.sum(axis=1)
    if level == "nominal":
        observed = weights @ ((n_of_task**2 - (votes**2).sum(axis=1)) / (n_of_task - 1))
        expected = (n**2 - (n_of_class**2).sum(axis=1)) / (n - 1)
    elif level == "interval" and values is not None:
        centred = values - values.mean()
        inside = n_of_task * (votes @ centred**2) - (votes @ centred) ** 2
        observed = weights @ (inside / (n_of_task - 1))
        expected = (n * (n_of_class @ centred**2) - (n_of_class @ centred) ** 2) / (n - 1)
    else:
        observed, expected = _ordinal(votes, weights, n_of_class)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = np.where(expected > 0, 1 - observed / expected, np.nan)
    return found


def _ordinal(votes: np.ndarray, weights: np.ndarray, n_of_class: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Disagreements over mid-ranks, which each draw has its own of."""
    import numpy as np

    n_of_task, n = votes.sum(axis=1), n_of_class.sum(axis=1)
    ranks = np.cumsum(n_of_class, axis=1) - n_of_class / 2 - n[:, None] / 2
    observed = np.empty(len(weights))
    for draw, (weight, rank) in enumerate(zip(weights, ranks, strict=True)):
        observed[draw] = weight @ ((n_of_task * (votes @ rank**2) - (votes @ rank) ** 2) / (n_of_task - 1))
    expected = (n * (n_of_class * ranks**2).sum(axis=1) - (n_of_class * ranks).sum(axis=1) ** 2) / (n - 1)
    return observed, expected
