"""Every combination, in order: for few choices of which each is to be seen."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import lru_cache

from modelwright.core.errors import UserError
from modelwright.core.store import canonical
from modelwright.tuning.base import Search
from modelwright.tuning.space import Settings, Space
from modelwright.tuning.study import Tried

MOST_POINTS = 100_000


def suggest(space: Space, tried: Sequence[Tried], number: int, *, seed: int, trials: int) -> Settings:
    """Combination `number` of the grid.

    >>> space = Space.parse({"a": [1, 2], "b": {"low": 0.0, "high": 1.0}})
    >>> [suggest(space, (), number, seed=0, trials=6) for number in (0, 1, 5)]
    [{'a': 1, 'b': 0.0}, {'a': 1, 'b': 0.5}, {'a': 2, 'b': 1.0}]
    """
    return points(space, trials)[number]


def points(space: Space, trials: int) -> list[Settings]:
    """The grid with as many values of each range as `trials` allow: at least two, and all choices.

    Raises `tune.grid` where even that is more than `trials`.
    """
    return _points(canonical(space.to_plain()), trials)


@lru_cache(maxsize=4)
def _points(plain: bytes, trials: int) -> list[Settings]:
    space = Space.parse(json.loads(plain))
    if (n := _n_points(space, 2)) > trials:
        raise UserError(
            "tune.grid", f"the coarsest grid has {n:,} points, more than `trials`, {trials}.",
            hint="raise `trials`, name fewer parameters or choices, or use another search",
        )  # fmt: skip
    low, high = 2, trials + 1  # values of a range: what is not too many, and what may be
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _n_points(space, middle) <= trials else (low, middle)
    return space.grid(low)


def _n_points(space: Space, resolution: int) -> int:
    """Points of a grid; counted where no parameter depends on another, or there are too many to look at."""
    sizes = [len(one.choices or ()) or min(resolution, one.n_values or resolution) for one in space.parameters.values()]
    n = math.prod(sizes)
    return len(space.grid(resolution)) if space.is_conditional and n <= MOST_POINTS else n


SEARCH = Search(name="grid", suggest=suggest, size=lambda space, trials: len(points(space, trials)), starts=False)
