"""How much one column alone says of the target, in rows that were not looked at.

Half of the rows give the classes (or the mean rank) for each value of the column, the other half are answered by
them, and the other way round. A column that explains nearly all of it is more often a leak than a find.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.core.rng import stream
from modelwright.profiling.sample import Sample

if TYPE_CHECKING:
    import numpy as np

    Score = Callable[[np.ndarray], tuple[float, float | None]]

MOST_BINS, ROWS_A_BIN = 100, 50
LEAST_ROWS = 50


@dataclass(frozen=True, slots=True)
class Alone:
    """`share` of the target's uncertainty (classes) or order (numbers) that is explained, 0 to 1. `right` is the share
    of answers that hit the class, None for numbers; `missing` is `share` by whether the cell is filled in alone."""

    share: float
    right: float | None
    missing: float | None


def each_alone(sample: Sample, target: str) -> dict[str, Alone]:
    """For each column of numbers, dates, categories and yes/no: what it says of the target by itself.

    >>> import polars as pl
    >>> from modelwright.core.data import Column
    >>> from modelwright.profiling.columns import column_profile
    >>> from modelwright.profiling.sample import sample_of
    >>> frame = pl.DataFrame({"x": [float(i % 2) for i in range(200)], "y": ["a", "b"] * 100})
    >>> kinds = {"x": "number", "y": "category"}
    >>> columns = [column_profile(frame[name], Column(name, kind)) for name, kind in kinds.items()]
    >>> round(each_alone(sample_of(frame.to_dict(), columns), "y")["x"].share, 2)
    0.99
    """
    import numpy as np

    classes = _classes(sample, target)
    known = np.isfinite(sample.numbers[target]) if classes is None else classes >= 0
    n_known = int(known.sum())
    if n_known < LEAST_ROWS:
        return {}
    half = stream(0, "profiling", "half").random(n_known) < 0.5  # not every second row: tables have periods
    score = _of_order(sample.numbers[target][known], half) if classes is None else _of_classes(classes[known], half)
    found = {}
    for name in [*sample.numbers, *sample.codes]:
        if name == target:
            continue
        bins = _bins(sample, name)[known]
        is_missing = bins == 0
        share, right = score(bins)
        some = 0 < int(is_missing.sum()) < len(bins)
        missing = score(is_missing.astype(np.int64))[0] if some else None
        found[name] = Alone(share, right, missing)
    return found


def _classes(sample: Sample, target: str) -> np.ndarray | None:
    """The target as classes, -1 where missing; None for a number, unless it has two values only."""
    import numpy as np

    if target in sample.codes:
        return sample.codes[target]
    values = sample.numbers[target]
    distinct = np.unique(values[np.isfinite(values)])
    return np.where(np.isfinite(values), values == distinct[-1], -1).astype(np.int64) if len(distinct) == 2 else None


def _bins(sample: Sample, name: str) -> np.ndarray:
    """The values of a column as few numbers, 0 for missing, int64 of shape (n,)."""
    import numpy as np

    if name in sample.codes:
        codes: np.ndarray = sample.codes[name] + 1
        return codes
    values = sample.numbers[name]
    here = np.isfinite(values)
    present = values[here]
    bins = np.zeros(len(values), np.int64)
    if len(present):
        n_bins = min(MOST_BINS, max(10, len(present) // ROWS_A_BIN))
        edges = np.unique(np.quantile(present, np.linspace(0, 1, n_bins + 1)[1:-1]))
        bins[here] = 1 + 2 * np.searchsorted(edges, present, "left")
        at = np.minimum(np.searchsorted(edges, present, "left"), len(edges) - 1)
        bins[here] += (
            edges[at] == present
        )  # a value that is an edge itself, such as the many zeros, is a bin of its own
    return bins


def _of_classes(classes: np.ndarray, half: np.ndarray) -> Score:
    import numpy as np

    n_classes = int(classes.max()) + 1

    def score(bins: np.ndarray) -> tuple[float, float | None]:
        width = int(bins.max()) + 1
        parts = [
            np.bincount((bins * n_classes + classes)[side], minlength=width * n_classes).reshape(width, n_classes)
            for side in (half, ~half)
        ]
        loss = base = hits = 0.0
        for learned, asked in (parts, parts[::-1]):
            prior = (learned.sum(axis=0) + 0.5) / (learned.sum() + 0.5 * n_classes)
            chance = (learned + prior) / (learned.sum(axis=1, keepdims=True) + 1)
            loss -= float((asked * np.log(chance)).sum())
            base -= float((asked.sum(axis=0) * np.log(prior)).sum())
            hits += float(asked[np.arange(width), chance.argmax(axis=1)].sum())
        return max(0.0, round(1 - loss / base, 4)) if base > 0 else 0.0, round(hits / len(bins), 4)

    return score


def _of_order(values: np.ndarray, half: np.ndarray) -> Score:
    import numpy as np
    import polars as pl

    ranks = pl.Series(values).rank("average").to_numpy().astype(float)
    ranks -= ranks.mean()

    def score(bins: np.ndarray) -> tuple[float, float | None]:
        width = int(bins.max()) + 1
        counts = [np.bincount(bins[side], minlength=width) for side in (half, ~half)]
        sums = [np.bincount(bins[side], weights=ranks[side], minlength=width) for side in (half, ~half)]
        error = float((ranks * ranks).sum())
        total = error
        for learned, asked in ((0, 1), (1, 0)):
            mean = sums[learned] / (counts[learned] + 1)
            error += float((counts[asked] * mean * mean - 2 * mean * sums[asked]).sum())
        return max(0.0, round(1 - error / total, 4)) if total > 0 else 0.0, None

    return score
