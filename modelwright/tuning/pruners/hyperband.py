"""Hyperband: successive halving in several brackets, some of which judge late, for trials that start slowly."""

from __future__ import annotations

import math
from collections.abc import Sequence

from modelwright.tuning.base import Pruner
from modelwright.tuning.pruners.halving import FACTOR, stop_at_rungs
from modelwright.tuning.study import Tried


def stop(number: int, reports: Sequence[float], others: Sequence[Tried]) -> bool:
    """Successive halving within the bracket of a trial. Nothing is stopped before one trial has shown how many steps
    there are.

    Reference: Li et al. (2018), "Hyperband: a novel bandit-based approach to hyperparameter optimization".

    >>> done = [Tried(number=n, settings={}, state="done", loss=n, reports=(n,) * 9) for n in range(30)]
    >>> sum(stop(number, [29.0], done) for number in range(30)) > 10
    True
    """
    n_steps = max((len(one.reports) for one in others if one.state == "done"), default=0)
    if not n_steps:
        return False
    own = bracket_of(number, n_steps)
    rivals = [one for one in others if bracket_of(one.number, n_steps) == own]
    return stop_at_rungs(reports, rivals, first=FACTOR**own)


def bracket_of(number: int, n_steps: int) -> int:
    """Trials are dealt to brackets in turn, each bracket as many as gives all the same work.

    >>> [bracket_of(number, 9) for number in range(9)]
    [0, 1, 2, 0, 1, 0, 0, 2, 1]
    """
    n_brackets = int(math.log(n_steps, FACTOR) + 1e-9) + 1
    shares = [
        math.ceil(n_brackets * FACTOR ** (n_brackets - 1 - one) / (n_brackets - one)) for one in range(n_brackets)
    ]
    deal = sorted((place / share, one) for one, share in enumerate(shares) for place in range(share))
    return deal[number % len(deal)][1]


PRUNER = Pruner(name="hyperband", stop=stop)
