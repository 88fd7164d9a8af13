"""Forecasts: errors of each series summed up once, the two forecasts that need no model, and their measures.

Definitions are those of the M4 competition. MASE divides a series' mean absolute error by the mean absolute
error, within its own history, of repeating what was one season ago. sMAPE is in percent, 0 to 200.

References: Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 competition"; Hyndman and Koehler (2006),
"Another look at measures of forecast accuracy".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from modelwright.evaluation.metrics import Floats, Measure, ratio
from modelwright.evaluation.sums import Sums

MIN_CORRELATION = 0.3
"""A season is believed in when the series is at least this much like itself a season ago."""


def known_part(history: Any) -> Floats:
    """A series without its leading blanks, other gaps filled with the value before them."""
    values = np.asarray(history, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    if known.size == 0:
        return np.zeros(0)
    values = values[known[0] :]
    last = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(values.size), 0))
    filled: Floats = values[last]
    return filled


def last_value(history: Any, horizon: int) -> Floats:
    """The last known value, repeated; NaN when none is known.

    >>> last_value([1.0, 2.0, float("nan")], 2).tolist()
    [2.0, 2.0]
    """
    values = known_part(history)
    return np.full(horizon, values[-1] if values.size else np.nan)


def seasonal_naive(history: Any, horizon: int, season: int) -> Floats:
    """The last season, repeated; the last value where the history is shorter than a season.

    >>> seasonal_naive([9.0, 1.0, 2.0], 3, season=2).tolist()
    [1.0, 2.0, 1.0]
    """
    values = known_part(history)
    if values.size < season:
        return last_value(values, horizon)
    return np.resize(values[-season:], horizon)


def seasonal_error(history: Any, season: int) -> float:
    """The scale of MASE: mean absolute change over one season. NaN when there is none, or too little history.

    >>> seasonal_error([1.0, 2.0, 4.0], season=1)
    1.5
    """
    values = np.asarray(history, dtype=np.float64)
    changes = np.abs(values[season:] - values[:-season]) if values.size > season else np.zeros(0)
    changes = changes[np.isfinite(changes)]
    mean = float(changes.mean()) if changes.size else 0.0
    return mean if mean > 0.0 else float("nan")


def season_of(history: Any, *, longest: int = 400) -> int:
    """The number of steps after which a series is most like itself; 1 when it has no season.

    The shortest peak of the autocorrelation (trend removed) that is nearly as high as the highest.

    >>> season_of(np.sin(np.arange(200) * 2 * np.pi / 24))
    24
    """
    values = known_part(history)
    if values.size < 8 or values.min() == values.max():
        return 1
    time = np.arange(values.size)
    values = values - np.polyval(np.polyfit(time, values, 1), time)
    values = values - values.mean()
    spectrum = np.fft.rfft(values, 2 * values.size)
    power = np.fft.irfft(np.abs(spectrum) ** 2)[: min(longest, values.size // 2) + 1]
    pairs = values.size - np.arange(power.size)  # fewer pairs at longer lags: the mean, not the sum
    like = power / pairs / max(power[0] / values.size, 1e-300)
    peaks = np.flatnonzero((like[1:-1] > like[:-2]) & (like[1:-1] >= like[2:])) + 1
    peaks = peaks[like[peaks] >= MIN_CORRELATION]
    if peaks.size == 0:
        return 1
    return int(peaks[like[peaks] >= 0.9 * like[peaks].max()][0])


def symmetric_error(truth: Floats, forecast: Floats) -> Floats:
    """sMAPE of each step, in percent: 200 |y - f| / (|y| + |f|), and 0 where both are 0."""
    size = np.abs(truth) + np.abs(forecast)
    missed: Floats = np.divide(200.0 * np.abs(truth - forecast), size, out=np.zeros_like(size), where=size > 0)
    missed[~np.isfinite(size)] = np.nan
    return missed


def _row_mean(values: Floats) -> Floats:
    """Mean over the steps that are known; NaN where none is."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1))


