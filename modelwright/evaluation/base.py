"""Evaluation: every metric has a name, an interval and slices."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from modelwright.core.errors import UserError, nearest
from modelwright.core.spec import Spec
from modelwright.evaluation.names import AUTO, FALLBACK, NAMES

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset, Decision
    from modelwright.core.values import Report, Trained


class EvaluateSpec(Spec):
    """What is measured on the held-out rows, and how surely."""

    metrics: Literal["auto"] | tuple[str, ...] = Field(
        "auto", description="metrics by name; `auto` takes all that fit the task"
    )
    n_bootstrap: int = Field(1000, ge=50, le=20_000, description="draws behind each interval")
    slices: Literal["auto"] | tuple[str, ...] = Field(
        "auto", description="columns to slice by; `auto` takes protected and important ones; an empty list none"
    )
    confidence: float = Field(0.95, ge=0.5, le=0.999, description="share of intervals that hold the true value")

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for name in names if isinstance(names, tuple) else ():
            if name not in NAMES:
                raise ValueError(f"there is no metric `{name}`; {nearest(name, NAMES)}")
        return names


def constant_answer(task_classes: tuple[str, ...], target: Any) -> np.ndarray:
    """What the constant baseline answers: class shares, shape (n_classes,), or the mean, shape (1,).

    `target` is the target column of the training rows (a Polars Series); missing values are left out.

    >>> import polars as pl
    >>> constant_answer(("no", "yes"), pl.Series(["no", "no", "no", "yes"])).tolist()
    [0.75, 0.25]
    >>> constant_answer((), pl.Series([1.0, None, 3.0])).tolist()
    [2.0]
    """
    import numpy as np

    from modelwright_runtime.reading import as_text

    known = target.drop_nulls()
    if not task_classes:
        return np.array([float(known.cast(float).mean() or 0.0)])
    seen = Counter(as_text(value) for value in known.to_list())
    counts = np.array([seen[name] for name in task_classes], dtype=np.float64)
    shares: np.ndarray = counts / max(counts.sum(), 1.0)
    return shares


def evaluate(
    trained: Trained,
    data: Dataset,
    spec: EvaluateSpec | None = None,
    *,
    seed: int = 0,
    baseline: np.ndarray | None = None,
) -> Report:
    """Measure a trained model on held-out rows.

    `data` has typed columns, the target among them; rows without a target are left out, with a Decision.
    `baseline` is what the constant baseline answers (`constant_answer` of the training target); when None
    it is taken from these rows, which makes the baseline look a little better than it is. Intervals are
    bootstrap intervals (see `bootstrap.py`). A metric that these rows do not define is left out, with a
    Decision. A column with the role `weight` weighs the rows in metrics, not in counts.

    Besides the pictures' data, `report.curves["gain"]` holds how much better than the baseline the primary
    metric is (positive is better), with its paired interval.

    Cost: 3 to 5 s of processor time for 100,000 rows, ten metrics and 20 slices.
    Errors: `evaluation.target`, `evaluation.rows`, `evaluation.answers`, `evaluation.metric`,
    `evaluation.slices`, `evaluation.weights`, `evaluation.undefined`.

    Reference: Efron and Tibshirani (1993), "An introduction to the bootstrap", chapter 13.

    >>> from modelwright.testing.evaluation import straight_line
    >>> trained, data = straight_line(n_rows=50)
    >>> report = evaluate(trained, data, EvaluateSpec(metrics=("rmse", "r2")))
    >>> report.primary, report["rmse"].low <= report["rmse"].value <= report["rmse"].high
    ('rmse', True)
    """
    from modelwright.core.rng import stream
    from modelwright.core.values import Report
    from modelwright.evaluation import slices as slicing
    from modelwright.evaluation.answers import answers_of, measures_of
    from modelwright.evaluation.curves import curves
    from modelwright.evaluation.measuring import measure_all

    spec = spec or EvaluateSpec()
    kind = trained.task.kind
    asked = AUTO[kind] if spec.metrics == "auto" else spec.metrics
    primary, changed = _primary(trained, asked)
    measures = measures_of(kind, list(dict.fromkeys([primary, *asked])))
    columns = spec.slices
    if columns == "auto":
        columns = tuple(slicing.columns_to_slice(data.schema, trained.importance))
    slicing.check_columns(columns, data)
    answers, known, decisions = answers_of(trained, data)
    measured = measure_all(answers, measures, spec, seed=seed, baseline=baseline)
    primary, more = _defined(primary, [metric.name for metric in measured.metrics])
    found = slicing.slices(
        answers,
        known,
        measures_of(kind, [primary])[0],
        columns,
        confidence=spec.confidence,
        standard_error=measured.errors[primary],
        rng=stream(seed, "evaluation", "slices"),
    )
    pictures = curves(answers, trained.signature.threshold, stream(seed, "evaluation", "curves"))
    pictures.update(gain=measured.gains.get(primary), confidence=spec.confidence)
    return Report(
        task=kind,
        n_rows=answers.n_rows,
        primary=primary,
        metrics=measured.metrics,
        baseline=measured.baseline,
        slices=tuple(found),
        curves=pictures,
        importance=dict(trained.importance),
        decisions=(*changed, *decisions, *measured.decisions, *more),
    )


def _primary(trained: Trained, asked: tuple[str, ...]) -> tuple[str, list[Decision]]:
    """The metric that the leaderboard was ordered by; another, with a Decision, if evaluation has it not."""
    from modelwright.core.data import Decision

    kind = trained.task.kind
    chosen = trained.leaderboard[0].metric if trained.leaderboard else ""
    if chosen in AUTO[kind]:
        return chosen, []
    instead = FALLBACK[kind] if FALLBACK[kind] in asked or not asked else asked[0]
    reason = f"the leaderboard is ordered by {chosen!r}, which evaluation does not measure"
    return instead, [Decision("evaluation", "primary metric", instead, reason)]


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
    instead = next((name for name in ("log_loss", "rmse") if name in names), names[0])
    reason = f"{primary} is not defined on these held-out rows"
    return instead, [Decision("evaluation", "primary metric", instead, reason)]
