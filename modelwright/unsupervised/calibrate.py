"""From a raw score to a share: how many usual rows are less odd; and where the line is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.unsupervised.nodes import emit_interpolated, interpolated

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph

N_KNOTS = 101
TAIL = 0.1
"""The largest tenth of the scores is told by a tail that goes on beyond the largest one seen."""
SHAPES = (0.1, 0.5)
"""Least and greatest shape of the tail: it never ends, and it has a mean; what is far out is still told apart."""
FENCE = 1.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Calibration:
    """A rising function from raw scores to 0..1: interpolated up to `start`, then a generalised Pareto tail."""

    knots: np.ndarray
    slopes: np.ndarray
    start: float
    tail: float
    scale: float
    shape: float

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """Shares of usual rows that are less odd, (n,)."""
        import numpy as np

        beyond = 1 + self.shape * np.maximum(raw - self.start, 0.0) / self.scale
        far = 1 - self.tail * np.power(beyond, -1 / self.shape)
        return np.where(raw > self.start, far, interpolated(raw, self.knots, self.slopes))

    def emit(self, graph: Graph, raw: str) -> str:
        """`apply` as nodes, from a column to a column."""
        import numpy as np

        above = (graph.tensor(raw) - self.start).clip(0.0, np.inf)
        beyond = above * (self.shape / self.scale) + 1.0
        power = graph.tensor(graph.node("Pow", beyond.name, graph.constant(-1 / self.shape, "float64")))
        far = power * -self.tail + 1.0
        near = emit_interpolated(graph, raw, self.knots, self.slopes)
        is_far = graph.node("Greater", raw, graph.constant(self.start, "float64"))
        return graph.node("Where", is_far, far.name, near.name)


def calibrate(raw: np.ndarray) -> Calibration:
    """Learn the distribution of scores of rows that the detectors were not learned on.

    Below the largest tenth a score is told as the share of rows with a lower one; beyond, by a generalised Pareto
    distribution fitted with probability-weighted moments, so that what is odder than anything seen is still told
    apart. For a usual row the result is spread evenly over 0..1 (one minus a conformal p-value).

    Reference: Hosking and Wallis (1987), "Parameter and quantile estimation for the generalized Pareto
    distribution"; Bates et al. (2023), "Testing for outliers with conformal p-values", Annals of Statistics 51(1).

    >>> import numpy as np
    >>> told = calibrate(np.linspace(0, 1, 1001)).apply(np.array([0.0, 0.5, 0.9, 5.0]))
    >>> told[:3].round(2).tolist(), bool(0.99 < told[3] < 1)
    ([0.0, 0.5, 0.9], True)
    """
    import numpy as np

    ordered = np.sort(raw)
    start = float(np.quantile(ordered, 1 - TAIL))
    levels = np.linspace(0, 1 - TAIL, N_KNOTS)
    knots, places = np.unique(np.quantile(ordered, levels), return_index=True)
    if len(knots) < 2:  # nearly all rows have the same score
        knots, places = np.array([start - 1.0, start]), np.array([0, len(levels) - 1])
    levels = levels[places]
    levels[-1] = 1 - TAIL
    scale, shape = _tail(ordered[ordered > start] - start)
    return Calibration(
        knots=knots, slopes=np.diff(levels) / np.diff(knots), start=start, tail=TAIL, scale=scale, shape=shape
    )


def _tail(excess: np.ndarray) -> tuple[float, float]:
    """Scale and shape of a generalised Pareto distribution by probability-weighted moments."""
    import numpy as np

    if len(excess) < 5 or excess[-1] <= 1e-9:
        return max(float(excess.mean()) if len(excess) else 1.0, 1e-6), SHAPES[0]
    n = len(excess)
    first = float(excess.mean())
    second = float((excess * (n - 1 - np.arange(n)) / (n - 1)).mean())
    shape = 2 - first / max(first - 2 * second, 1e-12)
    shape = float(np.clip(shape, *SHAPES))
    return max(first * (1 - shape), 1e-6), shape


def fence(raw: np.ndarray) -> float:
    """The raw score from which a row is called an anomaly: Tukey's fence, one and a half times the middle half of the
    scores beyond its upper edge.

    Reference: Tukey (1977), "Exploratory data analysis".

    >>> import numpy as np
    >>> fence(np.arange(101.0))
    150.0
    """
    import numpy as np

    low, high = np.quantile(raw, [0.25, 0.75])
    return float(high + FENCE * max(high - low, 1e-9))
