"""A trial is stopped when it is worse than half of the finished ones were at the same step."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from modelwright.tuning.base import Pruner
from modelwright.tuning.study import Tried

FIRST = 5
"""Finished trials before any is stopped."""


def stop(number: int, reports: Sequence[float], others: Sequence[Tried]) -> bool:
    """Whether the last report is above the median of the finished trials' reports at that step.

    Reference: Golovin et al. (2017), "Google Vizier: a service for black-box optimization", 3.2.2.

    >>> done = [Tried(number=n, settings={}, state="done", loss=n, reports=(n, n)) for n in range(5)]
    >>> stop(5, [1.0], done), stop(5, [1.0, 3.0], done)
    (False, True)
    """
    step = len(reports) - 1
    done = [one for one in others if one.state == "done"]
    known = [one.reports[step] for one in done if len(one.reports) > step]
    return len(done) >= FIRST and bool(known) and reports[-1] > median(known)


PRUNER = Pruner(name="median", stop=stop)
