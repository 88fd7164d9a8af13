"""A category as the mean target of its level, drawn towards the mean of all where rows are few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.features._levels import by_frequency, codes, emit_codes
from modelwright.features.base import State, Step

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task


class TargetSpec(Spec):
    """How the means are smoothed."""

    prior_rows: float = Field(
        10.0, gt=0, allow_inf_nan=False, description="the mean of all weighs as much as so many rows"
    )
    n_folds: int = Field(5, ge=2, le=100, description="folds that keep a training row's own target out")
    max_levels: int = Field(10_000, ge=1, description="levels beyond the most frequent ones count as unseen")


def learn(x: np.ndarray, *, spec: TargetSpec, target: np.ndarray, task: Task, rng: np.random.Generator) -> State:
    """Levels and their smoothed target means, for rows other than these; see `learn_apply`.

    The mean of a class is its share; there is one per class but the first. The last row of each column's
    table is the mean of all: for levels not seen.

    Reference: Micci-Barreca (2001), "A preprocessing scheme for high-cardinality categorical attributes".

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> x, y = np.array([["a"], ["a"], ["b"], ["b"]], dtype=object), np.array([0.0, 0.0, 4.0, 4.0])
    >>> state = learn(x, spec=TargetSpec(prior_rows=2), target=y, task=Task(kind="regression", target="y"),
    ...     rng=np.random.default_rng(0))
    >>> apply(state, np.array([["a"], ["b"], ["z"]], dtype=object)).tolist()
    [[1.0], [3.0], [2.0]]
    """
    levels = by_frequency(x, max_levels=spec.max_levels)
    outputs = _outputs(target, task)
    return {
        "levels": levels,
        "means": _means(codes(levels, x), [len(known) for known in levels], outputs, spec.prior_rows),
        "labels": list(task.classes[1:]) if task.kind == "multiclass" else [],
    }


def learn_apply(
    x: np.ndarray, *, spec: TargetSpec, target: np.ndarray, task: Task, rng: np.random.Generator
) -> tuple[State, np.ndarray]:
    """The state, and the training rows encoded fold by fold: each by the targets of the other folds only."""
    import numpy as np

    state = learn(x, spec=spec, target=target, task=task, rng=rng)
    coded, outputs = codes(state["levels"], x), _outputs(target, task)
    sizes = [len(known) for known in state["levels"]]
    n_folds = max(2, min(spec.n_folds, len(x)))
    fold = rng.permutation(len(x)) % n_folds
    encoded = np.empty((len(x), x.shape[1] * outputs.shape[1]), dtype=np.float64)
    for held in range(n_folds):
        others, mine = fold != held, fold == held
        means = _means(coded[others], sizes, outputs[others], spec.prior_rows)
        encoded[mine] = _encode(means, sizes, coded[mine])
    return state, encoded


def _outputs(target: np.ndarray, task: Task) -> np.ndarray:
    """What is averaged: values (n, 1), or flags of every class but the first (n, n_classes - 1)."""
    import numpy as np

    if task.kind == "regression":
        return np.asarray(target, dtype=np.float64)[:, None]
    flags: np.ndarray = (np.asarray(target)[:, None] == np.arange(1, len(task.classes))).astype(np.float64)
    return flags


def _means(coded: np.ndarray, sizes: list[int], outputs: np.ndarray, prior_rows: float) -> np.ndarray:
    """Smoothed means, the columns' tables one under another: shape (sum of sizes + 1 each, n_outputs)."""
    import numpy as np

    overall = outputs.mean(axis=0) if len(outputs) else np.zeros(outputs.shape[1])
    tables = []
    for index, size in enumerate(sizes):
        code = np.where(coded[:, index] < 0, size, coded[:, index])
        counts = np.bincount(code, minlength=size + 1)[:, None]
        sums = [np.bincount(code, column - mean, size + 1) for column, mean in zip(outputs.T, overall, strict=True)]
        table = overall + np.stack(sums, axis=1) / (counts + prior_rows)
        table[size] = overall
        tables.append(table)
    return np.concatenate(tables) if tables else np.empty((0, outputs.shape[1]))


def _offsets(sizes: Sequence[int]) -> np.ndarray:
    """Where each column's table starts."""
    import numpy as np

    ends: np.ndarray = np.cumsum(np.asarray(sizes, dtype=np.int64) + 1)
    return np.concatenate([[0], ends])[: len(sizes)]


def _encode(means: np.ndarray, sizes: list[int], coded: np.ndarray) -> np.ndarray:
    import numpy as np

    rows = np.where(coded < 0, np.array(sizes, dtype=np.int64), coded) + _offsets(sizes)
    encoded: np.ndarray = means[rows].reshape(len(coded), len(sizes) * means.shape[1])
    return encoded


def apply(state: State, x: np.ndarray) -> np.ndarray:
    """Means: float64 of shape (n, k * n_outputs), the outputs of a column side by side."""
    return _encode(state["means"], [len(known) for known in state["levels"]], codes(state["levels"], x))


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """`mean target of <column>`, or `share of <class> by <column>`."""
    labels = state["labels"]
    return [
        (f"share of {label} by {name}" if labels else f"mean target by {name}", index)
        for index, name in enumerate(columns)
        for label in labels or [""]
    ]


def emit(state: State, graph: Graph, x: str) -> str:
    """`apply` as nodes: codes, then rows of the table."""

    sizes = [len(known) for known in state["levels"]]
    coded = emit_codes(state["levels"], graph, x)
    unseen = graph.node("Less", coded, graph.constant(0, "int64"))
    coded = graph.node("Where", unseen, graph.constant([sizes], "int64"), coded)
    rows = graph.node("Add", coded, graph.constant(_offsets(sizes)[None], "int64"))
    means = graph.node("Gather", graph.constant(state["means"], "float64"), rows)
    width = len(sizes) * state["means"].shape[1]
    return graph.node("Reshape", means, graph.constant([-1, width], "int64"))


STEP = Step(
    name="target",
    accepts="categories",
    spec=TargetSpec,
    learn=learn,
    apply=apply,
    names=names,
    emit=emit,
    learn_apply=learn_apply,
)
