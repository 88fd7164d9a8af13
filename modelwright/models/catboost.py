"""Gradient boosting of symmetric trees by CatBoost: every level of a tree asks one question of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.optional import need
from modelwright.core.spec import Spec
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


class CatboostSpec(Spec):
    """Number, depth and weight of the trees."""

    rounds: int = Field(500, ge=1, le=10_000, description="trees, or the most when stopping early")
    learning_rate: float = Field(0.06, gt=0, le=1, description="share of each tree's answer that is added")
    depth: int = Field(6, ge=1, le=10, description="questions that a tree asks; it has 2 to this power leaves")
    l2: float = Field(3.0, ge=0, le=1e6, description="L2 penalty on the leaves' values")
    column_share: float = Field(1.0, gt=0, le=1, description="share of the columns that a question chooses from")
    random_strength: float = Field(1.0, ge=0, le=100, description="noise on the questions' gains, less with each tree")
    patience: int = Field(
        40, ge=1, description="rounds without a better held-out loss before stopping, when `valid` is given"
    )


@dataclass(frozen=True, eq=False)
class Symmetric:
    """Trees of one depth: `columns` and `borders` (n_trees, depth), and `leaves` (n_trees * 2**depth, n_outputs).

    Question i of a tree asks whether x[column] > border, and is bit i of the number of the leaf; NaN says no.
    """

    columns: np.ndarray
    borders: np.ndarray
    leaves: np.ndarray
    bias: np.ndarray


def fit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    spec: CatboostSpec,
    task: Task,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    valid: Held | None = None,
) -> Fitted:
    """CatBoost with log loss or squared error. With `valid`, the rounds after the best one are cut off.

    One thread, for its sums depend on how many there are. Gaps (NaN) may stay in the matrix; categories come as the
    numbers that features make of them. Raises `optional.missing` where CatBoost is not installed.

    Reference: Prokhorenkova et al. (2018), "CatBoost: unbiased boosting with categorical features".

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> x = np.arange(100, dtype=np.float32)[:, None]
    >>> fitted = fit(x, (x[:, 0] > 50).astype(int), spec=CatboostSpec(rounds=50), rng=np.random.default_rng(0),
    ...     task=Task(kind="binary", target="y", classes=("low", "high")))
    >>> fitted.predict(x[[10, 90]]).round().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    import numpy as np

    catboost = need("catboost", extra="boost", why="the model `catboost`")
    x, y, weights = weighted_rows(x, y, weights)
    present, position = present_classes(y) if task.is_classification else (None, y)
    same = bool(((x == x[:1]) | np.isnan(x) & np.isnan(x[:1])).all())
    if same or bool((y == y[0]).all()):  # nothing to ask, or nothing to learn: CatBoost refuses both
        return fit_constant(x, y, weights=weights, spec=ConstantSpec(), task=task, rng=rng)
    centre, scale = (0.0, 1.0) if task.is_classification else unit_of(y)
    kind = catboost.CatBoostRegressor if present is None else catboost.CatBoostClassifier
    model = kind(**_settings(spec, present, len(x), integer_seed(rng)))
    held = None
    if valid is not None:
        rows, truth, shares = _held(valid, present, centre, scale)
        held = catboost.Pool(rows, truth, weight=shares)
    model.fit(
        catboost.Pool(x, (position - centre) / scale, weight=weights),
        eval_set=held,
        use_best_model=held is not None,
        early_stopping_rounds=spec.patience if held is not None else None,
    )
    return _fitted(model, present, task, (centre, scale))


def _settings(spec: CatboostSpec, present: np.ndarray | None, n_rows: int, seed: int) -> dict[str, Any]:
    loss = "RMSE" if present is None else "Logloss" if len(present) == 2 else "MultiClass"
    return {
        "loss_function": loss,
        "iterations": spec.rounds,
        "learning_rate": spec.learning_rate,
        "depth": spec.depth,
        "l2_leaf_reg": spec.l2,
        "rsm": spec.column_share,
        "random_strength": spec.random_strength,
        "random_seed": seed,
        "thread_count": 1,
        # of few rows its sampling by weight may leave none
        **({"bootstrap_type": "No"} if n_rows < 50 else {}),
        "allow_const_label": True,
        "allow_writing_files": False,
        "verbose": False,
    }


def _held(valid: Held, present: np.ndarray | None, centre: float, scale: float) -> tuple[Any, ...]:
    """Held-out rows; those of a class that training does not have cannot be scored."""
    import numpy as np

    if present is None:
        return valid.x, (valid.y - centre) / scale, valid.weights
    known = np.isin(valid.y, present)
    weights = None if valid.weights is None else valid.weights[known]
    return valid.x[known], np.searchsorted(present, valid.y[known]), weights


