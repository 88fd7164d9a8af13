"""LightGBM or CatBoost as they are: `python defaults.py FOLDER lightgbm`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import main


def lightgbm(train, y, test, asked):
    """Its defaults; texts as its own categories."""
    import lightgbm
    import pandas as pd

    for name in train.columns:
        if train[name].dtype == object:
            levels = pd.CategoricalDtype(sorted(train[name].dropna().astype(str).unique()))
            train[name], test[name] = train[name].astype(levels), test[name].astype(levels)
    kind = lightgbm.LGBMRegressor if asked["task"] == "regression" else lightgbm.LGBMClassifier
    model = kind(n_jobs=2, random_state=0, verbose=-1).fit(train, y)
    return model.predict(test) if asked["task"] == "regression" else model.predict_proba(test)


def catboost(train, y, test, asked):
    """Its defaults; texts as its own categories."""
    import catboost

    texts = [name for name in train.columns if train[name].dtype == object]
    for frame in (train, test):
        frame[texts] = frame[texts].fillna("missing").astype(str)
    kind = catboost.CatBoostRegressor if asked["task"] == "regression" else catboost.CatBoostClassifier
    model = kind(cat_features=texts, thread_count=2, random_seed=0, verbose=False, allow_writing_files=False)
    model.fit(train, y)
    return model.predict(test) if asked["task"] == "regression" else model.predict_proba(test)


main({"lightgbm": lightgbm, "catboost": catboost}[sys.argv[2]])
