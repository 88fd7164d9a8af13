"""One decision tree: the model that can be read by eye."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.models._grown import fitted
from modelwright.models.base import Held, Model, integer_seed, present_classes, weighted_rows

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright_runtime.signature import Task


class TreeSpec(Spec):
    """How large the tree grows."""

    depth: int = Field(6, ge=1, le=64, description="most decisions on the way to a leaf")
    min_leaf: int = Field(15, ge=1, description="fewest rows in a leaf; tables of few rows get by with less")


def fit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    spec: TreeSpec,
    task: Task,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    valid: Held | None = None,
) -> Fitted:
    """A tree by Gini impurity or squared error. Gaps (NaN) may stay in the matrix.

    Reference: Breiman, Friedman, Olshen and Stone (1984), "Classification and Regression Trees".

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> x = np.arange(40, dtype=np.float32)[:, None]
    >>> fitted = fit(x, (x[:, 0] > 9).astype(float), spec=TreeSpec(), rng=np.random.default_rng(0),
    ...     task=Task(kind="regression", target="y"))
    >>> fitted.predict(x[[9, 10]]).tolist()
    [0.0, 1.0]
    """
    import numpy as np
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    x, y, weights = weighted_rows(x, y, weights)
    settings = {
        "max_depth": spec.depth,
        "min_samples_leaf": max(1, min(spec.min_leaf, len(x) // 20)),
        "random_state": integer_seed(rng),
    }
    if task.is_classification:
        present, position = present_classes(y)
        model = DecisionTreeClassifier(**settings).fit(x, position, sample_weight=weights)
        return fitted(model, [model.tree_], task, present, (0.0, 1.0))
    # centred, for the variance of values around a large mean is lost in rounding
    centre = float(np.average(y, weights=weights))
    model = DecisionTreeRegressor(**settings).fit(x, y - centre, sample_weight=weights)
    return fitted(model, [model.tree_], task, None, (centre, 1.0))


MODEL = Model(
    name="tree",
    fit=fit,
    spec=TreeSpec,
    preset="plain",
    order=11,
    space={
        "depth": {"low": 2, "high": 20, "integer": True, "log": True},
        "min_leaf": {"low": 1, "high": 100, "integer": True, "log": True},
    },
    suits=lambda task, n_rows, n_columns: True,
    units=lambda spec, task, n_rows, n_columns: n_rows * n_columns * math.log2(n_rows + 2) * 0.03,
)
