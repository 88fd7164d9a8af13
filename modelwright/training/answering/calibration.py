"""Probabilities that come true: a temperature, a sigmoid (Platt) or a rising line (isotonic) over the joined answers.

Each is fitted on answers to rows that no model was fitted on, and judged on those of other folds than it was fitted on.

References: Guo et al. (2017), "On calibration of modern neural networks"; Platt (1999), "Probabilistic outputs for
support vector machines"; Zadrozny and Elkan (2002), "Transforming classifier scores into accurate multiclass
probability estimates"; Niculescu-Mizil and Caruana (2005), "Predicting good probabilities with supervised learning";
Oron and Flournoy (2017), "Centered isotonic regression".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from modelwright.core.data import Decision
from modelwright.training.losses import LEAST_PROBABILITY, log_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task

Method = Literal["temperature", "platt", "isotonic"]
LEAST_ROWS = 50
CLEAR = 2.0
"""A temperature is kept of itself where it lowers the log loss by so many standard errors of the difference."""
N_BINS = 10
STEEPEST = 20.0
"""A rising line climbs at most so many times as fast as the probability it is told: rounding must stay small."""
SPAN = (-4.0, 3.0)
"""Slopes of logits lie between e to these."""


@dataclass(frozen=True, eq=False)
class Slope:
    """Softmax of `slope` times the logarithms of the probabilities, plus `shift` (n_classes,). A temperature has no
    shift, so that the order of the classes stays, and with two classes that of the rows."""

    slope: float
    shift: np.ndarray

    def apply(self, shares: np.ndarray) -> np.ndarray:
        """Probabilities (n, n_classes) made anew."""
        import numpy as np
        from scipy.special import softmax

        made: np.ndarray = softmax(self.slope * np.log(shares.clip(LEAST_PROBABILITY, 1.0)) + self.shift, axis=1)
        return made

    def emit(self, graph: Graph, shares: str) -> str:
        """The same as nodes over a float64 tensor (n, n_classes)."""
        logits = graph.tensor(shares).clip(LEAST_PROBABILITY, 1.0).map("Log") * self.slope
        if self.shift.any():
            logits = logits + self.shift[None]
        return logits.map("Softmax", axis=1).name


@dataclass(frozen=True, eq=False)
class Lines:
    """A rising line for each class, straight between its knots; of two classes the second's alone, else each by
    itself, and then brought to sum 1."""

    knots: tuple[tuple[np.ndarray, np.ndarray], ...]

    def apply(self, shares: np.ndarray) -> np.ndarray:
        """Probabilities (n, n_classes) made anew."""
        import numpy as np

        if len(self.knots) == 1:
            risen = np.interp(shares[:, 1], *self.knots[0])
            return np.stack([1.0 - risen, risen], axis=1)
        made = np.stack([np.interp(shares[:, k], *line) for k, line in enumerate(self.knots)], axis=1)
        whole: np.ndarray = made / made.sum(axis=1, keepdims=True)
        return whole

    def emit(self, graph: Graph, shares: str) -> str:
        """The same as nodes over a float64 tensor (n, n_classes): each knot adds its ramp."""
        places = [1] if len(self.knots) == 1 else list(range(len(self.knots)))
        risen = []
        for place, (at, value) in zip(places, self.knots, strict=True):
            column = graph.tensor(graph.node("Gather", shares, graph.constant([place], "int64"), axis=1))
            if len(at) == 1:
                risen.append((column * 0.0 + float(value[0])).name)
                continue
            steps = (value[1:] - value[:-1])[:, None]
            ramps = ((column - at[None, :-1]) / (at[1:] - at[:-1])[None]).clip(0.0, 1.0)
            risen.append((ramps @ steps + float(value[0])).name)
        if len(risen) == 1:
            return graph.node("Concat", (1.0 - graph.tensor(risen[0])).name, risen[0], axis=1)
        joined = graph.tensor(graph.node("Concat", *risen, axis=1))
        total = graph.node("ReduceSum", joined.name, graph.constant([1], "int64"), keepdims=1)
        return (joined / graph.tensor(total)).name


Calibrator = Slope | Lines


def fit(method: Method, shares: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Calibrator:
    """Fit one on probabilities (n, n_classes) and class numbers (n,).

    >>> import numpy as np
    >>> sure = np.tile([[0.99, 0.01], [0.01, 0.99]], (50, 1))
    >>> y = np.where(np.arange(100) % 5 == 0, 1 - np.arange(100) % 2, np.arange(100) % 2)
    >>> fit("temperature", sure, y, np.ones(100)).apply(sure)[:2].round(2).tolist()
    [[0.79, 0.21], [0.21, 0.79]]
    """
    if method == "isotonic":
        return _rising(shares, y, weights)
    return _slope(shares, y, weights, shifts=method == "platt")


def _slope(shares: np.ndarray, y: np.ndarray, weights: np.ndarray, *, shifts: bool) -> Slope:
    """The least log loss. One answer of n + 2 is taken to be wrong, as Platt does: nothing else bounds how sure it gets
    where all are right."""
    import numpy as np
    from scipy.optimize import minimize

    n, n_classes = shares.shape
    logs = np.log(shares.clip(LEAST_PROBABILITY, 1.0))
    doubt = 1.0 / (n + 2)
    aims = np.full((n, n_classes), doubt / (n_classes - 1))
    aims[np.arange(n), y] = 1.0 - doubt
    parts = weights[:, None] / weights.sum()
    free = n_classes - 1 if shifts else 0  # the first class has no shift of its own: only differences count

    def lost(at: np.ndarray) -> tuple[float, np.ndarray]:
        slope = float(np.exp(at[0]))
        logits = slope * logs
        logits[:, 1 : 1 + free] += at[1:]
        logits -= logits.max(axis=1, keepdims=True)
        sums = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        gap = (np.exp(logits - sums) - aims) * parts
        gradient = np.concatenate([[slope * float((gap * logs).sum())], gap.sum(axis=0)[1 : 1 + free]])
        return float(-(parts * aims * (logits - sums)).sum()), gradient

    bounds = [SPAN, *[(-10.0, 10.0)] * free]
    found = minimize(lost, np.zeros(1 + free), jac=True, bounds=bounds, method="L-BFGS-B").x
    shift = np.zeros(n_classes)
    shift[1 : 1 + free] = found[1:]
    return Slope(float(f"{np.exp(found[0]):.6g}"), shift.round(6))


def _rising(shares: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Lines:
    n_classes = shares.shape[1]
    places = [1] if n_classes == 2 else range(n_classes)
    return Lines(tuple(_line(shares[:, k], y == k, weights) for k in places))


def _line(score: np.ndarray, hit: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of the isotonic regression: the middle of each block of rows, so that between them the line rises and keeps
    the order of the rows. Blocks that would make it too steep are joined; it ends half a row from 0 and from 1."""
    import numpy as np
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(score, kind="stable")
    at, first = np.unique(score[order], return_index=True)
    mass = np.add.reduceat(weights[order], first)
    share = np.add.reduceat((weights * hit)[order], first) / mass
    level = isotonic_regression(share, sample_weight=mass)
    begins = np.concatenate([[0], np.flatnonzero(np.diff(level) > 1e-9) + 1])
    blocks = [
        [float(np.average(at[part], weights=mass[part])), float(level[part.start]), float(mass[part].sum())]
        for part in (slice(a, b) for a, b in zip(begins, [*begins[1:], len(at)], strict=True))
    ]
    edge = 0.5 / (len(score) + 1)
    joined: list[list[float]] = []
    for block in blocks:
        block[1] = min(max(block[1], edge), 1.0 - edge)
        joined.append(block)
        while len(joined) > 1 and joined[-1][1] - joined[-2][1] > STEEPEST * (joined[-1][0] - joined[-2][0]):
            (x, value, own), (other_x, other_value, other) = joined.pop(), joined.pop()
            whole = own + other
            joined.append([(x * own + other_x * other) / whole, (value * own + other_value * other) / whole, whole])
    return np.array([block[0] for block in joined]), np.array([block[1] for block in joined])


