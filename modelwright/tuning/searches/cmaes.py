"""CMA-ES: a cloud of settings that moves, stretches and turns towards the better ones. For 100 trials and more."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from modelwright.core.optional import need
from modelwright.core.rng import stream_seed
from modelwright.tuning.base import Search
from modelwright.tuning.searches import qmc
from modelwright.tuning.space import Settings, Space
from modelwright.tuning.study import Tried, comparable

FIRST_WIDTH = 0.25
"""Standard deviation of the first cloud, as a share of each range."""


def suggest(space: Space, tried: Sequence[Tried], number: int, *, seed: int, trials: int) -> Settings:
    """A draw from the cloud that all whole generations before have shaped; known settings are of the first one.

    Best for numbers: choices are taken as if they were in order. Of one parameter it has nothing to turn, and the
    sequence of `qmc` is used. The state of the cloud follows from the trials each time, so nothing of it is kept.

    Reference: Hansen and Ostermeier (2001), "Completely derandomized self-adaptation in evolution strategies".

    >>> space = Space.parse({"x": {"low": -1, "high": 1}, "y": {"low": -1, "high": 1}})
    >>> suggest(space, (), 0, seed=0, trials=9) == suggest(space, (), 0, seed=0, trials=9)
    True
    """
    if len(space) < 2:
        return qmc.suggest(space, tried, number, seed=seed, trials=trials)
    import numpy as np

    cmaes = need("cmaes", extra="tune", why="the search `cmaes`")
    losses = {one.number: loss for one, loss in comparable(tried)}
    bounds = np.tile([0.0, 1.0], (len(space), 1))
    cloud = cmaes.CMA(
        np.full(len(space), 0.5), FIRST_WIDTH, bounds=bounds, seed=stream_seed(seed, "tuning", "cmaes") % 2**31
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for start in range(0, len(tried), cloud.population_size):
            generation = tried[start : start + cloud.population_size]
            if len(generation) < cloud.population_size or any(one.number not in losses for one in generation):
                break
            cloud.tell([(np.array(space.place(one.settings)), losses[one.number]) for one in generation])
        cloud.reseed_rng(stream_seed(seed, "tuning", "cmaes", number) % 2**31)
        return space.at(cloud.ask().tolist())


SEARCH = Search(name="cmaes", suggest=suggest)
