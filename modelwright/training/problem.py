"""The training rows as mathematics sees them: the task, targets, weights and folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID, Dataset, Decision
from modelwright.core.errors import UserError
from modelwright.core.rng import stream
from modelwright.core.task import recognise
from modelwright.training.answering.costs import matrix_of
from modelwright.training.answering.quantiles import levels_of
from modelwright.training.classes import class_order, class_texts

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.values import Splits
    from modelwright.training.base import TrainSpec
    from modelwright_runtime.signature import Task

MOST_CLASSES = 1000
MOST_FIT_ROWS, MOST_VALID_ROWS = 100_000, 50_000
"""Candidates are compared on samples of larger folds: their order is settled long before."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """Training rows in ascending order of row id, and what is to be learned from them.

    `y` holds class numbers, int64, or values, float64, of shape (n,); `weights` float64 (n,) with mean 1;
    `pairs` are the positions to fit on and to validate on, fold by fold; `columns` are the features. `beside` float32
    (n, k) are further columns of every matrix: what models that were not fitted on a row answer of other targets.
    """

    data: Dataset
    task: Task
    y: np.ndarray
    weights: np.ndarray
    pairs: tuple[tuple[np.ndarray, np.ndarray], ...]
    columns: tuple[str, ...]
    decisions: tuple[Decision, ...]
    beside: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a candidate's answers to all rows: (n, n_classes), (n, n_quantiles) or (n,)."""
        n, n_each = len(self.y), len(self.task.classes) or len(self.task.quantiles)
        return (n, n_each) if n_each else (n,)

    @property
    def weighted(self) -> bool:
        """Whether the rows differ in weight."""
        return bool((self.weights != self.weights[0]).any())

    @property
    def is_texts(self) -> bool:
        """Whether texts are all there is to learn from."""
        return {self.data.schema[name].kind for name in self.columns} == {"text"}


def read_problem(data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int = 0) -> Problem:
    """Take the training rows and read target, weights and folds; refuse what cannot be learned."""
    import dataclasses

    import numpy as np

    if data.schema.target is None:
        raise UserError("train.target", "no column has the role `target`.", hint="name the column to predict")
    rows = data.take(splits.train)
    frame = rows.frame.sort(ROW_ID)
    rows = Dataset(frame.lazy(), data.schema, frame.height, data.origin)
    if not data.schema.features:
        raise UserError("train.features", "no column is left to predict from.", hint="check the columns' roles")
    task, y, told = read_target(rows, spec, data.schema.target)
    weights, more = read_weights(rows, task, y, spec)
    order = np.argsort(splits.train, kind="stable")
    pairs = dataclasses.replace(splits, train=splits.train[order], folds=splits.folds[order]).pairs()
    rng = stream(seed, "training", "sample")
    if any(len(fit) > MOST_FIT_ROWS or len(valid) > MOST_VALID_ROWS for fit, valid in pairs):
        choice = f"at most {MOST_FIT_ROWS:,} rows fit and {MOST_VALID_ROWS:,} judge"
        more.append(Decision("training", "comparison", choice, "more rows would not change the candidates' order"))
    pairs = [(_sample(fit, MOST_FIT_ROWS, rng), _sample(valid, MOST_VALID_ROWS, rng)) for fit, valid in pairs]
    return Problem(
        data=rows,
        task=task,
        y=y,
        weights=weights,
        pairs=tuple(pairs),
        columns=data.schema.features,
        decisions=(*told, *more),
    )


