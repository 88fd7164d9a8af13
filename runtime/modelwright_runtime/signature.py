"""What a model takes and gives, as plain data: the columns, how they are read, how they reach the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from modelwright_runtime.reading import Reading

TaskKind = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is predicted. `classes` are texts in the order of the probabilities; empty for a regression.

    In a binary task `classes[1]` is the positive class: the one that `threshold` is about.
    """

    kind: TaskKind
    target: str
    classes: tuple[str, ...] = ()

    @property
    def is_classification(self) -> bool:
        """Whether the answer is a class."""
        return self.kind != "regression"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextInput:
    """A text column as the graph takes it: TF-IDF weights over `vocabulary`, rows scaled to length 1."""

    column: str
    vocabulary: tuple[str, ...]
    idf: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How raw rows become the graph's inputs, and how its output is told.

    Graph inputs (those with no column are absent):
    `numbers`, float64 of shape (n, len(numbers)): numbers, booleans as 0 and 1, datetimes as seconds since
    1970, NaN where missing; `categories`, string of shape (n, len(categories)): "" where missing;
    `text_<i>`, float32 of shape (n, len(texts[i].vocabulary)).

    Graph output: `probabilities`, float32 of shape (n, len(task.classes)), or `values`, float64, shape (n,).
    `threshold` is the least probability of `classes[1]` at which a binary model says `classes[1]`.
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

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "task": {"kind": self.task.kind, "target": self.task.target, "classes": list(self.task.classes)},
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
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Signature:
        """The inverse of `to_plain`.

        >>> task = Task(kind="regression", target="y")
        >>> signature = Signature(task=task, readings=(Reading(column="x", kind="number"),), numbers=("x",))
        >>> Signature.from_plain(signature.to_plain()) == signature
        True
        """
        task = plain["task"]
        return cls(
            task=Task(kind=task["kind"], target=task["target"], classes=tuple(task["classes"])),
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
        )
