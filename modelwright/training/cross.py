"""Cross-validation: every candidate is fitted and judged fold by fold, all that learns inside the folds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.data import Dataset
from modelwright.core.rng import stream
from modelwright.training.log_target import fit_maybe_log

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.training.losses import Loss
    from modelwright.training.portfolio import Trial
    from modelwright.training.problem import Problem

SMALL = 5_000
"""Up to so many rows, folds are fitted a second time with the mean number of rounds: a round chosen on the
very rows that it is judged by looks better than it is."""

PARALLEL_ROWS = 100_000
MOST_PAIRS = 30
MOST_ROUNDS = 10_000
"""What a spec of rounds takes at most."""
STRETCH = 5
"""A model that stops early may go on for so many times its rounds: the held-out rows say when it is enough."""


@dataclass(frozen=True, eq=False)
class FoldMatrix:
    """A fold's features: the state learned on its fit rows, and the matrices of both parts."""

    state: Any
    x_fit: np.ndarray
    x_valid: np.ndarray


@dataclass(eq=False)
class Folds:
    """The folds of a problem, with each preset's features learned once per fold."""

    problem: Problem
    seed: int
    made: dict[tuple[int, str], FoldMatrix] = field(default_factory=dict)

    def matrix(self, fold: int, preset: str) -> FoldMatrix:
        """The features of one fold under one preset."""
        if (fold, preset) not in self.made:
            self.made[fold, preset] = self._learn(fold, preset)
        return self.made[fold, preset]

    def n_columns(self) -> dict[str, int]:
        """Width of the matrix per preset, from the first fold."""
        presets = ("plain", "scaled", "words") if self.problem.is_texts else ("plain", "scaled")
        widths = {preset: self.matrix(0, preset).x_fit.shape[1] for preset in presets}
        return {**widths, "pairs": widths["plain"] + MOST_PAIRS}  # not learned before they are asked for

    def _learn(self, fold: int, preset: str) -> FoldMatrix:
        verbs = registry.verbs("features")
        fit, valid = self.problem.pairs[fold]
        rng = stream(self.seed, "training", "features", fold)
        state, x_fit = verbs.learn_apply(
            rows_at(self.problem.data, fit),
            self.problem.columns,
            verbs.preset(preset),
            self.problem.y[fit],
            task=self.problem.task,
            rng=rng,
        )
        x_valid = verbs.apply(state, rows_at(self.problem.data, valid))
        return FoldMatrix(state, with_beside(self.problem, x_fit, fit), with_beside(self.problem, x_valid, valid))


