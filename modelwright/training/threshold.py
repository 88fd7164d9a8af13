"""The probability at which a binary model says yes, and the score from which a detector tells its boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.data import Decision

if TYPE_CHECKING:
    import numpy as np

    from modelwright_runtime.signature import Task

RARE = 0.2  # a class with a smaller share of the rows is rare


def choose_threshold(
    asked: str | float, task: Task, y: np.ndarray, predicted: np.ndarray, weights: np.ndarray
) -> tuple[float, Decision | None]:
    """0.5, unless the positive class is rare: then the threshold with the best F1 on validation rows."""
    import numpy as np

    if task.kind not in ("binary", "detection"):
        return 0.5, None
    if not isinstance(asked, str):
        return asked, Decision("training", "threshold", f"{asked:g}", "asked for")
    if task.kind == "detection":
        from modelwright.training.network.found import found_in

        threshold, best = found_in(y, predicted, len(task.classes)).threshold()
        reason = f"there boxes are told best: F1 {best:.3f} on validation rows, the mean of the classes"
        return threshold, Decision("training", "threshold", f"{threshold:.2g}", reason)
    share = float(np.average(y == 1, weights=weights))
    if share >= RARE:
        reason = f"`{task.classes[1]}` has {share:.0%} of the rows: the likelier class is the better answer"
        return 0.5, Decision("training", "threshold", "0.5", reason)
    threshold, best = best_f1(y == 1, predicted[:, 1], weights)
    reason = f"`{task.classes[1]}` is rare ({share:.1%} of the rows): the best F1 on validation rows, {best:.3f}"
    return threshold, Decision("training", "threshold", f"{threshold:.4g}", reason)


def best_f1(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The threshold with the best F1, and that F1; midway between two scores, so that ties are safe.

    Reference: van Rijsbergen (1979), "Information Retrieval".

    >>> import numpy as np
    >>> best_f1(np.array([False, False, True]), np.array([0.1, 0.2, 0.4]), np.ones(3))
    (0.3..., 1.0)
    """
    import numpy as np

    order = np.argsort(-score, kind="stable")
    positive, score, weights = positive[order], score[order], weights[order]
    found = np.cumsum(weights * positive)
    f1 = 2 * found / (np.cumsum(weights) + found[-1])
    last_of_score = np.append(np.diff(score) != 0, True)
    best = int(np.argmax(np.where(last_of_score, f1, -1.0)))
    below = score[best + 1] if best + 1 < len(score) else 0.0
    return float((score[best] + below) / 2), float(f1[best])
