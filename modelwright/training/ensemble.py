"""Which candidates are joined, and with what weights: greedy selection on out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from modelwright.training.losses import Loss

N_STEPS = 20
N_BAGS = 10
MOST_ROWS = 20_000
LEAST_WEIGHT = 0.05
LEAST_GAIN = 0.002


@dataclass(frozen=True, eq=False)
class Selection:
    """Weights (n_candidates,) that sum to 1, the loss of the blend and of the best single candidate."""

    weights: np.ndarray
    loss: float
    best_single: float


def select(
    predicted: Sequence[np.ndarray],
    y: np.ndarray,
    weights: np.ndarray,
    loss: Loss,
    *,
    most_members: int,
    rng: np.random.Generator,
) -> Selection:
    """Weights for the mean of the candidates' predictions.

    Greedy forward selection with replacement, repeated on bags of rows and of candidates and averaged (so that
    no weight hangs on a few rows), then cut to the `most_members` heaviest. One model is kept when the
    blend gains less than 0.2 %.

    Reference: Caruana, Niculescu-Mizil, Crew and Ksikes (2004), "Ensemble selection from libraries of models".

    >>> import numpy as np
    >>> from modelwright.training.losses import rmse
    >>> y = np.array([1.0, 2.0, 3.0, 4.0])
    >>> found = select([y + 1, y - 1, y + 9], y, np.ones(4), rmse, most_members=3, rng=np.random.default_rng(0))
    >>> found.weights.round(1).tolist()
    [0.5, 0.5, 0.0]
    """
    import numpy as np

    predictions = np.stack(predicted)
    losses = [loss(y, one, weights) for one in predictions]
    best = int(np.argmin(losses))
    alone = np.eye(len(predictions))[best]
    if len(predictions) == 1 or most_members == 1:
        return Selection(alone, losses[best], losses[best])
    share = _bagged(predictions, y, weights, loss, rng)
    share = _cut(share, most_members)
    blended = loss(y, blend(predictions, share), weights)
    if blended > losses[best] * (1 - LEAST_GAIN):
        return Selection(alone, losses[best], losses[best])
    return Selection(share, blended, losses[best])


def blend(predictions: Sequence[np.ndarray] | np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted mean of predictions of shape (m, n) or (m, n, n_classes)."""
    import numpy as np

    mean: np.ndarray = np.tensordot(weights, np.asarray(predictions), axes=1)
    return mean


def _bagged(
    predictions: np.ndarray, y: np.ndarray, weights: np.ndarray, loss: Loss, rng: np.random.Generator
) -> np.ndarray:
    import numpy as np

    n_candidates, n = predictions.shape[:2]
    total = np.zeros(n_candidates)
    for _ in range(N_BAGS):
        rows = np.sort(rng.integers(0, n, min(n, MOST_ROWS)))
        total += greedy(predictions[:, rows], y[rows], weights[rows], loss)
    return total / N_BAGS


def greedy(predictions: np.ndarray, y: np.ndarray, weights: np.ndarray, loss: Loss) -> np.ndarray:
    """Add, one by one and with replacement, the candidate that helps the mean most; counts as weights."""
    import numpy as np

    counts = np.zeros(len(predictions))
    total = np.zeros_like(predictions[0])
    best_counts, best_loss = counts, np.inf
    for step in range(1, N_STEPS + 1):
        losses = [loss(y, (total + one) / step, weights) for one in predictions]
        chosen = int(np.argmin(losses))
        counts[chosen] += 1
        total = total + predictions[chosen]
        if losses[chosen] < best_loss:
            best_counts, best_loss = counts.copy(), losses[chosen]
    share: np.ndarray = best_counts / best_counts.sum()
    return share


def _cut(share: np.ndarray, most_members: int) -> np.ndarray:
    import numpy as np

    heaviest = np.argsort(-share, kind="stable")[:most_members]
    kept = np.zeros_like(share)
    kept[heaviest] = np.where(share[heaviest] >= LEAST_WEIGHT, share[heaviest], 0.0)
    if not kept.any():
        kept[heaviest[0]] = 1.0
    cut: np.ndarray = kept / kept.sum()
    return cut
