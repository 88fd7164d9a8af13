"""Support vector machine with the Gaussian (RBF) kernel: smooth borders, at its best on a few thousand rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.models.base import (
    Held,
    Model,
    check_rows,
    emit_column,
    emit_pair,
    emit_spread,
    one_thread,
    present_classes,
    spread,
    weighted_rows,
)
from modelwright.models.constant import ConstantSpec
from modelwright.models.constant import fit as fit_constant

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task

MOST_ROWS = 10_000
"""The work grows with the square of the rows, and more."""

N_FOLDS = 3
"""Folds that give the decisions on which probabilities are calibrated."""


class SvmSpec(Spec):
    """Softness of the margin and width of the kernel."""

    cost: float = Field(1.0, gt=0, le=1e6, description="what a row on the wrong side costs")
    gamma: float | Literal["scale"] = Field(
        "scale", description="the kernel is exp(-gamma d^2); `scale` is 1 over the summed variance of the columns"
    )
    tube: float = Field(
        0.1, ge=0, le=10, description="errors below so many standard deviations cost nothing (values only)"
    )


@dataclass(frozen=True, eq=False)
class _Machine:
    """A fitted library model, its decision function, and the line that its decisions go through."""

    model: Any
    decisions: Callable[[np.ndarray], np.ndarray]
    slope: float
    shift: float

    def decide(self, x: np.ndarray) -> np.ndarray:
        """The library's decisions, then slope and shift: shape (n,)."""
        return self.decisions(x.astype("float64")) * self.slope + self.shift


def fit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    spec: SvmSpec,
    task: Task,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    valid: Held | None = None,
) -> Fitted:
    """One machine for two classes or values, one against the rest for each class of several.

    Probabilities are a sigmoid of the decision, fitted on cross-validated decisions. Wants scaled features
    without gaps; raises `model.rows` above 10,000 rows.

    References: Cortes and Vapnik (1995), "Support-vector networks"; Platt (1999), "Probabilistic outputs for
    support vector machines"; Lin, Lin and Weng (2007), "A note on Platt's probabilistic outputs".

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> x = np.linspace(-3, 3, 60, dtype=np.float32)[:, None]
    >>> fitted = fit(x, (abs(x[:, 0]) < 1).astype(int), spec=SvmSpec(), rng=np.random.default_rng(0),
    ...     task=Task(kind="binary", target="y", classes=("out", "in")))
    >>> fitted.predict(np.array([[0.0], [2.5]], np.float32)).round().tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    import numpy as np

    x, y, weights = weighted_rows(x, y, weights)
    check_rows("svm", len(x), MOST_ROWS)
    wide = x.astype(np.float64)
    gamma = 1.0 / (wide.var(axis=0).sum() or 1.0) if spec.gamma == "scale" else float(spec.gamma)
    if not task.is_classification:
        return _fit_values(wide, y.astype(np.float64), weights, spec, gamma)
    present, position = present_classes(y)
    if len(present) == 1:
        return fit_constant(x, y, spec=ConstantSpec(), task=task, rng=rng)
    targets = [1] if len(present) == 2 else range(len(present))
    folds = _folds(position, rng)
    machines = [_fit_machine(wide, position == k, weights, spec.cost, gamma, folds) for k in targets]
    return _fitted_classes(machines, gamma, present, task)


def _folds(position: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fold for each row, every class dealt out evenly."""
    import numpy as np

    shuffled = rng.permutation(len(position))
    fold = np.empty(len(position), dtype=np.int64)
    fold[shuffled[np.argsort(position[shuffled], kind="stable")]] = np.arange(len(position)) % N_FOLDS
    return fold


def _fit_machine(
    x: np.ndarray, positive: np.ndarray, weights: np.ndarray, cost: float, gamma: float, folds: np.ndarray
) -> _Machine:
    import numpy as np
    from sklearn.svm import SVC

    def machine(rows: np.ndarray) -> Any:
        return SVC(C=cost, gamma=gamma, cache_size=400).fit(x[rows], positive[rows], sample_weight=weights[rows])

    decisions = np.full(len(x), np.nan)
    for fold in range(N_FOLDS):
        rest = folds != fold
        if len(set(positive[rest].tolist())) == 2 and not rest.all():
            decisions[~rest] = machine(rest).decision_function(x[~rest])
    whole = machine(np.ones(len(x), dtype=bool))
    known = ~np.isnan(decisions)
    if len(set(positive[known].tolist())) < 2:  # a class of one row: its own decisions are all there is
        decisions, known = whole.decision_function(x), np.ones(len(x), dtype=bool)
    slope, shift = _sigmoid(decisions[known], positive[known], weights[known])
    return _Machine(whole, whole.decision_function, slope, shift)


