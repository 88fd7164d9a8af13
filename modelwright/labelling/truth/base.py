"""Answers of several people in, one truth per task out, with how sure it is and how good everybody is."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from modelwright.core import registry
from modelwright.core.errors import UserError, nearest
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from scipy.sparse import csr_matrix


class TruthSpec(Spec):
    """How the truth is inferred."""

    method: Literal["majority", "dawid_skene", "glad", "mace"] = Field(
        default="dawid_skene",
        description="majority: every answer counts alike; dawid_skene: each person's own confusions; glad: one ability "
        "a person and one difficulty a task; mace: who answers without looking",
    )
    most_rounds: int = Field(default=200, ge=1, le=10_000, description="rounds after which the search stops")
    tolerance: float = Field(
        default=1e-4, gt=0, lt=1, description="it also stops when no probability moves by more than this in a round"
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """Who said what of which task, as codes: `task`, `worker`, `label` are int64 of shape (n_answers,).

    `tasks`, `workers` and `classes` are what the codes stand for, sorted (`classes` may be in an order of its own).
    """

    task: np.ndarray
    worker: np.ndarray
    label: np.ndarray
    tasks: pl.Series
    workers: pl.Series
    classes: pl.Series

    @property
    def n_tasks(self) -> int:
        """Number of tasks."""
        return len(self.tasks)

    @property
    def n_workers(self) -> int:
        """Number of people."""
        return len(self.workers)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @cached_property
    def by_worker_and_label(self) -> csr_matrix:
        """How often (task; worker and label) was answered, float64 of shape (n_tasks, n_workers * n_classes)."""
        import numpy as np
        from scipy.sparse import csr_matrix

        places = (self.task, self.worker * self.n_classes + self.label)
        return csr_matrix((np.ones(len(self.task)), places), shape=(self.n_tasks, self.n_workers * self.n_classes))

    @cached_property
    def votes(self) -> np.ndarray:
        """Answers of each class to each task, float64 of shape (n_tasks, n_classes)."""
        import numpy as np

        flat = np.bincount(self.task * self.n_classes + self.label, minlength=self.n_tasks * self.n_classes)
        return flat.reshape(self.n_tasks, self.n_classes).astype(np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Truth:
    """What was inferred: a probability for every class of every task, and the skill of every person.

    `posterior` is float64 of shape (n_tasks, n_classes); `prior` (n_classes,) is how common the classes are.
    `ability` (n_workers,) is the chance that a person's answer is right, over the tasks as they are. `confusion`
    (n_workers, n_classes, n_classes) is the chance of each answer (last axis) when a class is the true one.
    """

    method: str
    posterior: np.ndarray
    prior: np.ndarray
    ability: np.ndarray
    confusion: np.ndarray
    n_rounds: int
    converged: bool

    @cached_property
    def best(self) -> np.ndarray:
        """The likeliest class of each task, int64 of shape (n_tasks,); of equally likely ones the commoner."""
        import numpy as np

        classes: np.ndarray = np.argmax(self.posterior + 1e-9 * self.prior, axis=1)
        return classes

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability of the likeliest class, float64 of shape (n_tasks,), 1 / n_classes to 1."""
        confidence: np.ndarray = self.posterior.max(axis=1)
        return confidence


def answers_of(
    tasks: Sequence[Any] | np.ndarray | pl.Series, workers: Sequence[Any] | np.ndarray | pl.Series,
    labels: Sequence[Any] | np.ndarray | pl.Series, *, classes: Sequence[Any] | None = None,
) -> Answers:  # fmt: skip
    """Three columns of equal length as codes. `classes` gives the classes and their order, and may name unused ones.

    Raises `UserError`: `truth.answers` (no answers, unequal lengths, a missing value), `truth.class`.

    >>> answers = answers_of([7, 7, 9], ["ann", "bo", "ann"], ["cat", "dog", "cat"])
    >>> answers.task.tolist(), answers.worker.tolist(), answers.label.tolist(), answers.classes.to_list()
    ([0, 0, 1], [0, 1, 0], [0, 1, 0], ['cat', 'dog'])
    """
    import polars as pl

    columns = [pl.Series(name, values) for name, values in (("task", tasks), ("worker", workers), ("label", labels))]
    lengths = {len(column) for column in columns}
    if lengths != {len(columns[0])} or 0 in lengths or any(column.null_count() for column in columns):
        raise UserError(
            "truth.answers",
            f"answers need a task, a person and a label each, at least one of them; got {[len(c) for c in columns]} "
            f"of which {[c.null_count() for c in columns]} are missing.",
        )
    names = [column.unique().sort() for column in columns]
    if classes is not None:
        unknown = set(names[2].to_list()) - set(classes)
        if unknown:
            raise UserError("truth.class", f"an answer is {min(map(repr, unknown))}, which is none of the classes.",
                            hint=nearest(str(min(map(repr, unknown))), map(str, classes)))  # fmt: skip
        names[2] = pl.Series("label", list(classes))
    codes = [
        column.replace_strict(known, pl.int_range(len(known), dtype=pl.Int64, eager=True)).to_numpy()
        for column, known in zip(columns, names, strict=True)
    ]
    return Answers(
        task=codes[0], worker=codes[1], label=codes[2], tasks=names[0], workers=names[1], classes=names[2]
    )  # fmt: skip


