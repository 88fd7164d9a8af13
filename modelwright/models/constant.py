"""The baseline: the same answer for every row. Every other model must beat it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.models._quantiles import weighted_quantile
from modelwright.models.base import Held, Model, n_outputs, weighted_rows

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task


class ConstantSpec(Spec):
    """What is answered in a regression; for classes it is always their shares."""

    value: Literal["mean", "median"] = Field("mean", description="which middle of the training values")


def fit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    spec: ConstantSpec,
    task: Task,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    valid: Held | None = None,
) -> Fitted:
    """Weighted class shares, or the weighted mean or median; quantiles where the task asks for them.

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> task = Task(kind="binary", target="y", classes=("no", "yes"))
    >>> fitted = fit(np.zeros((4, 1), np.float32), np.array([0, 0, 0, 1]), spec=ConstantSpec(), task=task,
    ...     rng=np.random.default_rng(0))
    >>> fitted.predict(np.zeros((1, 1), np.float32)).tolist()
    [[0.75, 0.25]]
    """
    import numpy as np

    from modelwright.core.values import Fitted

    _, y, weights = weighted_rows(x, y, weights)
    if task.is_classification:
        counts = np.bincount(y, weights, n_outputs(task))
        answer = counts / counts.sum()
    elif task.quantiles:
        answer = np.array([weighted_quantile(y.astype(np.float64), weights, level) for level in task.quantiles])
    else:
        answer = np.array([_middle(y.astype(np.float64), weights, spec.value)])

    def predict(x: np.ndarray) -> np.ndarray:
        repeated = np.repeat(answer[None], len(x), axis=0)
        return repeated if task.is_classification or task.quantiles else repeated[:, 0]

    return Fitted(predict=predict, emit=lambda graph, x: _emit(answer, task, graph, x), info=_told(answer))


def _middle(y: np.ndarray, weights: np.ndarray, value: str) -> float:
    import numpy as np

    if value == "mean":
        return float(np.average(y, weights=weights))
    order = np.argsort(y, kind="stable")
    covered = np.cumsum(weights[order])
    return float(y[order][np.searchsorted(covered, covered[-1] / 2)])


def _told(answer: np.ndarray) -> dict[str, Any]:
    return {"answer": answer.tolist()}


def _emit(answer: np.ndarray, task: Task, graph: Graph, x: str) -> str:
    rows = graph.node("Shape", x, start=0, end=1)
    if not task.is_classification and not task.quantiles:
        return graph.node("Expand", graph.constant(answer, "float64"), rows)
    shape = graph.node("Concat", rows, graph.constant([len(answer)], "int64"), axis=0)
    return graph.node("Expand", graph.constant(answer[None], "float64" if task.quantiles else "float32"), shape)


MODEL = Model(
    name="constant",
    fit=fit,
    spec=ConstantSpec,
    preset="plain",
    quantiles=True,
    order=0,
    suits=lambda task, n_rows, n_columns: True,
    units=lambda spec, task, n_rows, n_columns: n_rows * 0.01,
)
