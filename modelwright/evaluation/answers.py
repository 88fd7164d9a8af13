"""Truth and answers side by side, as arrays: what every metric, slice and picture is computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.data import Decision
from modelwright.evaluation.beside import inside
from modelwright.evaluation.metrics import Floats, Ints, Measure
from modelwright_runtime.beside import cheapest
from modelwright_runtime.reading import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

    from modelwright_runtime.signature import Task

COMMON = 0.5
"""The constant baseline gives the labels that at least this share of the rows has."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """`truth`, shape (n,): class positions or values; (n, n_labels) of 0 and 1 where a row may have many labels.
    `predicted` likewise. `probabilities`, shape (n, n_classes), or None for a regression. `weights`, shape (n,).
    `beside` (n, k): what is told beside the answer, or which classes are in its set. `costs` are the task's."""

    kind: str
    classes: tuple[str, ...]
    truth: Any
    predicted: Any
    probabilities: Floats | None
    weights: Floats
    units: Ints | None = None
    beside: Floats | None = None
    costs: tuple[tuple[float, ...], ...] = ()
    cheap: Ints | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.truth)

    @property
    def n_columns(self) -> int:
        """What one row costs in a draw."""
        return max(1, len(self.classes) - 1)

    def n_errorless(self, metric: str) -> int:
        """Rows that an errorless share can speak for: all for the accuracy, else those of the rarest class."""
        if self.probabilities is None or metric in ("accuracy", "coverage") or self.truth.ndim > 1:
            return self.n_rows
        sizes = np.bincount(self.truth)
        return int(sizes[sizes > 0].min())

    def take(self, rows: Ints) -> Answers:
        """The same for some rows, by position."""
        return replace(
            self,
            truth=self.truth[rows],
            predicted=self.predicted[rows],
            probabilities=None if self.probabilities is None else self.probabilities[rows],
            weights=self.weights[rows],
            beside=None if self.beside is None else self.beside[rows],
            cheap=None if self.cheap is None else self.cheap[rows],
        )

    def measured(self, measure: Measure, weights: Floats | None = None) -> Floats:
        """The metric under `weights` of shape (..., n); the rows' own when None."""
        weights = self.weights if weights is None else weights
        answer = self.probabilities if measure.takes == "probabilities" else self.predicted
        if measure.takes == "beside":
            answer = self.beside
        elif measure.takes == "said" and self.cheap is not None:
            answer = self.cheap
        number: Floats = (
            np.full(weights.shape[:-1], np.nan) if answer is None else measure.function(self.truth, answer, weights)
        )
        return number

    def constant(self, answer: Floats) -> Answers:
        """The same rows, answered with one row of probabilities or one value, and nothing beside it. Where answers
        have costs, `cheap` is the one that costs least."""
        if self.probabilities is None:
            return replace(self, predicted=np.full(self.n_rows, float(answer.reshape(-1)[0])), beside=None)
        shares = np.zeros(self.probabilities.shape[1])
        shares[: answer.size] = answer
        given = np.tile(shares, (self.n_rows, 1))
        if self.truth.ndim > 1:
            # The labels that most rows have; the commonest one where no label is so common.
            common = np.minimum(COMMON, shares.max(initial=0.0))
            return replace(self, predicted=(given >= common).astype(np.int64), probabilities=given)
        predicted = np.full(self.n_rows, int(shares.argmax()), dtype=np.int64)
        cheap = None
        if self.costs:
            expected = shares[: len(self.costs)] @ np.array(self.costs)
            cheap = np.full(self.n_rows, int(expected.argmin()), dtype=np.int64)
        return replace(self, predicted=predicted, probabilities=given, beside=None, cheap=cheap)

    def average(self) -> Floats:
        """The constant answer that these rows themselves would give: class shares, or the mean."""
        if self.probabilities is None or self.truth.ndim > 1:
            return np.atleast_1d(np.average(self.truth, axis=0, weights=self.weights))
        counts = np.bincount(self.truth, self.weights, minlength=self.probabilities.shape[1])
        shares: Floats = counts / counts.sum()
        return shares

    def losses(self) -> Floats:
        """How badly each row was answered: minus the log of the true class's probability, or the absolute error."""
        if self.probabilities is None:
            missed: Floats = np.abs(self.truth - self.predicted)
            return missed
        if self.truth.ndim > 1:
            of_truth = np.where(self.truth == 1, self.probabilities, 1.0 - self.probabilities)
        else:
            of_truth = self.probabilities[np.arange(self.n_rows), self.truth][:, None]
        surprise: Floats = -np.log(np.clip(of_truth, 1e-12, 1.0)).mean(axis=1)
        return surprise


