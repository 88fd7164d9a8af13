"""Tuning of anything: a function of settings that gives a loss. Here scikit-learn's nearest neighbours, judged fold by
fold, so that what is behind stops early; conditional settings, two processes, and a journal to go on from.

    python examples/tabular/tune_any.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import modelwright as mw
from modelwright.tuning import Trial

SPACE = {
    "scaler": ["none", "standard", "minmax"],
    "neighbours": {"low": 1, "high": 60, "integer": True, "log": True},
    "metric": ["euclidean", "minkowski"],
    "power": {"low": 1.0, "high": 6.0, "when": {"metric": "minkowski"}},
}


def errors(trial: Trial) -> float:
    """The share of wines answered wrong, over five folds."""
    x, y = load_wine(return_X_y=True)
    scalers = {"none": [], "standard": [StandardScaler()], "minmax": [MinMaxScaler()]}
    model = KNeighborsClassifier(
        trial["neighbours"], metric=trial["metric"], p=trial.get("power", 2.0), weights="distance"
    )
    wrong: list[float] = []
    for fold, (fit, valid) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(x, y), start=1):
        fitted = make_pipeline(*scalers[trial["scaler"]], model).fit(x[fit], y[fit])
        wrong += (fitted.predict(x[valid]) != y[valid]).tolist()
        if fold < 5 and trial.report(float(np.mean(wrong))):
            break
    return float(np.mean(wrong))


def main() -> None:
    """Sixty trials, told as they end."""
    with tempfile.TemporaryDirectory() as folder:
        study = mw.tune(errors, SPACE, mw.StudySpec(trials=60, workers=2), journal=Path(folder) / "wines.jsonl")
    print(f"{study.count('done')} trials to their end, {study.count('stopped')} stopped early")
    print(f"best: {study.best.loss:.3f} with {dict(study.best.settings)}")
    print("what mattered:", ", ".join(f"{name} {share:.0%}" for name, share in study.importance().items()))


if __name__ == "__main__":
    main()
