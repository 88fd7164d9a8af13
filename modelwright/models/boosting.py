"""Gradient boosting by LightGBM: many small trees, each mending what those before it got wrong."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.models._quantiles import side_by_side
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


class BoostingSpec(Spec):
    """Number, size and weight of the trees."""

    rounds: int = Field(200, ge=1, le=10_000, description="trees (per class), or the most when stopping early")
    learning_rate: float = Field(0.06, gt=0, le=1, description="share of each tree's answer that is added")
    leaves: int = Field(24, ge=2, le=1024, description="most leaves of a tree")
    min_leaf: int = Field(15, ge=1, description="fewest rows in a leaf; few-row tables get by with less")
    row_share: float = Field(0.9, gt=0, le=1, description="share of the rows that a tree sees")
    column_share: float = Field(0.7, gt=0, le=1, description="share of the columns that a tree sees")
    l2: float = Field(1.0, ge=0, le=1e6, description="L2 penalty on the leaves' values")
    patience: int = Field(
        40, ge=1, description="rounds without a better held-out loss before stopping, when `valid` is given"
    )
    threads: int = Field(
        4, ge=1, le=256, description="most threads, from 100,000 rows on; the trees do not depend on it"
    )


def fit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    spec: BoostingSpec,
    task: Task,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    valid: Held | None = None,
) -> Fitted:
    """LightGBM with log loss, squared error or, of quantiles, the pinball loss of each. With `valid`, the rounds after
    the best one are cut off.

    `n_units` and `info["rounds"]` say how many rounds were kept. Gaps (NaN) may stay in the matrix.

    Reference: Ke et al. (2017), "LightGBM: A Highly Efficient Gradient Boosting Decision Tree".

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> x = np.arange(100, dtype=np.float32)[:, None]
    >>> fitted = fit(x, (x[:, 0] > 50).astype(int), spec=BoostingSpec(rounds=50), rng=np.random.default_rng(0),
    ...     task=Task(kind="binary", target="y", classes=("low", "high")))
    >>> fitted.predict(x[[10, 90]]).round().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    x, y, weights = weighted_rows(x, y, weights)
    present, position = present_classes(y) if task.is_classification else (None, y)
    if present is not None and len(present) == 1:
        return fit_constant(x, y, spec=ConstantSpec(), task=task, rng=rng)
    settings = _settings(spec, None if present is None else len(present), len(x), integer_seed(rng))
    if task.quantiles:
        one = replace(task, quantiles=())
        more = ({**settings, "objective": "quantile", "alpha": level} for level in task.quantiles)
        return side_by_side([_grow(x, y, weights, None, spec, own, one, valid) for own in more])
    return _grow(x, position, weights, present, spec, settings, task, valid)


def _grow(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, present: np.ndarray | None, spec: BoostingSpec,
    settings: dict[str, Any], task: Task, valid: Held | None,
) -> Fitted:  # fmt: skip
    """One booster; `y` are places among the classes that are present, or values."""
    import lightgbm

    centre, scale = (0.0, 1.0) if task.is_classification else unit_of(y)
    train = lightgbm.Dataset(x, (y - centre) / scale, weight=weights, params=settings, free_raw_data=False)
    held: list[Any] = []
    callbacks: list[Any] = []
    if valid is not None:
        held = [_held(train, valid, present, centre, scale)]
        callbacks = [lightgbm.early_stopping(spec.patience, verbose=False)]
    booster = lightgbm.train(settings, train, spec.rounds, valid_sets=held, callbacks=callbacks)
    return _fitted(booster, present, task, (centre, scale))


