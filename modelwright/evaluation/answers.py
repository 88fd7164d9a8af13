"""Truth and answers side by side, as arrays: what every metric, slice and picture is computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.data import Decision
from modelwright.core.errors import UserError
from modelwright.evaluation.metrics import METRICS, Floats, Ints, Measure
from modelwright_runtime.reading import as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright.core.values import Trained
    from modelwright_runtime.signature import Task


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """`truth`, shape (n,): class positions or values. `predicted`, shape (n,): class positions or values.
    `probabilities`, shape (n, n_classes), or None for a regression. `weights`, shape (n,), of rows."""

    kind: str
    classes: tuple[str, ...]
    truth: Any
    predicted: Any
    probabilities: Floats | None
    weights: Floats

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.truth.size)

    def take(self, rows: Ints) -> Answers:
        """The same for some rows, by position."""
        return replace(
            self,
            truth=self.truth[rows],
            predicted=self.predicted[rows],
            probabilities=None if self.probabilities is None else self.probabilities[rows],
            weights=self.weights[rows],
        )

    def measured(self, measure: Measure, weights: Floats | None = None) -> Floats:
        """The metric under `weights` of shape (..., n); the rows' own when None."""
        answer = self.probabilities if measure.takes == "probabilities" else self.predicted
        number: Floats = measure.function(self.truth, answer, self.weights if weights is None else weights)
        return number

    def constant(self, answer: Floats) -> Answers:
        """The same rows, answered with one row of probabilities or one value."""
        if self.probabilities is None:
            return replace(self, predicted=np.full(self.n_rows, float(answer.reshape(-1)[0])))
        shares = np.zeros(self.probabilities.shape[1])
        shares[: answer.size] = answer
        predicted = np.full(self.n_rows, int(shares.argmax()), dtype=np.int64)
        return replace(self, predicted=predicted, probabilities=np.tile(shares, (self.n_rows, 1)))

    def average(self) -> Floats:
        """The constant answer that these rows themselves would give: class shares, or the mean."""
        if self.probabilities is None:
            return np.array([np.average(self.truth, weights=self.weights)])
        counts = np.bincount(self.truth, self.weights, minlength=self.probabilities.shape[1])
        shares: Floats = counts / counts.sum()
        return shares


def answers_of(trained: Trained, data: Dataset) -> tuple[Answers, Dataset, list[Decision]]:
    """Ask the model for every row whose target is known; also those rows, and what was decided.

    Raises `evaluation.target` when the target column is absent and `evaluation.rows` when no row has one.
    """
    task = trained.task
    if task.target not in data.schema:
        raise UserError(
            "evaluation.target",
            f"the rows have no target column {task.target!r}.",
            hint="evaluate on held-out rows that carry the truth",
        )
    known, decisions = _with_truth(data, task.target)
    weights, weight_decisions = _weights(known)
    answer = np.asarray(trained.predict(known), dtype=np.float64)
    if not np.isfinite(answer).all():
        raise UserError(
            "evaluation.answers",
            f"the model answered {int((~np.isfinite(answer)).sum())} times with no finite number.",
            hint="train again; a missing or extreme input is not handled by this graph",
        )
    if task.is_classification:
        answers, more = _class_answers(task, known.column(task.target), answer, trained.signature.threshold)
    else:
        truth = known.column(task.target).cast(float).to_numpy().astype(np.float64)
        answers, more = _value_answers(truth, answer.reshape(-1)), []
    return replace(answers, weights=weights), known, [*decisions, *weight_decisions, *more]


def measures_of(kind: str, names: Sequence[str]) -> list[Measure]:
    """The metrics of those names for that kind of task; `evaluation.metric` when one is of another kind."""
    known = METRICS[kind]
    for name in names:
        if name not in known:
            raise UserError(
                "evaluation.metric",
                f"`{name}` does not measure a {kind} task.",
                hint=f"use one of: {', '.join(sorted(known))}",
            )
    return [known[name] for name in names]


def _with_truth(data: Dataset, target: str) -> tuple[Dataset, list[Decision]]:
    import polars as pl

    from modelwright.core.data import ROW_ID

    frame = data.frame
    missing = pl.col(target).is_null()
    if frame[target].dtype.is_float():
        missing = missing | pl.col(target).is_nan()
    known = frame.filter(~missing)
    if known.height == 0:
        raise UserError(
            "evaluation.rows",
            f"no held-out row has a value in {target!r} ({frame.height} rows given).",
            hint="hold out more rows, or give rows that carry the truth",
        )
    if known.height == frame.height:
        return data, []
    n_left_out = frame.height - known.height
    reason = f"{n_left_out} of {frame.height} rows have no value in {target!r}, so nothing can be compared"
    return data.take(known[ROW_ID].to_numpy()), [Decision("evaluation", "rows", f"{n_left_out} rows left out", reason)]


def _weights(data: Dataset) -> tuple[Floats, list[Decision]]:
    names = data.schema.of_role("weight")
    if not names:
        return np.ones(data.n_rows), []
    weights = data.column(names[0]).cast(float).fill_null(0.0).to_numpy().astype(np.float64)
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() <= 0:
        raise UserError(
            "evaluation.weights",
            f"the weights in {names[0]!r} must be finite, not negative and not all zero.",
            hint="mend the column, or take its role `weight` away",
        )
    reason = f"column {names[0]!r} has the role weight"
    return weights, [Decision("evaluation", "weights", "rows counted by weight", reason)]


def _value_answers(truth: Floats, values: Floats) -> Answers:
    return Answers(
        kind="regression",
        classes=(),
        truth=truth,
        predicted=values,
        probabilities=None,
        weights=np.ones(truth.size),
    )


def _class_answers(
    task: Task, target: pl.Series, probabilities: Floats, threshold: float
) -> tuple[Answers, list[Decision]]:
    """Classes that the model does not know: never right; in a binary task they count as not `classes[1]`."""
    texts = [as_text(value) for value in target.to_list()]
    strangers = tuple(sorted(set(texts) - set(task.classes)))
    classes = task.classes
    position = {name: index for index, name in enumerate(classes)}
    decisions = []
    if strangers and task.kind == "binary":
        position.update(dict.fromkeys(strangers, 0))
        choice = f"counted as not {classes[1]!r}"
        decisions = [Decision("evaluation", "classes", choice, _stranger_reason(strangers))]
    elif strangers:
        classes = (*classes, *strangers)
        position = {name: index for index, name in enumerate(classes)}
        probabilities = np.pad(probabilities, ((0, 0), (0, len(strangers))))
        decisions = [Decision("evaluation", "classes", "counted as wrong", _stranger_reason(strangers))]
    truth = np.array([position[text] for text in texts], dtype=np.int64)
    if task.kind == "binary":
        predicted = (probabilities[:, 1] >= threshold).astype(np.int64)
    else:
        predicted = probabilities.argmax(axis=1).astype(np.int64)
    return Answers(
        kind=task.kind,
        classes=classes,
        truth=truth,
        predicted=predicted,
        probabilities=probabilities,
        weights=np.ones(truth.size),
    ), decisions


def _stranger_reason(strangers: tuple[str, ...]) -> str:
    listing = ", ".join(repr(name) for name in strangers[:5]) + (", ..." if len(strangers) > 5 else "")
    return f"the held-out rows have classes that the model never saw: {listing}"
