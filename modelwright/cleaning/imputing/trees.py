"""Boosted trees for one column, in four folds: each row is answered by trees that have not seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import lightgbm as lgb
    import numpy as np

N_FOLDS = 4
SETTINGS = {
    "learning_rate": 0.1, "num_leaves": 12, "min_data_in_leaf": 5, "max_bin": 63,
    "lambda_l2": 1.0, "verbose": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True,
    "feature_pre_filter": False, "feature_fraction_bynode": 0.7,
}  # fmt: skip
MOST_ROUNDS, PATIENCE = 300, 10


def fit(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, *, n_levels: int, categories: Sequence[int], folds: np.ndarray,
    seed: int,
) -> tuple[list[Any], np.ndarray]:  # fmt: skip
    """Fit `y` (n,), a number or a code below `n_levels`, on `x` (n, p): LightGBM's trees of each fold, and what each
    row is told by the fold without it, (n, 1) or (n, n_levels).

    `folds` (n,) are 0 to 3; `categories` the columns of `x` that hold codes. A fold stops when its own rows have not
    been told better for ten rounds.

    Reference: Ke et al. (2017), "LightGBM: a highly efficient gradient boosting decision tree", NIPS.

    >>> import numpy as np
    >>> x = np.arange(300.0)[:, None]
    >>> boosted, told = fit(x, (x[:, 0] > 150) * 1.0, np.ones(300), n_levels=0, categories=[], folds=np.arange(300) % 4,
    ...     seed=0)
    >>> len(boosted), bool(abs(told[:, 0] - (x[:, 0] > 150)).mean() < 0.05)
    (4, True)
    """
    import lightgbm as lgb
    import numpy as np

    settings: dict[str, Any] = {**SETTINGS, **_objective(n_levels), "seed": seed % 2**31}
    whole = lgb.Dataset(
        x, y, weight=weights, categorical_feature=list(categories), params=settings, free_raw_data=False
    ).construct()  # the bins are shared: cheaper than binning each fold
    told = np.empty((len(x), max(1, n_levels)))
    boosted = []
    for fold in range(N_FOLDS):
        out = folds == fold
        learned, held = (whole.subset(np.flatnonzero(rows).tolist()) for rows in (~out, out))
        trees = _stopped(learned, held, settings)
        told[out] = _answers(trees, x[out], n_levels)
        boosted.append(trees)
    return boosted, told


def _stopped(learned: lgb.Dataset, held: lgb.Dataset, settings: dict[str, Any]) -> Any:
    """Trees added until the held rows have not been told better for `PATIENCE` rounds; the best round is kept."""
    import lightgbm as lgb

    trees = lgb.Booster(settings, learned)
    trees.add_valid(held, "held")
    least = float("inf")
    for n_rounds in range(1, MOST_ROUNDS + 1):
        ended = trees.update()
        error = trees.eval_valid()[0][2]
        if error < least:
            least, trees.best_iteration = error, n_rounds
        if ended or n_rounds - trees.best_iteration >= PATIENCE:
            break
    trees.free_dataset()
    return trees


def as_texts(boosted: Sequence[Any]) -> list[str]:
    """Each fold's trees as LightGBM's own text."""
    return [trees.model_to_string(num_iteration=trees.best_iteration) for trees in boosted]


def from_texts(texts: Sequence[str]) -> list[Any]:
    """The inverse of `as_texts`."""
    import lightgbm as lgb

    return [lgb.Booster(model_str=text) for text in texts]


def predict(boosted: Sequence[Any], x: np.ndarray, *, n_levels: int) -> np.ndarray:
    """The mean answer of the folds: (n, 1) or shares (n, n_levels)."""
    import numpy as np

    return np.asarray(np.mean([_answers(trees, x, n_levels) for trees in boosted], axis=0))


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
