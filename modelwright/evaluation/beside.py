"""What is measured of answers with costs, quantiles, intervals or sets, beside the metrics of their kind."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.evaluation.metrics import Floats, Ints, Measure, ratio
from modelwright_runtime.beside import members

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelwright.evaluation.answers import Answers
    from modelwright.evaluation.asking import Asked
    from modelwright.evaluation.base import EvaluateSpec
    from modelwright.evaluation.measuring import Measured
    from modelwright_runtime.signature import Task

MATRIX = tuple[tuple[float, ...], ...]
_VOVK = "Vovk, Gammerman and Shafer (2005), Algorithmic learning in a random world"


def measures_beside(task: Task) -> list[Measure]:
    """The metrics that this task has beside those of its kind.

    >>> from modelwright_runtime.signature import Task
    >>> priced = Task(kind="binary", target="y", classes=("no", "yes"), costs=((0.0, 1.0), (5.0, 0.0)))
    >>> [measure.name for measure in measures_beside(priced)]
    ['cost']
    """
    made = []
    if task.costs:
        made.append(Measure("cost", partial(cost, matrix=task.costs), "said", "Elkan (2001), Cost-sensitive learning"))
    if task.quantiles and task.kind == "regression":
        beside = n_quantiles(task) > 0
        made.append(Measure(
            "pinball", partial(pinball, levels=task.quantiles), "beside" if beside else "values",
            "Koenker and Bassett (1978), Regression quantiles",
        ))  # fmt: skip
    if task.sets is not None:
        made += [Measure("coverage", in_set, "beside", _VOVK), Measure("set_size", set_size, "beside", _VOVK)]
    elif task.coverage:
        made += [Measure("coverage", in_interval, "beside", _VOVK), Measure("width", width, "beside", _VOVK)]
    return made


def n_quantiles(task: Task) -> int:
    """How many of the columns beside a value are quantiles: they come before the ends of the interval."""
    return len(task.columns) - (2 if task.coverage else 0)


def inside(task: Task, probabilities: Floats, n_strangers: int = 0) -> Floats | None:
    """Which classes are in each row's set, as 0 and 1; classes that the model does not know never are."""
    if task.sets is None:
        return None
    known = members(probabilities[:, : len(task.classes)], task.sets).astype(np.float64)
    return np.pad(known, ((0, 0), (0, n_strangers)))


def cost(truth: Ints, said: Ints, weights: Floats, *, matrix: MATRIX) -> Floats:
    """The mean cost of a row. A class that the model does not know costs what the dearest mistake does.

    >>> float(cost(np.array([0, 1]), np.array([1, 1]), np.ones(2), matrix=((0.0, 1.0), (5.0, 0.0))))
    0.5
    """
    costs = np.array(matrix)
    n_more = max(0, int(truth.max(initial=0)) + 1 - len(costs))
    costs = np.pad(costs, ((0, n_more), (0, 0)), constant_values=float(costs.max()))
    return ratio(weights @ costs[truth, said], weights.sum(axis=-1))


def pinball(truth: Floats, told: Floats, weights: Floats, *, levels: Sequence[float]) -> Floats:
    """Mean quantile loss over the levels; `told` (n, ...) begins with their columns, or is the one quantile, (n,)."""
    short = truth[:, None] - told.reshape(len(truth), -1)[:, : len(levels)]
    share = np.array(levels)
    losses = np.maximum(share * short, (share - 1.0) * short).mean(axis=1)
    return ratio(weights @ losses, weights.sum(axis=-1))


def in_interval(truth: Floats, told: Floats, weights: Floats) -> Floats:
    """Share of the truth within the interval, whose ends are the last two columns."""
    held = (told[:, -2] <= truth) & (truth <= told[:, -1])
    return ratio(weights @ np.where(np.isnan(told[:, -1]), np.nan, held), weights.sum(axis=-1))


def width(truth: Floats, told: Floats, weights: Floats) -> Floats:
    """Mean width of the interval."""
    return ratio(weights @ (told[:, -1] - told[:, -2]), weights.sum(axis=-1))


def in_set(truth: Ints, told: Floats, weights: Floats) -> Floats:
    """Share of the rows whose class is in their set."""
    return ratio(weights @ told[np.arange(len(truth)), truth], weights.sum(axis=-1))


def set_size(truth: Ints, told: Floats, weights: Floats) -> Floats:
    """Mean number of classes in a set."""
    return ratio(weights @ told.sum(axis=1), weights.sum(axis=-1))


def curves_beside(
    asked: Asked, measured: Measured, columns: Sequence[str], spec: EvaluateSpec, rng: np.random.Generator
) -> dict[str, Any]:
    """What the report shows of it: `sure`, how often intervals or sets hold the truth, in groups of rows too, and
    `coverage`, the share of the truth below each quantile."""
    from modelwright.evaluation import slices as slicing
    from modelwright.evaluation.answers import Answers

    task, made = asked.task, dict[str, Any]()
    if not isinstance(asked.model, Answers) or not (task.coverage or n_quantiles(task) > 0):
        return made
    answers: Answers = asked.model
    assert answers.beside is not None
    if task.coverage:
        measure = next(one for one in measures_beside(task) if one.name == "coverage")
        by = slicing.slices(
            answers, asked.rows, measure, columns, confidence=spec.confidence,
            standard_error=measured.errors["coverage"], rng=rng,
        )  # fmt: skip
        made["sure"] = {"stated": task.coverage, "by": by, **_sizes(task, answers)}
    if task.kind == "regression" and n_quantiles(task) > 0:
        below = (answers.truth[:, None] <= answers.beside[:, : n_quantiles(task)]) * answers.weights[:, None]
        seen = below.sum(axis=0) / answers.weights.sum()
        made["coverage"] = [
            {"level": level, "seen": float(share)} for level, share in zip(task.quantiles, seen, strict=True)
        ]
    return made


def _sizes(task: Task, answers: Answers) -> dict[str, Any]:
    """How many classes sets hold, and how often each number of them holds the truth; nothing for intervals."""
    if task.sets is None or answers.beside is None:
        return {}
    sizes = answers.beside.sum(axis=1).astype(int)
    held = answers.beside[np.arange(answers.n_rows), answers.truth]
    return {
        "sizes": [
            {"size": int(size), "n_rows": int((sizes == size).sum()), "held": float(held[sizes == size].mean())}
            for size in np.unique(sizes)
        ]
    }
