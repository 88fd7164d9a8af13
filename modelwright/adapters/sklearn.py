"""A thin scikit-learn face: the same training behind `fit`, `predict` and `predict_proba`.

For people whose tools speak scikit-learn (its search, its pipelines, its calibration). This is the only
place that inherits from anybody. Columns are numbers, NaN where missing; for a raw table use the verbs. Rows
are not held out: scikit-learn's users do that themselves, so every row given is trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from modelwright.core.errors import WrightError

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.core.values import Trained

TARGET, WEIGHT = "__target__", "__weight__"
MOST_FOLDS = 5


class _Wright(BaseEstimator):  # type: ignore[misc]
    """What both estimators share: columns in, a `Trained` out."""

    def __init__(self, *, budget: str = "quick", models: Any = None, random_state: Any = 0) -> None:
        self.budget = budget
        self.models = models
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = False
        return tags

    def _train(self, x: np.ndarray, y: np.ndarray, folds: np.ndarray, task: str, sample_weight: Any) -> Self:
        from modelwright.core.values import Splits
        from modelwright.training.base import TrainSpec, train

        weights = None if sample_weight is None else _check_sample_weight(sample_weight, x)
        data = _dataset(x, y, weights)
        ids = np.arange(len(x), dtype=np.uint64)
        splits = Splits(train=ids, test=ids[:0], folds=folds, kind="random")
        try:
            spec = TrainSpec(task=task, budget=self.budget, models=self.models)
            self.trained_: Trained = train(data, splits, spec, seed=self._seed())
        except WrightError as error:
            raise ValueError(str(error)) from error
        return self

    def _seed(self) -> int:
        """scikit-learn's three spellings of randomness as one seed."""
        from sklearn.utils import check_random_state

        if isinstance(self.random_state, int):
            return self.random_state
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _answers(self, x: Any) -> np.ndarray:
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype="numeric", ensure_all_finite="allow-nan")
        return self.trained_.predict(_dataset(x, None, None))


class WrightClassifier(ClassifierMixin, _Wright):  # type: ignore[misc]
    """Modelwright's training as a scikit-learn classifier.

    `budget` is quick, standard or thorough; `models` a tuple of model names, or None for those that suit.
    `trained_` holds the `Trained` value: graph, leaderboard, decisions.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> WrightClassifier(models=("linear",)).fit(x, y).score(x, y) > 0.9
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on numbers (n, d), NaN where missing, and class labels (n,)."""
        x, y = validate_data(self, X, y, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier can't train when only one class is present; got {self.classes_[0]!r}.")
        width = len(str(len(self.classes_)))
        labels = np.array([f"{code:0{width}d}" for code in codes])
        order = np.random.default_rng(self._seed()).permutation(len(x))
        order = order[np.argsort(codes[order], kind="stable")]  # dealt class by class: each fold has its share
        kind = "binary" if len(self.classes_) == 2 else "multiclass"
        return self._train(x, labels, _dealt(order), kind, sample_weight)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, n_classes) in the order of `classes_`."""
        answers = self._answers(X)
        order = np.argsort([int(name) for name in self.trained_.task.classes])
        return np.asarray(answers[:, order], dtype=np.float64)

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row."""
        positions = self.predict_proba(X).argmax(axis=1)
        likeliest: np.ndarray = self.classes_[positions]
        return likeliest


class WrightRegressor(RegressorMixin, _Wright):  # type: ignore[misc]
    """Modelwright's training as a scikit-learn regressor; parameters as in `WrightClassifier`.

    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> WrightRegressor(models=("linear",)).fit(x, y).score(x, y) > 0.4
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on numbers (n, d), NaN where missing, and values (n,)."""
        x, y = validate_data(
            self, X, y, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=2, y_numeric=True
        )
        order = np.random.default_rng(self._seed()).permutation(len(x))
        return self._train(x, np.asarray(y, dtype=np.float64), _dealt(order), "regression", sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The expected value of each row."""
        return np.asarray(self._answers(X), dtype=np.float64)


def _dealt(order: np.ndarray) -> np.ndarray:
    """Fold numbers dealt round the rows in this order: int8 (n,)."""
    folds = np.empty(len(order), dtype=np.int8)
    folds[order] = np.arange(len(order)) % min(MOST_FOLDS, len(order))
    return folds


def _dataset(x: np.ndarray, y: np.ndarray | None, weights: np.ndarray | None) -> Dataset:
    """Arrays as a typed Dataset: one number column per feature, NaN as missing."""
    import polars as pl

    from modelwright.core.data import Column, Dataset, Schema

    columns = {f"x{index}": pl.Series(values, dtype=pl.Float64).fill_nan(None) for index, values in enumerate(x.T)}
    schema = [Column(name, "number") for name in columns]
    if y is not None:
        columns[TARGET] = pl.Series(y)
        schema.append(Column(TARGET, "number" if y.dtype.kind == "f" else "category", "target"))
    if weights is not None:
        columns[WEIGHT] = pl.Series(weights, dtype=pl.Float64)
        schema.append(Column(WEIGHT, "number", "weight"))
    return Dataset.from_frame(pl.DataFrame(columns), Schema(tuple(schema)))