def cross_fitted(
    method: Method, shares: np.ndarray, y: np.ndarray, weights: np.ndarray, parts: np.ndarray
) -> np.ndarray:
    """Calibrated probabilities of each row by a fit on the rows of the other `parts` (n,)."""
    import numpy as np

    made = np.empty_like(shares)
    for part in np.unique(parts):
        inside = parts == part
        made[inside] = fit(method, shares[~inside], y[~inside], weights[~inside]).apply(shares[inside])
    return made


def choose(
    asked: str, shares: np.ndarray, y: np.ndarray, weights: np.ndarray, parts: np.ndarray, *, task: Task
) -> tuple[Calibrator | None, list[Decision]]:
    """The calibration that is asked for; of itself a temperature, where it clearly lowers the log loss of folds that it
    was not fitted on."""
    import numpy as np

    if asked == "none" or not task.is_classification:
        return None, []
    n_parts, n_classes = len(np.unique(parts)), len(task.classes)
    if len(y) < LEAST_ROWS or n_parts < 2 or len(np.unique(y)) < 2:
        reason = f"{len(y)} validation rows are too few to learn from"
        return None, [] if asked == "auto" else [Decision("training", "calibration", "none", reason)]
    method: Method = "temperature" if asked == "auto" else asked  # type: ignore[assignment]
    after = cross_fitted(method, shares, y, weights, parts)
    told = _told(shares, after, y, weights)
    if asked == "auto":
        gain, error = _gain(shares, after, y, weights)
        if gain <= CLEAR * error or gain <= 1e-4:
            reason = f"a temperature does not clearly help: {told}, on folds that it was not fitted on"
            return None, [Decision("training", "calibration", "none", reason)]
    made = fit(method, shares, y, weights)
    return made, [
        Decision("training", "calibration", _named(made, n_classes), f"{told}, on folds it was not fitted on")
    ]


