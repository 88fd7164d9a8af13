"""What candidates are compared by: weighted, and lower is better."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError
from modelwright.training.answering.costs import mean_cost
from modelwright.training.answering.quantiles import pinball

if TYPE_CHECKING:
    import numpy as np

    from modelwright_runtime.signature import Task

Loss = Callable[["np.ndarray", "np.ndarray", "np.ndarray"], float]
"""`loss(y, predicted, weights)`: predicted is (n, n_classes) probabilities, (n,) values or (n, n_levels) quantiles."""

LEAST_PROBABILITY = 1e-7  # float32 probabilities cannot say less


def log_loss(y: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> float:
    """Mean surprise at the true class, in nats.

    >>> import numpy as np
    >>> round(log_loss(np.array([0, 1]), np.array([[0.8, 0.2], [0.5, 0.5]]), np.ones(2)), 3)
    0.458
    """
    import numpy as np

    truth = predicted[np.arange(len(y)), y].clip(LEAST_PROBABILITY, 1.0)
    return float(-np.average(np.log(truth), weights=weights))


def roc_auc(y: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> float:
    """1 - area under the ROC curve; for several classes the mean of each against the rest.

    >>> import numpy as np
    >>> roc_auc(np.array([0, 1, 0]), np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]]), np.ones(3))
    0.5
    """
    import numpy as np

    columns = [1] if predicted.shape[1] == 2 else range(predicted.shape[1])
    areas = [_area(y == k, predicted[:, k], weights) for k in columns if 0 < (y == k).sum() < len(y)]
    return 1.0 - float(np.mean(areas)) if areas else 0.5


def _area(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> float:
    import numpy as np

    order = np.argsort(score, kind="stable")
    positive, weights, score = positive[order], weights[order], score[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    above = np.cumsum(weights * positive)[ends]
    below = np.cumsum(weights * ~positive)[ends]
    area = np.trapezoid(np.append(0.0, below), np.append(0.0, above))
    return float(area / (above[-1] * below[-1]))


def accuracy(y: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> float:
    """Share of rows answered wrong."""
    import numpy as np

    return float(np.average(predicted.argmax(axis=1) != y, weights=weights))


def rmse(y: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> float:
    """Root of the mean squared error."""
    import numpy as np

    return float(np.sqrt(np.average((predicted - y) ** 2, weights=weights)))


def mae(y: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> float:
    """Mean absolute error."""
    import numpy as np

    return float(np.average(np.abs(predicted - y), weights=weights))


CLASS_LOSSES: dict[str, Loss] = {"log_loss": log_loss, "roc_auc": roc_auc, "accuracy": accuracy}
VALUE_LOSSES: dict[str, Loss] = {"rmse": rmse, "mae": mae}
HIGHER_IS_BETTER = ("roc_auc", "accuracy")


def losses_of(task: Task) -> dict[str, Loss]:
    """What answers of a task can be compared by, with its costs or quantiles where it has them."""
    if task.quantiles:
        return {"pinball": partial(pinball, levels=task.quantiles)}
    if task.costs:
        return {**CLASS_LOSSES, "cost": partial(mean_cost, matrix=task.costs)}
    return CLASS_LOSSES if task.is_classification else VALUE_LOSSES


def choose_metric(name: str, task: Task) -> tuple[str, Loss, str]:
    """The metric's name, its loss, and the reason."""
    known = losses_of(task)
    if name == "auto":
        if task.is_classification:
            return "log_loss", log_loss, "it judges whole probabilities, so any threshold can follow"
        if task.quantiles:
            return "pinball", known["pinball"], "the loss that the true quantiles have the least of"
        return "rmse", rmse, "large errors count most; set `metric: mae` if all count alike"
    if name not in known:
        raise UserError(
            "train.metric", f"`{name}` does not measure a {task.kind} task.", hint=f"use {' or '.join(known)}"
        )
    return name, known[name], "asked for"


def as_score(metric: str, loss: float) -> float:
    """The metric's own value.

    >>> as_score("roc_auc", 0.25), as_score("rmse", 2.0)
    (0.75, 2.0)
    """
    return 1.0 - loss if metric in HIGHER_IS_BETTER else loss