def known_of(answers: Answers, gold: Mapping[Hashable, Hashable]) -> np.ndarray:
    """Known truths (task to class) as codes: int64 of shape (n_tasks,), -1 where the truth is not known.

    A task that nobody answered is passed over. Raises `UserError("truth.class")` for a class that is none.

    >>> known_of(answers_of([7, 9], ["ann", "ann"], ["cat", "dog"]), {9: "cat"}).tolist()
    [-1, 0]
    """
    import numpy as np

    places = {task: place for place, task in enumerate(answers.tasks.to_list())}
    codes = {label: code for code, label in enumerate(answers.classes.to_list())}
    known = np.full(answers.n_tasks, -1, dtype=np.int64)
    for task, label in gold.items():
        if label not in codes:
            raise UserError("truth.class", f"the known truth of {task!r} is {label!r}, which is none of the classes.",
                            hint=nearest(str(label), map(str, codes)))  # fmt: skip
        if task in places:
            known[places[task]] = codes[label]
    return known


def truth(answers: Answers, spec: TruthSpec = TruthSpec(), *, known: np.ndarray | None = None) -> Truth:  # noqa: B008
    """The truth of every task by the method that the spec names. The same answers give the same bytes.

    `known` (see `known_of`) holds the tasks whose truth is given: their posterior is that class, and people are
    measured on them.

    References: Dawid and Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM
    algorithm"; Whitehill et al. (2009), "Whose vote should count more" (GLAD); Hovy et al. (2013), "Learning whom
    to trust with MACE"; Zheng et al. (2017), "Truth inference in crowdsourcing: is the problem solved?".

    >>> said = [("a", 1), ("b", 1), ("c", 0), ("a", 0), ("b", 0), ("c", 1), ("a", 1), ("b", 1), ("c", 0)]
    >>> answers = answers_of([0, 0, 0, 1, 1, 1, 2, 2, 2], [who for who, _ in said], [label for _, label in said])
    >>> found = truth(answers)
    >>> found.best.tolist(), found.ability.round(1).tolist(), found.converged
    ([1, 0, 1], [1.0, 1.0, 0.0], True)
    """
    infer = registry.get("truth", spec.method)
    inferred: Truth = infer(answers, spec, known)
    return inferred


def clamped(posterior: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """The posterior with the known truths put in."""
    import numpy as np

    if known is None:
        return posterior
    rows = np.flatnonzero(known >= 0)
    posterior[rows] = 0.0
    posterior[rows, known[rows]] = 1.0
    return posterior


def started(answers: Answers, known: np.ndarray | None) -> np.ndarray:
    """Shares of the votes, float64 of shape (n_tasks, n_classes): where every search begins."""
    import numpy as np

    votes = answers.votes
    n_votes = votes.sum(axis=1, keepdims=True)
    shares = np.divide(votes, n_votes, out=np.full_like(votes, 1 / answers.n_classes), where=n_votes > 0)
    return clamped(shares, known)


def normalised(log: np.ndarray) -> np.ndarray:
    """Rows of log weights as probabilities."""
    import numpy as np

    turned = np.ascontiguousarray(log.T)  # reducing along a last axis of two classes costs six times as much
    turned -= turned.max(axis=0)
    np.exp(turned, out=turned)
    turned /= turned.sum(axis=0)
    return np.ascontiguousarray(turned.T)


def skills(answers: Answers, posterior: np.ndarray, smoothing: float) -> tuple[np.ndarray, np.ndarray]:
    """Confusion and ability of every person under a posterior (see `Truth`)."""
    import numpy as np

    n_workers, n_classes = answers.n_workers, answers.n_classes
    counts = (answers.by_worker_and_label.T @ posterior).reshape(n_workers, n_classes, n_classes).transpose(0, 2, 1)
    right = np.trace(counts, axis1=1, axis2=2)
    n_answers = counts.sum(axis=(1, 2))
    ability = (right + smoothing) / (n_answers + smoothing * n_classes)
    smooth = counts + smoothing
    return smooth / smooth.sum(axis=2, keepdims=True), ability
