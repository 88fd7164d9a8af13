"""What chance alone does: p-values that are uniform when nothing has changed, whatever the counts.

The reference is a sample too. Two rows of counts are therefore compared given their sum (the permutation null), by
chi-squared where all expected counts are large and by draws from the exact hypergeometric null, ties broken by
chance, where they are not: neither rare levels nor windows of 100 rows make a test shy or rash. Columns move
together, so the smallest of many p-values is judged against its own distribution under the dependence that the rows
themselves show (a Gaussian multiplier bootstrap).

References: Besag and Clifford (1991), "Sequential Monte Carlo p-values"; Chernozhukov, Chetverikov and Kato (2013),
"Gaussian approximations and multiplier bootstrap for maxima of sums of high-dimensional random vectors".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_EXPECTED = 25.0
"""From this expected count in every cell on, chi-squared is good to a few per cent in the tails that matter."""
SCREEN = 0.05
"""Of many tests only those that look smaller than this are drawn for: the others never are the smallest."""
N_EXCEEDED = 30
MOST_DRAWS = 100_000
N_JOINT = 1_000
_BATCH = 4_000


def homogeneity(window: Ints, reference: Ints) -> tuple[float, int, float]:
    """Pearson's statistic for two rows of counts, its degrees of freedom, and the least expected count.

    >>> homogeneity(np.array([10, 10]), np.array([20, 20]))[:2]
    (0.0, 1)
    """
    both = window + reference
    window, reference, both = window[both > 0], reference[both > 0], both[both > 0]
    n, m = float(window.sum()), float(reference.sum())
    if both.size < 2 or n == 0 or m == 0:
        return 0.0, 0, 0.0
    expected = both * (n / (n + m))
    statistic = float((((window - expected) ** 2) / expected).sum() * (n + m) / m)
    return statistic, both.size - 1, float(expected.min() * min(1.0, m / n))


def p_values(tables: Sequence[tuple[Ints, Ints]], rng: np.random.Generator) -> Floats:
    """One p-value for each pair (window counts, reference counts); NaN where there is nothing to compare.

    Uniform on 0..1 when both rows are samples of one population.

    >>> same, other = (np.array([50, 50]), np.array([500, 500])), (np.array([90, 10]), np.array([500, 500]))
    >>> found = p_values([same, other], np.random.default_rng(0))
    >>> bool(found[0] > 0.1), bool(found[1] < 1e-6)
    (True, True)
    """
    from scipy.special import chdtrc

    told = [homogeneity(*table) for table in tables]
    statistics, freedoms = np.array([one[0] for one in told]), np.array([one[1] for one in told])
    found = np.where(freedoms > 0, chdtrc(np.maximum(freedoms, 1), statistics), np.nan)
    few = sum(freedoms > 0) <= 20
    for index, (_, freedom, least) in enumerate(told):
        if freedom and least < LEAST_EXPECTED and (few or found[index] < SCREEN):
            found[index] = _drawn(*tables[index], float(statistics[index]), rng)
    return np.asarray(found)


def _drawn(window: Ints, reference: Ints, statistic: float, rng: np.random.Generator) -> float:
    """The exact conditional p-value by draws: stopped when enough have exceeded, ties broken by chance."""
    both = window + reference
    both = both[both > 0]
    n, m = int(window.sum()), int(reference.sum())
    expected = both * (n / (n + m))
    scale = (n + m) / m
    n_drawn = n_above = n_equal = 0
    total = squares = 0.0
    size = 300
    while n_drawn < MOST_DRAWS and n_above + n_equal < N_EXCEEDED:
        drawn = _tables(both, n, size, rng)
        values = (((drawn - expected) ** 2) / expected).sum(axis=1) * scale
        tied = np.abs(values - statistic) <= 1e-9 * max(1.0, statistic)
        n_equal += int(tied.sum())
        n_above += int(((values > statistic) & ~tied).sum())
        total, squares = total + float(values.sum()), squares + float((values**2).sum())
        n_drawn += size
        size = min(20_000, 3 * size)
    if n_above + n_equal == 0:
        return min(1.0 / n_drawn, _tail(statistic, total / n_drawn, squares / n_drawn))
    return (n_above + (n_equal + 1) * rng.random()) / (n_drawn + 1)


def _tables(both: Ints, n: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draws of the window's counts given the sums; very large counts are drawn as multinomial (finite correction)."""
    if both.sum() < 1_000_000_000:
        return np.asarray(rng.multivariate_hypergeometric(both, n, size=size, method="marginals"))
    return np.asarray(rng.multinomial(n, both / both.sum(), size=size))


