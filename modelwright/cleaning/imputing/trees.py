"""Boosted trees for one column, in four folds: each row is answered by trees that have not seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

N_FOLDS = 4
SETTINGS = {
    "learning_rate": 0.1, "num_leaves": 12, "min_data_in_leaf": 5, "max_bin": 63,
    "lambda_l2": 1.0, "verbose": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True,
    "feature_pre_filter": False,
}  # fmt: skip
MOST_ROUNDS, PATIENCE = 200, 6


def fit(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, *, n_levels: int, categories: Sequence[int], folds: np.ndarray,
    seed: int,
) -> tuple[list[str], np.ndarray]:  # fmt: skip
    """Fit `y` (n,), a number or a code below `n_levels`, on `x` (n, p): the trees as texts of LightGBM, and what each
    row is told by the fold without it, (n, 1) or (n, n_levels).

    `folds` (n,) are 0 to 3; `categories` the columns of `x` that hold codes. A fold stops when its own rows have not
    been told better for six rounds.

    Reference: Ke et al. (2017), "LightGBM: a highly efficient gradient boosting decision tree", NIPS.

    >>> import numpy as np
    >>> x = np.arange(300.0)[:, None]
    >>> texts, told = fit(x, (x[:, 0] > 150) * 1.0, np.ones(300), n_levels=0, categories=[], folds=np.arange(300) % 4,
    ...     seed=0)
    >>> len(texts), bool(abs(told[:, 0] - (x[:, 0] > 150)).mean() < 0.05)
    (4, True)
    """
    import lightgbm as lgb
    import numpy as np

    settings: dict[str, Any] = {**SETTINGS, **_objective(n_levels), "seed": seed % 2**31}
    told = np.empty((len(x), max(1, n_levels)))
    texts = []
    for fold in range(N_FOLDS):
        out = folds == fold
        whole = lgb.Dataset(
            x[~out], y[~out], weight=weights[~out], categorical_feature=list(categories), params=settings
        )
        held = lgb.Dataset(x[out], y[out], weight=weights[out], reference=whole)
        stop = lgb.early_stopping(PATIENCE, verbose=False)
        trees = lgb.train(settings, whole, MOST_ROUNDS, valid_sets=[held], callbacks=[stop])
        told[out] = _answers(trees, x[out], n_levels)
        texts.append(trees.model_to_string(num_iteration=trees.best_iteration))
    return texts, told


def predict(texts: Sequence[str], x: np.ndarray, *, n_levels: int) -> np.ndarray:
    """The mean answer of the folds: (n, 1) or shares (n, n_levels)."""
    import lightgbm as lgb
    import numpy as np

    answers = [_answers(lgb.Booster(model_str=text), x, n_levels) for text in texts]
    return np.asarray(np.mean(answers, axis=0))


def _objective(n_levels: int) -> dict[str, Any]:
    if n_levels == 0:
        return {"objective": "regression"}
    finer = {"learning_rate": 0.06, "num_leaves": 31}
    if n_levels == 2:
        return {"objective": "binary", **finer}
    return {"objective": "multiclass", "num_class": n_levels, **finer}


def _answers(trees: Any, x: np.ndarray, n_levels: int) -> np.ndarray:
    import numpy as np

    told = np.asarray(trees.predict(x, num_threads=1), dtype=np.float64)
    if n_levels == 2:
        return np.column_stack([1 - told, told])
    return told.reshape(len(x), -1)
