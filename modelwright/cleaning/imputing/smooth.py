"""A smooth curve for one column: ridge regression on the others and on their nearness to some of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

N_CENTRES = 100
WIDTHS = (0.0, 1.0, 2.0)
"""Widths of the bells, in square roots of the number of inputs (standardised); 0 for a plane without bells."""
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
CLEARLY = 0.99  # of the error of what is simpler, below which something bent is taken
BELL = 3.0  # how much less a bell is held back than a straight line


def fit(
    z: np.ndarray, y: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> tuple[dict[str, Any], np.ndarray]:
    """Fit `y` (n, k) on standardised inputs `z` (n, p): plain state, and what each row would be told by the others.

    The inputs themselves and Gaussian bells around at most 100 of the rows (as many as a fifth of them) are weighed by
    ridge regression. Width and penalty are those with the least squared error of leaving one row out, which has a
    closed form. `weights` (n,) are positive counts.

    Reference: Allen (1974), "The relationship between variable selection and data augmentation and a method for
    prediction", Technometrics 16(1); Broomhead and Lowe (1988) for the bells.

    >>> import numpy as np
    >>> z = np.linspace(-2, 2, 200)[:, None]
    >>> state, told = fit(z, z**2, np.ones(200), np.random.default_rng(0))
    >>> bool(abs(told - z**2).max() < 0.1), predict(state, np.array([[1.0]])).round(1).tolist()
    (True, [[1.0]])
    """
    import numpy as np

    n_centres = min(N_CENTRES, len(z) // 5)
    centres = z[np.sort(rng.choice(len(z), size=n_centres, replace=False))]
    best: tuple[float, dict[str, Any], np.ndarray] | None = None
    far = _distances(z, centres)
    mean = np.average(y, axis=0, weights=weights)
    for width in WIDTHS if n_centres else (0.0,):
        inputs = _inputs(z, far, width)
        found = _ridge(inputs, y - mean, weights)
        if best is None or found[0] < best[0] * CLEARLY:
            error, centre, coefficients, told = found
            offset = mean - centre @ coefficients
            state = {"centres": centres.tolist(), "width": width, "coefficients": coefficients.tolist(),
                     "offset": offset.tolist()}  # fmt: skip
            best = error, state, told + mean
    assert best is not None
    return best[1], best[2]


def predict(state: dict[str, Any], z: np.ndarray) -> np.ndarray:
    """The curve at inputs `z` (n, p): (n, k)."""
    import numpy as np

    centres = np.asarray(state["centres"]).reshape(-1, z.shape[1])
    inputs = _inputs(z, _distances(z, centres), state["width"])
    told: np.ndarray = inputs @ np.asarray(state["coefficients"]) + np.asarray(state["offset"])
    return told


def _distances(z: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared distances, (n, n_centres)."""
    import numpy as np

    far: np.ndarray = (z**2).sum(axis=1)[:, None] - 2 * z @ centres.T + (centres**2).sum(axis=1)
    return np.asarray(np.maximum(far, 0))


def _inputs(z: np.ndarray, far: np.ndarray, width: float) -> np.ndarray:
    import numpy as np

    if not width:
        return z
    bells = np.exp(-far / (2 * width**2 * max(1, z.shape[1])))
    return np.hstack([z, BELL * bells])


def _ridge(inputs: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """The least error of leaving one out, the inputs' mean, the coefficients, and the answers without the row."""
    import numpy as np

    centre = np.average(inputs, axis=0, weights=weights)
    root = np.sqrt(weights)[:, None]
    x, target = (inputs - centre) * root, y * root
    values, axes = np.linalg.eigh(x.T @ x)
    values = np.maximum(values, 0)
    turned = x @ axes
    along = turned.T @ target
    best: tuple[float, np.ndarray, np.ndarray, np.ndarray] | None = None
    for penalty in PENALTIES:
        shrunk = 1 / (values + penalty)
        leverage = np.minimum((turned**2) @ shrunk + weights / weights.sum(), 0.999)[:, None]
        fitted = turned @ (shrunk[:, None] * along)
        missed = (target - fitted) / (1 - leverage)
        error = float((missed**2).sum())
        if best is None or error < best[0]:
            best = error, centre, axes @ (shrunk[:, None] * along), y - missed / root
    assert best is not None
    return best
