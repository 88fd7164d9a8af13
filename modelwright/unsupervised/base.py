"""Learning without a target: which rows are odd, which belong together, and few coordinates in place of many columns.

Three verbs, `anomalies`, `clusters` and `embedding`, take typed rows and give a `Trained` value like any other: one
ONNX graph from raw cells to the answer. Their methods are small: a matrix of points in, a `Fitted` function out, in
NumPy and as nodes. What can be learned only from other rows (a calibrated score, how stable clusters are) is learned
from other rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.spec import Spec
    from modelwright.core.values import Fitted
    from modelwright.graph import Graph


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A way to say how odd a row is.

    `fit(points, *, spec, seed) -> Fitted` sees training points (n, d); `predict` gives float64 (n,), larger is odder,
    in a scale of its own, and `emit` a float64 tensor (n, 1). A row that is one of the training rows is not its own
    neighbour. `school` says beside what a row is odd: all rows, or rows like it.
    """

    name: str
    about: str
    school: Literal["global", "local"]
    fit: Callable[..., Fitted]
    spec: type[Spec]


@dataclass(frozen=True, eq=False, kw_only=True)
class Grouping:
    """A division of points into groups. `predict(points)` gives how much a row belongs to each group, float64 (n, k):
    rows sum to 1, or to less for a row that is in none; `emit` is the same as a float64 tensor. `criterion` is what
    the method itself judges its number of groups by (larger is better), where it has such a thing."""

    n: int
    predict: Callable[[np.ndarray], np.ndarray]
    emit: Callable[[Graph, str], str]
    criterion: float | None = None
    about: str = ""
    n_cells_per_row: int = 1

    def groups(self, points: np.ndarray) -> np.ndarray:
        """The group of each row, int64 (n,); -1 for none."""
        import numpy as np

        shares = self.predict(points)
        return np.where(shares.max(axis=1) > 0, shares.argmax(axis=1), -1)


Rule = Literal["criterion", "strength", "agreement", "own"]


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """A way to divide points into groups.

    `fit(points, numbers, *, spec, seed) -> dict[int, Grouping]` gives a division for each of the numbers of groups
    that it can serve. `rule` says how the number is chosen: by the method's own `criterion`, by prediction `strength`
    or by `agreement` between halves of the rows, or the method says it itself (`own`).
    """

    name: str
    about: str
    fit: Callable[..., Mapping[int, Grouping]]
    rule: Rule
    spec: type[Spec]


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """A way to give rows few coordinates. `fit(points, n, *, spec, seed) -> Fitted`: `predict` gives float64 (n, n)
    and `emit` the same tensor. `info` may hold `axes` (d, n): how coordinates are made of the points' columns."""

    name: str
    about: str
    fit: Callable[..., Fitted]
    spec: type[Spec]
    needs: tuple[str, str] | None = field(default=None)


def settings_of(method: Any, settings: Mapping[str, Any]) -> Any:
    """The checked settings of a method."""
    return method.spec.parse(dict(settings), where=method.name)
