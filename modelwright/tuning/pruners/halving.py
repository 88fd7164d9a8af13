"""Successive halving, asynchronous: at steps 1, 3, 9, ... the best third of the trials that came so far goes on."""

from __future__ import annotations

from collections.abc import Sequence

from modelwright.tuning.base import Pruner
from modelwright.tuning.study import Tried

FACTOR = 3


def stop(number: int, reports: Sequence[float], others: Sequence[Tried]) -> bool:
    """Whether a trial is at a rung, and not among the best third of those that reached it. The first two always go on.

    Reference: Li et al. (2020), "A system for massively parallel hyperparameter tuning" (ASHA).

    >>> reached = [Tried(number=n, settings={}, state="stopped", reports=(n,)) for n in range(5)]
    >>> stop(5, [1.5], reached), stop(5, [0.5], reached), stop(5, [0.5, 9.0], reached)
    (True, False, False)
    """
    return stop_at_rungs(reports, others, first=1)


def stop_at_rungs(reports: Sequence[float], others: Sequence[Tried], *, first: int) -> bool:
    """The rule for rungs at `first` steps, three times as many, and so on."""
    rung = first
    while rung < len(reports):
        rung *= FACTOR
    if rung != len(reports):
        return False
    reached = sorted([one.reports[rung - 1] for one in others if len(one.reports) >= rung] + [reports[-1]])
    return len(reached) >= FACTOR and reports[-1] > reached[len(reached) // FACTOR - 1]


PRUNER = Pruner(name="halving", stop=stop)
