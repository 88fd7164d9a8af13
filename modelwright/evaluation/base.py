"""Evaluation: every metric has a name, an interval and slices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from modelwright.core.errors import UserError, nearest
from modelwright.core.spec import Spec
from modelwright.evaluation.names import FALLBACK, NAMES, unasked

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset, Decision
    from modelwright.core.values import Report, Trained
    from modelwright.evaluation.asking import Asked
    from modelwright.evaluation.background import Background


NOT_REACHED = "the goal is not shown to be reached"
"""What training's decision is about, where no threshold meets the goal that was stated."""


class EvaluateSpec(Spec):
    """What is measured on the held-out rows, and how surely."""

    metrics: Literal["auto"] | tuple[str, ...] = Field(
        "auto", description="metrics by name; `auto` takes all that fit the task"
    )
    n_bootstrap: int = Field(1000, ge=50, le=20_000, description="draws behind each interval")
    slices: Literal["auto"] | tuple[str, ...] = Field(
        "auto", description="columns to slice by; `auto` takes protected and important ones; an empty list none"
    )
    season: int | None = Field(
        None, ge=1, description="steps of a season, for forecasts; left out, it is found in the training rows"
    )
    labels: str = Field(
        "", description="without a target: a column with the truth, which answers are held against and never learn from"
    )
    confidence: float = Field(0.95, ge=0.5, le=0.999, description="share of intervals that hold the true value")

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for name in names if isinstance(names, tuple) else ():
            if name not in NAMES:
                raise ValueError(f"there is no metric `{name}`; {nearest(name, NAMES)}")
        return names


def evaluate(
    trained: Trained,
    data: Dataset,
    spec: EvaluateSpec | None = None,
    *,
    seed: int = 0,
    baseline: np.ndarray | Mapping[str, Background] | None = None,
    network: Any = None,
) -> Report:
    """Measure a trained model on held-out rows.

    `data` has typed columns, the target among them; rows without a target are left out, with a Decision.
    `baseline` is what `backgrounds` learned from the training rows, by target, or what the constant baseline
    answers (`constant_answer` of the training target); when None it is taken from these rows, which makes the
    baseline look a little better than it is. Intervals are bootstrap intervals (see `bootstrap.py`): rows,
    pictures or series are drawn. A metric that these rows do not define is left out, with a Decision. A column
    with the role `weight` weighs the rows in metrics, not in counts. A model of several targets has one report
    for each: that of the first has the others in `more`.

    Besides the pictures' data, `report.curves["gain"]` holds how much better than the baseline the primary
    metric is (positive is better), with its paired interval; `report.curves["examples"]` shows the rows that
    were answered worst, small enough for a page: their pictures, sounds, texts or series themselves, so share
    a report as you would share the data. `network`, a `torch.nn.Module` over the same inputs, explains them by
    its gradients; without it the graph explains pictures and texts by covering parts of them.

    Cost: 3 to 5 s of processor time for 100,000 rows, ten metrics and 20 slices; the graph's own answers come
    on top, and for boxes and masks some 2 to 20 ms a picture.
    Errors: `evaluation.target`, `evaluation.rows`, `evaluation.answers`, `evaluation.metric`,
    `evaluation.slices`, `evaluation.weights`, `evaluation.undefined`.

    Reference: Efron and Tibshirani (1993), "An introduction to the bootstrap", chapter 13.

    >>> from modelwright.testing.evaluation import straight_line
    >>> trained, data = straight_line(n_rows=50)
    >>> report = evaluate(trained, data, EvaluateSpec(metrics=("rmse", "r2")))
    >>> report.primary, report["rmse"].low <= report["rmse"].value <= report["rmse"].high
    ('rmse', True)
    """
    from dataclasses import replace

    from modelwright.evaluation import slices as slicing
    from modelwright.evaluation.asking import ask
    from modelwright.evaluation.background import Background
    from modelwright.evaluation.text import UNLABELLED

    spec = spec or EvaluateSpec()
    if trained.task.kind in UNLABELLED:
        from modelwright.evaluation.unlabelled import report_unlabelled

        return report_unlabelled(trained, data, spec, seed=seed)
    columns = spec.slices
    if columns == "auto":
        columns = tuple(slicing.columns_to_slice(data.schema, trained.importance))
    slicing.check_columns(columns, data)
    plans = [_plan(trained, index, spec) for index in range(1 + len(trained.signature.more_tasks))]
    if baseline is not None and not isinstance(baseline, Mapping):
        baseline = {trained.task.target: Background(answer=baseline)}
    reports = [
        _report(trained, asked, plan, columns, spec, seed, network)
        for asked, plan in zip(ask(trained, data, baseline or {}, season=spec.season), plans, strict=True)
    ]
    return replace(reports[0], more=tuple(reports[1:]))