def _sigmoid(decisions: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Slope (not negative) and shift of the logit, by likelihood with targets drawn in by Platt's rule."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import expit

    n_positive, n_negative = weights[positive].sum(), weights[~positive].sum()
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    unit = float(np.abs(decisions).max()) or 1.0
    scaled = decisions / unit

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        logit = line[0] * scaled + line[1]
        pull = weights * (expit(logit) - target)
        total = weights @ (np.logaddexp(0.0, logit) - target * logit)
        return float(total) / len(weights), np.array([pull @ scaled, pull.sum()]) / len(weights)

    start = np.array([1.0, np.log((n_positive + 1) / (n_negative + 1))])
    with one_thread():
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)]).x
    return float(found[0]) / unit, float(found[1])


def _fitted_classes(machines: list[_Machine], gamma: float, present: np.ndarray, task: Task) -> Fitted:
    import numpy as np
    from scipy.special import expit

    from modelwright.core.values import Fitted

    def predict(x: np.ndarray) -> np.ndarray:
        chances = np.stack([expit(machine.decide(x)) for machine in machines], axis=1)
        if len(machines) == 1:
            chances = np.concatenate([1.0 - chances, chances], axis=1)
        chances = chances + 1e-12
        return spread(chances / chances.sum(axis=1, keepdims=True), present, len(task.classes))

    def emit(graph: Graph, x: str) -> str:
        chances = graph.tensor(_emit_decisions(machines, gamma, graph, x)).map("Sigmoid")
        if len(machines) == 1:
            chances = graph.tensor(emit_pair(graph, chances.name))
        chances = chances + 1e-12
        total = graph.node("ReduceSum", chances.name, graph.constant([1], "int64"), keepdims=1)
        return emit_spread(graph, (chances / graph.tensor(total)).name, present, len(task.classes))

    n_vectors = sum(len(m.model.support_) for m in machines)
    return Fitted(predict=predict, emit=emit, n_units=n_vectors, n_cells_per_row=2 * n_vectors)


def _fit_values(x: np.ndarray, y: np.ndarray, weights: np.ndarray, spec: SvmSpec, gamma: float) -> Fitted:
    import numpy as np
    from sklearn.svm import SVR

    from modelwright.core.values import Fitted

    centre, scale = float(np.average(y, weights=weights)), float(y.std()) or 1.0
    model = SVR(C=spec.cost, gamma=gamma, epsilon=spec.tube, cache_size=400)
    model.fit(x, (y - centre) / scale, sample_weight=weights)
    machine = _Machine(model, model.predict, scale, centre)
    return Fitted(
        predict=machine.decide,
        emit=lambda graph, x: emit_column(graph, _emit_decisions([machine], gamma, graph, x)),
        n_units=len(model.support_),
        n_cells_per_row=2 * len(model.support_),
    )


def _emit_decisions(machines: list[_Machine], gamma: float, graph: Graph, x: str) -> str:
    """The decisions of all machines, slope and shift applied, as nodes: float64 (n, n_machines)."""
    import numpy as np

    rows = np.concatenate([machine.model.support_vectors_ for machine in machines])
    # rows that several machines lean on are kept once
    rows, where = np.unique(rows, axis=0, return_inverse=True)
    ends = np.cumsum([0, *(len(machine.model.support_) for machine in machines)])
    coefficients = np.zeros((len(rows), len(machines)))
    for index, machine in enumerate(machines):
        mine = where.ravel()[ends[index] : ends[index + 1]]
        np.add.at(coefficients[:, index], mine, machine.model.dual_coef_[0] * machine.slope)
    offsets = np.array([machine.model.intercept_[0] * machine.slope + machine.shift for machine in machines])
    wide = graph.tensor(graph.tensor(x).cast("float64"))
    if not len(rows):  # no row is outside the tube: the offset is the answer
        rows, coefficients = np.zeros((1, rows.shape[1])), np.zeros((1, len(machines)))
    lengths = graph.tensor(graph.node("ReduceSumSquare", wide.name, graph.constant([1], "int64"), keepdims=1))
    squared = (wide @ (-2.0 * rows.T) + np.square(rows).sum(axis=1)[None] + lengths).clip(0.0, np.inf)
    decisions = (squared * -gamma).map("Exp") @ coefficients + offsets[None]
    name: str = decisions.name
    return name


def _units(spec: SvmSpec, task: Task, n_rows: int, n_columns: int) -> float:
    n_machines = len(task.classes) if task.kind == "multiclass" else 1
    n_fits = 3.0 if task.is_classification else 1.0  # the three folds are two thirds of the rows each
    return n_machines * n_fits * n_rows**2 * (n_columns + 20) * 1e-3


MODEL = Model(
    name="svm",
    fit=fit,
    spec=SvmSpec,
    preset="scaled",
    order=7,
    variants=({}, {"cost": 10.0}, {"cost": 0.2}),
    space={
        "cost": {"low": 0.01, "high": 1000.0, "log": True},
        "gamma": {"low": 1e-4, "high": 1.0, "log": True},
    },
    suits=lambda task, n_rows, n_columns: n_rows <= MOST_ROWS,
    units=_units,
)
