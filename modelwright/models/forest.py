"""Random forest: many deep trees, each grown on rows drawn anew, averaged. By a setting, extra trees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.models._grown import fitted
from modelwright.models.base import Held, Model, integer_seed, present_classes, weighted_rows

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright_runtime.signature import Task


class ForestSpec(Spec):
    """Number, size and randomness of the trees."""

    trees: int = Field(100, ge=1, le=5000, description="number of trees")
    extra: bool = Field(False, description="extra trees: random thresholds, every tree sees all rows")
    min_leaf: int = Field(2, ge=1, description="fewest rows in a leaf")
    max_leaves: int = Field(
        1000, ge=2, le=100_000, description="most leaves of a tree; a package holds 90 bytes for each"
    )
    column_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="share of the columns tried at each decision; unset: the square root of their number for "
        "classes, a third of them for values",
    )
    threads: int = Field(2, ge=1, le=64, description="threads; the trees do not depend on it")


def fit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    spec: ForestSpec,
    task: Task,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    valid: Held | None = None,
) -> Fitted:
    """A forest by Gini impurity or squared error. Gaps (NaN) may stay in the matrix.

    References: Breiman (2001), "Random Forests"; Geurts, Ernst and Wehenkel (2006), "Extremely randomized
    trees".

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> x = np.arange(100, dtype=np.float32)[:, None]
    >>> fitted = fit(x, (x[:, 0] > 50).astype(int), spec=ForestSpec(trees=20), rng=np.random.default_rng(0),
    ...     task=Task(kind="binary", target="y", classes=("low", "high")))
    >>> fitted.predict(x[[10, 90]]).round().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    import numpy as np
    from sklearn import ensemble

    x, y, weights = weighted_rows(x, y, weights)
    settings = _settings(spec, task, len(x), integer_seed(rng))
    if task.is_classification:
        present, position = present_classes(y)
        kind = ensemble.ExtraTreesClassifier if spec.extra else ensemble.RandomForestClassifier
        model = kind(**settings).fit(x, position, sample_weight=weights)
        return fitted(model, [tree.tree_ for tree in model.estimators_], task, present, (0.0, 1.0))
    # centred, for the variance of values around a large mean is lost in rounding
    centre = float(np.average(y, weights=weights))
    kind = ensemble.ExtraTreesRegressor if spec.extra else ensemble.RandomForestRegressor
    model = kind(**settings).fit(x, y - centre, sample_weight=weights)
    return fitted(model, [tree.tree_ for tree in model.estimators_], task, None, (centre, 1.0))


def _settings(spec: ForestSpec, task: Task, n_rows: int, seed: int) -> dict[str, Any]:
    return {
        "n_estimators": spec.trees,
        "min_samples_leaf": max(1, min(spec.min_leaf, n_rows // 20)),
        # growing by the best leaf first is slower, so it is asked for only where the bound can bind
        "max_leaf_nodes": spec.max_leaves if n_rows > spec.max_leaves * spec.min_leaf else None,
        "max_features": spec.column_share or ("sqrt" if task.is_classification else 1 / 3),
        # below some size threads wait for each other longer than they work
        "n_jobs": spec.threads if n_rows >= 2000 else 1,
        "random_state": seed,
    }


def units(spec: ForestSpec, task: Task, n_rows: int, n_columns: int) -> float:
    """Work of a fit: see `Model`."""
    share = spec.column_share or (n_columns**-0.5 if task.is_classification else 1 / 3)
    per_row = math.log2(n_rows + 2) * math.sqrt(max(1.0, share * n_columns)) * 0.028
    return float(spec.trees * (2000 + n_rows * per_row))


MODEL = Model(
    name="forest",
    fit=fit,
    spec=ForestSpec,
    preset="plain",
    order=8,
    variants=({}, {"min_leaf": 5, "column_share": 0.4}, {"min_leaf": 1, "column_share": 0.7}),
    space={
        "extra": [False, True],
        "min_leaf": {"low": 1, "high": 30, "integer": True, "log": True},
        "column_share": {"low": 0.1, "high": 1.0},
    },
    suits=lambda task, n_rows, n_columns: n_rows <= 1_000_000,
    units=units,
)