def _report(
    trained: Trained,
    asked: Asked,
    plan: tuple[str, tuple[str, ...], list[Decision]],
    columns: tuple[str, ...],
    spec: EvaluateSpec,
    seed: int,
    network: Any,
) -> Report:
    """The report of one target."""
    from modelwright.core.rng import stream
    from modelwright.core.values import Report
    from modelwright.evaluation import slices as slicing
    from modelwright.evaluation.beside import curves_beside, measures_beside
    from modelwright.evaluation.catalogue import METRICS, measures_of
    from modelwright.evaluation.drawing import curves_of
    from modelwright.evaluation.measuring import measure_all

    primary, names, changed = plan
    kind, more_measures = asked.task.kind, measures_beside(asked.task)
    measures = [*measures_of(kind, [name for name in names if name in METRICS[kind]]), *more_measures]
    measures.sort(key=lambda measure: (measure.name != primary, measure not in more_measures))
    measured = measure_all(asked.model, asked.base, measures, spec, seed=seed)
    primary, more = _defined(primary, [metric.name for metric in measured.metrics])
    found = slicing.slices(
        asked.model,
        asked.rows,
        next(measure for measure in measures if measure.name == primary),
        columns,
        confidence=spec.confidence,
        standard_error=measured.errors[primary],
        rng=stream(seed, "evaluation", "slices"),
    )
    pictures = curves_of(trained, asked, seed=seed, network=network)
    pictures.update(gain=measured.gains.get(primary), confidence=spec.confidence, baseline_name=asked.base_name)
    pictures.update(curves_beside(asked, measured, columns, spec, stream(seed, "evaluation", "sure")))
    if asked.task == trained.task:
        pictures.update(cautions=[f"{one.reason}." for one in trained.decisions if one.about == NOT_REACHED])
    return Report(
        task=kind,
        n_rows=asked.model.n_rows,
        primary=primary,
        metrics=measured.metrics,
        baseline=measured.baseline,
        slices=tuple(found),
        curves=pictures,
        importance=dict(trained.importance),
        decisions=(*changed, *asked.decisions, *measured.decisions, *more),
        target=asked.task.target,
    )


def _plan(trained: Trained, index: int, spec: EvaluateSpec) -> tuple[str, tuple[str, ...], list[Decision]]:
    """For one target: the primary metric, all that are measured (the primary first), and what was decided.

    Metrics that were asked for are those of the first target; others are measured where they fit.
    """
    from modelwright.evaluation.beside import measures_beside
    from modelwright.evaluation.catalogue import METRICS, measures_of

    task = (trained.task, *trained.signature.more_tasks)[index]
    asked = unasked(task.kind, len(task.classes), quantiles=bool(task.quantiles))
    if spec.metrics != "auto":
        asked = tuple(name for name in spec.metrics if index == 0 or name in METRICS[task.kind]) or asked
    chosen = trained.leaderboard[0].metric if trained.leaderboard and index == 0 else ""
    beside = [measure.name for measure in measures_beside(task)]
    asked = tuple(name for name in asked if name not in beside)
    decisions: list[Decision] = []
    if index > 0:
        primary = "pinball" if "pinball" in beside else _fallback(task.kind, asked)
    elif chosen in beside:
        primary = chosen
    else:
        primary, decisions = _primary(task.kind, chosen, asked)
    names = tuple(dict.fromkeys([primary, *asked]))
    measures_of(task.kind, [name for name in names if name not in beside])
    return primary, names, decisions


def _primary(kind: str, chosen: str, asked: tuple[str, ...]) -> tuple[str, list[Decision]]:
    """The metric that the leaderboard was ordered by; another, with a Decision, if evaluation has it not."""
    from modelwright.core.data import Decision
    from modelwright.evaluation.catalogue import METRICS

    if chosen in METRICS[kind]:
        return chosen, []
    instead = _fallback(kind, asked)
    if not chosen:
        return instead, []
    reason = f"the leaderboard is ordered by {chosen!r}, which evaluation does not measure"
    return instead, [Decision("evaluation", "primary metric", instead, reason)]


def _fallback(kind: str, asked: tuple[str, ...]) -> str:
    return FALLBACK[kind] if FALLBACK[kind] in asked or not asked else asked[0]


def _defined(primary: str, names: list[str]) -> tuple[str, list[Decision]]:
    """The primary metric if these rows define it, else the first that they do."""
    from modelwright.core.data import Decision

    if primary in names:
        return primary, []
    if not names:
        raise UserError(
            "evaluation.undefined",
            f"the held-out rows define none of the metrics asked for ({primary}, ...).",
            hint="hold out more rows, or ask for log_loss (classes) or rmse (numbers)",
        )
    instead = next((name for name in ("log_loss", "rmse", "mae") if name in names), names[0])
    reason = f"{primary} is not defined on these held-out rows"
    return instead, [Decision("evaluation", "primary metric", instead, reason)]
