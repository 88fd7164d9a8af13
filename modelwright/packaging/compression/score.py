"""Truth as arrays, and the one number that a form of the model is judged by: higher is better, a hundredth is a point.

Two classes: area under the ROC curve. More classes: accuracy. Labels: mean area over the labels. A number: share of the
variance explained. These are evaluation's own definitions; stages do not import each other, so they stand here again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright_runtime.signature import Task

N_BINS = 10
NAMES = {
    "binary": "ROC AUC", "multiclass": "accuracy", "multilabel": "mean ROC AUC of the labels", "regression": "R²",
}  # fmt: skip


def truth_of(task: Task, rows: Dataset) -> np.ndarray | None:
    """Class positions (n,), values (n,), or labels (n, n_labels) of 0 and 1; None for other tasks."""
    from modelwright_runtime.reading import as_text

    if task.kind not in NAMES or task.target not in rows.schema:
        return None
    target = rows.column(task.target)
    if task.kind == "regression":
        values: np.ndarray = target.cast(float).to_numpy().astype(np.float64)
        return values
    place = {name: index for index, name in enumerate(task.classes)}
    if task.kind == "multilabel":
        told = np.zeros((rows.n_rows, len(task.classes)))
        for row, labels in enumerate(target.to_list()):
            told[row, [place[label] for label in labels or () if label in place]] = 1.0
        return told
    return np.array([place[as_text(value)] for value in target.to_list()], dtype=np.int64)


def score_of(task: Task, truth: np.ndarray, answers: np.ndarray) -> float:
    """The score; NaN where the rows do not define it.

    >>> from modelwright_runtime.signature import Task
    >>> score_of(Task(kind="regression", target="y"), np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    if not np.isfinite(answers).all():
        return float("nan")
    if task.kind == "binary":
        return area(truth == 1, answers[:, 1])
    if task.kind == "multiclass":
        return float((answers.argmax(axis=1) == truth).mean())
    if task.kind == "multilabel":
        areas = np.array([area(truth[:, k] == 1, answers[:, k]) for k in range(truth.shape[1])])
        return float(areas[np.isfinite(areas)].mean()) if np.isfinite(areas).any() else float("nan")
    spread = ((truth - truth.mean()) ** 2).sum()
    return float(1.0 - ((truth - answers) ** 2).sum() / spread) if spread > 0 else float("nan")


def area(positive: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve by ranks, ties shared; NaN where a class is absent."""
    n_positive = int(positive.sum())
    if n_positive in (0, len(positive)):
        return float("nan")
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    n_negative = len(positive) - n_positive
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def calibration_error(task: Task, truth: np.ndarray, answers: np.ndarray) -> float:
    """Expected calibration error over 10 bins of equal mass; 0 for a number, which has no probability."""
    if not task.is_classification:
        return 0.0
    two = answers.shape[1] == 2
    told = answers[:, 1] if two else answers.max(axis=1)
    hit = truth == 1 if two else answers.argmax(axis=1) == truth
    parts = np.array_split(np.argsort(told, kind="stable"), N_BINS)
    return float(sum(abs((told[part] - hit[part]).sum()) for part in parts) / len(told))
