"""AutoGluon with a time limit."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
from autogluon.tabular import TabularPredictor

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import main


def answer(train, y, test, asked):
    """The preset that is asked for, the metric that is scored, all cores."""
    metric = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "root_mean_squared_error"}[asked["task"]]
    rows = train.copy()
    rows["__target__"] = y
    began = time.monotonic()
    predictor = TabularPredictor(
        label="__target__", eval_metric=metric, problem_type=asked["task"], path=str(asked["folder"] / "models"),
        verbosity=1,
    ).fit(rows, time_limit=asked["seconds"], presets=asked["preset"], num_gpus=0)  # fmt: skip
    asked["told"]["seconds"] = time.monotonic() - began
    asked["told"]["members"] = len(predictor.model_names())
    asked["told"]["best"] = predictor.model_best
    asked["told"]["bytes"] = sum(
        file.stat().st_size for file in (asked["folder"] / "models").rglob("*") if file.is_file()
    )
    if asked["task"] == "regression":
        return predictor.predict(test).to_numpy()
    found = predictor.predict_proba(test)
    return found[sorted(found.columns)].to_numpy()


main(answer)
