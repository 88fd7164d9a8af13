"""Several targets at once: a search for each over the same folds, and each may see the answers for those before it.

References: Read, Pfahringer, Holmes and Frank (2009), "Classifier chains for multi-label classification";
Spyromitros-Xioufis et al. (2016), "Multi-target regression via input space expansion", from which it is that a link is
fitted on answers to rows that no model was fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Decision
from modelwright.core.errors import UserError
from modelwright.core.task import recognise
from modelwright.training.answering.costs import names_of
from modelwright.training.budget import divided
from modelwright.training.classes import class_texts
from modelwright.training.cross import Folds, judged_rows, validate
from modelwright.training.ensemble import blend
from modelwright.training.kept import Kept
from modelwright.training.losses import CLASS_LOSSES, VALUE_LOSSES, as_score
from modelwright.training.search import Compared, compare, finish
from modelwright.training.writing import Learned, as_columns

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits, Watch
    from modelwright.training.base import TrainSpec

KINDS = ("number", "category", "boolean")
"""What a target must be for this: the others are learned by networks."""
WORTH = 0.005
"""A link of the chain is kept where it lowers the loss by so much of it, and in most folds."""


def learn_several(
    data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int, watch: Watch, kept: Path | None
) -> list[Learned]:
    """All targets, the one named first before the others; a budget of time or units is divided between them."""
    targets = data.schema.of_role("target")
    share = divided(spec.budget, len(targets))
    specs = specs_of(data, splits, spec)
    done: list[Compared] = []
    for number, name in enumerate(targets):
        watch({"stage": "training", "event": "note", "text": f"target {number + 1} of {len(targets)}: {name}"})
        own, rows = of_target(data, splits, name)
        folder = kept if kept is None or number == 0 else kept / f"target-{number}"
        found = compare(own, rows, specs[name].but(budget=share), seed=seed, watch=watch, kept=Kept(folder))
        if spec.chain == "auto" and number > 0:
            found = _linked(found, done, seed=seed)
        done.append(found)
    learned = [finish(one, specs[name], seed=seed, watch=watch) for name, one in zip(targets, done, strict=True)]
    way = Decision("training", "targets", ", ".join(targets), "a search for each, over the same folds; one graph")
    first = replace(learned[0], decisions=(way, *learned[0].decisions))
    return [first, *(_named(name, one) for name, one in zip(targets[1:], learned[1:], strict=True))]


def of_target(data: Dataset, splits: Splits, name: str) -> tuple[Dataset, Splits]:
    """The table with one target, the others out of sight, and the training rows that have a value of it; of the first
    target all of them, for cleaning left the others out."""
    import polars as pl

    schema = data.schema
    for other in schema.of_role("target"):
        if other != name:
            schema = schema.with_column(other, role="ignored", why="another target")
    own = data.with_schema(schema)
    if name == data.schema.target:
        return own, splits
    known = data.frame.filter(pl.col(name).is_not_null())[ROW_ID].to_numpy()
    there = _is_in(splits.train, known)
    return own, replace(splits, train=splits.train[there], folds=splits.folds[there], test=splits.test)


def _is_in(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    import numpy as np

    inside: np.ndarray = np.isin(some, others)
    return inside


def specs_of(data: Dataset, splits: Splits, spec: TrainSpec) -> dict[str, TrainSpec]:
    """For each target the settings that suit it: an objective for numbers, costs and class weights for the classes that
    they name, a goal for two classes; task, threshold and a metric that does not fit are of the first target alone.

    Raises `UserError` `train.objective`, `train.costs` or `train.goal` for what suits none of them.
    """
    rows = data.take(splits.train)
    targets = data.schema.of_role("target")
    made = {name: _spec_of(rows, spec, name, first=name == targets[0]) for name in targets}
    for setting in ("objective", "costs", "goal"):
        if getattr(spec, setting) is not None and all(getattr(one, setting) is None for one in made.values()):
            needs = {
                "objective": "number",
                "costs": "target with the classes it names",
                "goal": "target of two classes",
            }
            raise UserError(
                f"train.{setting}", f"`{setting}` suits none of the targets {', '.join(targets)}: none is a "
                f"{needs[setting]}.", hint=f"take `{setting}` out, or check the names of its classes",
            )  # fmt: skip
    return made


def _spec_of(rows: Dataset, spec: TrainSpec, name: str, *, first: bool) -> TrainSpec:
    target = rows.column(name)
    kind, _ = recognise(target, rows.schema[name].kind)
    kind = spec.task if first and spec.task != "auto" else kind
    changes: dict[str, Any] = {} if first else {"task": "auto", "threshold": "auto"}
    if kind == "regression":
        changes |= {"costs": None, "goal": None, "class_weight": "none"}
        known = ("pinball",) if spec.objective else tuple(VALUE_LOSSES)
    else:
        found = class_texts(target.drop_nulls()).unique().to_list()
        classes = set(found)
        keeps = spec.costs is not None and names_of(spec.costs, found) <= classes
        changes |= {"objective": None, "costs": spec.costs if keeps else None}
        if spec.goal is not None:
            costed = spec.goal.cost is None or names_of(spec.goal.cost, found) <= classes
            changes["goal"] = spec.goal if kind == "binary" and costed else None
        if isinstance(spec.class_weight, dict) and not set(spec.class_weight) <= classes:
            changes["class_weight"] = "none"
        known = (*CLASS_LOSSES, *(("cost",) if keeps else ()))
    return spec.but(**changes, metric=spec.metric if spec.metric in known else "auto")


def _linked(found: Compared, done: Sequence[Compared], *, seed: int) -> Compared:
    """The same target with the answers for those before it as further columns, where that is better."""
    import numpy as np

    about = f"chain of {found.problem.task.target}"
    used = np.unique(np.concatenate([rows for pair in found.problem.pairs for rows in pair]))
    answers = {place: _answers_of(one, found) for place, one in enumerate(done)}
    follows = [place for place, columns in answers.items() if not np.isnan(columns[used]).any()]
    if not follows:
        reason = "not every row has an answer for an earlier target by a model that was not fitted on it"
        return replace(found, decisions=(*found.decisions, Decision("training", about, "not tried", reason)))
    names, beside = _listed(done, follows), [answers[place] for place in follows]
    problem = replace(found.problem, beside=np.concatenate(beside, axis=1))
    folds = Folds(problem, seed)
    results = [validate(result.trial, folds, found.judge.loss) for result, _ in found.chosen]
    shares = np.array([share for _, share in found.chosen])
    joined = blend([result.predicted for result in results], shares)
    before, after = (_loss(one, found) for one in (found.joined, joined))
    gains = [_loss(found.joined, found, rows) - _loss(joined, found, rows) for _, rows in problem.pairs]
    most = sum(gain > 0 for gain in gains) * 4 >= 3 * len(gains)
    metric = found.judge.metric
    told = f"{metric} {as_score(metric, after):.4g} with them, {as_score(metric, before):.4g} without"
    if not (before - after > WORTH * abs(before) and most):
        kept = Decision("training", about, "by itself", f"answers for {names} as columns do not clearly help: {told}")
        return replace(found, decisions=(*found.decisions, kept))
    board = {id(old): new for (old, _), new in zip(found.chosen, results, strict=True)}
    return replace(
        found,
        folds=folds,
        results=[board.get(id(result), result) for result in found.results],
        chosen=[(result, share) for result, (_, share) in zip(results, found.chosen, strict=True)],
        joined=joined,
        decisions=(*found.decisions, Decision("training", about, f"sees the answers for {names}", told)),
        follows=tuple(follows),
    )


def _listed(done: Sequence[Compared], places: Sequence[int]) -> str:
    return ", ".join(done[place].problem.task.target for place in places)


def _answers_of(one: Compared, found: Compared) -> np.ndarray:
    """An earlier target's answers to this target's rows, float32 (n, k), NaN where there is none."""
    import numpy as np

    answers = as_columns(one.problem, one.joined)
    ids, wanted = one.problem.data.row_ids, found.problem.data.row_ids
    made = np.full((len(wanted), answers.shape[1]), np.nan, dtype=np.float32)
    places = np.searchsorted(ids, wanted).clip(0, len(ids) - 1)
    there = ids[places] == wanted
    made[there] = answers[places[there]]
    return made


def _loss(joined: np.ndarray, found: Compared, rows: np.ndarray | None = None) -> float:
    problem = found.problem
    rows = judged_rows(problem) if rows is None else rows
    return found.judge.loss(problem.y[rows], joined[rows], problem.weights[rows])


def _named(name: str, one: Learned) -> Learned:
    """A further target's record, told with its name."""
    decisions = tuple(
        told if told.about.startswith("chain of ") else replace(told, about=f"{name}: {told.about}")
        for told in one.decisions
    )
    return replace(one, decisions=decisions)
