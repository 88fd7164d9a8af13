"""Settings spread evenly: a scrambled Sobol sequence leaves smaller gaps than chance does."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from modelwright.core.rng import stream
from modelwright.tuning.base import Search
from modelwright.tuning.space import Settings, Space
from modelwright.tuning.study import Tried


def suggest(space: Space, tried: Sequence[Tried], number: int, *, seed: int, trials: int) -> Settings:
    """Point `number` of the sequence that the seed scrambles. Evenest for 16, 32, 64, ... trials.

    Reference: Owen (1998), "Scrambling Sobol' and Niederreiter-Xing points".

    >>> space = Space.parse({"x": {"low": 0, "high": 1}})
    >>> xs = sorted(suggest(space, (), number, seed=0, trials=8)["x"] for number in range(8))
    >>> [int(8 * x) for x in xs]
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    from scipy.stats import qmc

    points = qmc.Sobol(len(space), rng=stream(seed, "tuning", "qmc"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that one point is no power of two
        point = points.random(1)[0]
        if number:
            points.fast_forward(number - 1)
            point = points.random(1)[0]
    return space.at(point.tolist())


SEARCH = Search(name="qmc", suggest=suggest)