def _gain(before: np.ndarray, after: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """By how much the log loss falls, and the standard error of that."""
    import numpy as np

    rows = np.arange(len(y))
    logs = [np.log(shares[rows, y].clip(LEAST_PROBABILITY, 1.0)) for shares in (after, before)]
    gains = logs[0] - logs[1]
    mean = np.average(gains, weights=weights)
    return float(mean), float(np.sqrt((weights**2 * (gains - mean) ** 2).sum()) / weights.sum())


def _told(before: np.ndarray, after: np.ndarray, y: np.ndarray, weights: np.ndarray) -> str:
    losses = [log_loss(y, shares, weights) for shares in (before, after)]
    gaps = [calibration_error(shares, y) for shares in (before, after)]
    return f"log loss {losses[0]:.4f} -> {losses[1]:.4f}, calibration error {gaps[0]:.3f} -> {gaps[1]:.3f}"


def _named(made: Calibrator, n_classes: int) -> str:
    if isinstance(made, Lines):
        knots = sum(len(at) for at, _ in made.knots)
        return f"isotonic, {knots} knots" + ("" if n_classes == 2 else f" for {n_classes} classes")
    if not made.shift.any():
        return f"temperature {1 / made.slope:.3g}"
    return f"Platt, slope {made.slope:.3g}"


def calibration_error(shares: np.ndarray, y: np.ndarray) -> float:
    """Mean gap between probability and share over ten bins of equal mass: of class 1 of two, else of the likeliest.

    Reference: Nixon et al. (2019), "Measuring calibration in deep learning".
    """
    import numpy as np

    two = shares.shape[1] == 2
    told = shares[:, 1] if two else shares.max(axis=1)
    hit = y == 1 if two else shares.argmax(axis=1) == y
    bins = np.array_split(np.argsort(told, kind="stable"), N_BINS)
    return float(sum(abs((told[rows] - hit[rows]).sum()) for rows in bins) / len(told))


def parts_of(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], judged: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A part for each judged row (ascending positions): its fold; of one fold alone, five parts drawn."""
    import numpy as np

    if len(pairs) == 1:
        parts: np.ndarray = rng.permutation(np.arange(len(judged)) % 5)
        return parts
    parts = np.empty(len(judged), dtype=np.int64)
    for number, (_, valid) in enumerate(pairs):
        parts[np.searchsorted(judged, np.sort(valid))] = number
    return parts