def _sample(positions: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    import numpy as np

    if len(positions) <= most:
        return positions
    return np.sort(rng.permutation(positions)[:most])


def read_target(rows: Dataset, spec: TrainSpec, name: str) -> tuple[Task, np.ndarray, list[Decision]]:
    """A target of classes or of numbers: the task, class numbers (int64) or values (float64), what was decided."""
    from modelwright_runtime.signature import Task

    target = rows.column(name)
    if target.null_count():
        raise UserError(
            "train.target",
            f"{target.null_count()} training rows have no `{name}`.",
            hint="divide the rows with `split`, which leaves them out",
        )
    kind, reason = recognise(target, rows.schema[name].kind)
    if spec.task != "auto":
        kind, reason = spec.task, "asked for"
    told = [Decision("training", "task", kind, reason)]
    if kind == "regression":
        return Task(kind="regression", target=name, quantiles=_quantiles(spec, name)), _values(target), told
    texts = class_texts(target)
    classes = class_order(texts)
    _check_classes(classes, len(texts), kind, name)
    if len(classes) == 2:
        kind = "binary"
        told.append(Decision("training", "positive class", classes[1], "its word means yes, or it is the rarer one"))
    if spec.objective is not None:
        raise UserError("train.objective", f"`objective` is for numbers; `{name}` asks for {kind}.",
                        hint="state `costs` or a `goal` for classes, or take `objective` out")  # fmt: skip
    costs = matrix_of(spec.costs, classes) if spec.costs is not None else ()
    return Task(kind=kind, target=name, classes=classes, costs=costs), _class_numbers(texts, classes), told


def _quantiles(spec: TrainSpec, name: str) -> tuple[float, ...]:
    """The quantiles that are learned of a number, where an objective asks for them."""
    for setting in ("costs", "goal"):
        if getattr(spec, setting) is not None:
            raise UserError(f"train.{setting}", f"`{setting}` is for classes; `{name}` asks for a number.",
                            hint=f"state an `objective` for numbers, or take `{setting}` out")  # fmt: skip
    return levels_of(spec.objective, spec.conformal) if spec.objective is not None else ()


def _values(target: pl.Series) -> np.ndarray:
    import numpy as np

    if not (target.dtype.is_numeric() or target.dtype == bool):
        raise UserError(
            "train.task",
            f"`{target.name}` is no number, so it cannot be the target of a regression.",
            hint="set `task: multiclass`, or leave it to auto",
        )
    values: np.ndarray = target.cast(float).to_numpy().astype(np.float64)
    if not np.isfinite(values).all():
        raise UserError("train.target", f"`{target.name}` holds a number that is not finite.")
    if values.min() == values.max():
        raise UserError("train.single_class", f"all training rows have the same `{target.name}`: {values[0]}.")
    return values


def _check_classes(classes: tuple[str, ...], n_rows: int, kind: str, name: str) -> None:
    if len(classes) < 2:
        raise UserError(
            "train.single_class",
            f"all training rows have the same `{name}`: {classes[0] if classes else 'none'!r}.",
            hint="a model needs rows of at least two classes",
        )
    if kind == "binary" and len(classes) > 2:
        raise UserError("train.task", f"`{name}` has {len(classes)} classes, not two.", hint="set `task: multiclass`")
    if len(classes) > MOST_CLASSES or 2 * len(classes) > n_rows:
        raise UserError(
            "train.identifier",
            f"`{name}` has {len(classes)} classes in {n_rows} rows: it names rows rather than classes.",
            hint="check that the right column is the target",
        )


def _class_numbers(texts: pl.Series, classes: tuple[str, ...]) -> np.ndarray:
    import numpy as np
    import polars as pl

    numbers = texts.replace_strict(list(classes), list(range(len(classes))), return_dtype=pl.Int64)
    found: np.ndarray = numbers.to_numpy().astype(np.int64)
    return found


def read_weights(rows: Dataset, task: Task, y: np.ndarray, spec: TrainSpec) -> tuple[np.ndarray, list[Decision]]:
    """Row weights times class weights, scaled to mean 1."""
    import numpy as np

    weights = np.ones(rows.n_rows)
    told = []
    for name in rows.schema.of_role("weight")[:1]:
        weights = rows.column(name).cast(float).fill_null(float("nan")).to_numpy().astype(np.float64)
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
            raise UserError(
                "train.weight",
                f"the weights in `{name}` must be numbers of at least 0, and not all 0.",
                hint="repair the column, or give it the role `ignored`",
            )
        told.append(Decision("training", "row weights", name, "the column has the role weight"))
    if task.is_classification and spec.class_weight != "none":
        of_class = _class_weights(task, y, weights, spec)
        weights = weights * of_class[y]
        shown = ", ".join(f"{text} {weight:.3g}" for text, weight in zip(task.classes, of_class, strict=True))
        told.append(Decision("training", "class weights", shown, "asked for"))
    return weights / weights.mean(), told


def _class_weights(task: Task, y: np.ndarray, weights: np.ndarray, spec: TrainSpec) -> np.ndarray:
    import numpy as np

    if isinstance(spec.class_weight, dict):
        unknown = sorted(set(spec.class_weight) - set(task.classes))
        if unknown:
            raise UserError(
                "train.class_weight",
                f"`{task.target}` has no class {unknown[0]!r}.",
                hint=f"its classes are {', '.join(task.classes[:20])}",
            )
        return np.array([spec.class_weight.get(text, 1.0) for text in task.classes])
    totals = np.bincount(y, weights=weights, minlength=len(task.classes))
    balanced: np.ndarray = totals.sum() / (len(totals) * np.maximum(totals, 1e-12))
    return balanced
