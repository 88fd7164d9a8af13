"""Learned targets as one trained model: one ONNX graph from the columns to all answers, its signature, its parity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.training.cross import rows_at
from modelwright.training.join import Member, answer, emit_mean, rows_at_once

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from modelwright.core.data import Dataset, Decision
    from modelwright.core.values import Candidate, Splits, Trained
    from modelwright.training.answering.base import Answering
    from modelwright.training.problem import Problem
    from modelwright_runtime.signature import Signature

PARITY_ROWS = 2_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Learned:
    """One target, learned: the fitted members, how their answer is told, and what is known of it.

    `validation` are the answers to the training rows that were validated, in ascending order of row id, NaN elsewhere.
    `follows` are the places of earlier targets whose answers the members see.
    """

    problem: Problem
    members: Sequence[Member]
    answering: Answering
    validation: np.ndarray
    leaderboard: tuple[Candidate, ...]
    importance: Mapping[str, float]
    decisions: tuple[Decision, ...]
    history: tuple[Mapping[str, Any], ...]
    follows: tuple[int, ...] = ()

    @property
    def states(self) -> list[Any]:
        """The states of the features that its graph is made of."""
        spread = self.answering.spread
        return [*(member.state for member in self.members), *([] if spread is None else [spread.state])]


def trained_of(learned: Sequence[Learned], data: Dataset, splits: Splits) -> Trained:
    """All targets as one model, the first of them being the one that is told first."""
    from modelwright.core.values import Trained

    graph, inputs = _write_graph(learned)
    first = learned[0]
    names = dict.fromkeys(name for one in learned for name in one.importance)
    trained = Trained(
        graph=graph,
        signature=_signature(learned, inputs),
        leaderboard=first.leaderboard,
        validation=_in_order_of(splits, first.validation),
        importance={
            name: sum(one.importance.get(name, 0.0) for one in learned) / len(learned) for name in names
        },
        decisions=tuple(decision for one in learned for decision in one.decisions),
        parity=0.0,
        history=tuple(event for one in learned for event in one.history),
    )  # fmt: skip
    return replace(trained, parity=_parity(trained, learned, data, splits))


def answers(learned: Sequence[Learned], data: Dataset) -> list[np.ndarray]:
    """What the fitting libraries themselves answer to typed rows: for each target, then the numbers beside them."""
    import numpy as np

    joined: list[np.ndarray] = []
    told: list[list[np.ndarray]] = []
    for one in learned:
        before = [as_columns(learned[place].problem, joined[place]) for place in one.follows]
        joined.append(answer(one.members, data, np.concatenate(before, axis=1) if before else None))
        told.append(one.answering.apply(joined[-1], data))
    return [part[0] for part in told] + [part[1] for part in told if len(part) > 1]


def as_columns(problem: Problem, joined: np.ndarray) -> np.ndarray:
    """The joined answers for one target as columns of another's matrix, float32 (n, k): values, or the probabilities of
    all classes but the first."""
    import numpy as np

    if problem.task.is_classification:
        joined = joined[:, 1:]
    wide: np.ndarray = joined.reshape(len(joined), -1).astype(np.float32)
    return wide


def _write_graph(learned: Sequence[Learned]) -> tuple[bytes, Any]:
    """One graph from inputs to the answers, and the inputs that it takes."""
    from modelwright.graph import Graph

    verbs = registry.verbs("features")
    states = list({id(state): state for one in learned for state in one.states}.values())
    inputs = verbs.shared_inputs(states)
    graph = Graph()
    inputs.declare(graph)
    matrices = {id(state): verbs.emit(state, graph, inputs) for state in states}
    joined: list[str] = []
    told: list[list[str]] = []
    for one in learned:
        before = [_emit_columns(graph, learned[place], joined[place]) for place in one.follows]
        beside = None if not before else before[0] if len(before) == 1 else graph.node("Concat", *before, axis=1)
        joined.append(emit_mean(graph, one.members, lambda state: matrices[id(state)], beside))
        told.append(one.answering.emit(graph, joined[-1], lambda state: matrices[id(state)]))
    for place, (one, parts) in enumerate(zip(learned, told, strict=True)):
        n_classes, end = len(one.problem.task.classes), "" if place == 0 else f"_{place}"
        if n_classes:
            graph.output(f"probabilities{end}", parts[0], "float32", (None, n_classes))
        else:
            graph.output(f"values{end}", parts[0], "float64", (None,))
    for place, (one, parts) in enumerate(zip(learned, told, strict=True)):
        if len(parts) > 1:
            graph.output(f"beside_{place}", parts[1], "float64", (None, len(one.answering.task.columns)))
    return graph.to_bytes(), inputs


def _emit_columns(graph: Any, one: Learned, joined: str) -> str:
    """`as_columns` as nodes."""
    task = one.problem.task
    if task.is_classification:
        places = graph.constant(list(range(1, len(task.classes))), "int64")
        joined = graph.node("Gather", joined, places, axis=1)
    elif not task.quantiles:
        joined = graph.node("Reshape", joined, graph.constant([-1, 1], "int64"))
    name: str = graph.tensor(joined).cast("float32")
    return name


def _signature(learned: Sequence[Learned], inputs: Any) -> Signature:
    """What the model takes and gives; readings are by kind only, packaging puts cleaning's in their place."""
    from modelwright_runtime.reading import Reading
    from modelwright_runtime.signature import Signature

    data = learned[0].problem.data
    texts = tuple(dict.fromkeys(text.column for text in inputs.texts))
    columns = (*inputs.numbers, *inputs.categories, *texts)
    levels, ranges = registry.verbs("features").seen(data, columns)
    first, *others = (one.answering for one in learned)
    return Signature(
        task=first.task,
        readings=tuple(Reading(column=name, kind=data.schema[name].kind) for name in columns),  # type: ignore[arg-type]
        numbers=inputs.numbers,
        categories=inputs.categories,
        texts=inputs.texts,
        threshold=first.threshold,
        levels=levels,
        ranges=ranges,
        n_rows_at_once=min(rows_at_once(one.members) for one in learned),
        more_tasks=tuple(one.task for one in others),
        more_thresholds=tuple(one.threshold for one in others),
    )


def _in_order_of(splits: Splits, validation: np.ndarray) -> np.ndarray:
    """Predictions of rows in ascending order of id, in the order of `splits.train`."""
    import numpy as np

    ordered: np.ndarray = validation[np.searchsorted(np.sort(splits.train), splits.train)]
    return ordered


def _parity(trained: Trained, learned: Sequence[Learned], data: Dataset, splits: Splits) -> float:
    """The largest difference between graph and libraries, on training rows and on held-out ones.

    Of values it is relative to those above 1, as packages reckon it.
    """
    import numpy as np

    from modelwright.core.inputs import graph_outputs
    from modelwright_runtime.model import largest_difference

    problem, signature = learned[0].problem, trained.signature
    tasks = (*signature.tasks, *signature.beside)
    some = rows_at(problem.data, np.arange(min(PARITY_ROWS, len(problem.y))))
    differences = [0.0]
    for rows in (some, data.take(splits.test[:PARITY_ROWS])):
        if rows.n_rows:
            given = graph_outputs(trained.graph, signature, rows)
            for task, there, due in zip(tasks, given, answers(learned, rows), strict=True):
                relative = not task.is_classification
                differences.append(largest_difference(there.astype(np.float64), due, relative=relative))
    return max(differences)
