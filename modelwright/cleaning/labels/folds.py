"""Probabilities of a typed table's classes, each row's from models that have not seen it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.data import Dataset
from modelwright.core.rng import stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl

    from modelwright.core.values import Watch
    from modelwright_runtime.signature import Task

N_FOLDS = 5
LEAST_ROWS, LEAST_OF_CLASS = 50, 5
"""With fewer rows, or a class with fewer, nothing can be said of single labels."""
MOST_CLASSES = 100
MOST_ROWS = 50_000
"""Of a longer table so many rows are judged, drawn evenly: five models of a million rows would take minutes."""
LEARNED = ("number", "boolean", "datetime", "category", "text")
MANY_TREES = {"rounds": 100, "min_leaf": 20}
"""Fewer and coarser trees than for answering: they are not to learn the wrong labels by heart."""


@dataclass(frozen=True, eq=False, kw_only=True)
class OutOfFold:
    """`rows` (n,) are positions in the table, those whose class is judged; `labels` (n,) codes into `classes`;
    `probabilities` (n, n_classes) come from folds without the row; `features` (n, n_columns) are scaled.
    """

    rows: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    probabilities: np.ndarray
    features: np.ndarray


def out_of_fold(data: Dataset, *, seed: int = 0, watch: Watch | None = None) -> OutOfFold | None:
    """Learn a typed table's target five times, each time without a fifth of the rows.

    Texts alone are learned by a linear model of their words, other tables by the mean of boosted trees and a linear
    model. Rows that are alike in every feature lie in one fold. None where there is nothing to say: no target of
    classes, no feature that these models read, fewer than 50 labelled rows, fewer than two classes of at least 5. Of
    more than 50,000 labelled rows so many are judged, drawn evenly.

    Cost: 6,000 texts about 10 s, 10,000 rows of 10 columns about 5 s on one core.
    """
    import numpy as np
    import polars as pl

    from modelwright.core.task import recognise
    from modelwright_runtime.signature import Task

    target = data.schema.target
    columns = [name for name in data.schema.features if data.schema[name].kind in LEARNED]
    if target is None or not columns or data.n_rows < LEAST_ROWS:
        return None
    given = data.column(target)
    if recognise(given, data.schema[target].kind)[0] not in ("binary", "multiclass"):
        return None
    texts = class_texts(given)
    counts = texts.drop_nulls().value_counts().filter(pl.col("count") >= LEAST_OF_CLASS)
    classes = tuple(sorted(counts[texts.name].to_list()))
    rows = np.flatnonzero(texts.is_in(classes).fill_null(False).to_numpy())
    if not 2 <= len(classes) <= MOST_CLASSES or len(rows) < LEAST_ROWS:
        return None
    if len(rows) > MOST_ROWS:
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64))]
    places = pl.Series(range(len(classes)), dtype=pl.Int64)
    labels = texts[rows].replace_strict(pl.Series(classes), places, return_dtype=pl.Int64).to_numpy()
    frame = data.frame[rows]
    table = Dataset(frame.lazy(), data.schema, frame.height, data.origin)
    task = Task(kind="binary" if len(classes) == 2 else "multiclass", target=target, classes=classes)
    folds = _folds(frame, columns, labels, seed)
    is_texts = {data.schema[name].kind for name in columns} == {"text"}
    uses: tuple[tuple[str, str, dict[str, Any]], ...] = (("linear", "words", {"penalty": 1.0}),)
    if not is_texts:
        uses = (("boosting", "plain", MANY_TREES), ("linear", "scaled", {"penalty": 10.0}))
    probabilities = np.zeros((len(rows), len(classes)))
    for fold in range(N_FOLDS):
        fit, judged = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        for use in uses:
            probabilities[judged] += _answers(table, columns, labels, task, use, (fit, judged), seed) / len(uses)
        if watch is not None:
            watch({"stage": "mending", "event": "fold", "fold": fold + 1, "n_folds": N_FOLDS})
    _, features = _matrix(table, columns, labels, task, uses[-1][1], seed)
    return OutOfFold(rows=rows, labels=labels, classes=classes, probabilities=probabilities, features=features)


def class_texts(target: pl.Series) -> pl.Series:
    """The target's values as a person would write them: numbers without a needless fraction, null where missing."""
    import polars as pl

    if target.dtype.is_float():
        return target.map_elements(lambda value: f"{value:.15g}", return_dtype=pl.String)
    return target.cast(pl.String)


def _folds(frame: pl.DataFrame, columns: Sequence[str], labels: np.ndarray, seed: int) -> np.ndarray:
    """A fold for each row: classes spread evenly, rows that are alike together."""
    import numpy as np

    _, twin = np.unique(frame.select(columns).hash_rows(seed=0).to_numpy(), return_inverse=True)
    first = np.full(twin.max() + 1, len(labels))
    np.minimum.at(first, twin, np.arange(len(labels)))
    shuffled = stream(seed, "mending", "label_errors").permutation(len(first))
    order = shuffled[np.argsort(labels[first[shuffled]], kind="stable")]
    fold_of = np.empty(len(first), dtype=np.int64)
    fold_of[order] = np.arange(len(first)) % N_FOLDS
    folds: np.ndarray = fold_of[twin]
    return folds


def _matrix(
    table: Dataset, columns: Sequence[str], labels: np.ndarray, task: Task, preset: str, seed: int
) -> tuple[Any, np.ndarray]:
    verbs = registry.verbs("features")
    learned: tuple[Any, np.ndarray] = verbs.learn_apply(
        table, columns, verbs.preset(preset), labels, task=task, rng=stream(seed, "mending", "features", preset)
    )
    return learned


def _answers(
    table: Dataset, columns: Sequence[str], labels: np.ndarray, task: Task, use: tuple[str, str, dict[str, Any]],
    parts: tuple[np.ndarray, np.ndarray], seed: int,
) -> np.ndarray:  # fmt: skip
    """What one model, fitted on the first part, answers on the second: probabilities (n, n_classes)."""
    name, preset, settings = use
    fit, judged = (_rows_at(table, part) for part in parts)
    state, x = _matrix(fit, columns, labels[parts[0]], task, preset, seed)
    model = registry.get("models", name)
    rng = stream(seed, "mending", "model", name)
    fitted = model.fit(x, labels[parts[0]], spec=model.spec(**settings), task=task, rng=rng)
    answered: np.ndarray = fitted.predict(registry.verbs("features").apply(state, judged))
    return answered


def _rows_at(table: Dataset, positions: np.ndarray) -> Dataset:
    frame = table.frame[positions]
    return Dataset(frame.lazy(), table.schema, frame.height, table.origin)