def _tail(statistic: float, mean: float, square: float) -> float:
    """Beyond all draws: the tail of the scaled chi-squared with the draws' mean and variance (Satterthwaite)."""
    from scipy.special import chdtrc

    variance = max(square - mean * mean, 1e-12)
    scale, freedom = variance / (2 * mean), 2 * mean * mean / variance
    return float(chdtrc(freedom, statistic / scale))


def smallest(p: Floats, blocks: Sequence[NDArray[np.floating]], rng: np.random.Generator) -> float:
    """How likely a smallest p-value as small as that of `p` is when nothing has changed.

    `blocks`, one for each p-value, are float arrays (n_rows, k) over the same rows: what each row adds to the test's
    k counts, less its expectation. Tests whose block is empty or constant count as independent of all others.

    >>> rng = np.random.default_rng(0)
    >>> block = rng.normal(size=(200, 1))
    >>> alike = smallest(np.array([0.01, 0.01, 0.01]), [block] * 3, rng)
    >>> apart = smallest(np.array([0.01, 0.01, 0.01]), [rng.normal(size=(200, 1)) for _ in range(3)], rng)
    >>> bool(alike < 0.015 < 0.025 < apart < 0.035)
    True
    """
    told = np.isfinite(p)
    if not told.any():
        return 1.0
    if told.sum() == 1:
        return float(p[told][0])
    exponent = -np.log1p(-min(float(p[told].min()), 1 - 1e-12))
    draws = _joint([block for block, there in zip(blocks, told, strict=True) if there], int(told.sum()), rng)
    draws.sort()
    k = draws.size // 5
    if exponent >= draws[k]:
        return float((np.searchsorted(draws, exponent, side="right") + 0.5) / (draws.size + 1))
    rate = k / (draws[:k].sum() + (draws.size - k) * draws[k])  # censored exponential: the tail is extrapolated
    return float(-np.expm1(-rate * exponent))


def _joint(blocks: Sequence[NDArray[np.floating]], n_tests: int, rng: np.random.Generator) -> Floats:
    """Draws of minus log(1 - smallest p) under the blocks' dependence."""
    from scipy.special import chdtrc

    least = np.full(N_JOINT, np.inf)
    whitened: dict[int, list[NDArray[np.float32]]] = {}
    for block in blocks:
        made = _whitened(block)
        whitened.setdefault(made.shape[1], []).append(made)
    n_alone = n_tests - len(blocks) + len(whitened.pop(0, ()))
    if n_alone:
        least = rng.exponential(1.0 / n_alone, size=N_JOINT)
    if whitened:
        n_rows = next(iter(whitened.values()))[0].shape[0]
        multipliers = rng.standard_normal((N_JOINT, n_rows), dtype=np.float32)
        for freedom, some in whitened.items():
            sums = (multipliers @ np.hstack(some)).reshape(N_JOINT, len(some), freedom)
            most = (sums.astype(np.float64) ** 2).sum(axis=2).max(axis=1)
            least = np.minimum(least, -np.log1p(-np.minimum(chdtrc(freedom, most), 1 - 1e-12)))
    return np.asarray(least)


def _whitened(block: NDArray[np.floating]) -> NDArray[np.float32]:
    """The block turned so that the squares of its Gaussian sums add up to a chi-squared; (n_rows, 0) if constant."""
    if block.size == 0:
        return np.zeros((block.shape[0], 0), dtype=np.float32)
    values, vectors = np.linalg.eigh((block.T @ block).astype(np.float64))
    good = values > max(1e-6, 1e-5 * values[-1])
    return np.asarray(block @ (vectors[:, good] / np.sqrt(values[good])), dtype=np.float32)
