"""Nearest neighbours: the answer is the mean of the training rows around, the nearer the heavier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.models.base import Held, Model, check_rows, emit_column, n_outputs, one_thread, weighted_rows

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task

MOST_ROWS = 20_000
"""The package holds every training row, and each answer measures the distance to all of them."""

PRIOR_ROWS = 0.5
"""Class shares of all rows weigh as much as so many rows at no distance: no class gets the probability 0."""

BLOCK = 512
"""Rows whose distances are held in memory at once: 80 MB for the most training rows."""


class NeighboursSpec(Spec):
    """How wide the neighbourhood is."""

    neighbours: int = Field(15, ge=1, le=1000, description="training rows that the neighbourhood reaches over")


def fit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    spec: NeighboursSpec,
    task: Task,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    valid: Held | None = None,
) -> Fitted:
    """Keep the training rows. Wants scaled features without gaps; raises `model.rows` above 20,000 rows.

    A training row at distance d weighs `max(0, 1 - d^2 / r^2)`, where r is a little more than the distance to
    the k-th neighbour: the weight falls to nothing at the rim, so neither a tie there nor the order of the
    rows can change the answer.

    Reference: Hechenbichler and Schliep (2004), "Weighted k-nearest-neighbor techniques".

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> x = np.array([[0.0], [1.0], [9.0]], np.float32)
    >>> fitted = fit(x, np.array([2.0, 4.0, 9.0]), spec=NeighboursSpec(neighbours=2),
    ...     task=Task(kind="regression", target="y"), rng=np.random.default_rng(0))
    >>> fitted.predict(np.array([[0.5]], np.float32)).tolist()
    [3.0]
    """
    import numpy as np

    from modelwright.core.values import Fitted

    x, y, weights = weighted_rows(x, y, weights)
    check_rows("neighbours", len(x), MOST_ROWS)
    rows = x.astype(np.float64)
    k = min(spec.neighbours, len(rows))
    answers = np.eye(n_outputs(task))[y] if task.is_classification else y.astype(np.float64)[:, None]
    middle = 0.0 if task.is_classification else float(y.mean())
    # what is averaged, and the weights themselves as the last column: one product gives both sums
    held = np.concatenate([answers - middle, np.ones((len(rows), 1))], axis=1) * weights[:, None]
    prior = held.mean(axis=0) * (PRIOR_ROWS if task.is_classification else 0.0)

    def predict(x: np.ndarray) -> np.ndarray:
        with one_thread():
            parts = [_answer(rows, held, prior, k, x[at : at + BLOCK]) for at in range(0, len(x), BLOCK)]
        means = np.concatenate([np.empty((0, held.shape[1] - 1)), *parts])
        return means if task.is_classification else means[:, 0] + middle

    def emit(graph: Graph, x: str) -> str:
        means = graph.tensor(_emit(rows, held, prior, k, graph, x))
        return means.cast("float32") if task.is_classification else emit_column(graph, (means + middle).name)

    return Fitted(predict=predict, emit=emit, n_units=len(rows), n_cells_per_row=3 * len(rows))


def _answer(rows: np.ndarray, held: np.ndarray, prior: np.ndarray, k: int, x: np.ndarray) -> np.ndarray:
    import numpy as np
    from scipy.spatial.distance import cdist

    squared = cdist(x.astype(np.float64), rows, "sqeuclidean")
    reach = np.partition(squared, k - 1, axis=1)[:, k - 1 : k] * 1.05 + 1e-6
    sums = np.maximum(1.0 - squared / reach, 0.0) @ held + prior
    means: np.ndarray = sums[:, :-1] / sums[:, -1:]
    return means


def _emit(rows: np.ndarray, held: np.ndarray, prior: np.ndarray, k: int, graph: Graph, x: str) -> str:
    """`_answer` as nodes; the squared distances by `|x|^2 + |row|^2 - 2 x row`."""
    import numpy as np

    wide = graph.tensor(graph.tensor(x).cast("float64"))
    lengths = graph.tensor(graph.node("ReduceSumSquare", wide.name, graph.constant([1], "int64"), keepdims=1))
    squared = (wide @ (-2.0 * rows.T) + np.square(rows).sum(axis=1)[None] + lengths).clip(0.0, np.inf)
    top = graph.nodes("TopK", squared.name, graph.constant([k], "int64"), n_outputs=2, largest=0, sorted=1)[0]
    kth = graph.node("Gather", top, graph.constant([k - 1], "int64"), axis=1)
    reach = graph.tensor(kth) * 1.05 + 1e-6
    sums = (1.0 - squared / reach).clip(0.0, 1.0) @ held + prior[None]
    n_means = held.shape[1] - 1
    means, total = (
        graph.node("Gather", sums.name, graph.constant(chosen, "int64"), axis=1)
        for chosen in (list(range(n_means)), [n_means])
    )
    return graph.node("Div", means, total)


MODEL = Model(
    name="neighbours",
    fit=fit,
    spec=NeighboursSpec,
    preset="scaled",
    order=9,
    variants=({}, {"neighbours": 40}, {"neighbours": 5}),
    space={"neighbours": {"low": 2, "high": 200, "integer": True, "log": True}},
    suits=lambda task, n_rows, n_columns: n_rows <= MOST_ROWS,
    units=lambda spec, task, n_rows, n_columns: n_rows**2 * (n_columns + 20) * 2e-4,
)
