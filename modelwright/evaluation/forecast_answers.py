"""Held-out series and what was forecast of them, held against forecasts that need no model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.data import Decision
from modelwright.evaluation.asking import Asked
from modelwright.evaluation.background import Background, group_column, history_column
from modelwright.evaluation.forecasts import forecast_sums, last_value, season_of, seasonal_error, seasonal_naive
from modelwright.evaluation.metrics import Floats, Ints
from modelwright.evaluation.sums import Sums

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright_runtime.signature import Signature, Task

MIN_GROUPS = 10
"""So many series make intervals by drawing series; with fewer, runs of windows are drawn."""
N_LOOKED_AT = 200


@dataclass(frozen=True, eq=False, kw_only=True)
class Futures:
    """Truth and forecast, (n, horizon), of n windows; `histories` what came before each; `scale` (n,) MASE's;
    `quantiles` (n, horizon, n_levels) or None."""

    truth: Floats
    forecast: Floats
    histories: list[Floats]
    scale: Floats
    season: int
    quantiles: Floats | None
    levels: tuple[float, ...]

    def sums(self, forecast: Floats | None = None) -> Sums:
        """The errors of the model, or of another forecast."""
        if forecast is None:
            return forecast_sums(self.truth, self.forecast, self.scale, quantiles=self.quantiles, levels=self.levels)
        return forecast_sums(self.truth, forecast, self.scale)

    def naive(self, season: int) -> Floats:
        """The last season (or, for 1, the last value) of each history, repeated."""
        horizon = self.truth.shape[1]
        if season <= 1:
            return np.stack([last_value(one, horizon) for one in self.histories])
        return np.stack([seasonal_naive(one, horizon, season) for one in self.histories])


def futures_of(
    task: Task, signature: Signature, rows: Dataset, output: np.ndarray, background: Background, season: int
) -> Futures:
    """Truth, forecasts and histories of some rows. `output` is (n, horizon), or (n, horizon, n_levels)."""
    from modelwright.core.inputs import series

    truth = _as_matrix(series(rows.frame, task.target), task.horizon)
    levels = tuple(task.quantiles)
    quantiles = output if output.ndim == 3 else None
    middle = int(np.argmin(np.abs(np.asarray(levels) - 0.5))) if levels else 0
    column = history_column(task, signature)
    histories = [np.zeros(0)] * rows.n_rows
    if column is not None:
        histories = [np.zeros(0) if one is None else one for one in series(rows.frame, column)]
    return Futures(
        truth=truth,
        forecast=output.astype(np.float64) if quantiles is None else output[..., middle].astype(np.float64),
        histories=histories,
        scale=_scale(histories, rows, background, season),
        season=season,
        quantiles=quantiles,
        levels=levels if quantiles is not None else (),
    )


def _as_matrix(cells: list[Any], horizon: int) -> Floats:
    made = np.full((len(cells), horizon), np.nan)
    for row, values in enumerate(cells):
        values = np.asarray(values, dtype=np.float64)[:horizon]
        made[row, : len(values)] = values
    return made


def _scale(histories: list[Floats], rows: Dataset, background: Background, season: int) -> Floats:
    """MASE's scale of each row: of its series in training, else of its own history."""
    own = np.array([seasonal_error(one, season) for one in histories])
    group = group_column(rows)
    if group is None or not background.scales or season != background.season:
        return own
    known = [background.scales.get(level or "", np.nan) for level in rows.column(group).cast(str).to_list()]
    return np.where(np.isfinite(known), known, own)


def asked_forecasts(
    task: Task,
    signature: Signature,
    rows: Dataset,
    output: Floats,
    weights: Floats,
    background: Background | None,
    season: int | None,
) -> Asked:
    """All windows as sums of errors; the baseline repeats the last season, or the last value without a season."""
    known = background or Background()
    chosen, decisions = _season(task, signature, rows, background, season)
    futures = futures_of(task, signature, rows, output, known, chosen)
    units, told = _units(futures.truth, rows)
    base, base_name, others = _baselines(futures, known)
    return Asked(
        task=task,
        rows=rows,
        model=replace(futures.sums(), weights=weights, units=units),
        base=replace(futures.sums(base), weights=weights, units=units),
        base_name=base_name,
        losses=_losses(futures.sums()),
        decisions=(*decisions, *told, *_about_scale(futures)),
        others={name: replace(futures.sums(one), weights=weights, units=units) for name, one in others.items()},
        facts={"season": chosen, "horizon": task.horizon},
    )


