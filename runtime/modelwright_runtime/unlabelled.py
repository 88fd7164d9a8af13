"""What is told of rows by a model without a target: how odd they are, which group they are in, where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from modelwright_runtime.signature import Task

KINDS = ("anomaly", "clusters", "embedding")
MOST_REASONS = 3
REASON_SHARE = 0.5
"""A column is named beside the first when it has at least half as much to do with it."""


def named(task: Task, answer: np.ndarray, threshold: float | np.ndarray) -> tuple[tuple[str, np.ndarray], ...]:
    """The columns of an answer with their names, the first of which is the answer itself.

    >>> from modelwright_runtime.signature import Task
    >>> task = Task(kind="anomaly", target="anomaly", classes=("age", "city"))
    >>> told = named(task, np.array([[0.4, 1.0, 1.0], [0.99, 7.0, 2.0]]), 0.95)
    >>> [(name, values.tolist()) for name, values in told]
    [('is_anomaly', [False, True]), ('score', [0.4, 0.99]), ('reasons', [[], ['age']])]
    """
    if task.kind == "anomaly":
        odd = answer[:, 0] >= threshold
        reasons = [_reasons(task.classes, parts) if is_odd else [] for is_odd, parts in zip(odd, answer[:, 1:])]  # noqa: B905
        return (("is_anomaly", odd), ("score", answer[:, 0].astype(np.float64)), ("reasons", _objects(reasons)))
    if task.kind == "clusters":
        most = answer.max(axis=1)
        groups = [task.classes[place] if share > 0 else None
                  for place, share in zip(answer.argmax(axis=1).tolist(), most.tolist(), strict=True)]  # fmt: skip
        return (("cluster", _objects(groups)), ("probability", most.astype(np.float64)))
    return tuple((name, answer[:, place].astype(np.float64)) for place, name in enumerate(task.classes))


def _reasons(columns: tuple[str, ...], parts: np.ndarray) -> list[str]:
    """The columns that have most to do with it."""
    order = np.argsort(-parts, kind="stable")[:MOST_REASONS].tolist()
    return [columns[place] for place in order if parts[place] >= REASON_SHARE * parts[order[0]]]


def _objects(values: list[Any]) -> np.ndarray:
    made = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        made[index] = value
    return made


def words_of(task: Task) -> str:
    """What is answered, in a few words.

    >>> from modelwright_runtime.signature import Task
    >>> words_of(Task(kind="clusters", target="cluster", classes=("1", "2")))
    'which of 2 clusters a row is in'
    """
    if task.kind == "anomaly":
        return "how odd a row is"
    if task.kind == "clusters":
        return f"which of {len(task.classes)} clusters a row is in"
    return f"{len(task.classes)} coordinates for a row"


def shape_of(task: Task, n_rows: int) -> tuple[int, int]:
    """The shape that the graph's answer has."""
    return n_rows, len(task.classes) + (task.kind == "anomaly")


def schema_of(task: Task) -> dict[str, Any]:
    """The columns of an answer as JSON Schema."""
    share = {"type": "number", "minimum": 0, "maximum": 1}
    if task.kind == "anomaly":
        columns = {"type": "string", "enum": list(task.classes)}
        about = "share of usual rows that are less odd"
        reasons = {"type": "array", "items": columns, "description": "the columns that make it so, of an anomaly"}
        return {"is_anomaly": {"type": "boolean"}, "score": {**share, "description": about}, "reasons": reasons}
    if task.kind == "clusters":
        group = {"type": ["string", "null"], "enum": [*task.classes, None], "description": "null: in none of them"}
        return {"cluster": group, "probability": share}
    return {name: {"type": "number"} for name in task.classes}
