"""Boosting's known good settings against 40 trials of tuning that begin with them, on small real tables.

By cross-validation, where tuning chose, and on held-out rows, where it did not. Each settings alone, fitted on all
training rows; three splits of each table.
"""

from __future__ import annotations

import time
from statistics import mean
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common import bar
from benchmarks.quality.tables import TABLES, read
from modelwright import CleanSpec, Dataset, StudySpec, TrainSpec, clean, split, train, tune
from modelwright.tuned import LOG, known_of, space_of
from modelwright.tuning import TuneSpec

NAMES = (
    "german_credit",
    "pima_diabetes",
    "ionosphere",
    "vehicle",
    "wine_quality_red",
    "abalone",
    "mpg",
    "insurance",
    "phoneme",
)
N_TRIALS, SEEDS = 40, (0, 1, 2)


def losses(name: str, seed: int) -> dict[str, float]:
    """Losses of the best known and of the tuned settings, by folds and held out; folds that were fitted; seconds."""
    from modelwright.training.base import ModelUse
    from modelwright.training.classes import class_texts
    from modelwright.training.losses import choose_metric
    from modelwright.training.scoring import Scoring

    raw = read(next(one for one in TABLES if one.name == name))
    frame = raw.frame.drop(raw.table.free_text)
    cleaned = clean(Dataset.from_frame(frame.cast(pl.String)), CleanSpec(target=raw.target)).kept
    sets = split(cleaned, seed=seed)
    scoring = Scoring.of(cleaned, sets, TrainSpec(), seed=seed)
    spec = TuneSpec(model="boosting")
    space = space_of(spec, "boosting")
    start = known_of(spec, "boosting", space)

    def use(settings: Any) -> ModelUse:
        return ModelUse(
            model="boosting", settings={k: v for k, v in settings.items() if k != LOG}, name="boosting tuned"
        )

    n_folds = 0

    def objective(trial: Any) -> float:
        def report(loss: float) -> bool:
            nonlocal n_folds
            n_folds += 1
            return bool(trial.report(loss))

        return scoring.loss_of(use(trial), report)

    began = time.perf_counter()
    study = tune(objective, space, StudySpec(trials=N_TRIALS, start=start), seed=seed)
    seconds = time.perf_counter() - began
    known = min((one for one in study.done if one.number < len(start)), key=lambda one: one.loss or 0.0)
    held_out, problem = cleaned.take(sets.test), scoring.folds.problem
    _, loss, _ = choose_metric("auto", problem.task)
    found: dict[str, float] = {
        "seconds": seconds,
        "fitted": (n_folds + study.count("done")) / (N_TRIALS * len(problem.pairs)),
    }
    for title, one in (("known", known), ("tuned", study.best)):
        trained = train(cleaned, sets, TrainSpec(models=(use(one.settings),), ensemble=False), seed=seed)
        y, classes = held_out.column(raw.target), list(trained.task.classes)
        numbered = class_texts(y).replace_strict(classes, list(range(len(classes)))) if classes else y.cast(float)
        truth = numbered.to_numpy()
        found |= {f"{title} folds": one.loss or 0.0}
        found |= {f"{title} held out": loss(truth, trained.predict(held_out), np.ones(len(truth)))}
    return found


def measure() -> tuple[list[str], list[str]]:
    """A line for each table: means over three splits."""
    lines = [
        "| table | known, folds | tuned, folds | known, held out | tuned, held out | gain held out | folds done | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    gains = []
    for name in NAMES:
        ends = [losses(name, seed) for seed in SEEDS]
        one = {key: mean(end[key] for end in ends) for key in ends[0]}
        gains.append(mean(1 - end["tuned held out"] / end["known held out"] for end in ends))
        lines.append(
            f"| {name} | {one['known folds']:.4g} | {one['tuned folds']:.4g} | {one['known held out']:.4g} | "
            f"{one['tuned held out']:.4g} | {gains[-1]:+.1%} | {one['fitted']:.0%} | {one['seconds']:.0f} |"
        )
        print(lines[-1], flush=True)
    return lines, [bar("mean gain on held-out rows", mean(gains), 0.0, at_least=True)]
