"""Settings drawn at random, each value of a parameter as likely as the others."""

from __future__ import annotations

from collections.abc import Sequence

from modelwright.core.rng import stream
from modelwright.tuning.base import Search
from modelwright.tuning.space import Settings, Space
from modelwright.tuning.study import Tried


def suggest(space: Space, tried: Sequence[Tried], number: int, *, seed: int, trials: int) -> Settings:
    """A draw that follows from seed and number alone.

    Reference: Bergstra and Bengio (2012), "Random search for hyper-parameter optimization".

    >>> space = Space.parse({"x": {"low": 0, "high": 1}})
    >>> suggest(space, (), 3, seed=0, trials=9) == suggest(space, (), 3, seed=0, trials=5)
    True
    """
    return space.at(stream(seed, "tuning", "random", number).random(len(space)).tolist())


SEARCH = Search(name="random", suggest=suggest)
