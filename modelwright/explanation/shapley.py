"""Shapley values of the columns of rows: what each column adds to an answer, shared out fairly.

For a row x and a background row b the game is: v(S) is the answer to the row that has the columns S of x and the
others of b. A column's value in this game is what it adds to v, averaged over all orders in which columns can be
taken from x; its value for x is the mean over the background rows. Columns are taken one by one whatever the others
are (interventional values): what the model does is explained, not what goes together in the world.

With few columns every set of them is asked for, which is exact. With more, each background row is met with one order
and the same order backwards, whose errors largely cancel. Either way the values of a row add up to its answer less
the mean answer of the background, to the last bits of a float.

References: Shapley (1953); Štrumbelj and Kononenko (2014), "Explaining prediction models and individual predictions
with feature contributions"; Lundberg and Lee (2017), "A unified approach to interpreting model predictions"; Mitchell
et al. (2022), "Sampling permutations for Shapley value estimation" (an order and its reverse); Janzing et al. (2020),
"Feature relevance quantification in explainable AI: a causal problem" (why interventional).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    Value = Callable[[np.ndarray, np.ndarray], np.ndarray]

MOST_EXACT_COLUMNS = 8
FEW_ORDERS = 64
"""Where background rows are fewer, each is met with several orders, so many in all."""


@dataclass(frozen=True, eq=False)
class Shares:
    """Shapley values of one row, float64 (n_columns,): `values` sum to the answer less the background's mean answer.

    `errors` are standard errors: how far values would move with other background rows and other orders. `n_asked` is
    how many answers were asked for.
    """

    values: np.ndarray
    errors: np.ndarray
    n_asked: int


def n_exact(in_play: np.ndarray) -> int:
    """How many answers the exact values of one row need: all sets of the columns that differ, but none and all."""
    import numpy as np

    return int(np.maximum(2.0 ** in_play.sum(axis=1) - 2.0, 0.0).sum())


def exact_shares(value: Value, in_play: np.ndarray, own: float, ground: np.ndarray) -> Shares:
    """Exact values by asking for every set of columns.

    `in_play` bool (n_background, n_columns) says where row and background row differ; `own` is the row's answer,
    `ground` (n_background,) those of the background rows. `value(places, taken)` answers mixed rows: `places` (k,)
    are background rows, `taken` bool (k, n_columns) says which columns come from the row. Cost: 2^k answers for each
    background row that differs in k columns.

    >>> import numpy as np
    >>> row, background = np.array([1.0, 2.0]), np.zeros((1, 2))
    >>> product = lambda places, taken: np.where(taken, row, background[places]).prod(axis=1)
    >>> exact_shares(product, row != background, 2.0, np.zeros(1)).values.tolist()
    [1.0, 1.0]
    """
    import numpy as np

    n_background, n_columns = in_play.shape
    width = int(in_play.sum(axis=1).max(initial=0))
    if not width:
        return Shares(np.zeros(n_columns), np.zeros(n_columns), 0)
    sets = np.arange(2**width)
    rank = np.where(in_play, np.cumsum(in_play, axis=1) - 1, 0)
    n_in_play = in_play.sum(axis=1)
    taken = ((sets[None, :, None] >> rank[:, None, :]) & 1).astype(bool) & in_play[:, None, :]
    last = 2**n_in_play - 1
    inner = (sets[None, :] > 0) & (sets[None, :] < last[:, None])
    worth = np.where(sets[None, :] == 0, ground[:, None], own)
    places = np.nonzero(inner)[0]
    if len(places):
        worth[inner] = value(places, taken[inner])
    weight = _weights(width)
    sizes = np.array([int(one).bit_count() for one in sets])
    shares = np.zeros((n_background, n_columns))
    for place in range(width):  # the place-th column in play of every background row
        without = sets[(sets >> place) & 1 == 0]
        gain = worth[:, without | (1 << place)] - worth[:, without]
        counted = (without[None, :] <= last[:, None]) & (place < n_in_play)[:, None]
        mean = (np.where(counted, weight[n_in_play][:, sizes[without]], 0.0) * gain).sum(axis=1)
        shares[in_play & (rank == place)] = mean[place < n_in_play]
    return _mean(shares, len(places))


def _weights(width: int) -> np.ndarray:
    """Of k columns, the share of orders in which a set of s comes before a column: weights[k, s]."""
    import numpy as np

    made = np.zeros((width + 1, width + 1))
    for k in range(1, width + 1):
        made[k, :k] = [factorial(s) * factorial(k - 1 - s) / factorial(k) for s in range(k)]
    return made


def sampled_shares(
    value: Value, in_play: np.ndarray, own: float, ground: np.ndarray, rng: np.random.Generator
) -> Shares:
    """Values from one random order, and the same backwards, for each background row; several where these are few.

    Arguments as of `exact_shares`. Cost: 2 (k - 1) answers for each order over k columns that differ.

    >>> import numpy as np
    >>> row, background = np.array([1.0, 2.0, 3.0]), np.zeros((4, 3))
    >>> linear = lambda places, taken: np.where(taken, row, background[places]).sum(axis=1)
    >>> sampled_shares(linear, row != background, 6.0, np.zeros(4), np.random.default_rng(0)).values.tolist()
    [1.0, 2.0, 3.0]
    """
    import numpy as np

    n_orders = max(1, FEW_ORDERS // len(in_play))
    total, n_asked = np.zeros(in_play.shape), 0
    for _ in range(n_orders):
        shares, n_now = _one_order(value, in_play, own, ground, rng)
        total, n_asked = total + shares, n_asked + n_now
    return _mean(total / n_orders, n_asked)


def _one_order(
    value: Value, in_play: np.ndarray, own: float, ground: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """For each background row, each column's gain in one order and in its reverse, averaged."""
    import numpy as np

    n_background, n_columns = in_play.shape
    n_in_play = in_play.sum(axis=1)
    width = int(n_in_play.max(initial=0))
    if not width:
        return np.zeros(in_play.shape), 0
    order = np.argsort(np.where(in_play, rng.random(in_play.shape), 2.0), axis=1)  # those in play first
    rank = np.argsort(order, axis=1)
    steps = np.arange(1, width)
    inner = steps[None, :] < n_in_play[:, None]
    first = (rank[:, None, :] < steps[None, :, None]) & in_play[:, None, :]
    places = np.nonzero(inner)[0]
    told = value(np.tile(places, 2), np.concatenate([first[inner], (in_play[:, None, :] & ~first)[inner]]))
    forward, backward = (np.empty((n_background, width + 1)) for _ in range(2))
    forward[:], backward[:] = own, ground[:, None]
    forward[:, 0], backward[:, 0] = ground, own
    forward[:, 1:-1][inner], backward[:, 1:-1][inner] = told[: len(places)], told[len(places) :]
    gains = (np.diff(forward, axis=1) - np.diff(backward, axis=1)) / 2
    shares = np.zeros(in_play.shape)
    np.put_along_axis(shares, order[:, :width], gains, axis=1)
    return shares, 2 * len(places)


def _mean(shares: np.ndarray, n_asked: int) -> Shares:
    """The mean over background rows, and its standard error."""
    import numpy as np

    n = len(shares)
    errors = shares.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(shares.shape[1])
    return Shares(shares.mean(axis=0), errors, n_asked)
