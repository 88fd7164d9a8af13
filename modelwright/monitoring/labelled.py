"""How good the answers were, on rows whose truth has come: the metric with its interval, overall and by slice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelwright.core import registry
from modelwright.monitoring.values import Measured, Slice

if TYPE_CHECKING:
    import polars as pl

    from modelwright.monitoring.reference import Reference

Floats = NDArray[np.float64]
_NUMBER = r"-?[\d,]*\.?\d+(?:e[+-]?\d+)?"
RANGE = re.compile(rf"(?P<low>{_NUMBER}) to (?P<under>under )?(?P<high>{_NUMBER})")
"""A range as evaluation tells it: `18 to under 31`."""
N_DRAWS = 500
LEAST_ROWS = 30
MOST_DRAWN = 4_000
LEAST_SLICE = 40
FALLBACK = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}
SHARES = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "macro_f1",
    "micro_f1",
    "macro_precision",
    "macro_recall",
    "roc_auc",
    "average_precision",
    "brier",
    "calibration_error",
    "r2",
    "mcc",
    "top_3_accuracy",
    "top_5_accuracy",
)
LOWER = ("log_loss", "brier", "calibration_error", "rmse", "mae", "mse", "median_absolute_error", "mape")


class Scored:
    """Labelled rows, ready to be measured with any weights: `measure(weights)` over (..., n)."""

    def __init__(self, reference: Reference, rows: pl.DataFrame, metric: str) -> None:
        import polars as pl

        measure = registry.get("evaluation", "measures")(reference.task, [metric])[0]
        self.function, self.rows = measure.function, rows
        if reference.task == "regression":
            self.truth = rows["_truth"].cast(pl.Float64).to_numpy()
            self.answers = rows["_prediction"].cast(pl.Float64).to_numpy()
            return
        place = {name: index for index, name in enumerate(reference.classes)}
        self.truth = np.array([place[name] for name in rows["_truth"].cast(pl.String).to_list()], dtype=np.int64)
        if measure.takes == "probabilities":
            names = [f"_probability_{name}" for name in reference.classes]
            self.answers = rows.select(names).cast(pl.Float64).to_numpy()
        else:
            said = rows["_prediction"].cast(pl.String).to_list()
            self.answers = np.array([place[name] for name in said], dtype=np.int64)

    def measure(self, weights: Floats) -> Floats:
        """The metric under weights of shape (..., n)."""
        return np.asarray(self.function(self.truth, self.answers, weights))

    def value(self) -> float:
        """The metric, all rows alike."""
        return float(self.measure(np.ones(len(self.truth))))

    def draws(self, rng: np.random.Generator, n_draws: int = N_DRAWS) -> Floats:
        """The metric under bootstrap draws, about its value: NaN draws left out (m out of n where rows are many)."""
        n = len(self.truth)
        m = min(n, MOST_DRAWN)
        places = np.sort(rng.permutation(n)[:m])
        whole = (self.truth, self.answers)
        self.truth, self.answers = self.truth[places], self.answers[places]
        found = self.measure(rng.multinomial(m, np.full(m, 1 / m), size=n_draws).astype(np.float64))
        self.truth, self.answers = whole
        found = found[np.isfinite(found)]
        return np.asarray((found - found.mean()) * np.sqrt(m / n)) if found.size else np.zeros(1)


def metric_of(reference: Reference) -> str:
    """The metric that is watched: the package's primary one."""
    return reference.primary or FALLBACK.get(reference.task, "")


def said(metric: str) -> str:
    """A metric's name as people say it.

    >>> said("log_loss")
    'log loss'
    """
    return metric.replace("_", " ").replace("roc auc", "ROC AUC")


def is_lower(metric: str) -> bool:
    """Whether less is better."""
    return metric in LOWER


def scale_of(metric: str, reference: float | None) -> float:
    """What a difference is divided by: 1 where the metric is a share, else the reference's value."""
    return 1.0 if metric in SHARES or not reference else abs(reference)


def known_rows(reference: Reference, window: pl.DataFrame) -> pl.DataFrame:
    """The rows whose truth has come and is one that the model knows."""
    import polars as pl

    if "_truth" not in window.columns or reference.task not in FALLBACK:
        return window.clear()
    rows = window.filter(pl.col("_truth").is_not_null())
    if reference.classes:
        rows = rows.filter(pl.col("_truth").cast(pl.String).is_in(list(reference.classes)))
    return rows


