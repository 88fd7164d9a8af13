"""TPE: settings that are likely among the good trials and unlikely among the others. Conditions are understood."""

from __future__ import annotations

from collections.abc import Sequence

from modelwright.tuning.base import Search
from modelwright.tuning.searches import qmc
from modelwright.tuning.searches._optuna import study_of, suggested
from modelwright.tuning.space import Settings, Space
from modelwright.tuning.study import Tried

FIRST = 10
"""Trials before there is anything to learn from; they are spread evenly."""


def suggest(space: Space, tried: Sequence[Tried], number: int, *, seed: int, trials: int) -> Settings:
    """Multivariate tree-structured Parzen estimators, by Optuna; of conditional spaces one for each group of
    parameters that occur together. Trials that are running are kept away from, stopped ones count by how far they came.

    Reference: Bergstra et al. (2011), "Algorithms for hyper-parameter optimization"; Falkner et al. (2018), "BOHB".

    >>> space = Space.parse({"x": {"low": -1, "high": 1}})
    >>> tried = [Tried(number=n, settings={"x": n / 10 - 1}, state="done", loss=(n - 10) ** 2) for n in range(20)]
    >>> abs(suggest(space, tried, 20, seed=0, trials=30)["x"]) < 0.5
    True
    """
    if sum(one.state in ("done", "stopped") for one in tried) < FIRST:
        return qmc.suggest(space, tried, number, seed=seed, trials=trials)
    with study_of("TPESampler", space, tried, number, seed, group=space.is_conditional, n_startup_trials=1) as study:
        return suggested(study, space)


SEARCH = Search(name="tpe", suggest=suggest)