def _settings(spec: BoostingSpec, n_classes: int | None, n_rows: int, seed: int) -> dict[str, Any]:
    objective = "regression" if n_classes is None else "binary" if n_classes == 2 else "multiclass"
    return {
        "objective": objective,
        **({"num_class": n_classes} if objective == "multiclass" else {}),
        "learning_rate": spec.learning_rate,
        "num_leaves": spec.leaves,
        # a table of 60 rows could otherwise not be cut at all
        "min_data_in_leaf": max(1, min(spec.min_leaf, n_rows // 20)),
        "min_data_in_bin": 1 if n_rows < 2000 else 3,
        "min_sum_hessian_in_leaf": 1e-3,
        "bagging_fraction": spec.row_share,
        "bagging_freq": 1 if spec.row_share < 1 else 0,
        "feature_fraction": spec.column_share,
        "lambda_l2": spec.l2,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        # LightGBM's threads wait for each other by spinning: on a busy machine, 30 times slower than one
        "num_threads": min(spec.threads, os.cpu_count() or 1) if n_rows >= 100_000 else 1,
        "feature_pre_filter": False,
        "enable_bundle": True,
        "verbosity": -1,
    }


def _held(train: Any, valid: Held, present: np.ndarray | None, centre: float, scale: float) -> Any:
    """Held-out rows; those of a class that training does not have cannot be scored."""
    import numpy as np

    if present is None:
        return train.create_valid(valid.x, (valid.y - centre) / scale, weight=valid.weights)
    known = np.isin(valid.y, present)
    weights = None if valid.weights is None else valid.weights[known]
    return train.create_valid(valid.x[known], np.searchsorted(present, valid.y[known]), weight=weights)


def _fitted(booster: Any, present: np.ndarray | None, task: Task, unit: tuple[float, float]) -> Fitted:
    import numpy as np

    from modelwright.core.values import Fitted

    n_rounds = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    n_columns = 1 if present is None or len(present) == 2 else len(present)
    trees = read_trees(booster.model_to_string(num_iteration=n_rounds), n_columns)

    def predict(x: np.ndarray) -> np.ndarray:
        answer: np.ndarray = booster.predict(x, num_iteration=n_rounds)
        if present is None:
            return answer * unit[1] + unit[0]
        pair = answer if answer.ndim == 2 else np.stack([1.0 - answer, answer], axis=1)
        return spread(pair, present, len(task.classes))

    def emit(graph: Graph, x: str) -> str:
        raw = emit_trees(graph, x, trees)
        if present is None:
            return emit_column(graph, (graph.tensor(raw) * unit[1] + unit[0]).name)
        if n_columns == 1:
            chances = emit_pair(graph, graph.tensor(raw).map("Sigmoid").name)
        else:
            chances = graph.tensor(raw).map("Softmax", axis=1).name
        return emit_spread(graph, chances, present, len(task.classes))

    return Fitted(
        predict=predict,
        emit=emit,
        importance=booster.feature_importance("gain", iteration=n_rounds).astype(np.float64),
        n_units=n_rounds,
        info={"rounds": n_rounds},
    )


def read_trees(text: str, n_outputs: int) -> list[Tree]:
    """The trees of LightGBM's text form; tree i belongs to output i modulo `n_outputs`."""
    sections = text.split("end of trees")[0].split("\nTree=")[1:]
    return [_read_tree(section, index % n_outputs, n_outputs) for index, section in enumerate(sections)]


def _read_tree(section: str, output: int, n_outputs: int) -> Tree:
    """Inner nodes keep their numbers, leaf i becomes node n_inner + i (written as ~i among the children).

    Bits 2 and 3 of `decision_type` say how NaN is read: 2 as missing (bit 1: to the left), 0 as the number 0.
    """
    import numpy as np

    lines = dict(line.split("=", 1) for line in section.splitlines() if "=" in line)
    leaves = np.array(lines["leaf_value"].split(), dtype=np.float64)
    n_inner = len(leaves) - 1

    def column(name: str, dtype: str) -> np.ndarray:
        return np.array(lines[name].split() if n_inner else [], dtype=dtype)

    threshold, decision = column("threshold", "float64"), column("decision_type", "int64")
    left, right = (
        np.where(child < 0, n_inner + ~child, child)
        for child in (column("left_child", "int64"), column("right_child", "int64"))
    )
    as_missing = (decision >> 2) & 3 == 2
    padding = np.zeros(len(leaves), dtype=np.int64)
    value = np.zeros((n_inner + len(leaves), n_outputs))
    value[n_inner:, output] = leaves
    return Tree(
        feature=np.concatenate([column("split_feature", "int64"), padding - 1]),
        threshold=np.concatenate([threshold, padding.astype(np.float64)]),
        left=np.concatenate([left, padding]),
        right=np.concatenate([right, padding]),
        nan_left=np.concatenate([np.where(as_missing, (decision & 2) > 0, threshold >= 0), padding]),
        value=value,
    )


def _units(spec: BoostingSpec, task: Task, n_rows: int, n_columns: int) -> float:
    n_trees = spec.rounds * (len(task.classes) if task.kind == "multiclass" else max(1, len(task.quantiles)))
    per_level = n_rows * (0.012 + 0.006 * math.sqrt(n_columns))
    return float(n_trees * (150 + math.log2(spec.leaves) * per_level + 0.05 * n_columns * spec.leaves))


MODEL = Model(
    name="boosting",
    fit=fit,
    spec=BoostingSpec,
    preset="plain",
    order=2,
    variants=(
        {"leaves": 48, "learning_rate": 0.04, "min_leaf": 30, "l2": 3.0},
        {"leaves": 6, "learning_rate": 0.05, "min_leaf": 3, "column_share": 0.8},
        {"leaves": 16, "learning_rate": 0.03, "min_leaf": 5, "column_share": 0.5, "row_share": 0.7, "rounds": 400},
        {"leaves": 127, "learning_rate": 0.03, "min_leaf": 20, "column_share": 0.6},
    ),
    space={
        "learning_rate": {"low": 0.01, "high": 0.2, "log": True},
        "leaves": {"low": 4, "high": 256, "integer": True, "log": True},
        "min_leaf": {"low": 1, "high": 100, "integer": True, "log": True},
        "row_share": {"low": 0.5, "high": 1.0},
        "column_share": {"low": 0.2, "high": 1.0},
        "l2": {"low": 0.01, "high": 100.0, "log": True},
    },
    suits=lambda task, n_rows, n_columns: n_rows >= 10,
    units=_units,
    quantiles=True,
)