def _fitted(model: Any, present: np.ndarray | None, task: Task, unit: tuple[float, float]) -> Fitted:
    import numpy as np

    from modelwright.core.values import Fitted

    trees = read_trees(model)

    def predict(x: np.ndarray) -> np.ndarray:
        if present is None:
            values: np.ndarray = model.predict(x, thread_count=1) * unit[1] + unit[0]
            return values
        return spread(model.predict_proba(x, thread_count=1), present, len(task.classes))

    def emit(graph: Graph, x: str) -> str:
        raw = emit_symmetric(graph, x, trees)
        if present is None:
            return emit_column(graph, (graph.tensor(raw) * unit[1] + unit[0]).name)
        if trees.leaves.shape[1] == 1:
            chances = emit_pair(graph, graph.tensor(raw).map("Sigmoid").name)
        else:
            chances = graph.tensor(raw).map("Softmax", axis=1).name
        return emit_spread(graph, chances, present, len(task.classes))

    return Fitted(
        predict=predict,
        emit=emit,
        importance=np.asarray(model.get_feature_importance(), dtype=np.float64).clip(0.0),
        n_units=model.tree_count_,
        n_cells_per_row=3 * trees.columns.size,
        info={"rounds": model.tree_count_},
    )


def read_trees(model: Any) -> Symmetric:
    """The trees of CatBoost's JSON form. Shallower ones are asked what nobody answers with yes."""
    import json
    import tempfile
    from pathlib import Path

    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        plain = json.loads(path.read_text())
    scale, bias = plain["scale_and_bias"]
    trees = plain["oblivious_trees"]
    depth = max([len(tree["splits"] or ()) for tree in trees], default=0)
    columns = np.zeros((len(trees), depth), dtype=np.int64)
    borders = np.full((len(trees), depth), np.inf, dtype=np.float32)
    leaves = np.zeros((len(trees), 2**depth, len(bias)))
    for number, tree in enumerate(trees):
        for level, split in enumerate(tree["splits"] or ()):
            columns[number, level], borders[number, level] = split["float_feature_index"], split["border"]
        values = np.array(tree["leaf_values"]).reshape(-1, len(bias)) * scale
        leaves[number, : len(values)] = values
    return Symmetric(columns, borders, leaves.reshape(-1, len(bias)), np.array(bias))


def emit_symmetric(graph: Graph, x: str, trees: Symmetric) -> str:
    """The sum of the trees: a float64 tensor (n, n_outputs), from the float32 matrix `x`.

    All questions of all trees at once, and a look-up of the leaves: a tenth of the bytes of a node for each decision.
    """
    import numpy as np

    n_trees, depth = trees.columns.shape
    if not depth:  # no tree, or trees that ask nothing: the same for all rows
        n_outputs = len(trees.bias)
        nought = graph.tensor(graph.node("Gather", x, graph.constant([0] * n_outputs, "int64"), axis=1))
        zero = graph.tensor(graph.node("IsNaN", nought.name)).cast("float64")
        same: str = (graph.tensor(zero) * 0.0 + (trees.bias + trees.leaves.sum(axis=0))[None]).name
        return same
    asked = graph.node("Gather", x, graph.constant(trees.columns.ravel(), "int64"), axis=1)
    said = graph.node("Greater", asked, graph.constant(trees.borders.reshape(1, -1), "float32"))
    bits = graph.node("Reshape", graph.tensor(said).cast("float64"), graph.constant([-1, n_trees, depth], "int64"))
    powers = (2.0 ** np.arange(depth))[None, None]
    leaf = graph.node("ReduceSum", (graph.tensor(bits) * powers).name, graph.constant([2], "int64"), keepdims=0)
    at = graph.tensor(leaf) + (np.arange(n_trees) * 2.0**depth)[None]
    values = graph.node("Gather", graph.constant(trees.leaves, "float64"), at.cast("int64"), axis=0)
    total = graph.tensor(graph.node("ReduceSum", values, graph.constant([1], "int64"), keepdims=0))
    name: str = (total + trees.bias[None]).name
    return name


def _units(spec: CatboostSpec, task: Task, n_rows: int, n_columns: int) -> float:
    n_outputs = len(task.classes) if task.kind == "multiclass" else 1
    per_level = 100 + 2 * n_columns + n_rows * (0.012 + 8e-4 * n_columns)
    return float(spec.rounds * n_outputs * (spec.depth * per_level + 2**spec.depth * (5 + 0.08 * n_columns)))


MODEL = Model(
    name="catboost",
    fit=fit,
    spec=CatboostSpec,
    preset="plain",
    order=3,
    needs=("catboost", "boost"),
    variants=(
        {},
        {"depth": 8, "learning_rate": 0.05, "l2": 5.0},
        {"depth": 4, "learning_rate": 0.08, "column_share": 0.5},
    ),
    space={
        "learning_rate": {"low": 0.02, "high": 0.2, "log": True},
        "depth": {"low": 3, "high": 8, "integer": True},
        "l2": {"low": 1.0, "high": 30.0, "log": True},
        "column_share": {"low": 0.3, "high": 1.0},
        "random_strength": {"low": 0.1, "high": 10.0, "log": True},
    },
    suits=lambda task, n_rows, n_columns: n_rows >= 10,
    units=_units,
)
