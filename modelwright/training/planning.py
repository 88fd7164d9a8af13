"""What training would do, without doing it: the task, the metric and the candidates, written out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.data import Decision

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits
    from modelwright.training.base import TrainSpec


def written_out(
    data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int = 0
) -> tuple[TrainSpec, tuple[Decision, ...]]:
    """The Spec with every automatic choice made, and the choices with their reasons.

    Training with the Spec that is returned gives the same model. Cost: the features of one fold.

    >>> import numpy as np, polars as pl
    >>> from modelwright.core.data import Column, Dataset, Schema
    >>> from modelwright.core.values import Splits
    >>> from modelwright.training.base import TrainSpec
    >>> frame = pl.DataFrame({"x": np.arange(60.0), "y": ["low"] * 30 + ["high"] * 30})
    >>> data = Dataset.from_frame(frame, Schema((Column("x", "number"), Column("y", "category", "target"))))
    >>> ids = np.arange(60, dtype=np.uint64)
    >>> splits = Splits(train=ids[ids % 5 > 0], test=ids[ids % 5 == 0], folds=np.arange(48) % 3, kind="random")
    >>> explicit, _ = written_out(data, splits, TrainSpec(budget="quick"))
    >>> explicit.task, explicit.metric, [use.model for use in explicit.models]
    ('binary', 'log_loss', ['linear', 'boosting'])
    """
    from modelwright.training.budget import read_budget
    from modelwright.training.cross import Folds
    from modelwright.training.losses import choose_metric
    from modelwright.training.portfolio import as_uses, choose_trials
    from modelwright.training.problem import read_problem
    from modelwright.training.route import route

    way, why = route(data, spec)
    if way == "network":
        return _of_network(data, splits, spec, seed, Decision("training", "way", way, why))
    if len(data.schema.of_role("target")) > 1:
        return spec, _of_several(data, splits, spec, seed)
    problem = read_problem(data, splits, spec, seed=seed)
    metric, _, reason = choose_metric(spec.metric, problem.task)
    budget, about_budget = read_budget(spec.budget, problem)
    trials, told = choose_trials(problem, spec, Folds(problem, seed).n_columns(), budget)
    told = [*([about_budget] if about_budget else []), *told]
    if budget.goes_on and spec.models is None:  # naming the models would end the search with them
        return spec.but(task=problem.task.kind, metric=metric), (*problem.decisions, *told)
    race = spec.models is None if spec.race is None else spec.race
    if way == "both":  # naming the models would leave out the network
        return spec, (Decision("training", "way", way, why), *problem.decisions, *told)
    explicit = spec.but(task=problem.task.kind, metric=metric, models=as_uses(trials), race=race)
    return explicit, (*problem.decisions, Decision("training", "metric", metric, reason), *told)


def _of_several(data: Dataset, splits: Splits, spec: TrainSpec, seed: int) -> tuple[Decision, ...]:
    """What would be done for each of several targets. One Spec cannot name their candidates, so it stays as it is."""
    from modelwright.training.several import of_target, specs_of

    specs, told = specs_of(data, splits, spec), list[Decision]()
    for name in data.schema.of_role("target"):
        _, own = written_out(*of_target(data, splits, name), specs[name], seed=seed)
        told += [Decision(one.stage, f"{name}: {one.about}", one.choice, one.reason) for one in own]
    return tuple(told)


def _of_network(
    data: Dataset, splits: Splits, spec: TrainSpec, seed: int, way: Decision
) -> tuple[TrainSpec, tuple[Decision, ...]]:
    """A network's parts, sizes and length. They follow from the rows again when it is trained, so the Spec says
    only that there is to be one; what it says of its parts stays as it is."""
    from modelwright.core.optional import need
    from modelwright.training.network.base import told_of_network

    need("torch", extra="deep", why=way.reason)
    explicit = spec if spec.network not in ("auto", "off") else spec.but(network="on")
    return explicit, (way, *told_of_network(data, splits, spec, seed=seed))
