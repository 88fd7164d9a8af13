"""From rows to a trained model, step by step: read, try, join, refit, write, check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.data import Decision
from modelwright.core.rng import stream
from modelwright.core.values import Candidate, Trained, Watch
from modelwright.training.budget import Clock, read_budget
from modelwright.training.comparing import Comparison, Judge
from modelwright.training.cross import Folds, Result, judged_rows, rows_at
from modelwright.training.ensemble import Selection, blend, select
from modelwright.training.importance import importance
from modelwright.training.join import Member, answer, refit, rows_at_once, write_graph, write_signature
from modelwright.training.kept import Kept
from modelwright.training.losses import HIGHER_IS_BETTER, as_score, choose_metric
from modelwright.training.portfolio import choose_trials
from modelwright.training.problem import Problem, read_problem
from modelwright.training.threshold import choose_threshold

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits
    from modelwright.training.base import TrainSpec

MOST_MEMBERS = 6
MOST_REFIT_ROWS = 1_000_000
PARITY_ROWS = 2_000


def search(
    data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int, watch: Watch, kept: Path | None = None
) -> Trained:
    """The whole of `train`; linear algebra on one thread, for its sums must not depend on the number of cores.

    Finished candidates are kept in the folder `kept`, where there is one.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        return _search(data, splits, spec, seed=seed, watch=watch, kept=Kept(kept))


def _search(data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int, watch: Watch, kept: Kept) -> Trained:
    problem = read_problem(data, splits, spec, seed=seed)
    budget, about_budget = read_budget(spec.budget, problem)
    clock = Clock.start(budget)
    metric, loss, reason = choose_metric(spec.metric, problem.task)
    judge = Judge(metric, loss, watch)
    told = [
        *problem.decisions,
        Decision("training", "metric", metric, reason),
        *([about_budget] if about_budget else []),
    ]
    folds = Folds(problem, seed)
    widths = folds.n_columns()
    trials, more = choose_trials(problem, spec, widths, budget)
    race = spec.models is None if spec.race is None else spec.race
    tried = Comparison(folds, judge, widths, clock, kept, race=race)
    tried.known(trials)
    if budget.goes_on and spec.models is None:
        tried.further()
    results, not_tried, history = tried.results, tried.told(), tuple(tried.history)
    chosen, validation, joined = _join(results, problem, spec, judge, seed)
    threshold, about_threshold = _threshold(problem, validation, spec)
    watch({"stage": "training", "event": "note", "text": f"fitting {joined.choice} on all training rows"})
    rows, about_rows = _refit_rows(problem, seed)
    members, about_refit = refit(problem, chosen, rows, seed=seed, units=budget.refit_units)
    graph, inputs = write_graph(problem, members)
    trained = Trained(
        graph=graph,
        signature=write_signature(problem, inputs, threshold, rows_at_once(members)),
        leaderboard=_leaderboard(results, chosen, metric),
        validation=_in_order_of(splits, validation),
        importance=importance(folds, chosen, loss, stream(seed, "training", "importance")),
        decisions=(*told, *more, *not_tried, joined, *about_rows, *about_refit, *about_threshold),
        parity=0.0,
        history=history,
    )
    return _with_parity(trained, problem, members, data, splits)


def _join(
    results: list[Result], problem: Problem, spec: TrainSpec, judge: Judge, seed: int
) -> tuple[list[tuple[Result, float]], np.ndarray, Decision]:
    """The members with their shares, the blended validation predictions, and what is told of it."""
    judged = judged_rows(problem)
    baseline = results[0]
    results = [baseline, *(result for result in results[1:] if result.loss < baseline.loss)]
    selection: Selection = select(
        [result.predicted[judged] for result in results],
        problem.y[judged],
        problem.weights[judged],
        judge.loss,
        most_members=MOST_MEMBERS if spec.ensemble else 1,
        rng=stream(seed, "training", "ensemble"),
    )
    pairs = [(result, float(share)) for result, share in zip(results, selection.weights, strict=True) if share > 0]
    pairs.sort(key=lambda pair: -pair[1])
    blended = blend([result.predicted for result, _ in pairs], _shares(pairs))
    choice = " + ".join(f"{share:.2f} {result.trial.name}" for result, share in pairs)
    score, alone = (as_score(judge.metric, value) for value in (selection.loss, selection.best_single))
    if len(pairs) == 1:
        reason = f"the best {judge.metric} on validation rows, {score:.4g}; no mean of several is clearly better"
    else:
        better = "above" if judge.metric in HIGHER_IS_BETTER else "below"
        reason = f"their weighted mean has a {judge.metric} of {score:.4g}, {better} the best single one's {alone:.4g}"
    return pairs, blended, Decision("training", "model", choice, reason)


def _shares(pairs: list[tuple[Result, float]]) -> np.ndarray:
    import numpy as np

    return np.array([share for _, share in pairs])


def _threshold(problem: Problem, validation: np.ndarray, spec: TrainSpec) -> tuple[float, list[Decision]]:
    judged = judged_rows(problem)
    threshold, told = choose_threshold(
        spec.threshold, problem.task, problem.y[judged], validation[judged], problem.weights[judged]
    )
    return threshold, [told] if told else []


def _refit_rows(problem: Problem, seed: int) -> tuple[np.ndarray, list[Decision]]:
    import numpy as np

    n = len(problem.y)
    if n <= MOST_REFIT_ROWS:
        return np.arange(n), []
    rows = np.sort(stream(seed, "training", "rows").permutation(n)[:MOST_REFIT_ROWS])
    told = Decision("training", "rows", f"{MOST_REFIT_ROWS:,} of {n:,}", "a sample: more rows would add little")
    return rows, [told]


def _leaderboard(results: list[Result], chosen: list[tuple[Result, float]], metric: str) -> tuple[Candidate, ...]:
    share = {id(result): weight for result, weight in chosen}
    ordered = sorted(results, key=lambda result: result.loss)
    return tuple(
        Candidate(
            name=result.trial.name,
            model=result.trial.model.name,
            settings=result.trial.spec.to_plain(),
            metric=metric,
            score=as_score(metric, result.loss),
            weight=share.get(id(result), 0.0),
        )
        for result in ordered
    )


def _in_order_of(splits: Splits, validation: np.ndarray) -> np.ndarray:
    """Predictions of rows in ascending order of id, in the order of `splits.train`."""
    import numpy as np

    ordered: np.ndarray = validation[np.searchsorted(np.sort(splits.train), splits.train)]
    return ordered


def _with_parity(trained: Trained, problem: Problem, members: list[Member], data: Dataset, splits: Splits) -> Trained:
    """Measure the largest difference between graph and libraries, on training rows and on held-out ones.

    Of values it is relative to those above 1, as packages reckon it.
    """
    from dataclasses import replace

    import numpy as np

    from modelwright_runtime.model import largest_difference

    some = rows_at(problem.data, np.arange(min(PARITY_ROWS, len(problem.y))))
    held_out = data.take(splits.test[:PARITY_ROWS])
    differences = [0.0]
    for rows in (some, held_out):
        if rows.n_rows:
            relative = not problem.task.is_classification
            differences.append(largest_difference(trained.predict(rows), answer(members, rows), relative=relative))
    return replace(trained, parity=max(differences))
