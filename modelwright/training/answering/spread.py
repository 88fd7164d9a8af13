"""How far off an answer is likely to be, learned from how far off the answers to other rows were.

A small boosting on the columns and the answer itself predicts the absolute error; the intervals of rows that are hard
to answer are then wide, those of easy ones narrow, and all together hold the truth as often as was asked.

Reference: Lei et al. (2018), "Distribution-free predictive inference for regression", 5.2 (locally weighted).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.rng import stream
from modelwright_runtime.signature import Task

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Fitted
    from modelwright.graph import Graph
    from modelwright.training.cross import Folds

SETTINGS = {"rounds": 120, "leaves": 8, "learning_rate": 0.05, "min_leaf": 20, "column_share": 0.8, "patience": 1000}
PRESET = "plain"
FLOOR = 0.1
"""No spread is predicted to be less than this share of the middle one."""
LEAST_ROWS = 200
MOST_ROWS = 100_000


@dataclass(frozen=True, eq=False)
class Spread:
    """The fitted model, the state of the features that it sees beside the answer, and its least value."""

    state: Any
    fitted: Fitted
    floor: float

    def of(self, data: Dataset, value: np.ndarray) -> np.ndarray:
        """The spread (n,) of rows that are answered with `value` (n,)."""
        x = registry.verbs("features").apply(self.state, data)
        return self._spread(_with(x, value))

    def _spread(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        spread: np.ndarray = np.maximum(self.fitted.predict(x), self.floor)
        return spread

    def emit(self, graph: Graph, x: str, value: str) -> str:
        """As nodes, from the features' float32 matrix and a float64 tensor (n, 1): a float64 tensor (n, 1)."""
        both = graph.node("Concat", x, graph.tensor(value).cast("float32"), axis=1)
        column = graph.node("Reshape", self.fitted.emit(graph, both), graph.constant([-1, 1], "int64"))
        return graph.node("Max", column, graph.constant(self.floor, "float64"))


def _with(x: np.ndarray, value: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.concatenate([x, value.astype(np.float32)[:, None]], axis=1)


def _fit(x: np.ndarray, value: np.ndarray, errors: np.ndarray, rng: np.random.Generator) -> Fitted:
    model = registry.get("models", "boosting")
    task = Task(kind="regression", target="spread")
    fitted: Fitted = model.fit(_with(x, value), errors, spec=model.spec(**SETTINGS), task=task, rng=rng)
    return fitted


def cross_fitted(folds: Folds, judged: np.ndarray, value: np.ndarray) -> np.ndarray | None:
    """The spread of each judged row by a model of other folds' errors; None where there is too little to learn from.

    `judged` are ascending positions, `value` (n,) the answers to all rows, NaN where a row was not judged.
    """
    import numpy as np

    problem = folds.problem
    if len(judged) < LEAST_ROWS or len(problem.pairs) < 2:
        return None
    errors, floor = np.abs(problem.y - value), floor_of(problem.y[judged] - value[judged])
    spread = np.full(len(problem.y), np.nan)
    for number, (fit, valid) in enumerate(problem.pairs):
        matrix, known = folds.matrix(number, PRESET), np.isfinite(value[fit])
        if known.sum() < LEAST_ROWS / 2:
            return None
        rng, width = stream(folds.seed, "training", "spread", number), len(matrix.state.names)
        fitted = _fit(matrix.x_fit[known, :width], value[fit][known], errors[fit][known], rng)
        spread[valid] = Spread(matrix.state, fitted, floor)._spread(_with(matrix.x_valid[:, :width], value[valid]))
    of_judged: np.ndarray = spread[judged]
    return of_judged


def floor_of(errors: np.ndarray) -> float:
    """The least spread."""
    import numpy as np

    return float(FLOOR * np.median(np.abs(errors))) or 1e-9


def fit_spread(folds: Folds, judged: np.ndarray, value: np.ndarray) -> Spread:
    """The spread's model on all judged rows."""
    import numpy as np

    from modelwright.training.cross import rows_at

    problem, verbs = folds.problem, registry.verbs("features")
    rng = stream(folds.seed, "training", "spread", "all")
    rows = judged if len(judged) <= MOST_ROWS else np.sort(rng.permutation(judged)[:MOST_ROWS])
    state, x = verbs.learn_apply(
        rows_at(problem.data, rows), problem.columns, verbs.preset(PRESET), problem.y[rows], task=problem.task,
        rng=stream(folds.seed, "training", "features", "all"),
    )  # fmt: skip
    errors = np.abs(problem.y - value)
    fitted = _fit(x, value[rows], errors[rows], rng)
    return Spread(state, fitted, floor_of(problem.y[judged] - value[judged]))
