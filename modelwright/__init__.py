"""Modelwright: the whole life of a model. One verb per stage; nothing heavy is imported until it is used.

import modelwright as mw

data = mw.collect("homes.csv")
cleaned = mw.clean(data, target="price")
splits = mw.split(cleaned.kept)
trained = mw.train(cleaned.kept, splits)
report = mw.evaluate(trained, cleaned.kept.take(splits.test))
package = mw.package(trained, cleaned, path="homes.wright", name="homes")
answers = mw.load("homes.wright").predict([{"rooms": 4, "area": "120 m2"}])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright.adapters.sklearn import WrightClassifier, WrightRegressor
    from modelwright.cleaning.base import CleanSpec, clean
    from modelwright.cleaning.matching.base import match
    from modelwright.cleaning.mend import MendSpec, mend
    from modelwright.collection.base import CollectSpec, collect
    from modelwright.core.data import Column, Dataset, Schema
    from modelwright.core.errors import SystemFault, UserError
    from modelwright.core.store import Store
    from modelwright.evaluation.base import EvaluateSpec, evaluate
    from modelwright.explanation.base import explain
    from modelwright.fairness.base import audit
    from modelwright.lifecycle import plan, run
    from modelwright.packaging.base import package
    from modelwright.profiling.base import ProfileSpec, profile
    from modelwright.recipe import Recipe
    from modelwright.splitting.base import SplitSpec, split
    from modelwright.training.base import TrainSpec, train
    from modelwright.tuning.base import StudySpec, TuneSpec, tune
    from modelwright_runtime import load

_WHERE = {
    "collect": "modelwright.collection.base",
    "mend": "modelwright.cleaning.mend",
    "clean": "modelwright.cleaning.base",
    "match": "modelwright.cleaning.matching.base",
    "profile": "modelwright.profiling.base",
    "split": "modelwright.splitting.base",
    "train": "modelwright.training.base",
    "tune": "modelwright.tuning.base",
    "evaluate": "modelwright.evaluation.base",
    "explain": "modelwright.explanation.base",
    "audit": "modelwright.fairness.base",
    "package": "modelwright.packaging.base",
    "load": "modelwright_runtime",
    "run": "modelwright.lifecycle",
    "plan": "modelwright.lifecycle",
    "CollectSpec": "modelwright.collection.base",
    "MendSpec": "modelwright.cleaning.mend",
    "CleanSpec": "modelwright.cleaning.base",
    "ProfileSpec": "modelwright.profiling.base",
    "SplitSpec": "modelwright.splitting.base",
    "TrainSpec": "modelwright.training.base",
    "StudySpec": "modelwright.tuning.base",
    "TuneSpec": "modelwright.tuning.base",
    "EvaluateSpec": "modelwright.evaluation.base",
    "Recipe": "modelwright.recipe",
    "Dataset": "modelwright.core.data",
    "Schema": "modelwright.core.data",
    "Column": "modelwright.core.data",
    "Store": "modelwright.core.store",
    "UserError": "modelwright.core.errors",
    "SystemFault": "modelwright.core.errors",
    "WrightClassifier": "modelwright.adapters.sklearn",
    "WrightRegressor": "modelwright.adapters.sklearn",
}

__all__ = [  # the same names, spelled out for readers and type checkers
    "CleanSpec", "CollectSpec", "Column", "Dataset", "EvaluateSpec", "MendSpec", "ProfileSpec", "Recipe", "Schema",
    "SplitSpec", "Store", "StudySpec", "SystemFault", "TrainSpec", "TuneSpec", "UserError", "WrightClassifier",
    "WrightRegressor", "audit", "clean", "collect", "evaluate", "explain", "load", "match", "mend", "package", "plan",
    "profile", "run", "split", "train", "tune",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'modelwright' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
