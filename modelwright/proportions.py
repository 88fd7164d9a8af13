"""The arithmetic of shares: intervals, tests, false discoveries, and rows that are needed to see a difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

LEAST_EXPECTED = 25.0
"""Expected count below which two shares are tested exactly: in the tails chi-squared is too sure."""
Z = 1.959963984540054
POWER_Z = 0.8416212335729143


def wilson(hits: Any, n_rows: Any, z: float = Z) -> tuple[np.ndarray, np.ndarray]:
    """The interval of shares (Wilson 1927), element by element; `z` is a normal quantile, that of 95 % if not said.

    >>> low, high = wilson(5, 50)
    >>> round(float(low), 3), round(float(high), 3)
    (0.043, 0.214)
    """
    import numpy as np

    n = np.maximum(np.asarray(n_rows, dtype=float), 1e-12)
    share = np.asarray(hits, dtype=float) / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def difference(hits: Any, n_rows: Any, other_hits: Any, n_other: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The difference of two shares and its 95 % interval (Newcombe 1998, method 10), element by element.

    >>> [round(float(one), 3) for one in difference(56, 70, 48, 80)]
    [0.2, 0.052, 0.334]
    """
    import numpy as np

    first = np.asarray(hits, dtype=float) / np.maximum(n_rows, 1e-12)
    second = np.asarray(other_hits, dtype=float) / np.maximum(n_other, 1e-12)
    low, high = wilson(hits, n_rows)
    other_low, other_high = wilson(other_hits, n_other)
    gap = first - second
    down = np.sqrt((first - low) ** 2 + (other_high - second) ** 2)
    up = np.sqrt((high - first) ** 2 + (second - other_low) ** 2)
    return gap, gap - down, gap + up


def two_sided(hits: Any, n_rows: Any, other_hits: Any, n_other: Any) -> np.ndarray:
    """Chance of a difference this large between two shares that are the same, element by element.

    Pearson's chi-squared where every expected count is at least 25, else Fisher's exact test (twice the smaller tail).

    >>> two_sided([8, 400], [10, 1000], [1, 500], [6, 1000]).round(5).tolist()
    [0.04895, 1e-05]
    """
    import numpy as np
    from scipy.stats import hypergeom, norm

    a, n, b, m = np.broadcast_arrays(*(np.asarray(one, dtype=float) for one in (hits, n_rows, other_hits, n_other)))
    pooled = (a + b) / np.maximum(n + m, 1.0)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / np.maximum(n, 1.0) + 1 / np.maximum(m, 1.0)))
    gap = a / np.maximum(n, 1.0) - b / np.maximum(m, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(spread > 0, 2 * norm.sf(np.abs(gap) / np.where(spread > 0, spread, 1.0)), 1.0)
    p = np.atleast_1d(p)
    expected = np.minimum(pooled, 1 - pooled) * np.minimum(n, m)
    small = np.flatnonzero(np.atleast_1d((expected < LEAST_EXPECTED) & (spread > 0)))
    if len(small):
        a1, n1, b1, m1 = (np.atleast_1d(one)[small].round() for one in (a, n, b, m))
        drawn = (a1, n1 + m1, a1 + b1, n1)
        lower = hypergeom.cdf(*drawn)
        upper = hypergeom.sf(drawn[0] - 1, *drawn[1:])
        p[small] = np.minimum(1.0, 2 * np.minimum(lower, upper))
    return np.minimum(p, 1.0).reshape(np.shape(gap))


def against_stated(hits: Any, n_rows: Any, share: Any) -> np.ndarray:
    """Chance of a count this far from a stated share (exact binomial, twice the smaller tail), element by element."""
    import numpy as np
    from scipy.stats import binom

    hits, share = np.asarray(hits, dtype=float), np.clip(np.asarray(share, dtype=float), 0.0, 1.0)
    lower, upper = binom.cdf(hits, n_rows, share), binom.sf(hits - 1, n_rows, share)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(lower, upper)))


def false_discoveries(p: Any) -> np.ndarray:
    """The smallest rate of false discoveries at which each is found (Benjamini & Hochberg 1995).

    >>> false_discoveries([0.01, 0.02, 0.9]).round(3).tolist()
    [0.03, 0.03, 0.9]
    """
    import numpy as np
    from scipy.stats import false_discovery_control

    p = np.asarray(p, dtype=float)
    return np.asarray(false_discovery_control(p) if len(p) else p)


def rows_to_see(gap: float, rate: float, n_other: int) -> int | None:
    """Rows that a group needs for a difference of `gap` from `n_other` rows with this rate to be seen four times of
    five, at a chance of 5 % of seeing one that is not there; None where no number of rows is enough.

    >>> rows_to_see(0.05, 0.5, 1_000_000), rows_to_see(0.05, 0.5, 500)
    (786, None)
    """
    from math import ceil

    other = min(max(rate + (gap if rate <= 0.5 else -gap), 0.0), 1.0)
    left = (gap / (Z + POWER_Z)) ** 2 - rate * (1 - rate) / max(n_other, 1)
    spread = max(other * (1 - other), rate * (1 - rate))
    return ceil(spread / left) if left > spread / 10_000_000 else None


def power(gap: float, rate: float, n_rows: int, n_other: int, *, alpha: float = 0.05) -> float:
    """Chance that a difference of `gap` is seen by one two-sided test.

    >>> round(power(0.05, 0.3, 100, 10_000), 2)
    0.18
    """
    from math import sqrt

    from scipy.stats import norm

    spread = sqrt((rate + gap) * (1 - rate - gap) / n_rows + rate * (1 - rate) / n_other)
    z = norm.isf(alpha / 2)
    return float(norm.sf(z - abs(gap) / spread) + norm.cdf(-z - abs(gap) / spread)) if spread else 1.0