def class_answers(
    task: Task, target: pl.Series, probabilities: Floats, threshold: float | Floats
) -> tuple[Answers, list[Decision]]:
    """Classes that the model does not know: never right; in a binary task they count as not `classes[1]`.

    `threshold` is one for all rows, or one for each.
    """
    texts = [as_text(value) for value in target.to_list()]
    strangers = tuple(sorted(set(texts) - set(task.classes)))
    classes = task.classes
    position = {name: index for index, name in enumerate(classes)}
    decisions = []
    if strangers and task.kind == "binary":
        position.update(dict.fromkeys(strangers, 0))
        choice = f"counted as not {classes[1]!r}"
        decisions = [Decision("evaluation", "classes", choice, stranger_reason(strangers))]
    elif strangers:
        classes = (*classes, *strangers)
        position = {name: index for index, name in enumerate(classes)}
        probabilities = np.pad(probabilities, ((0, 0), (0, len(strangers))))
        decisions = [Decision("evaluation", "classes", "counted as wrong", stranger_reason(strangers))]
    truth = np.array([position[text] for text in texts], dtype=np.int64)
    if task.kind == "binary":
        predicted = (probabilities[:, 1] >= threshold).astype(np.int64)
    elif task.costs:
        predicted = cheapest(probabilities[:, : len(task.classes)], task.costs).astype(np.int64)
    else:
        predicted = probabilities.argmax(axis=1).astype(np.int64)
    return Answers(
        kind=task.kind,
        classes=classes,
        truth=truth,
        predicted=predicted,
        probabilities=probabilities,
        weights=np.ones(truth.size),
        beside=inside(task, probabilities, len(classes) - len(task.classes)),
        costs=task.costs,
    ), decisions


def label_answers(
    task: Task, target: pl.Series, probabilities: Floats, threshold: float
) -> tuple[Answers, list[Decision]]:
    """Many labels a row, given from `threshold` on. Labels that the model does not know count as missed."""
    sets = [set(labels) for labels in target.to_list()]
    strangers = tuple(sorted(set().union(*sets) - set(task.classes))) if sets else ()
    classes = (*task.classes, *strangers)
    decisions = []
    if strangers:
        probabilities = np.pad(probabilities, ((0, 0), (0, len(strangers))))
        decisions = [Decision("evaluation", "classes", "counted as missed", stranger_reason(strangers))]
    truth = np.array([[name in labels for name in classes] for labels in sets], dtype=np.int64)
    return Answers(
        kind=task.kind,
        classes=classes,
        truth=truth.reshape(len(sets), len(classes)),
        predicted=(probabilities >= threshold).astype(np.int64),
        probabilities=probabilities,
        weights=np.ones(len(sets)),
    ), decisions


def value_answers(target: pl.Series, values: Floats) -> Answers:
    """One number a row."""
    truth = target.cast(float).to_numpy().astype(np.float64)
    return Answers(
        kind="regression",
        classes=(),
        truth=truth,
        predicted=values,
        probabilities=None,
        weights=np.ones(truth.size),
    )


def stranger_reason(strangers: Iterable[str]) -> str:
    """Which classes the model never saw, in words."""
    names = list(strangers)
    listing = ", ".join(repr(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
    return f"the held-out rows have classes that the model never saw: {listing}"
