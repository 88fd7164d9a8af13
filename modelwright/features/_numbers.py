"""What the scaling steps share: `(x - centre) / scale`, brought into bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from modelwright.features.base import State
    from modelwright.graph import Graph


def same_names(columns: Sequence[str]) -> list[tuple[str, int]]:
    """One column out for each column in."""
    return [(name, index) for index, name in enumerate(columns)]


def scaling(centre: np.ndarray, scale: np.ndarray, low: float, high: float) -> State:
    """The state of a scaling; a column that does not vary (scale 0 or not finite) is only centred.

    A scale below the rounding of the centre is noise, and counts as 0.
    """
    import numpy as np

    centre = np.where(np.isfinite(centre), centre, 0.0)
    varies = np.isfinite(scale) & (scale > 1e-13 * np.abs(centre)) & (scale > 1e-300)
    return {"centre": centre, "scale": np.where(varies, scale, 1.0), "low": low, "high": high}


def apply_scaling(state: State, x: np.ndarray) -> np.ndarray:
    """The scaled matrix; NaN stays."""
    import numpy as np

    with np.errstate(over="ignore"):
        scaled: np.ndarray = ((x - state["centre"]) / state["scale"]).clip(state["low"], state["high"])
    return scaled


def emit_scaling(state: State, graph: Graph, x: str) -> str:
    """`apply_scaling` as nodes: the same operations in the same order, so the same bits."""
    scaled = (graph.tensor(x) - state["centre"][None]) / state["scale"][None]
    bounded: str = scaled.clip(state["low"], state["high"]).name
    return bounded


def finite_moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation per column over what is not missing; NaN where all is."""
    import numpy as np

    mean, deviation = (np.full(x.shape[1], np.nan) for _ in range(2))
    for index in range(x.shape[1]):
        known = x[~np.isnan(x[:, index]), index]
        if known.size:
            unit = np.abs(known).max() or 1.0  # squares of numbers beyond 1e154 overflow
            mean[index], deviation[index] = (known / unit).mean() * unit, (known / unit).std() * unit
    return mean, deviation


def finite_quantiles(x: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Quantiles per column over what is not missing: shape (len(shares), k); NaN where all is missing."""
    import numpy as np

    found = np.full((len(shares), x.shape[1]), np.nan)
    for index in range(x.shape[1]):
        known = x[~np.isnan(x[:, index]), index]
        if known.size:
            found[:, index] = np.quantile(known / 2, shares) * 2
    return found
