"""Gradient boosting by XGBoost: trees grown level by level, with a penalty on each leaf."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.optional import need
from modelwright.core.spec import Spec
from modelwright.models._trees import Tree, emit_trees
from modelwright.models.base import (
    Held,
    Model,
    emit_column,
    emit_pair,
    emit_spread,
    integer_seed,
    present_classes,
    spread,
    unit_of,
    weighted_rows,
)
from modelwright.models.constant import ConstantSpec
from modelwright.models.constant import fit as fit_constant

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task


class XgboostSpec(Spec):
    """Number, depth and weight of the trees."""

    rounds: int = Field(300, ge=1, le=10_000, description="trees (per class), or the most when stopping early")
    learning_rate: float = Field(0.06, gt=0, le=1, description="share of each tree's answer that is added")
    depth: int = Field(6, ge=1, le=12, description="most decisions from the root to a leaf")
    min_weight: float = Field(1.0, ge=0, description="least sum of second derivatives in a leaf")
    row_share: float = Field(0.9, gt=0, le=1, description="share of the rows that a tree sees")
    column_share: float = Field(0.7, gt=0, le=1, description="share of the columns that a tree sees")
    l2: float = Field(1.0, ge=0, le=1e6, description="L2 penalty on the leaves' values")
    patience: int = Field(
        40, ge=1, description="rounds without a better held-out loss before stopping, when `valid` is given"
    )


def fit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    spec: XgboostSpec,
    task: Task,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    valid: Held | None = None,
) -> Fitted:
    """XGBoost with log loss or squared error. With `valid`, the rounds after the best one are cut off.

    One thread, for the folds run side by side. Gaps (NaN) may stay in the matrix. Raises `optional.missing` where
    XGBoost is not installed (the package `xgboost-cpu`: `xgboost` brings half a gigabyte for GPUs).

    Reference: Chen and Guestrin (2016), "XGBoost: A Scalable Tree Boosting System".

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> x = np.arange(100, dtype=np.float32)[:, None]
    >>> fitted = fit(x, (x[:, 0] > 50).astype(int), spec=XgboostSpec(rounds=50), rng=np.random.default_rng(0),
    ...     task=Task(kind="binary", target="y", classes=("low", "high")))
    >>> fitted.predict(x[[10, 90]]).round().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    xgboost = need("xgboost", extra="boost", why="the model `xgboost`")
    x, y, weights = weighted_rows(x, y, weights)
    present, position = present_classes(y) if task.is_classification else (None, y)
    if present is not None and len(present) == 1:
        return fit_constant(x, y, weights=weights, spec=ConstantSpec(), task=task, rng=rng)
    centre, scale = (0.0, 1.0) if task.is_classification else unit_of(y)
    settings = _settings(spec, None if present is None else len(present), integer_seed(rng))
    train = xgboost.DMatrix(_finite(x), (position - centre) / scale, weight=weights, nthread=1)
    watched: dict[str, Any] = {}
    if valid is not None:
        watched = {
            "evals": [(_held(xgboost, valid, present, centre, scale), "valid")],
            "early_stopping_rounds": spec.patience,
        }
    booster = xgboost.train(settings, train, spec.rounds, verbose_eval=False, **watched)
    n_rounds = booster.best_iteration + 1 if valid is not None else spec.rounds
    return _fitted(xgboost, booster[:n_rounds], n_rounds, present, task, (centre, scale))


def _settings(spec: XgboostSpec, n_classes: int | None, seed: int) -> dict[str, Any]:
    objective = "reg:squarederror" if n_classes is None else "binary:logistic" if n_classes == 2 else "multi:softprob"
    return {
        "objective": objective,
        **({"num_class": n_classes} if objective == "multi:softprob" else {}),
        "learning_rate": spec.learning_rate,
        "max_depth": spec.depth,
        "min_child_weight": spec.min_weight,
        "subsample": spec.row_share,
        "colsample_bytree": spec.column_share,
        "reg_lambda": spec.l2,
        "tree_method": "hist",
        "seed": seed,
        "nthread": 1,
        "verbosity": 0,
    }


def _held(xgboost: Any, valid: Held, present: np.ndarray | None, centre: float, scale: float) -> Any:
    """Held-out rows; those of a class that training does not have cannot be scored."""
    import numpy as np

    x, y, weights = valid
    if present is None:
        return xgboost.DMatrix(_finite(x), (y - centre) / scale, weight=weights, nthread=1)
    known = np.isin(y, present)
    weights = None if weights is None else weights[known]
    return xgboost.DMatrix(_finite(x[known]), np.searchsorted(present, y[known]), weight=weights, nthread=1)


