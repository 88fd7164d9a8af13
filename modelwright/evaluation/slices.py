"""Where the model is worse than elsewhere: the primary metric by level and by range, worst first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.errors import UserError, nearest
from modelwright.evaluation import bootstrap
from modelwright.evaluation.answers import Answers
from modelwright.evaluation.names import NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from modelwright.core.data import Dataset, Schema
    from modelwright.evaluation.metrics import Ints, Measure
    from modelwright.evaluation.sums import Held

MIN_ROWS = 30
"""Fewer rows than this say too little to be a slice."""
MIN_PER_CLASS = 5
"""Rows that at least two classes must have in a slice, for the metrics of `OF_CLASSES`."""
OF_CLASSES = ("roc_auc", "average_precision", "balanced_accuracy", "precision", "recall", "f1")
"""Metrics that say nothing of a slice that holds one class only."""
N_COLUMNS = 12
"""Columns looked at when none are named: the protected ones and then the most important."""
N_LEVELS = 12
"""Levels looked at per column: the most frequent."""
N_RANGES = 4
"""Ranges that a column of numbers or dates is cut into, at its quantiles."""
N_DRAWS = 300
CELLS_PER_SLICE = 600_000
MISSING = "(missing)"


def columns_to_slice(schema: Schema, importance: Mapping[str, float]) -> list[str]:
    """Protected columns first, then the most important ones that have levels or an order."""
    kinds = ("category", "boolean", "number", "datetime")
    able = [column for column in schema.columns if column.kind in kinds]
    protected = [column.name for column in able if column.role == "protected"]
    others = [column.name for column in able if column.role == "feature"]
    others.sort(key=lambda name: (-importance.get(name, 0.0), name))
    return protected + others[: max(0, N_COLUMNS - len(protected))]


def check_columns(names: Sequence[str], data: Dataset) -> None:
    """Raise `evaluation.slices` for a column that the rows do not have."""
    for name in names:
        if name not in data.schema:
            raise UserError(
                "evaluation.slices",
                f"`slices` names the column {name!r}, which the rows do not have.",
                hint=nearest(name, data.schema.names),
            )


def parts(series: pl.Series) -> Iterator[tuple[str, Ints]]:
    """The named groups of rows (positions) of one column: its levels, or ranges between its quantiles."""
    import polars as pl

    if series.dtype.is_numeric() or series.dtype.is_temporal():
        yield from _ranges(series)
        return
    texts = series.cast(pl.String).fill_null(MISSING).to_numpy()
    levels, number, sizes = np.unique(texts.astype(str), return_inverse=True, return_counts=True)
    for index in np.argsort(-sizes, kind="stable")[:N_LEVELS]:
        yield str(levels[index]), np.flatnonzero(number == index)


def _ranges(series: pl.Series) -> Iterator[tuple[str, Ints]]:
    import polars as pl

    moments = series.dtype.is_temporal()
    numbers = (series.cast(pl.Datetime("us")).dt.timestamp("us") if moments else series).cast(pl.Float64)
    values = numbers.fill_null(float("nan")).to_numpy()
    known = np.isfinite(values)
    if not known.all():
        yield MISSING, np.flatnonzero(~known)
    if not known.any():
        return
    shares = np.linspace(0.0, 1.0, N_RANGES + 1)
    # Edges are values that occur, so that a range is told in numbers that the column has.
    edges = np.unique(np.quantile(values[known], shares, method="lower"))
    last = edges.size - 2
    if last < 0:
        return
    number = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, last)
    for index in range(last + 1):
        low, high = _edge(edges[index], moments=moments), _edge(edges[index + 1], moments=moments)
        name = f"{low} to {high}" if index == last else f"{low} to under {high}"
        yield name, np.flatnonzero(known & (number == index))


def _edge(value: float, *, moments: bool) -> str:
    if moments:
        return str(np.datetime64(int(value), "us").astype("datetime64[D]"))
    return f"{value:,.10g}" if abs(value) >= 1e4 and value == int(value) else f"{value:.4g}"


def slices(
    answers: Held,
    data: Dataset,
    measure: Measure,
    names: Sequence[str],
    *,
    confidence: float,
    standard_error: float,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Every slice with enough rows: column, level, n_rows, value, low, high, rest, p_value, differs.

    `rest` is the metric on all other rows. `differs` marks those slices whose difference from the rest stays
    unlikely (5 %) after Holm's correction for the number of slices: a normal test, whose standard error is
    never taken smaller than chance alone would give a random slice of that size (`standard_error` is the
    metric's on all rows). Worst first.

    Reference: Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    found = []
    for name in names:
        for level, rows in parts(data.column(name)):
            if MIN_ROWS <= rows.size < answers.n_rows and _can_be_measured(answers, rows, measure):
                one = _one(answers, rows, measure, confidence, standard_error, rng)
                found.append({"column": name, "level": level, **one})
    found = [one for one in found if np.isfinite(one["value"])]
    _mark(found)
    sign = 1.0 if NAMES[measure.name].better == "higher" else -1.0
    return sorted(found, key=lambda one: (sign * one["value"], one["column"], one["level"]))


def _can_be_measured(answers: Held, rows: Ints, measure: Measure) -> bool:
    if measure.name not in OF_CLASSES or not isinstance(answers, Answers) or answers.truth.ndim > 1:
        return True
    sizes = np.bincount(answers.truth[rows], minlength=2)
    return int((sizes >= MIN_PER_CLASS).sum()) >= 2


def _one(
    answers: Held,
    rows: Ints,
    measure: Measure,
    confidence: float,
    standard_error: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    within = answers.take(rows)
    value = float(within.measured(measure))
    how = bootstrap.plan(within, N_DRAWS, rng, n_cells=CELLS_PER_SLICE, at_least=500)
    values = bootstrap.replicates({"slice": within}, [measure], how, rng)["slice"][measure.name]
    spread = bootstrap.deviations(values, how.scale)
    low, high = bootstrap.interval(measure.name, value, spread, confidence, n_errorless=rows.size)
    outside = answers.weights.copy()
    outside[rows] = 0.0
    rest = float(answers.measured(measure, outside))
    by_chance = standard_error * np.sqrt(answers.n_rows / rows.size)
    of_rest = standard_error * np.sqrt(answers.n_rows / (answers.n_rows - rows.size))
    error = float(np.hypot(max(float(spread.std()), by_chance), of_rest))
    return {
        "n_rows": int(rows.size),
        "value": value,
        "low": low,
        "high": high,
        "rest": rest,
        "p_value": _two_sided(value - rest, error),
    }


def _two_sided(difference: float, error: float) -> float:
    from math import erfc, isfinite, sqrt

    if not isfinite(difference) or error <= 0.0:
        return 1.0
    return erfc(abs(difference) / error / sqrt(2.0))


def _mark(found: list[dict[str, Any]], level: float = 0.05) -> None:
    """Holm: from the smallest p-value up, each is held against `level` over the number still in question."""
    rejecting = True
    for index, one in enumerate(sorted(found, key=lambda one: float(one["p_value"]))):
        rejecting = rejecting and one["p_value"] <= level / (len(found) - index)
        one["differs"] = rejecting
