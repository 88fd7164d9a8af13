"""The chosen models, fitted on all training rows, and their weighted mean."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.data import Decision
from modelwright.core.rng import stream
from modelwright.training.cross import MOST_ROUNDS, PARALLEL_ROWS, rows_at, stops_early, with_beside
from modelwright.training.log_target import fit_maybe_log
from modelwright.training.portfolio import seen_columns

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Fitted
    from modelwright.graph import Graph
    from modelwright.training.cross import Result
    from modelwright.training.problem import Problem

SEEDED_ROWS = 60_000
"""Up to so many rows a boosting is fitted `N_SEEDS` times with other random numbers, and averaged."""
N_SEEDS = 3


@dataclass(frozen=True, eq=False)
class Member:
    """A fitted model of the final mean: its share, its features' state, and the function itself."""

    weight: float
    state: Any
    fitted: Fitted


def refit(
    problem: Problem, chosen: Sequence[tuple[Result, float]], rows: np.ndarray, *, seed: int, units: float | None = None
) -> tuple[list[Member], list[Decision]]:
    """Fit the chosen candidates on the training rows at these positions; each preset's features once.

    With `units`, the work may come to so much: models are then fitted once and not `N_SEEDS` times, and what still
    does not fit is left out, the lightest first.
    """
    verbs = registry.verbs("features")
    data, y = rows_at(problem.data, rows), problem.y[rows]
    learned: dict[str, tuple[Any, np.ndarray]] = {}
    for result, _ in chosen:
        preset = result.trial.preset
        if preset not in learned:
            rng = stream(seed, "training", "features", "all")
            spec = verbs.preset(preset)
            state, x = verbs.learn_apply(data, problem.columns, spec, y, task=problem.task, rng=rng)
            learned[preset] = state, with_beside(problem, x, rows)
    plans = [_plan(problem, result, weight, rows) for result, weight in chosen]
    plans, told = _affordable(plans, problem, {name: x.shape for name, (_, x) in learned.items()}, units)
    jobs = [(plan, number) for plan in plans for number in range(plan.n_seeds)]

    def fit(job: tuple[_Plan, int]) -> Member:
        plan, number = job
        state, x = learned[plan.result.trial.preset]
        return Member(plan.weight / plan.n_seeds, state, _fit_member(problem, plan, number, x, rows, seed))

    n_workers = 1 if len(rows) > PARALLEL_ROWS else min(len(jobs), os.cpu_count() or 1)
    with ThreadPoolExecutor(n_workers) as pool:
        return list(pool.map(fit, jobs)), told


@dataclass(frozen=True, eq=False)
class _Plan:
    """A chosen candidate as it is to be fitted: with these settings, with so many seeds."""

    result: Result
    weight: float
    spec: Any
    n_seeds: int

    def units(self, problem: Problem, shapes: Mapping[str, tuple[int, ...]]) -> float:
        """Work of all its fits."""
        trial = self.result.trial
        n_rows, width = shapes[trial.preset]
        return self.n_seeds * float(trial.model.units(self.spec, problem.task, n_rows, seen_columns(trial, width)))


def _plan(problem: Problem, result: Result, weight: float, rows: np.ndarray) -> _Plan:
    spec = result.trial.spec
    if result.rounds is None:
        return _Plan(result, weight, spec, 1)
    growth = _growth(problem, rows) if stops_early(spec) else 1.0
    spec = spec.but(rounds=min(MOST_ROUNDS, max(1, round(result.rounds * growth))))
    return _Plan(result, weight, spec, N_SEEDS if len(rows) <= SEEDED_ROWS else 1)


def _affordable(
    plans: list[_Plan], problem: Problem, shapes: Mapping[str, tuple[int, ...]], units: float | None
) -> tuple[list[_Plan], list[Decision]]:
    """The plans that come to at most `units` of work, their weights again of sum 1; the heaviest is always kept."""
    if units is None or sum(plan.units(problem, shapes) for plan in plans) <= units:
        return plans, []
    plans = [replace(plan, n_seeds=1) for plan in plans]
    heaviest = max(plans, key=lambda plan: plan.weight)
    left_out = []
    while len(plans) > 1 and sum(plan.units(problem, shapes) for plan in plans) > units:
        lightest = min((plan for plan in plans if plan is not heaviest), key=lambda plan: plan.weight)
        plans = [plan for plan in plans if plan is not lightest]
        left_out.append(lightest.result.trial.name)
    total = sum(plan.weight for plan in plans)
    told = "each model is fitted once" + (f", without {', '.join(left_out)}" if left_out else "")
    reason = f"the budget leaves {units / 1e6:,.0f} million units for fitting on all rows"
    return [replace(plan, weight=plan.weight / total) for plan in plans], [Decision("training", "refit", told, reason)]


def _fit_member(problem: Problem, plan: _Plan, number: int, x: np.ndarray, rows: np.ndarray, seed: int) -> Fitted:
    trial, spec = plan.result.trial, plan.spec
    if hasattr(spec, "threads"):
        spec = spec.but(threads=min(64, os.cpu_count() or 1) if len(rows) > PARALLEL_ROWS else 1)
    return fit_maybe_log(
        trial,
        x,
        problem.y[rows],
        spec=spec,
        task=problem.task,
        weights=problem.weights[rows] if problem.weighted else None,
        rng=stream(seed, "training", trial.name, f"all {number}"),
    )


def _growth(problem: Problem, rows: np.ndarray) -> float:
    """More rows bear more rounds: half of what they are more, and at most half as many again."""
    n_fit = sum(len(fit) for fit, _ in problem.pairs) / len(problem.pairs)
    return 1.0 + min(1.0, max(0.0, len(rows) / n_fit - 1.0)) / 2


def answer(members: Sequence[Member], data: Dataset, beside: np.ndarray | None = None) -> np.ndarray:
    """The weighted mean by the fitting libraries themselves: (n, n_classes), (n, n_quantiles) or (n,).

    `beside` float32 (n, k) are answers for other targets, where the members were fitted with them.
    """
    import numpy as np

    verbs = registry.verbs("features")
    matrices: dict[int, np.ndarray] = {}
    total: Any = 0.0
    for member in members:
        if id(member.state) not in matrices:
            x = verbs.apply(member.state, data)
            matrices[id(member.state)] = x if beside is None else np.concatenate([x, beside], axis=1)
        total = total + member.weight * member.fitted.predict(matrices[id(member.state)])
    mean: np.ndarray = total
    return mean


def emit_mean(graph: Graph, members: Sequence[Member], matrix_of: Callable[[Any], str], beside: str | None) -> str:
    """The weighted mean as nodes: a float64 tensor. `matrix_of(state)` gives the tensor of a state's features."""
    total: Any = None
    for member in members:
        x = matrix_of(member.state)
        x = x if beside is None else graph.node("Concat", x, beside, axis=1)
        told = member.fitted.emit(graph, x)
        part = graph.tensor(graph.tensor(told).cast("float64")) * member.weight
        total = part if total is None else total + part
    name: str = total.name
    return name


def rows_at_once(members: Sequence[Member]) -> int:
    """How many rows the graph may be asked at once within about 256 MB."""
    return max(256, min(65_536, 2**25 // max(member.fitted.n_cells_per_row for member in members)))
