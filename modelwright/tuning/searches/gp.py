"""A Gaussian process: the best values in few trials of a few numbers, at half a second of thought for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from modelwright.core.optional import need_later
from modelwright.tuning.base import Search
from modelwright.tuning.searches import qmc
from modelwright.tuning.searches._optuna import flat, study_of, suggested
from modelwright.tuning.searches.tpe import FIRST
from modelwright.tuning.space import Settings, Space
from modelwright.tuning.study import Tried, comparable


def suggest(space: Space, tried: Sequence[Tried], number: int, *, seed: int, trials: int) -> Settings:
    """The largest expected gain under a Matern kernel, by Optuna. Wants torch (the extra `deep`).

    Parameters that are not in force stand in the middle of their range; stopped and failed trials are guessed.

    Reference: Ament et al. (2023), "Unexpected improvements to expected improvement for Bayesian optimization".

    >>> space = Space.parse({"x": {"low": -1, "high": 1}})
    >>> tried = [Tried(number=n, settings={"x": n / 10 - 0.9}, state="done", loss=(n - 9) ** 2) for n in range(13)]
    >>> abs(suggest(space, tried, 13, seed=0, trials=30)["x"]) < 0.2
    True
    """
    known = comparable(tried)
    if len(known) < FIRST:
        return qmc.suggest(space, tried, number, seed=seed, trials=trials)
    need_later("torch", extra="deep", why="the search `gp`")
    whole = flat(space)
    done = [replace(one, state="done", loss=loss) for one, loss in known]
    running = [one for one in tried if one.state == "running"]
    filled = [replace(one, settings=whole.at(space.place(one.settings))) for one in (*done, *running)]
    with study_of("GPSampler", whole, filled, number, seed, n_startup_trials=1, deterministic_objective=False) as study:
        found = suggested(study, whole)
    return space.nearest(found)


SEARCH = Search(name="gp", suggest=suggest)