def forecast_sums(
    truth: Floats, forecast: Floats, scale: Floats, *, quantiles: Floats | None = None, levels: tuple[float, ...] = ()
) -> Sums:
    """Errors of n forecasts over `horizon` steps. `truth`, `forecast`: (n, horizon), NaN where the truth is
    missing; `scale` (n,): MASE's, NaN where there is none; `quantiles` (n, horizon, len(levels)).

    >>> sums = forecast_sums(np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]]), np.array([0.5]))
    >>> FORECAST[0].name, float(FORECAST[0].function(sums, np.ones(1)))
    ('mase', 1.0)
    """
    missed = np.abs(truth - forecast)
    rows = {
        "steps": missed,
        "absolute": _row_mean(missed),
        "squared": _row_mean(missed**2),
        "symmetric": _row_mean(symmetric_error(truth, forecast)),
        "scaled": _row_mean(missed) / scale,
        "size": np.nansum(np.abs(truth), axis=1),
    }
    if quantiles is not None:
        at = np.asarray(levels)
        short = truth[..., None] - quantiles
        known = np.isfinite(short)
        rows["pinball"] = 2.0 * np.where(known, np.maximum(at * short, (at - 1.0) * short), 0.0).sum(axis=1)
        rows["below"] = ratio((known & (short <= 0)).sum(axis=1), known.sum(axis=1))
    return Sums(kind="forecast", classes=(), weights=np.ones(len(truth)), rows=rows, plain={"levels": levels})


def _mean(sums: Sums, weights: Floats, *, of: str) -> Floats:
    values = sums.rows[of]
    known = np.isfinite(values)
    return ratio(weights @ np.where(known, values, 0.0), weights @ known.astype(float))


def _root(sums: Sums, weights: Floats) -> Floats:
    root: Floats = np.sqrt(_mean(sums, weights, of="squared"))
    return root


def weighted_quantile_loss(sums: Sums, weights: Floats) -> Floats:
    """Twice the quantile loss, summed, over the summed size of the truth; the mean over quantiles."""
    if "pinball" not in sums.rows:
        return np.full(weights.shape[:-1], np.nan)
    return ratio(weights @ sums.rows["pinball"].mean(axis=1), weights @ sums.rows["size"])


def coverage(sums: Sums, weights: Floats) -> Floats:
    """Share of the truth at or below each quantile, shape (..., n_levels)."""
    return ratio(weights @ sums.rows["below"], weights.sum(axis=-1)[..., None])


def coverage_error(sums: Sums, weights: Floats) -> Floats:
    """Mean gap between a quantile's level and the share of the truth at or below it."""
    if "below" not in sums.rows:
        return np.full(weights.shape[:-1], np.nan)
    gap: Floats = np.abs(coverage(sums, weights) - np.asarray(sums.plain["levels"])).mean(axis=-1)
    return gap


_M4 = "Makridakis et al. (2020), The M4 competition: 100,000 time series"
_GNEITING = "Gneiting (2011), Making and evaluating point forecasts"


def _measure(name: str, function: Callable[..., Floats], reference: str) -> Measure:
    return Measure(name, function, "sums", reference)


FORECAST = (
    _measure("mase", partial(_mean, of="scaled"), "Hyndman and Koehler (2006), Another look at measures"),
    _measure("smape", partial(_mean, of="symmetric"), _M4),
    _measure("mae", partial(_mean, of="absolute"), _GNEITING),
    _measure("rmse", _root, _GNEITING),
    _measure("mse", partial(_mean, of="squared"), _GNEITING),
    _measure("weighted_quantile_loss", weighted_quantile_loss, "Gasthaus et al. (2019), Spline quantile function RNNs"),
    _measure("coverage_error", coverage_error, "Gneiting, Balabdaoui and Raftery (2007), Probabilistic forecasts"),
)
