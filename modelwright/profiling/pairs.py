"""How columns go together: Pearson and Spearman, Cramer's V, the correlation ratio.

Bias is taken out of the last two, so that columns of many levels are not found to go with everything.
References: Bergsma (2013), "A bias-correction for Cramer's V and Tschuprow's T"; Kelley (1935), "An unbiased
correlation ratio measure".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelwright.profiling.sample import MOST_LEVELS, Sample, both
from modelwright.profiling.values import Pair

if TYPE_CHECKING:
    import numpy as np

LEAST_ROWS, LEAST_SHARE = 20, 0.05  # rows that have both: fewer say little of the rest
MOST_PAIRS, LEAST_VALUE = 500, 0.1
WORK = 200_000_000  # rows times pairs of categories that are counted
LEAST_COUNTED = 5_000


def associations(sample: Sample, names: Sequence[str]) -> tuple[list[Pair], dict[tuple[str, str], float], int]:
    """Every two of the named columns: the strongest pairs, one value for each pair, rows used for pairs of words.

    >>> import polars as pl
    >>> from modelwright.core.data import Column
    >>> from modelwright.profiling.columns import column_profile
    >>> from modelwright.profiling.sample import sample_of
    >>> frame = pl.DataFrame({"x": range(40), "y": [2.0 * i for i in range(40)], "c": ["a"] * 20 + ["b"] * 20})
    >>> kinds = {"x": "number", "y": "number", "c": "category"}
    >>> columns = [column_profile(frame[name], Column(name, kind)) for name, kind in kinds.items()]
    >>> pairs, _, _ = associations(sample_of(frame.to_dict(), columns), ["x", "y", "c"])
    >>> [(pair.left, pair.right, pair.measure, round(pair.value, 2)) for pair in pairs][0]
    ('x', 'y', 'pearson', 1.0)
    """
    from threadpoolctl import threadpool_limits

    ordered = [name for name in names if name in sample.numbers]
    named = [name for name in names if name in sample.codes and sample.levels[name] > 1]
    with threadpool_limits(1, user_api="blas"):  # threads that spin for each other cost many times these products
        pairs = [*_numbers(sample, ordered), *_ratios(sample, named, ordered)]
    words, n_counted = _words(sample, named)
    pairs += words
    size = {id(pair): max(abs(pair.value), abs(pair.spearman or 0.0)) for pair in pairs}
    shown = {(pair.left, pair.right): _shown(pair) for pair in pairs}
    pairs.sort(key=lambda pair: (-size[id(pair)], pair.left, pair.right))
    return [pair for pair in pairs[:MOST_PAIRS] if size[id(pair)] >= LEAST_VALUE], shown, n_counted


def _shown(pair: Pair) -> float:
    """The one number that stands for a pair: the larger of both correlations for numbers."""
    other = pair.spearman or 0.0
    return other if abs(other) > abs(pair.value) else pair.value


def _least(n_rows: int) -> float:
    return max(LEAST_ROWS, LEAST_SHARE * n_rows)


# Numbers with numbers -----------------------------------------------------------------------------------------


def _numbers(sample: Sample, names: Sequence[str]) -> list[Pair]:
    import numpy as np
    import polars as pl

    if len(names) < 2:
        return []
    table = np.column_stack([sample.numbers[name] for name in names])
    pearson = correlated(table)
    ranks = pl.DataFrame({str(at): table[:, at] for at in range(len(names))}).fill_nan(None)
    spearman = correlated(ranks.select(pl.all().rank("average").cast(pl.Float64)).to_numpy())
    found = []
    for left in range(len(names)):
        for right in range(left + 1, len(names)):
            value, rank = float(pearson[left, right]), float(spearman[left, right])
            if value == value and rank == rank:
                found.append(Pair(names[left], names[right], "pearson", round(value, 5), round(rank, 5)))
    return found


def correlated(table: np.ndarray) -> np.ndarray:
    """Correlations of columns, each two by the rows that have both; shape (n, d) to (d, d), NaN where too few.

    >>> import numpy as np
    >>> x = np.arange(30.0)
    >>> correlated(np.column_stack([x, -x]))[0, 1].round(6)
    np.float64(-1.0)
    """
    import numpy as np

    here = np.isfinite(table)
    with np.errstate(all="ignore"):
        centre, spread = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
        scaled = np.where(here, (table - centre) / np.where(spread > 0, spread, 1.0), 0.0)
        if here.all():
            n = np.full((table.shape[1],) * 2, float(len(table)))
            products = scaled.T @ scaled
            sums, squares = np.zeros_like(products), np.tile(np.diag(products)[:, None], (1, len(products)))
        else:
            mask = here.astype(float)
            n, products = mask.T @ mask, scaled.T @ scaled
            sums, squares = scaled.T @ mask, (scaled * scaled).T @ mask
        variance = squares - sums * sums / n
        found: np.ndarray = (products - sums * sums.T / n) / np.sqrt(variance * variance.T)
        flat = variance < 1e-9 * n
        found[(n < _least(len(table))) | flat | flat.T] = np.nan
    clipped: np.ndarray = np.clip(found, -1.0, 1.0)
    return clipped


# Words with words ---------------------------------------------------------------------------------------------


def _words(sample: Sample, names: Sequence[str]) -> tuple[list[Pair], int]:
    n_pairs = len(names) * (len(names) - 1) // 2
    n_rows = min(sample.n_rows, max(LEAST_COUNTED, WORK // max(n_pairs, 1)))
    step = -(-sample.n_rows // n_rows) if n_rows else 1
    codes = {name: sample.codes[name][::step] + 1 for name in names}
    found = []
    for left, right in both(names):
        value = cramers_v(codes[left], codes[right])
        if value is not None:
            found.append(Pair(left, right, "cramers_v", round(value, 5)))
    return found, len(next(iter(codes.values()))) if len(names) > 1 else 0


def cramers_v(left: np.ndarray, right: np.ndarray) -> float | None:
    """Bias-corrected Cramer's V of two columns of codes from 1 (0 is missing), each of shape (n,); 0 to 1.

    >>> import numpy as np
    >>> a = np.tile([1, 2], 50)
    >>> round(cramers_v(a, a), 2), cramers_v(a, np.repeat([1, 2], 50))
    (1.0, 0.0)
    """
    import numpy as np

    width = MOST_LEVELS + 2
    table = np.bincount(left * width + right, minlength=width * width).reshape(width, width)[1:, 1:]
    table = table[np.ix_(table.any(axis=1), table.any(axis=0))]
    n = int(table.sum())
    rows, columns = table.shape
    if n < _least(len(left)) or min(rows, columns) < 2:
        return None
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi = float(((table - expected) ** 2 / expected).sum()) / n
    phi = max(0.0, phi - (rows - 1) * (columns - 1) / (n - 1))
    least = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return min(1.0, float((phi / least) ** 0.5)) if least > 0 else None


# Words with numbers -------------------------------------------------------------------------------------------


def _ratios(sample: Sample, named: Sequence[str], ordered: Sequence[str]) -> list[Pair]:
    import numpy as np

    if not ordered:
        return []
    numbers = []
    for name in ordered:
        values = sample.numbers[name]
        here = np.isfinite(values)
        with np.errstate(all="ignore"):  # beyond 1e154 squares are infinite: nothing can be said of these
            spread = float(values[here].std()) if here.any() else 0.0
            centre = float(values[here].mean()) if here.any() else 0.0
            numbers.append(np.where(here, (values - centre) / (spread or 1.0), np.nan))
    found = []
    for name in named:
        for other, scaled in zip(ordered, numbers, strict=True):
            value = correlation_ratio(sample.codes[name], scaled)
            if value is not None:
                found.append(Pair(name, other, "correlation_ratio", round(value, 5)))
    return found


def correlation_ratio(codes: np.ndarray, scaled: np.ndarray) -> float | None:
    """How far a column of codes says where the numbers lie: the correlation ratio, bias taken out, 0 to 1.

    `codes` has shape (n,), -1 where missing; `scaled` (n,) is centred, NaN where missing. None where too few rows
    have both, or all say the same.

    >>> import numpy as np
    >>> codes = np.tile([0, 1], 20)
    >>> round(correlation_ratio(codes, codes - 0.5), 3), correlation_ratio(codes, np.repeat([0.5, -0.5], 20))
    (1.0, 0.0)
    """
    import numpy as np

    least, here = _least(len(codes)), np.isfinite(scaled)
    if not here.all():
        codes, scaled = codes[here], scaled[here]
    counts = np.bincount(codes + 1)[1:]
    n, n_levels = int(counts.sum()), int((counts > 0).sum())
    if n < least or n_levels < 2 or n <= n_levels:
        return None
    sums = np.bincount(codes + 1, weights=scaled, minlength=len(counts) + 1)[1:]
    missing = scaled[codes < 0]
    centre = float(sums.sum()) ** 2 / n
    squares = float(scaled @ scaled) - float(missing @ missing) - centre
    if squares < 1e-9 * n:
        return None
    between = float((sums * sums / np.maximum(counts, 1)).sum()) - centre
    unbiased = 1 - (1 - min(1.0, between / squares)) * (n - 1) / (n - n_levels)
    return float(max(0.0, unbiased) ** 0.5)
