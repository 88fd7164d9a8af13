"""Quantiles of a number: their levels, their names, and the loss that they are learned and judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from modelwright.training.answering.spec import ConformalSpec, ObjectiveSpec

MIDDLE = 0.5


def levels_of(objective: ObjectiveSpec, conformal: ConformalSpec | None) -> tuple[float, ...]:
    """The levels that are learned: those asked for, the one that is answered, and the ends of an interval.

    >>> from modelwright.training.answering.spec import ConformalSpec, ObjectiveSpec
    >>> levels_of(ObjectiveSpec(quantile=(0.1, 0.9)), ConformalSpec(coverage=0.9))
    (0.05, 0.1, 0.5, 0.9, 0.95)
    """
    wanted = {point_of(objective), *told_levels(objective)}
    if conformal is not None:
        tail = (1.0 - conformal.coverage) / 2.0
        wanted |= {round(tail, 6), round(1.0 - tail, 6)}
    return tuple(sorted(wanted))


def told_levels(objective: ObjectiveSpec) -> tuple[float, ...]:
    """The levels that have a column of their own."""
    return objective.quantile or ()


def point_of(objective: ObjectiveSpec) -> float:
    """The level of the answer itself: the one level asked for, else the median; of uneven costs the cheapest."""
    if objective.asymmetric is not None:
        return round(objective.asymmetric.level, 6)
    asked = objective.quantile or (MIDDLE,)
    return asked[0] if len(asked) == 1 else MIDDLE


def column_of(level: float) -> str:
    """The name of a level's column.

    >>> [column_of(level) for level in (0.05, 0.5, 0.975)]
    ['q05', 'q50', 'q97.5']
    """
    percent = round(100 * level, 4)
    return f"q0{percent:g}" if percent < 10 else f"q{percent:g}"


def pinball(y: np.ndarray, predicted: np.ndarray, weights: np.ndarray, *, levels: Sequence[float]) -> float:
    """Mean over the levels of the quantile loss: `level` for a unit too low, `1 - level` for one too high.

    `predicted` is (n, len(levels)). Reference: Koenker and Bassett (1978), "Regression quantiles".

    >>> import numpy as np
    >>> pinball(np.array([1.0, 2.0]), np.array([[0.0], [4.0]]), np.ones(2), levels=(0.75,))
    0.625
    """
    import numpy as np

    short = y[:, None] - predicted
    share = np.array(levels)
    return float(np.average(np.maximum(share * short, (share - 1.0) * short).mean(axis=1), weights=weights))