def _finite(x: np.ndarray) -> np.ndarray:
    """XGBoost takes the largest float32 for infinite."""
    largest = 3e38
    return x.clip(-largest, largest)


def _fitted(
    xgboost: Any, booster: Any, n_rounds: int, present: np.ndarray | None, task: Task, unit: tuple[float, float]
) -> Fitted:
    import numpy as np

    from modelwright.core.values import Fitted

    n_columns = booster.num_features()
    n_outputs = 1 if present is None or len(present) == 2 else len(present)
    trees = read_trees(booster, n_outputs)

    def matrix(x: np.ndarray) -> Any:
        return xgboost.DMatrix(_finite(x), nthread=1)

    # what XGBoost adds to the leaves is what it answers beyond them
    nought = np.zeros((1, n_columns), dtype=np.float32)
    said = booster.predict(matrix(nought), output_margin=True).reshape(1, n_outputs).astype(np.float64)
    bias = said - sum(_leaf(tree, nought[0]) for tree in trees)

    def predict(x: np.ndarray) -> np.ndarray:
        answer = booster.predict(matrix(x)).astype(np.float64)
        if present is None:
            values: np.ndarray = answer * unit[1] + unit[0]
            return values
        pair = answer if answer.ndim == 2 else np.stack([1.0 - answer, answer], axis=1)
        return spread(pair, present, len(task.classes))

    def emit(graph: Graph, x: str) -> str:
        raw = (graph.tensor(emit_trees(graph, x, trees)) + bias).name
        if present is None:
            return emit_column(graph, (graph.tensor(raw) * unit[1] + unit[0]).name)
        if n_outputs == 1:
            chances = emit_pair(graph, graph.tensor(raw).map("Sigmoid").name)
        else:
            chances = graph.tensor(raw).map("Softmax", axis=1).name
        return emit_spread(graph, chances, present, len(task.classes))

    gains = booster.get_score(importance_type="total_gain")
    return Fitted(
        predict=predict,
        emit=emit,
        importance=np.array([gains.get(f"f{number}", 0.0) for number in range(n_columns)]),
        n_units=n_rounds,
        info={"rounds": n_rounds},
    )


def read_trees(booster: Any, n_outputs: int) -> list[Tree]:
    """The trees of XGBoost's JSON form; a row goes left where x < threshold, that is x <= the number below it."""
    import numpy as np

    plain = json.loads(bytes(booster.save_raw("json")))
    model = plain["learner"]["gradient_booster"]["model"]
    trees = []
    for tree, output in zip(model["trees"], model["tree_info"], strict=True):
        left = np.array(tree["left_children"], dtype=np.int64)
        leaf = left < 0
        condition = np.array(tree["split_conditions"], dtype=np.float32)
        value = np.zeros((len(left), n_outputs))
        value[:, output] = np.where(leaf, condition, 0.0)
        below = np.nextafter(condition, np.float32(-np.inf)).astype(np.float64)
        trees.append(
            Tree(
                feature=np.where(leaf, -1, np.array(tree["split_indices"], dtype=np.int64)),
                threshold=below,
                left=np.where(leaf, 0, left),
                right=np.where(leaf, 0, np.array(tree["right_children"], dtype=np.int64)),
                nan_left=np.array(tree["default_left"], dtype=bool),
                value=value,
            )
        )
    return trees


def _leaf(tree: Tree, row: np.ndarray) -> np.ndarray:
    node = 0
    while tree.feature[node] >= 0:
        node = int(tree.left[node] if row[tree.feature[node]] <= tree.threshold[node] else tree.right[node])
    value: np.ndarray = tree.value[node]
    return value


def _units(spec: XgboostSpec, task: Task, n_rows: int, n_columns: int) -> float:
    n_trees = spec.rounds * (len(task.classes) if task.kind == "multiclass" else 1)
    per_level = n_rows * (0.008 + 4e-4 * n_columns)
    return float(n_trees * (200 + spec.depth * per_level + 2**spec.depth * (6 + 0.08 * n_columns)))


MODEL = Model(
    name="xgboost",
    fit=fit,
    spec=XgboostSpec,
    preset="plain",
    order=4,
    needs=("xgboost", "boost"),
    variants=({}, {"depth": 4, "learning_rate": 0.05, "column_share": 0.5}),
    space={
        "learning_rate": {"low": 0.02, "high": 0.2, "log": True},
        "depth": {"low": 2, "high": 8, "integer": True},
        "min_weight": {"low": 0.5, "high": 30.0, "log": True},
        "row_share": {"low": 0.5, "high": 1.0},
        "column_share": {"low": 0.3, "high": 1.0},
        "l2": {"low": 0.1, "high": 30.0, "log": True},
    },
    suits=lambda task, n_rows, n_columns: n_rows >= 10,
    units=_units,
)
