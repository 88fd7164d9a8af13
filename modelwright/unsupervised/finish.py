"""From a learned space and what stands in it to a `Trained` value: one graph, its signature, and how exact it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.data import ROW_ID, Dataset, Decision
from modelwright.core.values import Candidate, Splits, Trained

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph
    from modelwright.unsupervised.space import Space
    from modelwright_runtime.signature import Signature, Task

PARITY_ROWS = 2_000
MOST_CELLS = 2**25
"""Doubles that the graph may hold at once for the rows it is asked about: 256 MB."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Learned:
    """What a task came to: `emit(graph, inputs)` writes the answer (n, k) from declared inputs, and `answer(data)` is
    the same by the libraries. `facts` are told by the report; `validation` are answers to the training rows."""

    task: Task
    space: Space
    emit: Callable[[Graph, Any], str]
    answer: Callable[[Dataset], np.ndarray]
    leaderboard: tuple[Candidate, ...]
    validation: np.ndarray
    importance: Mapping[str, float]
    decisions: Sequence[Decision]
    facts: Mapping[str, Any]
    threshold: float = 0.5
    n_cells_per_row: int = 1


def trained_of(learned: Learned, rows: Dataset, data: Dataset, splits: Splits) -> Trained:
    """Write the graph, and measure how far it is from the libraries on training rows and on held-out ones."""
    from modelwright.graph import Graph
    from modelwright_runtime.model import largest_difference

    verbs = registry.verbs("features")
    inputs = verbs.shared_inputs([learned.space.state])
    graph = Graph()
    inputs.declare(graph)
    width = len(learned.task.classes) + (learned.task.kind == "anomaly")
    graph.output("answers", learned.emit(graph, inputs), "float64", (None, width))
    trained = Trained(
        graph=graph.to_bytes(), signature=_signature(learned, inputs, rows), leaderboard=learned.leaderboard,
        validation=learned.validation, importance=dict(learned.importance), decisions=tuple(learned.decisions),
        parity=0.0, history=({"stage": "unsupervised", "event": "facts", "facts": dict(learned.facts)},),
    )  # fmt: skip
    differences = [0.0]
    for ids in (rows.frame[ROW_ID].to_numpy()[:PARITY_ROWS], splits.test[:PARITY_ROWS]):
        some = data.take(ids)
        if some.n_rows:
            relative = learned.task.kind == "embedding"
            differences.append(largest_difference(trained.predict(some), learned.answer(some), relative=relative))
    return replace(trained, parity=max(differences))


def _signature(learned: Learned, inputs: Any, rows: Dataset) -> Signature:
    """What the model takes; readings are by kind only, packaging puts cleaning's in their place."""
    from modelwright_runtime.reading import Reading
    from modelwright_runtime.signature import Signature

    texts = tuple(dict.fromkeys(text.column for text in inputs.texts))
    columns = (*inputs.numbers, *inputs.categories, *texts)
    levels, ranges = registry.verbs("features").seen(rows, columns)
    return Signature(
        task=learned.task,
        readings=tuple(Reading(column=name, kind=rows.schema[name].kind) for name in columns),  # type: ignore[arg-type]
        numbers=inputs.numbers, categories=inputs.categories, texts=inputs.texts, threshold=learned.threshold,
        levels=levels, ranges=ranges,
        n_rows_at_once=max(256, min(65_536, MOST_CELLS // max(1, learned.n_cells_per_row))),
    )  # fmt: skip


def free_name(name: str, taken: Sequence[str]) -> str:
    """A name for what is answered that no column has.

    >>> free_name("cluster", ["cluster", "age"])
    'cluster_'
    """
    while name in taken:
        name += "_"
    return name


def sample(n: int, most: int) -> np.ndarray:
    """Places spread evenly over n rows, at most so many."""
    import numpy as np

    return np.unique(np.linspace(0, max(n - 1, 0), min(n, most)).astype(np.int64))
