"""What a model answered: one value per row, its probabilities, and what was odd about the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelwright_runtime.beside import cheapest
from modelwright_runtime.cells import Note
from modelwright_runtime.errors import UserError
from modelwright_runtime.signature import Signature, Task
from modelwright_runtime.unlabelled import KINDS, named


def decide(answer: np.ndarray, signature: Signature) -> np.ndarray:
    """The class of each row (texts, shape (n,)) from probabilities (n, n_classes), or the values themselves.

    A binary model says `classes[1]` from `signature.threshold` on (thresholds by group need the rows: `Model.predict`
    has them); others say their most probable class, or, where costs are stated, the one expected to cost least.
    Values come back as float64 of shape (n,).

    >>> yes_or_no = Task(kind="binary", target="y", classes=("no", "yes"))
    >>> decide(np.array([[0.7, 0.3]]), Signature(task=yes_or_no, readings=(), threshold=0.2)).tolist()
    ['yes']
    """
    return decide_task(answer, signature.task, signature.threshold)


def decide_task(answer: np.ndarray, task: Task, threshold: float | np.ndarray) -> np.ndarray:
    """What is said of each row for one task: `decide`, and for several labels a list of those from `threshold` on,
    which is one for all rows or, of a binary model, one for each.

    A forecast is float64 (n, horizon): where quantiles are told, the one nearest the median.
    """
    if task.kind == "binary":
        index = (answer[:, 1] >= threshold).astype(np.intp)
    elif task.kind == "multiclass":
        index = cheapest(answer, task.costs) if task.costs else answer.argmax(axis=1)
    elif task.kind == "multilabel":
        return objects([[task.classes[k] for k in np.flatnonzero(row >= threshold)] for row in answer])
    elif task.kind in KINDS:
        return named(task, answer, threshold)[0][1]
    else:
        if answer.ndim == 3:
            answer = answer[:, :, int(np.argmin(np.abs(np.array(task.quantiles) - 0.5)))]
        return answer.astype(np.float64, copy=False)
    chosen: np.ndarray = np.array(task.classes, dtype=object)[index]
    return chosen


def check_finite(answers: Sequence[np.ndarray]) -> None:
    """Refuse rows to which the graph has no finite answer, as it has none to numbers near the end of what a float
    holds: `UserError` `rows.answer`.

    >>> check_finite([np.array([0.5, 1.0])])
    """
    for answer in answers:
        if answer.dtype.kind == "f" and not np.isfinite(answer).all():
            row = int(np.flatnonzero(~np.isfinite(answer.reshape(len(answer), -1)).all(axis=1))[0])
            raise UserError(
                "rows.answer", f"row {row}: the model has no finite answer to it.",
                hint="a number in it is far beyond those of the training",
            )  # fmt: skip


def objects(values: list[Any]) -> np.ndarray:
    """Values of any kind, lists too, as an array of objects of shape (n,)."""
    made = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        made[index] = value
    return made


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """The answers to n rows, in their order.

    `prediction` has shape (n,): texts (dtype object) of a classification, float64 of a regression, for several
    labels a list of texts, for boxes a list of `{label, score, x, y, width, height}` in pixels of the original
    picture, for a mask `{mask, width, height, shares}`: a PNG of class numbers in base64 and the share of each class.
    A forecast is float64 (n, horizon). `probabilities` has shape (n, n_classes), float32, in the order of `classes`;
    None where there are none. `quantiles` are a forecast's, float64 (n, horizon, len(levels)).
    `warnings` name row and column of what was odd (at most 100; `n_more_warnings` counts the rest).
    `named` are the columns that are told in place of these where there is no target: `is_anomaly`, `score`, `reasons`;
    `cluster`, `probability`; or coordinates. The first of them is the `prediction`.
    `beside` are columns that follow these: quantiles, `low` and `high` of an interval, the `set` of classes.
    `more` are the answers for further targets; then all columns of `rows()` begin with their target's name.

    >>> answered = Predictions(prediction=np.array([1.5, 2.0]), target="price")
    >>> answered.rows()
    [{'prediction': 1.5}, {'prediction': 2.0}]
    """

    prediction: np.ndarray
    probabilities: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    warnings: tuple[Note, ...] = ()
    n_more_warnings: int = 0
    target: str = ""
    quantiles: np.ndarray | None = None
    levels: tuple[float, ...] = ()
    more: tuple[Predictions, ...] = ()
    named: tuple[tuple[str, np.ndarray], ...] = ()
    beside: tuple[tuple[str, np.ndarray], ...] = ()

    def __len__(self) -> int:
        return len(self.prediction)

    def names(self) -> list[str]:
        """The columns of `rows()`: `prediction`, then `probability_<class>` for each class and those of `beside`, or
        `quantile_<level>` for each level of a forecast; or those of `named`. With further targets each is
        `<target>_prediction` and so on."""
        if not self.more:
            return self._own_names()
        return [f"{one.target}_{name}" for one in (self, *self.more) for name in one._own_names()]

    def _own_names(self) -> list[str]:
        if self.named:
            return [name for name, _ in self.named]
        told = () if self.probabilities is None else self.classes
        names = ["prediction", *(f"probability_{name}" for name in told), *(name for name, _ in self.beside)]
        return names if self.quantiles is None else [*names, *(f"quantile_{level:g}" for level in self.levels)]

    def _own_columns(self) -> list[list[Any]]:
        if self.named:
            return [values.tolist() for _, values in self.named]
        columns = [self.prediction.tolist()]
        if self.probabilities is not None:
            columns += self.probabilities.T.tolist()
        columns += [values.tolist() for _, values in self.beside]
        if self.quantiles is not None:
            columns += np.moveaxis(self.quantiles, 2, 0).tolist()
        return columns

    def columns(self) -> dict[str, list[Any]]:
        """The answers as columns: `names()` to plain Python values, one per row."""
        told = [column for one in (self, *self.more) for column in one._own_columns()]
        return dict(zip(self.names(), told, strict=True))

    def rows(self) -> list[dict[str, Any]]:
        """One dict per row: `prediction`, and for classes `probability_<class>` for each."""
        columns = self._own_columns()
        for one in self.more:
            columns += one._own_columns()
        names = self.names()
        return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]

    def __repr__(self) -> str:
        targets = ", ".join(one.target or "the target" for one in (self, *self.more))
        lines = [f"{len(self)} predictions of {targets}"]
        lines += ["  " + "; ".join(one._told(row) for one in (self, *self.more)) for row in range(min(5, len(self)))]
        if len(self) > 5:
            lines.append(f"  ... and {len(self) - 5} more")
        lines += [f"  warning: {note}" for note in self.warnings[:5]]
        n_more = max(0, len(self.warnings) - 5) + self.n_more_warnings
        return "\n".join([*lines, f"  ... and {n_more} more warnings"] if n_more else lines)

    def _told(self, row: int) -> str:
        if self.named:
            return "  ".join(f"{name} {_short(values[row])}" for name, values in self.named[:6])
        told = _short(self.prediction[row])
        if self.probabilities is None:
            return told
        pairs = list(zip(self.classes, self.probabilities[row].tolist(), strict=True))[:5]
        return f"{told}  (" + "  ".join(f"{name} {value:.3f}" for name, value in pairs) + ")"


def _short(value: Any) -> str:
    """One answer in a few words."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {share:.1%}" for name, share in list(value.get("shares", {}).items())[:5])
    if isinstance(value, np.ndarray):
        return " ".join(f"{number:.6g}" for number in value[:5].tolist()) + (" ..." if len(value) > 5 else "")
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            counts = Counter(box["label"] for box in value)
            return ", ".join(f"{count} {label}" for label, count in counts.most_common(5))
        return ", ".join(map(str, value[:5])) or "nothing"
    return str(value)