def _season(
    task: Task, signature: Signature, rows: Dataset, background: Background | None, asked: int | None
) -> tuple[int, list[Decision]]:
    """What was asked for, else what training rows showed, else what the longest history here shows."""
    from modelwright.core.inputs import series

    if asked is not None:
        return asked, [Decision("evaluation", "season", f"{asked} steps", "as asked")]
    if background is not None:
        return background.season, [
            Decision(
                "evaluation", "season", f"{background.season} steps", "where training rows are most like themselves"
            )
        ]
    column = history_column(task, signature)
    histories = [one for one in series(rows.frame, column) if one is not None] if column else []
    found = season_of(max(histories, key=len)) if histories else 1
    return found, [Decision("evaluation", "season", f"{found} steps", "where the longest history is most like itself")]


def _baselines(futures: Futures, background: Background) -> tuple[Floats, str, dict[str, Floats]]:
    """The baseline and its name, and further ones: repeating the last season, the last value, the mean."""
    if not any(one.size for one in futures.histories):
        mean = np.nanmean(futures.truth) if background.answer is None else float(background.answer[0])
        return np.full_like(futures.truth, mean), "always the mean", {}
    last = futures.naive(1)
    if futures.season <= 1:
        return last, "the last value", {}
    return futures.naive(futures.season), f"the last season ({futures.season} steps)", {"the last value": last}


def _losses(sums: Sums) -> Floats:
    scaled = sums.rows["scaled"]
    return np.where(np.isfinite(scaled), scaled, 0.0) if np.isfinite(scaled).any() else sums.rows["absolute"]


def _units(truth: Floats, rows: Dataset) -> tuple[Ints | None, list[Decision]]:
    """What intervals draw as a whole: series, or runs of windows that overlap, within their series."""
    group = group_column(rows)
    of_series = np.zeros(len(truth), dtype=np.int64)
    if group is not None:
        levels = rows.column(group).cast(str).fill_null("").to_numpy().astype(str)
        names, of_series = np.unique(levels, return_inverse=True)
        if names.size == len(truth):
            return None, []
        if names.size >= MIN_GROUPS:
            reason = "rows of one series are alike, so each series is drawn as a whole"
            return of_series, [Decision("evaluation", "intervals", f"{names.size} series drawn", reason)]
    order = np.argsort(of_series, kind="stable")
    length = run_length(truth[order])
    if length <= 1:
        return None, []
    within = np.empty(len(truth), dtype=np.int64)
    ordered = of_series[order]
    within[order] = (np.arange(len(truth)) - np.searchsorted(ordered, ordered)) // length
    _, units = np.unique(np.stack([of_series, within], axis=1), axis=0, return_inverse=True)
    reason = "windows that overlap hold the same steps, so runs of them are drawn as a whole"
    told = Decision("evaluation", "intervals", f"{int(units.max()) + 1} runs of {length} windows drawn", reason)
    return units.reshape(-1), [told]


def run_length(truth: Floats) -> int:
    """How many windows in a row share steps with the first of them; 1 where they do not overlap.

    >>> run_length(np.arange(20.0)[:, None] + np.arange(4.0))
    4
    """
    n, horizon = truth.shape
    if n < 2:
        return 1
    looked_at = np.unique(np.linspace(0, n - 2, min(N_LOOKED_AT, n - 1)).astype(int))
    one, two = truth[looked_at], truth[looked_at + 1]
    for stride in range(1, horizon):
        same = (one[:, stride:] == two[:, : horizon - stride]).all(axis=1)
        if same.mean() > 0.5:
            return int(min(-(-horizon // stride), max(1, n // 2)))
    return 1


def _about_scale(futures: Futures) -> list[Decision]:
    n_without = int((~np.isfinite(futures.scale)).sum())
    if n_without == 0:
        return []
    reason = "their history is flat, absent or shorter than a season, so there is no change to hold errors against"
    return [Decision("evaluation", "mase", f"{n_without} of {len(futures.scale)} rows left out", reason)]
