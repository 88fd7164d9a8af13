"""Gaussian naive Bayes: each column is a bell curve within each class. Quick, and good with few rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.errors import UserError
from modelwright.core.spec import Spec
from modelwright.models.base import Held, Model, emit_spread, present_classes, spread, weighted_rows

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task


class BayesSpec(Spec):
    """How much wider the bell curves are made."""

    smoothing: float = Field(
        0.1, gt=0, le=100, description="share of the largest variance that is added to every variance"
    )


def fit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    spec: BayesSpec,
    task: Task,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    valid: Held | None = None,
) -> Fitted:
    """Class shares, and per class the mean and variance of each column. Wants a matrix without gaps.

    Raises `model.task` for a regression.

    Reference: Hand and Yu (2001), "Idiot's Bayes: not so stupid after all?".

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> x = np.array([[0.0], [1.0], [8.0], [9.0]], np.float32)
    >>> fitted = fit(x, np.array([0, 0, 1, 1]), spec=BayesSpec(), rng=np.random.default_rng(0),
    ...     task=Task(kind="binary", target="y", classes=("low", "high")))
    >>> fitted.predict(np.array([[4.5]], np.float32)).round(3).tolist()
    [[0.5, 0.5]]
    """
    from scipy.special import softmax
    from sklearn.naive_bayes import GaussianNB

    from modelwright.core.values import Fitted

    if not task.is_classification:
        raise UserError("model.task", "`bayes` predicts classes, not values.", hint="use another model")
    x, y, weights = weighted_rows(x, y, weights)
    present, position = present_classes(y)
    model = GaussianNB(var_smoothing=spec.smoothing)
    model.fit(x.astype("float64"), position, sample_weight=weights)
    model.var_[model.var_ == 0] = 1.0  # only where every column is constant: they say nothing, whatever their width

    def predict(x: np.ndarray) -> np.ndarray:
        likelihood = model.predict_joint_log_proba(x.astype("float64"))
        # scikit-learn's own shares do not sum to 1 far from all classes, where likelihoods are tiny
        return spread(softmax(likelihood, axis=1), present, len(task.classes))

    return Fitted(
        predict=predict,
        emit=lambda graph, x: _emit(model.theta_, model.var_, model.class_prior_, (present, task), graph, x),
    )


def _emit(
    mean: np.ndarray,
    variance: np.ndarray,
    prior: np.ndarray,
    classes: tuple[np.ndarray, Task],
    graph: Graph,
    x: str,
) -> str:
    """The joint log likelihood of each class (n, n_classes), by distances (n, n_classes, d), then softmax."""
    import numpy as np

    present, task = classes
    wide = graph.tensor(graph.node("Unsqueeze", graph.tensor(x).cast("float64"), graph.constant([1], "int64")))
    away = wide - mean[None]
    terms = away * away / variance[None]
    summed = graph.tensor(graph.node("ReduceSum", terms.name, graph.constant([2], "int64"), keepdims=0))
    constant = np.log(prior) - 0.5 * np.log(2.0 * np.pi * variance).sum(axis=1)
    likelihood = summed * -0.5 + constant[None]
    return emit_spread(graph, likelihood.map("Softmax", axis=1).name, present, len(task.classes))


MODEL = Model(
    name="bayes",
    fit=fit,
    spec=BayesSpec,
    preset="scaled",
    order=10,
    suits=lambda task, n_rows, n_columns: task.is_classification,
    units=lambda spec, task, n_rows, n_columns: n_rows * n_columns * 0.01,
)
