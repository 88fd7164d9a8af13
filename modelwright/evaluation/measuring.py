"""All metrics of the model and of the constant baseline, with paired intervals, from one set of draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modelwright.core.data import Decision
from modelwright.core.rng import stream
from modelwright.core.values import Metric
from modelwright.evaluation import bootstrap
from modelwright.evaluation.names import NAMES

if TYPE_CHECKING:
    from modelwright.evaluation.base import EvaluateSpec
    from modelwright.evaluation.metrics import Floats, Measure
    from modelwright.evaluation.sums import Held


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """Metrics of the model and of the baseline; per metric its standard error, and the gain over the
    baseline (positive is better) with its interval."""

    metrics: tuple[Metric, ...]
    baseline: tuple[Metric, ...]
    errors: dict[str, float]
    gains: dict[str, dict[str, float | str]]
    decisions: tuple[Decision, ...]


def measure_all(answers: Held, baseline: Held, measures: list[Measure], spec: EvaluateSpec, *, seed: int) -> Measured:
    """Value and interval of every metric that these rows define; a Decision for each that they do not."""
    rng = stream(seed, "evaluation", "bootstrap")
    cases = {"model": answers, "baseline": baseline}
    values = {case: {m.name: float(of.measured(m)) for m in measures} for case, of in cases.items()}
    defined = [m for m in measures if np.isfinite(values["model"][m.name])]
    how = bootstrap.plan(answers, spec.n_bootstrap, rng)
    drawn = bootstrap.replicates(cases, defined, how, rng)
    spreads = {
        case: {name: bootstrap.deviations(drawn[case][name], how.scale) for name in drawn[case]} for case in drawn
    }
    tables = {
        case: tuple(
            _metric(
                m,
                values[case][m.name],
                spreads[case][m.name],
                spec.confidence,
                n_errorless=cases[case].n_errorless(m.name),
            )
            for m in defined
            if np.isfinite(values[case][m.name])
        )
        for case in cases
    }
    both = [m for m in defined if np.isfinite(values["baseline"][m.name])]
    return Measured(
        metrics=tables["model"],
        baseline=tables["baseline"],
        errors={name: float(spread.std()) for name, spread in spreads["model"].items()},
        gains={m.name: _gain(m.name, values, drawn, how.scale, spec.confidence) for m in both},
        decisions=(
            *_about_undefined(measures, defined),
            *_about_draws(how, spec.n_bootstrap),
        ),
    )


def _metric(measure: Measure, value: float, spread: Floats, confidence: float, *, n_errorless: int) -> Metric:
    low, high = bootstrap.interval(measure.name, value, spread, confidence, n_errorless=n_errorless)
    better = NAMES[measure.name].better
    return Metric(name=measure.name, value=value, low=low, high=high, better=better, version=measure.version)


def _gain(
    name: str,
    values: dict[str, dict[str, float]],
    drawn: dict[str, dict[str, Floats]],
    scale: float,
    confidence: float,
) -> dict[str, float | str]:
    sign = 1.0 if NAMES[name].better == "higher" else -1.0
    value = sign * (values["model"][name] - values["baseline"][name])
    spread = bootstrap.deviations(sign * (drawn["model"][name] - drawn["baseline"][name]), scale)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(spread, [tail, 1.0 - tail])
    return {"metric": name, "value": value, "low": float(value + low), "high": float(value + high)}


def _about_undefined(measures: list[Measure], defined: list[Measure]) -> list[Decision]:
    return [
        Decision("evaluation", m.name, "left out", "these held-out rows do not define it (a class is absent, "
                 "the target does not vary, or nothing of that kind is in them)")
        for m in measures
        if m not in defined
    ]  # fmt: skip


def _about_draws(how: bootstrap.Plan, asked: int) -> list[Decision]:
    if how.rows.size == how.n_rows and how.n_draws == asked:
        return []
    choice = f"{how.n_draws} draws from {how.rows.size:,} of {how.n_rows:,} rows"
    reason = f"{asked} draws from all rows would take long; deviations are scaled by {how.scale:.3f} to match"
    return [Decision("evaluation", "intervals", choice, reason)]
