"""FLAML with a time budget."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
from flaml import AutoML

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import main


def answer(train, y, test, asked):
    """Its defaults, with the metric that is scored."""
    metric = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}[asked["task"]]
    for frame in (train, test):
        for name in frame.columns:
            if frame[name].dtype == object:
                frame[name] = frame[name].astype("category")
    automl = AutoML()
    began = time.monotonic()
    automl.fit(
        X_train=train, y_train=y, task="regression" if asked["task"] == "regression" else "classification",
        metric=metric, time_budget=asked["seconds"], n_jobs=2, seed=0, verbose=0,
    )  # fmt: skip
    asked["told"]["seconds"] = time.monotonic() - began
    asked["told"]["best"] = automl.best_estimator
    return automl.predict(test) if asked["task"] == "regression" else automl.predict_proba(test)


main(answer)
