"""From rows to a trained model, step by step: read, try, join, tell, refit; `writing.py` writes and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.data import Decision
from modelwright.core.rng import stream
from modelwright.core.values import Candidate, Trained, Watch
from modelwright.training.answering.base import answering
from modelwright.training.budget import Budget, Clock, read_budget
from modelwright.training.comparing import Comparison, Judge
from modelwright.training.cross import Folds, Result, judged_rows
from modelwright.training.ensemble import Selection, blend, select
from modelwright.training.importance import importance
from modelwright.training.join import refit
from modelwright.training.kept import Kept
from modelwright.training.losses import HIGHER_IS_BETTER, as_score, choose_metric, losses_of
from modelwright.training.portfolio import choose_trials
from modelwright.training.problem import Problem, read_problem
from modelwright.training.writing import Learned, trained_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits
    from modelwright.training.base import TrainSpec

MOST_MEMBERS = 6
MOST_REFIT_ROWS = 1_000_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Compared:
    """One target with its candidates compared: who is joined, with what shares, and what the join answers.

    `joined` are answers to the training rows in ascending order of row id, NaN where a row was not validated. `follows`
    are the places of earlier targets whose answers the candidates see.
    """

    folds: Folds
    judge: Judge
    budget: Budget
    results: Sequence[Result]
    chosen: Sequence[tuple[Result, float]]
    joined: np.ndarray
    decisions: tuple[Decision, ...]
    history: tuple[Mapping[str, Any], ...]
    follows: tuple[int, ...] = ()

    @property
    def problem(self) -> Problem:
        """The rows and what is to be learned of them."""
        return self.folds.problem

    @property
    def members(self) -> str:
        """Who is joined, in words."""
        return " + ".join(f"{share:.2f} {result.trial.name}" for result, share in self.chosen)


def search(
    data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int, watch: Watch, kept: Path | None = None
) -> Trained:
    """The whole of `train`; linear algebra on one thread, for its sums must not depend on the number of cores.

    Finished candidates are kept in the folder `kept`, where there is one.
    """
    from threadpoolctl import threadpool_limits

    from modelwright.training.several import learn_several

    with threadpool_limits(1, user_api="blas"):
        if len(data.schema.of_role("target")) > 1:
            return trained_of(learn_several(data, splits, spec, seed=seed, watch=watch, kept=kept), data, splits)
        compared = compare(data, splits, spec, seed=seed, watch=watch, kept=Kept(kept))
        return trained_of([finish(compared, spec, seed=seed, watch=watch)], data, splits)


def compare(data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int, watch: Watch, kept: Kept) -> Compared:
    """Candidates for one target compared, and the best of them joined."""
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
    chosen, joined, about_joined = _join(tried.results, problem, spec, judge, seed)
    return Compared(
        folds=folds,
        judge=judge,
        budget=budget,
        results=tried.results,
        chosen=chosen,
        joined=joined,
        decisions=(*told, *more, *tried.told(), about_joined),
        history=tuple(tried.history),
    )


def finish(compared: Compared, spec: TrainSpec, *, seed: int, watch: Watch) -> Learned:
    """The joined candidates fitted on all rows, and their answer made into what is told."""
    problem, judge = compared.problem, compared.judge
    told_by, validation, about_answers = answering(compared.folds, compared.joined, spec)
    watch({"stage": "training", "event": "note", "text": f"fitting {compared.members} on all training rows"})
    rows, about_rows = _refit_rows(problem, seed)
    members, about_refit = refit(problem, compared.chosen, rows, seed=seed, units=compared.budget.refit_units)
    rng = stream(seed, "training", "importance")
    return Learned(
        problem=problem,
        members=members,
        answering=told_by,
        validation=validation,
        leaderboard=_leaderboard(compared.results, compared.chosen, judge.metric, problem),
        importance=importance(compared.folds, compared.chosen, judge.loss, rng),
        decisions=(*compared.decisions, *about_rows, *about_refit, *about_answers),
        history=compared.history,
        follows=compared.follows,
    )


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


def _refit_rows(problem: Problem, seed: int) -> tuple[np.ndarray, list[Decision]]:
    import numpy as np

    n = len(problem.y)
    if n <= MOST_REFIT_ROWS:
        return np.arange(n), []
    rows = np.sort(stream(seed, "training", "rows").permutation(n)[:MOST_REFIT_ROWS])
    told = Decision("training", "rows", f"{MOST_REFIT_ROWS:,} of {n:,}", "a sample: more rows would add little")
    return rows, [told]


def _leaderboard(
    results: Sequence[Result], chosen: Sequence[tuple[Result, float]], metric: str, problem: Problem
) -> tuple[Candidate, ...]:
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
            beside=_beside(result, metric, problem),
        )
        for result in ordered
    )


def _beside(result: Result, metric: str, problem: Problem) -> dict[str, float]:
    """What a row costs, where answers have costs and candidates are compared by something else."""
    losses = losses_of(problem.task)
    if "cost" not in losses or metric == "cost":
        return {}
    judged = judged_rows(problem)
    return {"cost": losses["cost"](problem.y[judged], result.predicted[judged], problem.weights[judged])}
