"""Weights that give a table a population's shares: raking, trimmed.

Iterative proportional fitting (Deming & Stephan 1940) over one margin after the other; weights of more than `most`
times their mean are cut and the fit goes on (Potter 1990). What weights cannot do is said: a group without rows stays
without, and unequal weights cost certainty, as if there were fewer rows (Kish 1965).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelwright.core.data import Column, Dataset, Schema
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from modelwright.groups import Crossed
    from modelwright.profiling.coverage.population import Margin

MOST_SWEEPS = 200
NEAR_ENOUGH = 1e-8


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Row weights with mean 1 (`values`, float64 (n_rows,), in the table's order).

    `effective_rows` is (sum w)^2 / sum w^2, `largest` and `smallest` the extreme weights, `n_trimmed` rows whose weight
    was cut, `worst_gap` the largest difference of shares that stays. `empty` are groups with a share and no rows.
    """

    effective_rows: float
    largest: float
    smallest: float
    n_trimmed: int
    worst_gap: float
    n_sweeps: int
    empty: tuple[str, ...]
    values: np.ndarray = field(repr=False, compare=False)


def rake(crossed: Crossed, margins: Sequence[Margin], *, most: float = 5.0) -> Weights:
    """Weights whose shares are those of every margin at once, as near as trimming at `most` times the mean lets them.

    Rows that do not state a column are left as they are by its margin.

    >>> import numpy as np, polars as pl
    >>> from modelwright.core.data import Dataset
    >>> from modelwright.groups import cross, group
    >>> from modelwright.profiling.coverage.population import Margin
    >>> frame = pl.DataFrame({"sex": ["f"] * 25 + ["m"] * 75})
    >>> crossed = cross(Dataset.from_frame(frame), [group(frame["sex"], stated=["f", "m"])])
    >>> weights = rake(crossed, [Margin(0, np.array([0.5, 0.5]), None)])
    >>> weights.values[[0, 99]].round(3).tolist(), round(weights.effective_rows)
    ([2.0, 0.667], 75)
    """
    import numpy as np

    counts = crossed.counts.astype(float)
    wanted, empty = _reachable(crossed, margins)
    weights = np.ones(len(counts))
    n_sweeps = 0
    for n_sweeps in range(1, MOST_SWEEPS + 1):  # noqa: B007
        before = weights.copy()
        for place, shares in wanted:
            weights *= _factors(crossed.codes[:, place], counts * weights, shares)
        weights = _trimmed(weights, counts, most)
        if np.abs(weights - before).max(initial=0.0) < NEAR_ENOUGH:
            break
    gap = max((_worst(crossed.codes[:, place], counts * weights, shares) for place, shares in wanted), default=0.0)
    trimmed = int(counts[weights >= most * 0.999].sum())
    return Weights(
        values=weights[crossed.cell], effective_rows=float((weights @ counts) ** 2 / max(weights**2 @ counts, 1e-12)),
        largest=float(weights.max(initial=0.0)), smallest=float(weights.min(initial=most)), n_trimmed=trimmed,
        worst_gap=float(gap), n_sweeps=n_sweeps, empty=empty,
    )  # fmt: skip


def _trimmed(weights: np.ndarray, counts: np.ndarray, most: float) -> np.ndarray:
    """Weights with mean 1 and none above `most`: what is cut goes to the others."""
    import numpy as np

    for _ in range(20):
        cut = weights >= most
        left, rest = counts.sum() - most * counts[cut].sum(), float(weights[~cut] @ counts[~cut])
        weights = np.where(cut, most, weights * (left / rest if rest > 0 else 1.0))
        if (weights <= most * (1 + 1e-12)).all():
            break
    return weights


def _reachable(crossed: Crossed, margins: Sequence[Margin]) -> tuple[list[tuple[int, np.ndarray]], tuple[str, ...]]:
    """The shares that weights can give: of groups with rows, the rest scaled to 1; groups that they cannot."""
    import numpy as np

    wanted, empty = [], []
    for margin in margins:
        have = crossed.table([margin.place])[:-1]
        grouping = crossed.groupings[margin.place]
        shares = margin.shares.copy()
        unsaid = np.isnan(shares)
        if unsaid.any():  # they keep their proportions in what is left
            left, own = max(1.0 - float(np.nansum(shares)), 0.0), np.where(unsaid, have, 0.0)
            shares = np.where(unsaid, left * own / max(own.sum(), 1.0), shares)
        lacking = (have == 0) & (shares > 0)
        empty += [f"{grouping.column} {level}" for level, is_so in zip(grouping.levels, lacking, strict=True) if is_so]
        shares = np.where(have > 0, shares, 0.0)
        if shares.sum() > 0:
            wanted.append((margin.place, shares / shares.sum()))
    return wanted, tuple(empty)


def _factors(codes: np.ndarray, mass: np.ndarray, shares: np.ndarray) -> np.ndarray:
    import numpy as np

    own = np.bincount(codes, weights=mass, minlength=len(shares) + 1)
    stated = own[:-1].sum()
    factors = np.ones(len(shares) + 1)
    np.divide(shares * stated, own[:-1], out=factors[:-1], where=own[:-1] > 0)
    return np.asarray(factors[codes])


def _worst(codes: np.ndarray, mass: np.ndarray, shares: np.ndarray) -> float:
    import numpy as np

    own = np.bincount(codes, weights=mass, minlength=len(shares) + 1)[:-1]
    return float(np.abs(own / max(own.sum(), 1e-12) - shares).max())


def weighted(data: Dataset, weights: Weights, name: str = "weight") -> Dataset:
    """The table with its weights as a last column of role `weight`, which training takes for the rows' weights.

    Raises `UserError("coverage.weights")` where the table has such a column, or another number of rows.
    """
    import polars as pl

    if name in data.schema or len(weights.values) != data.n_rows:
        rule = "has a column of that name" if name in data.schema else f"has {data.n_rows:,} rows"
        raise UserError(
            "coverage.weights", f"{len(weights.values):,} weights cannot be added as {name!r}: the table {rule}.",
            hint="add them to the table they were made for, under a new name",
        )  # fmt: skip
    frame = data.frame.with_columns(pl.Series(name, weights.values))
    schema = Schema((*data.schema.columns, Column(name, "number", "weight", why="raking weights of the population")))
    return Dataset.from_frame(frame, schema, origin=data.origin)
