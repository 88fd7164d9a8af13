"""How much each input column matters: what the loss grows by when its values are shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelwright.training.ensemble import blend

if TYPE_CHECKING:
    import numpy as np

    from modelwright.training.cross import FoldMatrix, Folds, Result
    from modelwright.training.losses import Loss

MOST_ROWS = 1_000
MOST_COLUMNS = 200
MOST_CELLS = 20_000_000
"""Matrix cells that are answered for in all; wide tables are judged on fewer rows."""


def importance(
    folds: Folds, chosen: Sequence[tuple[Result, float]], loss: Loss, rng: np.random.Generator
) -> dict[str, float]:
    """Share of each feature in the sum of losses that shuffling adds, on validation rows of the first fold.

    A column that the models do not use has 0; when shuffling never hurts, all have 0.

    Reference: Fisher, Rudin and Dominici (2019), "All models are wrong, but many are useful".
    """
    import numpy as np

    problem = folds.problem
    valid = problem.pairs[0][1]
    matrices = [folds.matrix(0, result.trial.preset) for result, _ in chosen]
    width = sum(matrix.x_valid.shape[1] for matrix in matrices) * len(problem.columns)
    n_rows = min(len(valid), MOST_ROWS, max(50, MOST_CELLS // max(width, 1)))
    rows = np.sort(rng.permutation(len(valid))[:n_rows])
    y, weights = problem.y[valid][rows], problem.weights[valid][rows]
    parts = [matrix.x_valid[rows] for matrix in matrices]
    sources = [_sources(matrix) for matrix in matrices]
    shares = np.array([share for _, share in chosen])

    def lost(shuffled: Sequence[np.ndarray]) -> float:
        answers = [result.first().predict(x) for (result, _), x in zip(chosen, shuffled, strict=True)]
        return loss(y, blend(answers, shares), weights)

    base = lost(parts)
    grown = dict.fromkeys(problem.columns, 0.0)
    for name in _worth_shuffling(folds, chosen):
        order = rng.permutation(n_rows)
        grown[name] = max(
            0.0, lost([_shuffled(x, own == name, order) for x, own in zip(parts, sources, strict=True)]) - base
        )
    total = sum(grown.values())
    return {name: value / total if total > 0 else 0.0 for name, value in grown.items()}


def _sources(matrix: FoldMatrix) -> np.ndarray:
    """The input column of each of a matrix's columns; "" of those that are answers for other targets."""
    import numpy as np

    return np.array([*matrix.state.sources, *[""] * (matrix.x_valid.shape[1] - len(matrix.state.sources))])


def _worth_shuffling(folds: Folds, chosen: Sequence[tuple[Result, float]]) -> Sequence[str]:
    """All features, or of a very wide table those that the members that can say so lean on most."""
    columns = folds.problem.columns
    if len(columns) <= MOST_COLUMNS:
        return columns
    leaned = dict.fromkeys(columns, 0.0)
    for result, share in chosen:
        own = result.first().importance
        if own is not None and own.sum() > 0:
            state = folds.matrix(0, result.trial.preset).state
            of_matrix = (own / own.sum())[: len(state.sources)]
            for name, value in state.by_source(of_matrix).items():
                leaned[name] += share * value
    return sorted(columns, key=lambda name: -leaned[name])[:MOST_COLUMNS]


def _shuffled(x: np.ndarray, columns: np.ndarray, order: np.ndarray) -> np.ndarray:
    if not columns.any():
        return x
    x = x.copy()
    x[:, columns] = x[order][:, columns]
    return x
