"""Models: a float32 matrix and a target in, a `Fitted` out. Mathematics only.

A model is one file with a Spec, a `fit` and a `MODEL` that says what it is for. Every `fit` has the same form:

    fit(x, y, *, spec, task, rng, weights=None, valid=None) -> Fitted

`x` is float32 of shape (n, d), `y` int class indices into `task.classes` or float values, shape (n,); of a task with
`quantiles` a model whose `quantiles` says so answers all of them, float64 (n, len(task.quantiles));
`weights` float of shape (n,), not negative, or None. `valid` is a held-out part for models that learn in
rounds and stop early (boosting); the others pass over it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.spec import Spec
    from modelwright.core.values import Fitted
    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task


class Held(NamedTuple):
    """Rows held out of the fit, in the same form as `fit` takes them."""

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model and what it is for.

    `preset` names the features that suit it. `variants` are settings worth trying, the first one first; `words`,
    where there are any, take their place for a table of texts alone, on the preset `words`. `space` says what tuning
    may try, by setting: `{"low": 0.01, "high": 0.3, "log": True}` or `[choices]`, with `when` for conditions.
    `suits(task, n_rows, n_columns)` says whether it can be fitted in reasonable time. `units(spec, task,
    n_rows, n_columns)` is a rough count of the work of one fit, about the same for every machine: 1 is a
    millionth of a second's work on one core of 2025. `needs` is a package that has to be installed, and the extra that
    brings it. `quantiles`: it can answer quantiles of a number. `order` is its place among the models when candidates
    are tried: what is strong and cheap comes early.
    """

    name: str
    fit: Callable[..., Fitted]
    spec: type[Spec]
    preset: Literal["plain", "scaled"]
    variants: tuple[Mapping[str, Any], ...] = ({},)
    words: tuple[Mapping[str, Any], ...] = ()
    space: Mapping[str, Any] = field(default_factory=dict)
    suits: Callable[[Task, int, int], bool]
    units: Callable[[Any, Task, int, int], float]
    needs: tuple[str, str] | None = None
    quantiles: bool = False
    order: int = 50

    @property
    def is_installed(self) -> bool:
        """Whether the package that the model needs is there."""
        return self.needs is None or importlib.util.find_spec(self.needs[0]) is not None


def n_outputs(task: Task) -> int:
    """Numbers that are predicted for a row: one per class, one per quantile, or one value."""
    return len(task.classes) if task.is_classification else max(1, len(task.quantiles))


def integer_seed(rng: np.random.Generator) -> int:
    """A seed for libraries that take an integer."""
    return int(rng.integers(2**31 - 1))


def one_thread() -> AbstractContextManager[Any]:
    """Hold the linear algebra to one thread: its threads wait by spinning, and on a busy machine two of them
    were seen to be 50 times slower than one."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def weighted_rows(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows that count and their weights, scaled to mean 1 so that a penalty means the same."""
    import numpy as np

    if weights is None:
        return x, y, np.ones(len(x))
    weights = np.asarray(weights, dtype=np.float64)
    kept = weights > 0
    if not kept.any():
        raise UserError("model.weights", "every row has the weight 0.", hint="give some rows a weight above 0")
    return x[kept], y[kept], weights[kept] / weights[kept].mean()


def present_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes that occur, ascending, and each row's position among them: libraries want no gaps."""
    import numpy as np

    classes, position = np.unique(y, return_inverse=True)
    return classes, position


def spread(probabilities: np.ndarray, present: np.ndarray, n_classes: int) -> np.ndarray:
    """Columns for every class, 0 for those that did not occur: float64 of shape (n, n_classes)."""
    import numpy as np

    full = np.zeros((len(probabilities), n_classes), dtype=np.float64)
    full[:, present] = probabilities
    return full


def emit_spread(graph: Graph, probabilities: str, present: np.ndarray, n_classes: int) -> str:
    """`spread` of a float64 tensor as nodes, cast to float32."""
    import numpy as np

    tensor = graph.tensor(probabilities)
    if len(present) < n_classes:
        tensor = tensor @ np.eye(n_classes)[present]
    return tensor.cast("float32")


def emit_pair(graph: Graph, positive: str) -> str:
    """A float64 column p (n, 1) as the pair (1 - p, p)."""
    return graph.node("Concat", (1.0 - graph.tensor(positive)).name, positive, axis=1)


def emit_column(graph: Graph, x: str) -> str:
    """A float64 tensor (n, 1) as (n,)."""
    return graph.node("Reshape", x, graph.constant([-1], "int64"))


def unit_of(y: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation: boosting keeps targets in float32, which a large mean would blur."""
    import numpy as np

    y = y.astype(np.float64)
    return float(y.mean()), float(y.std()) or 1.0


def check_rows(name: str, n_rows: int, most: int) -> None:
    """Refuse more rows than a model can take in reasonable time."""
    if n_rows > most:
        raise UserError(
            "model.rows",
            f"`{name}` takes at most {most:,} rows; got {n_rows:,}.",
            hint="use `boosting` or `linear`, or train on a sample",
        )
