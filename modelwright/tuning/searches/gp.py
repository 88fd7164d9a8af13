"""A Gaussian process: the best values in few trials of a few numbers, at some hundredths of a second of thought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelwright.core.rng import stream
from modelwright.tuning.base import Search
from modelwright.tuning.searches import qmc
from modelwright.tuning.searches.tpe import FIRST
from modelwright.tuning.space import Settings, Space
from modelwright.tuning.study import Tried, comparable

if TYPE_CHECKING:
    import numpy as np

    from modelwright.tuning.searches._process import Process

MOST_TRIALS = 300
"""The work grows with the third power of the trials that are looked at; of more, the best are."""

SPREAD, AROUND, BEGINNINGS = 1024, 200, 8
"""Points all over the space, points around the best trials, and how many of them are followed uphill."""

STEPS, TRIES, WIDTH, NARROWER = 20, 16, 0.05, 0.8
"""How such a point is followed: tries at each step, in a cloud that grows narrower."""


def suggest(space: Space, tried: Sequence[Tried], number: int, *, seed: int, trials: int) -> Settings:
    """The place where the largest gain is expected, under a Matern kernel with a length of its own for each parameter.

    Losses are first brought to a bell shape, so that a few bad ones do not drown the rest. Trials that are running are
    taken to end at their expected loss, stopped and failed ones are guessed. Parameters not in force stand in the
    middle.

    Reference: Jones, Schonlau and Welch (1998), "Efficient global optimization of expensive black-box functions";
    Cowen-Rivers et al. (2022), "HEBO", for the bell shape.

    >>> space = Space.parse({"x": {"low": -1, "high": 1}})
    >>> tried = [Tried(number=n, settings={"x": n / 10 - 0.9}, state="done", loss=(n - 9) ** 2) for n in range(13)]
    >>> abs(suggest(space, tried, 13, seed=0, trials=30)["x"]) < 0.2
    True
    """
    known = sorted(comparable(tried), key=lambda pair: pair[1])[:MOST_TRIALS]
    if len(known) < FIRST or known[0][1] == known[-1][1]:
        return qmc.suggest(space, tried, number, seed=seed, trials=trials)
    import numpy as np
    from threadpoolctl import threadpool_limits

    from modelwright.tuning.searches._process import Process

    points = np.array([space.place(one.settings) for one, _ in known])
    running = np.array([space.place(one.settings) for one in tried if one.state == "running"])
    named = np.array([one.choices is not None for one in space.parameters.values()])
    with threadpool_limits(1, user_api="blas"):  # of such small matrices threads wait longer than they work
        process = Process.fitted(points, bell_shaped(np.array([loss for _, loss in known])), named)
        process = process.with_expected(running) if len(running) else process
        place = _best_place(process, points, space, stream(seed, "tuning", "gp", number))
    return space.at(place.tolist())


def bell_shaped(losses: np.ndarray) -> np.ndarray:
    """Losses with mean 0 and deviation 1, a long tail drawn in by Yeo and Johnson's power transformation.

    >>> import numpy as np
    >>> tail = np.exp(np.arange(9.0))
    >>> bool(bell_shaped(tail).max() < ((tail - tail.mean()) / tail.std()).max())
    True
    """
    import numpy as np
    from scipy.stats import yeojohnson

    standard: np.ndarray = (losses - losses.mean()) / losses.std()
    if len(np.unique(standard)) <= 3:
        return standard
    warped = np.asarray(yeojohnson(standard)[0])
    usable = np.isfinite(warped).all() and warped.std() > 1e-9
    return (warped - warped.mean()) / warped.std() if usable else standard


def _best_place(process: Process, points: np.ndarray, space: Space, rng: np.random.Generator) -> np.ndarray:
    """Of points all over the space and around the best trials (first in `points`), the best ones followed uphill."""
    import numpy as np
    from scipy.stats import qmc

    d = len(space)
    around = np.tile(points[:5], (AROUND // 5, 1))
    drawn = np.vstack([qmc.Sobol(d, rng=rng).random(SPREAD), around + WIDTH * rng.normal(size=around.shape)])
    drawn = snapped(space, drawn)
    least = process.at(points)[0].min()
    gain = process.gain(drawn, least)
    order = np.argsort(-gain, kind="stable")[:BEGINNINGS]
    best, height, width = drawn[order], gain[order], WIDTH
    for _ in range(STEPS):
        tries = best[:, None] + width * rng.normal(size=(len(best), TRIES, d))
        tries = snapped(space, tries.reshape(-1, d)).reshape(tries.shape)
        gains = process.gain(tries.reshape(-1, d), least).reshape(tries.shape[:2])
        top = gains.argmax(axis=1)
        found, values = tries[np.arange(len(best)), top], gains[np.arange(len(best)), top]
        best, height = np.where((values > height)[:, None], found, best), np.maximum(values, height)
        width *= NARROWER
    place: np.ndarray = best[height.argmax()]
    return place


def snapped(space: Space, points: np.ndarray) -> np.ndarray:
    """Points moved to where their settings lie, so that those that mean the same are the same: (n, d).

    >>> import numpy as np
    >>> snapped(Space.parse({"a": ["x", "y"], "b": {"low": 0, "high": 3, "integer": True, "when": {"a": "y"}}}),
    ...         np.array([[0.2, 0.9], [0.7, 0.9]])).tolist()
    [[0.25, 0.5], [0.75, 0.875]]
    """
    import numpy as np

    made = points.clip(0.0, 1.0)
    for column, one in enumerate(space.parameters.values()):
        if one.n_values is None:
            continue
        if one.log:
            first, last = one.logarithms
            whole = np.exp(first + made[:, column] * (last - first)).round().clip(one.low or 1, one.high)
            made[:, column] = (np.log(whole) - first) / (last - first)
        else:
            made[:, column] = (np.floor(made[:, column] * one.n_values).clip(max=one.n_values - 1) + 0.5) / one.n_values
    active: dict[str, np.ndarray] = {}
    for column, name in enumerate(space.parameters):
        active[name] = np.ones(len(made), dtype=bool)
        for parent, places in space.conditions(name).items():
            n_choices = space.parameters[parent].n_values or 1
            chosen = (made[:, list(space.parameters).index(parent)] * n_choices).astype(int)
            active[name] &= active[parent] & np.isin(chosen, places)
        made[~active[name], column] = 0.5
    return made


SEARCH = Search(name="gp", suggest=suggest)
