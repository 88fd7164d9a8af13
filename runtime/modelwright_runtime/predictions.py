"""What a model answered: one value per row, its probabilities, and what was odd about the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelwright_runtime.cells import Note
from modelwright_runtime.signature import Signature


def decide(answer: np.ndarray, signature: Signature) -> np.ndarray:
    """The class of each row (texts, shape (n,)) from probabilities (n, n_classes), or the values themselves.

    A binary model says `classes[1]` from `signature.threshold` on; others say their most probable class.
    Values come back as float64 of shape (n,).

    >>> from modelwright_runtime.signature import Task
    >>> yes_or_no = Task(kind="binary", target="y", classes=("no", "yes"))
    >>> decide(np.array([[0.7, 0.3]]), Signature(task=yes_or_no, readings=(), threshold=0.2)).tolist()
    ['yes']
    """
    if not signature.task.is_classification:
        return answer.astype(np.float64, copy=False)
    if signature.task.kind == "binary":
        index = (answer[:, 1] >= signature.threshold).astype(np.intp)
    else:
        index = answer.argmax(axis=1)
    chosen: np.ndarray = np.array(signature.task.classes, dtype=object)[index]
    return chosen


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """The answers to n rows, in their order.

    `prediction` has shape (n,): texts (dtype object) of a classification, float64 of a regression.
    `probabilities` has shape (n, n_classes), float32, in the order of `classes`; None for a regression.
    `warnings` name row and column of what was odd (at most 100; `n_more_warnings` counts the rest).

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

    def __len__(self) -> int:
        return len(self.prediction)

    def names(self) -> list[str]:
        """The columns of `rows()`: `prediction`, then `probability_<class>` for each class."""
        return ["prediction", *(f"probability_{name}" for name in self.classes)]

    def rows(self) -> list[dict[str, Any]]:
        """One dict per row: `prediction`, and for classes `probability_<class>` for each."""
        columns = [self.prediction.tolist()]
        if self.probabilities is not None:
            columns += self.probabilities.T.tolist()
        names = self.names()
        return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]

    def __repr__(self) -> str:
        lines = [f"{len(self)} predictions of {self.target or 'the target'}"]
        for row in self.rows_head(5):
            shares = "  ".join(f"{name[12:]} {value:.3f}" for name, value in list(row.items())[1:6])
            value = row["prediction"]
            told = f"{value:.6g}" if isinstance(value, float) else str(value)
            lines.append(f"  {told}" + (f"  ({shares})" if shares else ""))
        if len(self) > 5:
            lines.append(f"  ... and {len(self) - 5} more")
        lines += [f"  warning: {note}" for note in self.warnings[:5]]
        n_more = max(0, len(self.warnings) - 5) + self.n_more_warnings
        return "\n".join([*lines, f"  ... and {n_more} more warnings"] if n_more else lines)

    def rows_head(self, n_rows: int) -> list[dict[str, Any]]:
        """The first rows of `rows()`, without making the others."""
        head = None if self.probabilities is None else self.probabilities[:n_rows]
        return Predictions(prediction=self.prediction[:n_rows], probabilities=head, classes=self.classes).rows()
