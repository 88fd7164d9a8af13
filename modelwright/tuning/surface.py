"""What the trials say of the space: which parameter mattered, and how the loss runs along one or two of them.

A forest is fitted to the trials, and asked at points all over the space: what one parameter explains by itself is the
variance of the mean answer along it (functional ANOVA).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from modelwright.core.rng import stream, stream_seed
from modelwright.tuning.study import Tried, comparable

if TYPE_CHECKING:
    import numpy as np

    from modelwright.tuning.space import Space

FEWEST_TRIALS = 8
N_POINTS = 256
N_STEPS, N_CELLS = 24, 12
"""Places along a curve, and along each side of a map."""


@dataclass(frozen=True)
class Surface:
    """A forest over the unit cube of a space: shares in, loss out."""

    space: Space
    forest: Any

    @cached_property
    def points(self) -> np.ndarray:
        """Points all over the space, those of parameters that are not in force in the middle: (n, d)."""
        import numpy as np
        from scipy.stats import qmc

        drawn = qmc.Sobol(len(self.space), rng=stream(0, "tuning", "surface")).random(N_POINTS)
        return np.array([self.space.place(self.space.at(point)) for point in drawn])

    def along(self, held: Sequence[Mapping[int, float]]) -> list[float]:
        """The mean loss over the space for each way of holding some parameters at a share of their way."""
        import numpy as np

        asked = np.tile(self.points, (len(held), 1, 1))
        for place, fixed in enumerate(held):
            for column, share in fixed.items():
                asked[place, :, column] = share
        answers = self.forest.predict(asked.reshape(-1, asked.shape[2]))
        means: list[float] = answers.reshape(len(held), -1).mean(axis=1).tolist()
        return means


def surface_of(space: Space, trials: Sequence[Tried]) -> Surface | None:
    """Fit a forest to all trials that can be compared; None for fewer than 8, or where all came to the same.

    Losses beyond the worst quarter by more than that quarter's width are drawn in: one wild loss would hide the rest.
    """
    import numpy as np
    from sklearn.ensemble import ExtraTreesRegressor

    known = comparable(trials)
    losses = np.array([loss for _, loss in known], dtype=np.float64)
    if len(known) < FEWEST_TRIALS or losses.min() == losses.max():
        return None
    low, high = np.quantile(losses, [0.25, 0.75])
    losses = losses.clip(max=max(high + 1.5 * (high - low), np.median(losses))) if high > low else losses
    points = np.array([space.place(one.settings) for one, _ in known])
    seed = stream_seed(0, "tuning", "forest") % 2**31
    forest = ExtraTreesRegressor(n_estimators=64, min_samples_leaf=2, random_state=seed).fit(points, losses)
    return Surface(space, forest)


def importance(space: Space, trials: Sequence[Tried]) -> dict[str, float]:
    """Share of the variance over the space that each parameter explains by itself, largest first.

    What is missing from 1 is explained by several together. Reference: Hutter, Hoos and Leyton-Brown (2014), "An
    efficient approach for assessing hyperparameter importance".

    >>> from modelwright.tuning import Space
    >>> space = Space.parse({"a": {"low": 0, "high": 1}, "b": {"low": 0, "high": 1}})
    >>> points = [space.at(point) for point in stream(0, "doctest").random((40, 2))]
    >>> tried = [Tried(number=n, settings=one, state="done", loss=one["a"] ** 2) for n, one in enumerate(points)]
    >>> {name: round(share, 1) for name, share in importance(space, tried).items()}
    {'a': 1.0, 'b': 0.0}
    """
    surface = surface_of(space, trials)
    return {} if surface is None else importance_on(surface)


def importance_on(surface: Surface) -> dict[str, float]:
    """`importance` of a surface that is there."""
    import numpy as np

    total = float(surface.forest.predict(surface.points).var())
    shares = {}
    for column, name in enumerate(surface.space.parameters):
        means = surface.along([{column: share} for share in places(surface.space, name, N_STEPS)])
        shares[name] = float(np.var(means)) / total if total > 0 else 0.0
    return dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0])))


def curve(surface: Surface, name: str) -> list[tuple[Any, float]]:
    """The mean loss along one parameter: pairs of value and loss."""
    column, one = list(surface.space.parameters).index(name), surface.space.parameters[name]
    shares = places(surface.space, name, N_STEPS)
    losses = surface.along([{column: share} for share in shares])
    return [(one.at(share), loss) for share, loss in zip(shares, losses, strict=True)]


def plane(surface: Surface, x: str, y: str) -> dict[str, Any]:
    """The mean loss over two parameters: values along both, and a row of losses for each value of `y`."""
    names = list(surface.space.parameters)
    across, up = (places(surface.space, name, N_CELLS) for name in (x, y))
    first, second = names.index(x), names.index(y)
    flat = surface.along([{first: left, second: high} for high in up for left in across])
    losses = [flat[start : start + len(across)] for start in range(0, len(flat), len(across))]
    parameters = surface.space.parameters
    return {"x": [parameters[x].at(s) for s in across], "y": [parameters[y].at(s) for s in up], "loss": losses}


def places(space: Space, name: str, n: int) -> list[float]:
    """Shares of the way that stand for a parameter's values: all of few, else evenly apart."""
    few = space.parameters[name].n_values
    n = min(n, few) if few else n
    return [(place + 0.5) / n for place in range(n)]
