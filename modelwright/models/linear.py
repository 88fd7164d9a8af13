"""Logistic regression and ridge regression: one coefficient per column of the matrix, drawn towards zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.models._quantiles import linear_quantile, side_by_side
from modelwright.models.base import (
    Held,
    Model,
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


SPARSE = 0.05


class LinearSpec(Spec):
    """How strongly coefficients are drawn towards zero."""

    penalty: float = Field(
        1.0,
        gt=0,
        le=1e9,
        description="L2 penalty: half the squared length of the coefficients, times this, is added to the "
        "summed loss; it weighs less the more rows there are",
    )
    max_iterations: int = Field(500, ge=1, le=100_000, description="most steps of the solver (classes only)")


def fit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    spec: LinearSpec,
    task: Task,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    valid: Held | None = None,
) -> Fitted:
    """Multinomial logistic regression, or ridge regression; of quantiles, quantile regression with the same penalty.
    Wants scaled features without gaps.

    References: Hastie, Tibshirani and Friedman (2009), "The Elements of Statistical Learning", 3.4 and 4.4; Koenker and
    Bassett (1978), "Regression quantiles".

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> x = np.array([[0.0], [1.0], [2.0]], np.float32)
    >>> fitted = fit(x, np.array([1.0, 3.0, 5.0]), spec=LinearSpec(penalty=1e-9),
    ...     task=Task(kind="regression", target="y"), rng=np.random.default_rng(0))
    >>> fitted.predict(np.array([[10.0]], np.float32)).round(4).tolist()
    [21.0]
    """
    if task.is_classification:
        if len(set(y.tolist())) == 1:
            return fit_constant(x, y, spec=ConstantSpec(), task=task, rng=rng)
        return _fit_classes(*weighted_rows(x, y, weights), spec, task)
    if task.quantiles:
        rows = weighted_rows(x, y, weights)
        return side_by_side([_fit_level(*rows, spec, level) for level in task.quantiles])
    return _fit_values(*weighted_rows(x, y, weights), spec)


def _fit_classes(x: np.ndarray, y: np.ndarray, weights: np.ndarray, spec: LinearSpec, task: Task) -> Fitted:
    import warnings

    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    from modelwright.core.values import Fitted

    present, position = present_classes(y)
    n_coefficients = x.shape[1] * (len(present) if len(present) > 2 else 1)
    # Newton's steps are few and exact, but each inverts a matrix of all coefficients
    solver = "newton-cholesky" if n_coefficients <= 300 else "lbfgs"
    model = LogisticRegression(C=1.0 / spec.penalty, max_iter=spec.max_iterations, tol=1e-5, solver=solver)
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told in `info`
        model.fit(_lean(x), position, sample_weight=weights)

    def predict(x: np.ndarray) -> np.ndarray:
        return spread(model.predict_proba(x.astype(np.float64)), present, len(task.classes))

    def emit(graph: Graph, x: str) -> str:
        logits = graph.tensor(graph.tensor(x).cast("float64")) @ model.coef_.T + model.intercept_[None]
        if len(present) == 2:
            return emit_spread(graph, emit_pair(graph, logits.map("Sigmoid").name), present, len(task.classes))
        return emit_spread(graph, logits.map("Softmax", axis=1).name, present, len(task.classes))

    n_steps = int(model.n_iter_.max())
    return Fitted(
        predict=predict,
        emit=emit,
        importance=np.abs(model.coef_).mean(axis=0) * x.std(axis=0, dtype=np.float64),
        n_units=n_steps,
        info={"iterations": n_steps, "converged": n_steps < spec.max_iterations},
    )


def _lean(x: np.ndarray) -> Any:
    """In float64; where nearly all is zero, as of thousands of words, only the rest."""
    import numpy as np
    from scipy.sparse import csr_array

    if x.size and np.count_nonzero(x) < SPARSE * x.size:
        return csr_array(x, dtype=np.float64)
    return x.astype(np.float64)


def _fit_values(x: np.ndarray, y: np.ndarray, weights: np.ndarray, spec: LinearSpec) -> Fitted:
    import numpy as np
    from sklearn.linear_model import Ridge

    from modelwright.core.values import Fitted

    model = Ridge(alpha=spec.penalty, solver="cholesky")
    with one_thread():
        model.fit(x.astype(np.float64), y.astype(np.float64), sample_weight=weights)

    def predict(x: np.ndarray) -> np.ndarray:
        values: np.ndarray = model.predict(x.astype(np.float64))
        return values

    def emit(graph: Graph, x: str) -> str:
        values = graph.tensor(graph.tensor(x).cast("float64")) @ model.coef_[:, None] + model.intercept_
        return emit_column(graph, values.name)

    return Fitted(predict=predict, emit=emit, importance=np.abs(model.coef_) * x.std(axis=0, dtype=np.float64))


def _fit_level(x: np.ndarray, y: np.ndarray, weights: np.ndarray, spec: LinearSpec, level: float) -> Fitted:
    """One quantile."""
    import numpy as np

    from modelwright.core.values import Fitted

    with one_thread():
        coefficients, intercept = linear_quantile(
            x, y.astype(np.float64), weights, level, penalty=spec.penalty, n_steps=spec.max_iterations
        )

    def predict(x: np.ndarray) -> np.ndarray:
        values: np.ndarray = x.astype(np.float64) @ coefficients + intercept
        return values

    def emit(graph: Graph, x: str) -> str:
        values = graph.tensor(graph.tensor(x).cast("float64")) @ coefficients[:, None] + intercept
        return emit_column(graph, values.name)

    return Fitted(predict=predict, emit=emit, importance=np.abs(coefficients) * x.std(axis=0, dtype=np.float64))


def _units(spec: LinearSpec, task: Task, n_rows: int, n_columns: int) -> float:
    """A step reads the matrix twice per class or quantile; ridge forms one cross product."""
    if task.quantiles:
        return 15_000 + len(task.quantiles) * 300 * n_rows * (n_columns + 20) * 1.5e-3
    if not task.is_classification:
        return 10_000 + n_rows * n_columns * (n_columns + 20) * 2e-4 + n_columns**3 * 1e-4
    n_steps = min(spec.max_iterations, 100)
    return 15_000 + n_steps * n_rows * n_columns * (1 if task.kind == "binary" else len(task.classes)) * 1e-3


MODEL = Model(
    name="linear",
    fit=fit,
    spec=LinearSpec,
    preset="scaled",
    order=1,
    variants=({}, {"penalty": 0.05}, {"penalty": 20.0}, {"penalty": 400.0}),
    words=({"penalty": 0.3}, {"penalty": 0.1}, {"penalty": 1.0}),
    space={"penalty": {"low": 1e-3, "high": 1e4, "log": True}},
    quantiles=True,
    suits=lambda task, n_rows, n_columns: n_rows * n_columns <= 500_000_000,
    units=_units,
)
