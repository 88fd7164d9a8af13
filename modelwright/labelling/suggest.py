"""What a model would say of each row, kept beside the tasks: a suggestion, and the unsure first."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.errors import UserError
from modelwright.labelling.base import ONE_CLASS
from modelwright.labelling.store import Project

if TYPE_CHECKING:
    from modelwright_runtime.model import Model

ROWS_AT_ONCE = 2_000


def keep_suggestions(project: Project, data: Dataset, model: Model, *, name: str, uncertain_first: bool = False) -> int:
    """Ask a model about every row, and keep its answers and how sure it is; how many rows have one.

    Its classes must be among the project's. With `uncertain_first` rows come in the order of the smallest margin
    between the two likeliest classes: what the model is least sure of teaches it most. Reference: Settles (2009),
    "Active learning literature survey". Raises `UserError("labelling.suggest")`.
    """
    kind, task = project.spec.kind, model.signature.task
    fits = task.kind in ("binary", "multiclass") if kind in (*ONE_CLASS, "audio", "series") else (
        kind == "boxes" and task.kind == "detection")  # fmt: skip
    if not fits:
        raise UserError("labelling.suggest", f"a model of {task.kind} has no suggestion for {kind}.")
    missing = [column for column in model.columns if column not in data.schema]
    if missing:
        raise UserError("labelling.suggest", f"the data has no column {missing[0]!r}, which the model needs.")
    found: list[tuple[int, str, float, str]] = []
    margins: dict[int, float] = {}
    table = data.table.select(ROW_ID, *model.columns)
    for start in range(0, data.n_rows, ROWS_AT_ONCE):
        frame = table.slice(start, ROWS_AT_ONCE).collect()
        rows = frame[ROW_ID].to_list()
        answers = model.predict(frame.drop(ROW_ID).to_dicts())
        for row, value, sure, margin in _answers(answers, kind, rows):
            if _is_known(value, project):
                found.append((row, json.dumps(value), sure, name))
            margins[row] = margin
    with project.transaction() as labels:
        labels.execute("DELETE FROM suggestions")
        labels.executemany("INSERT INTO suggestions VALUES (?, ?, ?, ?)", found)
        if uncertain_first:
            _reorder(labels, margins)
    return len(found)


def _answers(answers: Any, kind: str, rows: list[int]) -> list[tuple[int, Any, float, float]]:
    """Row, label, how sure, and the margin of each answer."""
    import numpy as np

    if kind == "boxes":
        names = ("x", "y", "width", "height", "label")
        return [
            (row, [{name: box[name] for name in names} for box in boxes],
             float(np.mean([box["score"] for box in boxes])) if boxes else 0.0,
             float(min((abs(box["score"] - 0.5) for box in boxes), default=1.0)))
            for row, boxes in zip(rows, answers.prediction, strict=True)
        ]  # fmt: skip
    shares = np.sort(answers.probabilities, axis=1)
    made = []
    for place, (row, said) in enumerate(zip(rows, answers.prediction, strict=True)):
        sure = float(answers.probabilities[place, list(answers.classes).index(said)])
        value = said if kind in ONE_CLASS else [{"start": 0, "end": 1, "label": said, "whole": True}]
        made.append((row, value, sure, float(shares[place, -1] - shares[place, -2])))
    return made


def _is_known(value: Any, project: Project) -> bool:
    classes = project.spec.classes
    return value in classes if isinstance(value, str) else all(shape["label"] in classes for shape in value)


def _reorder(labels: sqlite3.Connection, margins: dict[int, float]) -> None:
    """Places by margin, the smallest first; rows without one come last."""
    rows = [row for (row,) in labels.execute("SELECT row FROM tasks ORDER BY place")]
    order = sorted(rows, key=lambda row: margins.get(row, 2.0))
    labels.executemany("UPDATE tasks SET place = ? WHERE row = ?", ((place, row) for place, row in enumerate(order, 1)))