def measured(reference: Reference, window: pl.DataFrame, rng: np.random.Generator) -> Measured | None:
    """The primary metric of the labelled rows; None when there are fewer than 30, or of one class only.

    >>> from modelwright.testing.monitoring import tiny_model, tiny_reference, tiny_rows, labelled, truth_of
    >>> model, rows = tiny_model(), tiny_rows(400)
    >>> window = labelled(model, rows, truth_of(model.answers(rows)[0]))
    >>> found = measured(tiny_reference(), window, np.random.default_rng(0))
    >>> found.metric, found.n_rows, found.low < found.value < found.high
    ('roc_auc', 400, True)
    """
    from scipy.special import ndtr

    metric = metric_of(reference)
    rows = known_rows(reference, window)
    if rows.height < LEAST_ROWS:
        return None
    scored = Scored(reference, rows, metric)
    value = scored.value()
    if not np.isfinite(value):
        return None
    draws = scored.draws(rng)
    low, high = value + np.quantile(draws, [0.025, 0.975])
    drop = drop_low = drop_high = p = None
    if reference.score is not None:
        sign = (-1.0 if is_lower(metric) else 1.0) / scale_of(metric, reference.score)
        width = (reference.score_high or reference.score) - (reference.score_low or reference.score)
        deviation = float(np.hypot(draws.std(), width / 3.92)) * abs(sign)
        drop = sign * (reference.score - value)
        drop_low, drop_high = drop - 1.96 * deviation, drop + 1.96 * deviation
        p = float(ndtr(-drop / max(deviation, 1e-12)))
    return Measured(
        metric=metric,
        n_rows=rows.height,
        value=value,
        low=float(low),
        high=float(high),
        reference=reference.score,
        drop=drop,
        drop_low=drop_low,
        drop_high=drop_high,
        p=p,
    )


def parts_of(reference: Reference, rows: pl.DataFrame) -> list[tuple[str, str, pl.Series]]:
    """Groups of rows, as column, level and mask: of each of the five weightiest columns its eight commonest levels, or,
    of numbers, the ranges on which the model was measured when it was made."""
    import polars as pl

    views = [view for view in reference.views if view.of in ("category", "number") and view.column in rows.columns]
    views.sort(key=lambda view: -reference.importance.get(view.column, 0.0))
    found: list[tuple[str, str, pl.Series]] = []
    for view in [view for view in views if view.of == "category" or rows[view.column].dtype.is_numeric()][:5]:
        cells = rows[view.column]
        if view.of == "category":
            texts = cells.cast(pl.String).str.strip_chars()
            found += [(view.column, level, texts == level) for level in view.levels[:8]]
            continue
        told = [str(one["level"]) for one in reference.slices if one["column"] == view.column]
        for level, range_ in [(level, match) for level in told if (match := RANGE.fullmatch(level))]:
            low, high = (float(range_[edge].replace(",", "")) for edge in ("low", "high"))
            found.append((view.column, level, cells.is_between(low, high, "left" if range_["under"] else "both")))
    return [(column, level, mask.fill_null(value=False)) for column, level, mask in found]


def slices(reference: Reference, window: pl.DataFrame, rng: np.random.Generator) -> tuple[Slice, ...]:
    """The metric by level or range of the five weightiest columns, the worst first."""
    metric, rows = metric_of(reference), known_rows(reference, window)
    if rows.height < 2 * LEAST_SLICE:
        return ()
    then = {(one["column"], str(one["level"])): one for one in reference.slices}
    found = []
    for column, level, own in parts_of(reference, rows):
        some = rows.filter(own)
        if some.height >= LEAST_SLICE and (one := _slice(reference, metric, some, rng)) is not None:
            found.append((one, column, level, then.get((column, level)), some.height))
    sign = -1.0 if is_lower(metric) else 1.0
    told = []
    for (value, low, high), column, level, before, n_rows in found:
        worse = before is not None and (high < before["low"] if sign > 0 else low > before["high"])
        told.append(
            Slice(
                column=column,
                level=level,
                n_rows=n_rows,
                value=value,
                low=low,
                high=high,
                reference=before["value"] if before else None,
                worse=worse,
            )
        )
    return tuple(sorted(told, key=lambda one: (not one.worse, sign * one.value)))


def _slice(
    reference: Reference, metric: str, rows: pl.DataFrame, rng: np.random.Generator
) -> tuple[float, float, float] | None:
    scored = Scored(reference, rows, metric)
    value = scored.value()
    if not np.isfinite(value):
        return None
    low, high = value + np.quantile(scored.draws(rng, 200), [0.025, 0.975])
    return value, float(low), float(high)


def paired(
    reference: Reference, champion: pl.DataFrame, challenger: pl.DataFrame, metric: str, rng: np.random.Generator
) -> tuple[float, Any]:
    """Gain of the challenger over the champion on the same rows (aligned), and its bootstrap draws about it."""
    one, other = Scored(reference, champion, metric), Scored(reference, challenger, metric)
    n = len(one.truth)
    weights = rng.multinomial(min(n, MOST_DRAWN), np.full(n, 1 / n), size=N_DRAWS).astype(np.float64)
    sign = (-1.0 if is_lower(metric) else 1.0) / scale_of(metric, reference.score)
    gain = sign * (other.value() - one.value())
    drawn = sign * (other.measure(weights) - one.measure(weights))
    drawn = drawn[np.isfinite(drawn)]
    return gain, (drawn - drawn.mean()) * np.sqrt(min(n, MOST_DRAWN) / n)
