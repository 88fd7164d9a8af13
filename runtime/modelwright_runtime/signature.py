"""What a model takes and gives, as plain data: the columns, how they are read, how they reach the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from modelwright_runtime.beside import Sets, plain_beside, read_beside
from modelwright_runtime.groups import GroupThresholds
from modelwright_runtime.reading import Reading

if TYPE_CHECKING:
    import numpy as np

TaskKind = Literal[
    "binary", "multiclass", "regression", "multilabel", "forecast", "detection", "segmentation", "anomaly", "clusters",
    "embedding",
]  # fmt: skip
ArrayForm = Literal["image", "audio", "series", "tokens", "codes", "numbers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is predicted. `classes` are texts in the order of the probabilities; empty for a regression.

    In a binary task `classes[1]` is the positive class: the one that `threshold` is about. `horizon` is how
    many steps a forecast looks ahead. What the graph answers, for n rows and K classes:

    - `binary`, `multiclass`: float32 (n, K), probabilities of the classes, rows sum to 1
    - `multilabel`: float32 (n, K), the probability of each label by itself
    - `regression`: float64 (n,); `forecast`: float64 (n, horizon), or (n, horizon, len(quantiles)) where
      `quantiles` (levels such as 0.1, 0.5, 0.9, rising) are forecast
    - `detection`: float32 (n, A, 4 + K): left, top, right, bottom as shares of the image, then class scores
    - `segmentation`: float32 (n, K, height, width): class probabilities at the network's own size
    - `anomaly`: float64 (n, 1 + K): a score from 0 to 1, then how much each of the columns `classes` makes of it
    - `clusters`: float64 (n, K): how much a row belongs to each; `embedding`: float64 (n, K), coordinates `classes`

    Of classes, `costs[k][j]` is what it costs to answer class j where k is true (rows and columns as `classes`): the
    class that is expected to cost least is said; of two classes the threshold says the same. Of a regression, `columns`
    name the numbers that one more output of the graph, float64 (n, len(columns)), tells beside the value: first those
    of the levels `quantiles`, where it has them (without such columns the value itself is that quantile). `coverage` is
    the share of rows whose truth lies in `low`..`high` of them, or in the set of classes that `sets` makes; 0: none.
    """

    kind: TaskKind
    target: str
    classes: tuple[str, ...] = ()
    horizon: int = 0
    quantiles: tuple[float, ...] = ()
    costs: tuple[tuple[float, ...], ...] = ()
    columns: tuple[str, ...] = ()
    coverage: float = 0.0
    sets: Sets | None = None

    @property
    def is_classification(self) -> bool:
        """Whether the answer is one class a row, told by probabilities."""
        return self.kind in ("binary", "multiclass")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextInput:
    """A text column as the graph takes it: TF-IDF weights over `vocabulary`, rows scaled to length 1."""

    column: str
    vocabulary: tuple[str, ...]
    idf: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayInput:
    """Columns as one array, made by `modelwright_runtime.arrays` in training and in serving alike.

    `form` says what is made of the columns' cells, `settings` how (plain data, learned from training rows):

    - `image`: uint8 (n, height, width, channels) from encoded pictures
    - `audio`: float32 (n, n_samples) in -1..1 from encoded sound
    - `series`: float32 (n, n_columns, length) from one list of numbers per column
    - `tokens`: int64 (n, length) from a text; 0 is padding, 1 an unknown token
    - `codes`: int64 (n, n_columns) from categories; 0 is missing, 1 an unseen level
    - `numbers`: float32 (n, n_columns), NaN where missing
    """

    form: ArrayForm
    columns: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How raw rows become the graph's inputs, and how its output is told.

    Graph inputs (those with no column are absent):
    `numbers`, float64 of shape (n, len(numbers)): numbers, booleans as 0 and 1, datetimes as seconds since
    1970, NaN where missing; `categories`, string of shape (n, len(categories)): "" where missing;
    `text_<i>`, float32 of shape (n, len(texts[i].vocabulary)); `array_<i>`, what `arrays[i]` says.

    Graph output: what `task` says; one more output for each of `more_tasks`, in order; then one for each of all these
    tasks that has `columns`, in order.
    `threshold` is the least probability of `classes[1]` at which a binary model says `classes[1]`; rows of the groups
    that `group_thresholds` names have their own, and every row must then have the columns that say its group.
    `more_thresholds` are those of `more_tasks`; 0.5 where they are not said.
    `n_rows_at_once` bounds what one call of the graph is fed. `levels` are the categories seen in training, per
    column; `ranges` the least and largest numbers seen.
    """

    task: Task
    readings: tuple[Reading, ...]
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    texts: tuple[TextInput, ...] = ()
    threshold: float = 0.5
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    n_rows_at_once: int = 65_536
    arrays: tuple[ArrayInput, ...] = ()
    more_tasks: tuple[Task, ...] = ()
    group_thresholds: GroupThresholds | None = None
    more_thresholds: tuple[float, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What is predicted: `task`, then `more_tasks`."""
        return (self.task, *self.more_tasks)

    @property
    def beside(self) -> tuple[Task, ...]:
        """The tasks that have an output more, of numbers beside their values, in order."""
        return tuple(task for task in self.tasks if task.columns)

    def threshold_at(self, place: int) -> float:
        """The one threshold of the task at this place among `tasks`."""
        if place == 0:
            return self.threshold
        return self.more_thresholds[place - 1] if self.more_thresholds else 0.5

    def threshold_of(self, values: Mapping[str, Sequence[Any]]) -> float | np.ndarray:
        """The threshold of rows, given the columns' values as they were read: one for all, or float64 (n,)."""
        if self.group_thresholds is None:
            return self.threshold
        return self.group_thresholds.of_rows(values, self.threshold)

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "task": _plain_task(self.task),
            "readings": [reading.to_plain() for reading in self.readings],
            "numbers": list(self.numbers),
            "categories": list(self.categories),
            "texts": [
                {"column": text.column, "vocabulary": list(text.vocabulary), "idf": list(text.idf)}
                for text in self.texts
            ],
            "threshold": self.threshold,
            "levels": {name: list(values) for name, values in self.levels.items()},
            "ranges": {name: list(pair) for name, pair in self.ranges.items()},
            "n_rows_at_once": self.n_rows_at_once,
            "arrays": [
                {"form": array.form, "columns": list(array.columns), "settings": dict(array.settings)}
                for array in self.arrays
            ],
            "more_tasks": [_plain_task(task) for task in self.more_tasks],
            **({"group_thresholds": self.group_thresholds.to_plain()} if self.group_thresholds else {}),
            **({"more_thresholds": list(self.more_thresholds)} if self.more_thresholds else {}),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Signature:
        """The inverse of `to_plain`.

        >>> task = Task(kind="regression", target="y")
        >>> signature = Signature(task=task, readings=(Reading(column="x", kind="number"),), numbers=("x",))
        >>> Signature.from_plain(signature.to_plain()) == signature
        True
        """
        return cls(
            task=_task(plain["task"]),
            readings=tuple(Reading.from_plain(reading) for reading in plain["readings"]),
            numbers=tuple(plain["numbers"]),
            categories=tuple(plain["categories"]),
            texts=tuple(
                TextInput(column=text["column"], vocabulary=tuple(text["vocabulary"]), idf=tuple(text["idf"]))
                for text in plain["texts"]
            ),
            threshold=float(plain["threshold"]),
            levels={name: tuple(values) for name, values in plain["levels"].items()},
            ranges={name: (float(low), float(high)) for name, (low, high) in plain["ranges"].items()},
            n_rows_at_once=int(plain.get("n_rows_at_once", 65_536)),
            arrays=tuple(
                ArrayInput(form=array["form"], columns=tuple(array["columns"]), settings=array["settings"])
                for array in plain.get("arrays", ())
            ),
            more_tasks=tuple(_task(task) for task in plain.get("more_tasks", ())),
            group_thresholds=GroupThresholds.from_plain(groups) if (groups := plain.get("group_thresholds")) else None,
            more_thresholds=tuple(float(value) for value in plain.get("more_thresholds", ())),
        )


def _plain_task(task: Task) -> dict[str, Any]:
    plain = {"kind": task.kind, "target": task.target, "classes": list(task.classes), "horizon": task.horizon}
    return {**plain, "quantiles": list(task.quantiles), **plain_beside(task)}


def _task(plain: Mapping[str, Any]) -> Task:
    return Task(
        kind=plain["kind"],
        target=plain["target"],
        classes=tuple(plain["classes"]),
        horizon=int(plain.get("horizon", 0)),
        quantiles=tuple(float(level) for level in plain.get("quantiles", ())),
        **read_beside(plain),
    )