def with_beside(problem: Problem, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """A matrix of some rows, by position, with the columns that the problem has beside its own."""
    import numpy as np

    return x if problem.beside is None else np.concatenate([x, problem.beside[rows]], axis=1)


def rows_at(data: Dataset, positions: np.ndarray) -> Dataset:
    """The rows at these positions, in this order."""
    frame = data.frame[positions]
    return Dataset(frame.lazy(), data.schema, frame.height, data.origin)


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """A candidate's cross-validation.

    `predicted` is (n,) or (n, n_classes), NaN where never validated; `rounds` the mean best number of rounds
    of a model that stops early, else None; `first` gives the model of the first fold, fitted again where the candidate
    was found on disk.
    """

    trial: Trial
    predicted: np.ndarray
    loss: float
    fit_s: float
    rounds: float | None
    first: Callable[[], Fitted]


class OutOfTime(Exception):
    """The clock ended a comparison between two folds: what was done of the candidate is given up."""


def validate(trial: Trial, folds: Folds, loss: Loss, is_over: Callable[[], bool] = lambda: False) -> Result:
    """Fit and judge one candidate on every fold. Raises `OutOfTime` when `is_over` says so between two fits."""
    import numpy as np

    began = time.perf_counter()
    numbers = range(len(folds.problem.pairs))
    for number in numbers:
        folds.matrix(number, trial.preset)
    fitted = _in_parallel(folds, [(trial, trial.spec, number, True) for number in numbers], is_over)
    rounds = _mean_rounds(fitted)
    if rounds is not None and len(folds.problem.y) <= SMALL and stops_early(trial.spec):
        fixed = trial.spec.but(rounds=max(1, round(rounds)))
        fitted = _in_parallel(folds, [(trial, fixed, number, False) for number in numbers], is_over)
    problem = folds.problem
    predicted = np.full(problem.shape, np.nan)
    for number, model in zip(numbers, fitted, strict=True):
        predicted[problem.pairs[number][1]] = model.predict(folds.matrix(number, trial.preset).x_valid)
    judged = judged_rows(problem)
    return Result(
        trial=trial,
        predicted=predicted,
        loss=loss(problem.y[judged], predicted[judged], problem.weights[judged]),
        fit_s=time.perf_counter() - began,
        rounds=rounds,
        first=lambda: fitted[0],
    )


def found_again(trial: Trial, folds: Folds, kept: tuple[np.ndarray, float, float | None]) -> Result:
    """A candidate that was finished before: its first fold is fitted again only when somebody asks for the model."""
    predicted, loss, rounds = kept

    @cache
    def first() -> Fitted:
        fixed = stops_early(trial.spec) and rounds is not None and len(folds.problem.y) <= SMALL
        spec = trial.spec.but(rounds=max(1, round(rounds or 1))) if fixed else trial.spec
        folds.matrix(0, trial.preset)
        return _fit_fold(folds, trial, spec, 0, not fixed)

    return Result(trial=trial, predicted=predicted, loss=loss, fit_s=0.0, rounds=rounds, first=first)


def judged_rows(problem: Problem) -> np.ndarray:
    """Positions of the rows that are validated in some fold, ascending."""
    import numpy as np

    return np.sort(np.concatenate([valid for _, valid in problem.pairs]))


def _in_parallel(
    folds: Folds, jobs: Sequence[tuple[Trial, Any, int, bool]], is_over: Callable[[], bool]
) -> list[Fitted]:
    """Fit folds side by side; the results do not depend on how many run at once."""

    def fit(job: tuple[Trial, Any, int, bool]) -> Fitted:
        if is_over():
            raise OutOfTime
        return _fit_fold(folds, *job)

    n_workers = 1 if len(folds.problem.y) > PARALLEL_ROWS else min(len(jobs), os.cpu_count() or 1)
    if n_workers == 1:
        return [fit(job) for job in jobs]
    with ThreadPoolExecutor(n_workers) as pool:
        return list(pool.map(fit, jobs))


def _fit_fold(folds: Folds, trial: Trial, spec: Any, number: int, stop_early: bool) -> Fitted:  # noqa: FBT001
    problem = folds.problem
    fit, valid = problem.pairs[number]
    matrix = folds.matrix(number, trial.preset)
    held = (matrix.x_valid, problem.y[valid], problem.weights[valid]) if stop_early else None
    if stop_early and stops_early(spec):
        spec = spec.but(rounds=min(MOST_ROUNDS, STRETCH * spec.rounds))
    if hasattr(spec, "threads"):
        spec = spec.but(threads=1 if len(problem.y) <= PARALLEL_ROWS else min(64, os.cpu_count() or 1))
    return fit_maybe_log(
        trial,
        matrix.x_fit,
        problem.y[fit],
        spec=spec,
        task=problem.task,
        weights=problem.weights[fit] if problem.weighted else None,
        rng=stream(folds.seed, "training", trial.name, number),
        held=held,
    )


def stops_early(spec: Any) -> bool:
    """Whether a model of this spec learns in rounds, and stops when the held-out loss no longer falls."""
    return hasattr(spec, "rounds") and hasattr(spec, "patience")


def _mean_rounds(fitted: Sequence[Fitted]) -> float | None:
    rounds = [model.info["rounds"] for model in fitted if "rounds" in model.info]
    return sum(rounds) / len(rounds) if rounds else None
