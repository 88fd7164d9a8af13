"""What is told beside an answer: the cheapest class, the classes that a row may have, numbers such as quantiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from modelwright_runtime.signature import Task

SLACK = 1e-6
"""Probabilities are float32: a class this near to the limit of a set is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """Which classes a row's set holds, the likeliest one always.

    `lac`: those whose probability is at least `limit`. `aps`: the likeliest first, until what comes before makes more
    than `limit`.

    References: Sadinle, Lei and Wasserman (2019), "Least ambiguous set-valued classifiers with bounded error levels";
    Romano, Sesia and Candès (2020), "Classification with valid and adaptive coverage".
    """

    method: Literal["lac", "aps"]
    limit: float


def cheapest(probabilities: np.ndarray, costs: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """The number of the class, (n,), whose answer is expected to cost least; of equals the first.

    `costs[k][j]` is what it costs to answer class j where k is true.
    Reference: Elkan (2001), "The foundations of cost-sensitive learning".

    >>> cheapest(np.array([[0.8, 0.2], [0.9, 0.1]]), ((0.0, 1.0), (5.0, 0.0))).tolist()
    [1, 0]
    """
    expected = probabilities.astype(np.float64) @ np.array(costs)
    index: np.ndarray = expected.argmin(axis=1)
    return index


def members(probabilities: np.ndarray, sets: Sets) -> np.ndarray:
    """Which classes are in each row's set, bool (n, n_classes).

    >>> shares = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]])
    >>> members(shares, Sets(method="lac", limit=0.25)).tolist()
    [[True, False, False], [True, True, False]]
    >>> members(shares, Sets(method="aps", limit=0.6)).tolist()
    [[True, False, False], [True, True, False]]
    """
    shares = probabilities.astype(np.float64)
    order = np.argsort(-shares, axis=1, kind="stable")
    if sets.method == "lac":
        inside = shares >= sets.limit - SLACK
    else:
        before = np.cumsum(np.take_along_axis(shares, order, axis=1), axis=1)
        before = np.concatenate([np.zeros((len(shares), 1)), before[:, :-1]], axis=1)
        inside = np.empty(shares.shape, dtype=bool)
        np.put_along_axis(inside, order, before <= sets.limit + SLACK, axis=1)
    np.put_along_axis(inside, order[:, :1], values=True, axis=1)
    return inside


def told_beside(task: Task, answer: np.ndarray, numbers: np.ndarray | None) -> tuple[tuple[str, np.ndarray], ...]:
    """The columns beside the answer with their names: `task.columns` of `numbers`, and `set`, lists of classes with
    the likeliest first."""
    found = [] if numbers is None else [(name, numbers[:, place]) for place, name in enumerate(task.columns)]
    if task.sets is None:
        return tuple(found)
    inside, order = members(answer, task.sets), np.argsort(-answer, axis=1, kind="stable")
    sets = np.empty(len(answer), dtype=object)
    for row, (places, own) in enumerate(zip(order.tolist(), inside.tolist(), strict=True)):
        sets[row] = [task.classes[place] for place in places if own[place]]
    return (*found, ("set", sets))


def schema_beside(task: Task) -> dict[str, Any]:
    """The columns beside the answer as JSON Schema."""
    about: dict[str, str] = dict.fromkeys(task.columns, "a quantile")
    share = f"{task.coverage:.1%}".replace(".0%", "%")
    if task.coverage and not task.classes:
        about |= {"low": f"from here to `high` lie {share} of the truths", "high": "see `low`"}
    told: dict[str, Any] = {name: {"type": "number", "description": text} for name, text in about.items()}
    if task.sets is not None:
        items = {"type": "string", "enum": list(task.classes)}
        text = f"holds the true class of {share} of the rows at least; the likeliest first"
        told["set"] = {"type": "array", "items": items, "minItems": 1, "description": text}
    return told


def plain_beside(task: Task) -> dict[str, Any]:
    """What a task says of it, JSON-able; nothing where it says nothing, as tasks of older packages do."""
    plain: dict[str, Any] = {}
    if task.costs:
        plain["costs"] = [list(row) for row in task.costs]
    if task.columns:
        plain["columns"] = list(task.columns)
    if task.coverage:
        plain["coverage"] = task.coverage
    if task.sets is not None:
        plain["sets"] = {"method": task.sets.method, "limit": task.sets.limit}
    return plain


def read_beside(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `plain_beside`: settings of a `Task`. Raises `ValueError` for what is no such thing."""
    costs = tuple(tuple(float(cost) for cost in row) for row in plain.get("costs", ()))
    n_classes = len(plain["classes"])
    if costs and (len(costs) != n_classes or any(len(row) != n_classes for row in costs)):
        raise ValueError("costs need a row and a column for each class")
    given = plain.get("sets")
    if given and given["method"] not in ("lac", "aps"):
        raise ValueError(f"there is no method of sets {given['method']!r}")
    return {
        "costs": costs,
        "columns": tuple(str(name) for name in plain.get("columns", ())),
        "coverage": float(plain.get("coverage", 0.0)),
        "sets": Sets(method=given["method"], limit=float(given["limit"])) if given else None,
    }
