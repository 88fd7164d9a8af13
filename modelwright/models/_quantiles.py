"""Quantiles of a number: one fit for each level, told as one model; and the linear fit of one level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph

WIDTHS = (0.5, 0.1, 0.02)
"""How far the corner of the pinball loss is rounded, in deviations of the target: less from fit to fit."""


def weighted_quantile(y: np.ndarray, weights: np.ndarray, level: float) -> float:
    """The least value that a share `level` of the weight does not exceed.

    >>> import numpy as np
    >>> weighted_quantile(np.array([3.0, 1.0, 2.0]), np.ones(3), 0.5)
    2.0
    """
    import numpy as np

    order = np.argsort(y, kind="stable")
    covered = np.cumsum(weights[order])
    place = np.searchsorted(covered, level * covered[-1] * (1 - 1e-12))
    return float(y[order][min(int(place), len(y) - 1)])


def side_by_side(fits: Sequence[Fitted]) -> Fitted:
    """Fits of one level each as one that answers (n, n_levels)."""
    import numpy as np

    from modelwright.core.values import Fitted

    def predict(x: np.ndarray) -> np.ndarray:
        return np.stack([fitted.predict(x) for fitted in fits], axis=1)

    def emit(graph: Graph, x: str) -> str:
        shape = graph.constant([-1, 1], "int64")
        columns = [graph.node("Reshape", fitted.emit(graph, x), shape) for fitted in fits]
        return columns[0] if len(columns) == 1 else graph.node("Concat", *columns, axis=1)

    own = [fitted.importance for fitted in fits if fitted.importance is not None]
    rounds = [fitted.info["rounds"] for fitted in fits if "rounds" in fitted.info]
    return Fitted(
        predict=predict,
        emit=emit,
        importance=np.mean(own, axis=0) if own else None,
        n_units=sum(fitted.n_units for fitted in fits),
        info={"rounds": round(sum(rounds) / len(rounds))} if rounds else {},
    )


def linear_quantile(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, level: float, *, penalty: float, n_steps: int
) -> tuple[np.ndarray, float]:
    """Coefficients (d,) and intercept with the least pinball loss, half the squared length of the coefficients times
    `penalty` (in deviations of the target) added to its sum. The corner of the loss is rounded, so that steps follow a
    gradient.

    Reference: He, Pan, Tan and Zhou (2023), "Smoothed quantile regression with large-scale inference".
    """
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import expit

    x = x.astype(np.float64)
    unit = float(y.std()) or 1.0
    start = weighted_quantile(y, weights, level)
    aims = (y - start) / unit

    def lost(at: np.ndarray, width: float) -> tuple[float, np.ndarray]:
        short = aims - x @ at[1:] - at[0]
        loss = level * short + width * np.logaddexp(0.0, -short / width)
        slope = weights * (expit(-short / width) - level)
        value = float(weights @ loss + 0.5 * penalty * at[1:] @ at[1:])
        return value, np.concatenate([[slope.sum()], x.T @ slope + penalty * at[1:]])

    found = np.zeros(1 + x.shape[1])
    for width in WIDTHS:
        found = minimize(lost, found, args=(width,), jac=True, method="L-BFGS-B", options={"maxiter": n_steps}).x
    coefficients = found[1:] * unit
    return coefficients, weighted_quantile(y - x @ coefficients, weights, level)
