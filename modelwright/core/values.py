"""The values that stages hand to each other. Stages import these and never one another.

Arrays are NumPy, tables are Polars; all are frozen and none holds a library's own object, so that each can
be written as Parquet, ONNX or JSON and read again in years.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from modelwright.core.data import Dataset, Decision

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.graph import Graph
    from modelwright_runtime.reading import Reading
    from modelwright_runtime.signature import Signature, Task


@dataclass(frozen=True, eq=False, kw_only=True)
class Cleaned:
    """What cleaning made of a table: kept + removed = input, always.

    `kept` has typed columns; a column that no model may see stays, with role `id` or `ignored` and its `why`.
    `removed` has the columns `__row__`, `reason`, `twin_of` (the row it repeats, or null).
    `changes` (lazy) has `__row__`, `column`, `before`, `after` (texts, null where missing), `step`, `reason`:
    every cell whose meaning was changed; a plain "12" read as the number 12 is no change.
    `readings` say how each kept column is read; serving uses the same. `raw` is the input, untouched.
    """

    kept: Dataset
    removed: pl.DataFrame
    changes: pl.LazyFrame
    readings: tuple[Reading, ...]
    decisions: tuple[Decision, ...]
    raw: Dataset

    def undo(self) -> Dataset:
        """The raw table back, cell for cell."""
        return self.raw


SplitKind = Literal["random", "stratified", "grouped", "time", "given"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Splits:
    """Named sets of row ids and how they were drawn.

    `train` and `test` are uint64 row ids. `folds` (int8, aligned with `train`) says in which fold a training
    row is validated; -1 means never. When `ordered` (a split by time), fold k is fitted on the earlier rows
    only: those whose fold is less than k.
    """

    train: np.ndarray
    test: np.ndarray
    folds: np.ndarray
    kind: SplitKind
    ordered: bool = False
    decisions: tuple[Decision, ...] = ()

    def pairs(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each fold: positions within `train` to fit on, and to validate on."""
        import numpy as np

        numbers = [int(k) for k in np.unique(self.folds) if k >= 0]
        return [
            (
                np.flatnonzero(self.folds < k if self.ordered else self.folds != k),
                np.flatnonzero(self.folds == k),
            )
            for k in numbers
        ]


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """A fitted model as two spellings of one function, and what it says of itself.

    `predict` takes the feature matrix, float32 of shape (n, d), and is the fitting library's own answer:
    probabilities, float64 of shape (n, n_classes), or values, float64 of shape (n,). `emit(graph, x)` writes
    the same function as ONNX nodes: `x` is a float32 tensor (n, d); it returns the name of a float32 tensor
    (n, n_classes) or a float64 tensor (n,). `importance` is per matrix column, non-negative, or None.
    `n_units` is the work done, in the model's deterministic unit (trees, iterations). `n_cells_per_row` is how
    many doubles the graph holds for each row it answers: models that compare rows with rows hold many.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    emit: Callable[[Graph, str], str]
    importance: np.ndarray | None = None
    n_units: int = 1
    n_cells_per_row: int = 1
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One line of the leaderboard. `score` is the cross-validated value of `metric`; `weight` its share in the final
    model (0 when it is not part of it); `beside` further figures, by metric. Times are told by events: here they would
    change the bytes."""

    name: str
    model: str
    settings: Mapping[str, Any]
    metric: str
    score: float
    weight: float = 0.0
    beside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Trained:
    """A fitted model that answers typed rows: an ONNX graph with the preprocessing inside, and its record.

    `graph` and `signature` are all that a package needs to answer. `leaderboard` is best first and holds the
    constant baseline. `validation` (cross-validated predictions of the training rows, shape (n_train,) or
    (n_train, n_classes), NaN where never validated) is what the threshold was chosen on. `importance` is per
    input column. `parity` is the largest difference seen between the graph and the fitting libraries.
    """

    graph: bytes
    signature: Signature
    leaderboard: tuple[Candidate, ...]
    validation: np.ndarray
    importance: Mapping[str, float]
    decisions: tuple[Decision, ...]
    parity: float
    history: tuple[Mapping[str, Any], ...] = ()

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.signature.task

    def predict(self, data: Dataset) -> np.ndarray:
        """Probabilities (n, n_classes) or values (n,) for typed rows, through the graph."""
        from modelwright.core.inputs import graph_answers

        return graph_answers(self.graph, self.signature, data)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A named, versioned number with its bootstrap interval. `better` says which direction is good."""

    name: str
    value: float
    low: float
    high: float
    better: Literal["higher", "lower"]
    version: int = 1


@dataclass(frozen=True, kw_only=True)
class Report:
    """What evaluation found on held-out rows.

    `primary` names the metric that models were chosen by. `baseline` has the same metrics for the constant
    baseline. `slices` are (column, level, n_rows, value of the primary metric, low, high), worst first.
    `curves` is JSON-able data for the pictures (confusion matrix, ROC, precision-recall, calibration,
    residuals, examples). `target` names what is predicted; `more` has one report for each further target.
    """

    task: str
    n_rows: int
    primary: str
    metrics: tuple[Metric, ...]
    baseline: tuple[Metric, ...]
    slices: tuple[Mapping[str, Any], ...]
    curves: Mapping[str, Any]
    importance: Mapping[str, float]
    decisions: tuple[Decision, ...] = ()
    target: str = ""
    more: tuple[Report, ...] = ()

    def __getitem__(self, name: str) -> Metric:
        from modelwright.core.errors import UserError, nearest

        for metric in self.metrics:
            if metric.name == name:
                return metric
        names = [metric.name for metric in self.metrics]
        raise UserError("report.metric", f"the report has no metric {name!r}.", hint=nearest(name, names))


Watch = Callable[[Mapping[str, Any]], None]
"""What follows long work: any callable of one event, `{"stage": ..., "event": ..., ...}`, all JSON-able."""
