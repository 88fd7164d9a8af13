"""A training whose groups are to be treated alike: the remedy, and what it wins and costs, told with intervals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.data import ROW_ID, Column, Dataset, Decision, Schema
from modelwright.core.errors import UserError, nearest
from modelwright.core.values import Splits, Trained, Watch

if TYPE_CHECKING:
    import numpy as np

    from modelwright.groups import Grouping
    from modelwright.training.base import TrainSpec
    from modelwright.training.fair.spec import FairSpec

COLUMN = "weight by group and class"
GOALS = {
    "equal_selection": "the same share of each group is predicted",
    "equal_opportunity": "of rows of which it is true, the same share of each group is found",
    "equalised_odds": "shares found and false alarms are as near in all groups as one threshold each allows",
}


def train_fair(
    data: Dataset,
    splits: Splits,
    spec: TrainSpec,
    *,
    seed: int,
    watch: Watch,
    folder: Path | None,
    kept: Path | None = None,
) -> Trained:
    """Train, with the remedy that `spec.fair` asks for.

    Weights: it is trained twice, without and with them, so that what they win and cost can be told; a budget of time
    or units is divided between both. Thresholds: they
    are chosen on predictions of rows that no model was fitted on, and stand in the signature. What changes in the
    accuracy and in the gaps between groups is told as Decisions, with paired intervals, on those same rows: `wright
    audit` tells it of the held-out ones. Raises `UserError("train.fair")` for columns and tasks that no remedy fits.
    """
    from modelwright.training.route import train_by

    fair = spec.fair
    if fair is None:
        return train_by(data, splits, spec, seed=seed, watch=watch, folder=folder, kept=kept)
    plain = spec.but(fair=None)
    rows = _train_rows(data, splits)
    groupings = _groupings(rows, fair)
    _check_target(rows, spec)
    if fair.method == "weights":
        watch({"stage": "training", "event": "note", "text": "once without the weights, to tell what they change"})
        plain = plain.but(budget=_half(spec.budget))
        apart = None if folder is None else folder / "without"
        before = train_by(data, splits, plain, seed=seed, watch=watch, folder=apart)
        weighted, told = _weighted(data, rows, splits, groupings, before)
        watch({"stage": "training", "event": "note", "text": "and now with them"})
        trained = train_by(weighted, splits, plain, seed=seed, watch=watch, folder=folder, kept=kept)
    else:
        before = train_by(data, splits, plain, seed=seed, watch=watch, folder=folder, kept=kept)
        trained, told = _with_thresholds(before, rows, splits, groupings, fair)
    _check_binary(trained, fair)
    more = _compared(before, trained, rows, splits, fair, seed)
    return replace(trained, decisions=(*trained.decisions, told, *more))


def _half(budget: str) -> str:
    """Half of a budget that was stated in time or units, for one of two trainings; named ones are for each.

    >>> _half("5m"), _half("250000000 units"), _half("quick")
    ('2.5m', '125000000 units', 'quick')
    """
    from modelwright.training.budget import FORM

    stated = FORM.fullmatch(budget)
    if stated is None:
        return budget
    gap = " " if " " in budget else ""
    return f"{float(stated['count']) / 2:.15g}{gap}{stated['unit']}"


def _train_rows(data: Dataset, splits: Splits) -> Dataset:
    frame = data.take(splits.train).frame.sort(ROW_ID)
    return Dataset(frame.lazy(), data.schema, frame.height, data.origin)


def _in_order(splits: Splits, validation: np.ndarray) -> np.ndarray:
    """Predictions in the order of `splits.train`, as rows in ascending order of their ids."""
    import numpy as np

    ordered: np.ndarray = validation[np.argsort(splits.train, kind="stable")]
    return ordered


def _groupings(rows: Dataset, fair: FairSpec) -> tuple[Grouping, ...]:
    """How each column makes groups."""
    from modelwright.groups import group

    made = []
    for name in fair.by:
        if name not in rows.schema:
            raise UserError("train.fair", f"`fair.by` names the column {name!r}, which the rows do not have.",
                            hint=nearest(name, rows.schema.names))  # fmt: skip
        if rows.schema[name].role == "target" or rows.schema[name].kind not in ("category", "boolean", "number"):
            kind = "the target" if rows.schema[name].role == "target" else f"of the kind {rows.schema[name].kind}"
            raise UserError("train.fair", f"`fair.by` names {name!r}, which is {kind}.",
                            hint="name categories, booleans or numbers")  # fmt: skip
        made.append(group(rows.column(name)))
    return tuple(made)


def _check_target(rows: Dataset, spec: TrainSpec) -> None:
    """Refuse before hours are spent what has no classes."""
    from modelwright.core.task import recognise

    target, n_targets = rows.schema.target, len(rows.schema.of_role("target"))
    if n_targets > 1:
        raise UserError("train.fair", f"`fair` is for one target; there are {n_targets}.", hint="take `fair` out")
    if target is None:
        return
    kind, _ = recognise(rows.column(target), rows.schema[target].kind)
    kind = kind if spec.task == "auto" else spec.task
    if kind not in ("binary", "multiclass"):
        raise UserError("train.fair", f"`fair` is for classes; `{target}` asks for {kind}.", hint="take `fair` out")


def _check_binary(trained: Trained, fair: FairSpec) -> None:
    if fair.method == "thresholds" and trained.task.kind != "binary":
        n_classes = len(trained.task.classes)
        raise UserError(
            "train.fair", f"thresholds by group are for two classes; `{trained.task.target}` has {n_classes}.",
            hint="`method: weights` takes any number of classes",
        )  # fmt: skip


def _codes(rows: Dataset, groupings: tuple[Grouping, ...]) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """The number of each row's group, (n,), and the levels of every group."""
    from modelwright.groups import NOT_STATED, cross

    crossed = cross(rows, groupings)
    named = [
        tuple(
            one.levels[code] if code < len(one.levels) else NOT_STATED for one, code in zip(groupings, row, strict=True)
        )
        for row in crossed.codes.tolist()
    ]
    return crossed.cell, named


def _truth(rows: Dataset, trained: Trained) -> np.ndarray:
    """Class numbers (n,)."""
    import numpy as np

    from modelwright.training.classes import class_texts

    place = {name: number for number, name in enumerate(trained.task.classes)}
    return np.array([place[text] for text in class_texts(rows.column(trained.task.target)).to_list()], dtype=np.int64)


def _weighted(
    data: Dataset, rows: Dataset, splits: Splits, groupings: tuple[Grouping, ...], before: Trained
) -> tuple[Dataset, Decision]:
    """The rows with a column of weights, and what is told of it."""
    import numpy as np
    import polars as pl

    from modelwright.training.fair.weights import reweighed

    own = data.schema.of_role("weight")[:1]
    weights = rows.column(own[0]).cast(float).to_numpy().astype(np.float64) if own else np.ones(rows.n_rows)
    group, _ = _codes(rows, groupings)
    made = reweighed(group, _truth(rows, before), weights)
    name = own[0] if own else COLUMN
    of_row = pl.DataFrame({ROW_ID: rows.frame[ROW_ID], name: made})
    frame = data.frame.drop(own).join(of_row, on=ROW_ID, how="left", maintain_order="left")
    frame = frame.with_columns(pl.col(name).fill_null(1.0))
    columns = [column for column in data.schema.columns if column.name != name]
    schema = Schema((*columns, Column(name, "number", "weight")))
    by = ", ".join(one.column for one in groupings)
    reason = (
        f"so weighed, every group has the same share of each class; as many rows as {_effective(made):,.0f} equal ones"
    )
    told = Decision("training", f"weights by {by}", f"{made.min():.2f} to {made.max():.2f}", reason)
    return Dataset.from_frame(frame, schema, origin=data.origin), told


def _effective(weights: np.ndarray) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum())


def _with_thresholds(
    before: Trained, rows: Dataset, splits: Splits, groupings: tuple[Grouping, ...], fair: FairSpec
) -> tuple[Trained, Decision]:
    """The same model with a threshold for each group that has enough rows."""
    import numpy as np

    from modelwright.groups import NOT_STATED, OTHER
    from modelwright.training.fair.thresholds import choose_by_group
    from modelwright_runtime.groups import GroupThresholds
    from modelwright_runtime.reading import Reading

    _check_binary(before, fair)
    goal = fair.goal or "equal_opportunity"
    validation = _in_order(splits, before.validation)
    judged = np.isfinite(validation).all(axis=1)
    group, named = _codes(rows, groupings)
    truth = _truth(rows, before)[judged] == 1
    score, group = validation[judged][:, 1], group[judged]
    sizes = [np.bincount(group[mask], minlength=len(named)) for mask in (truth, ~truth)]
    rarest = np.minimum(*sizes) if goal == "equalised_odds" else sizes[0] if goal == "equal_opportunity" else sum(sizes)
    able = [
        place for place, levels in enumerate(named)
        if np.asarray(rarest)[place] >= fair.least_rows and not {NOT_STATED, OTHER} & set(levels)
    ]  # fmt: skip
    if len(able) < 2:
        raise UserError("train.fair", f"no two groups of {', '.join(fair.by)} have {fair.least_rows} rows to choose a "
                        "threshold on.", hint="name a column with larger groups, or use `method: weights`")  # fmt: skip
    signature = before.signature
    made = choose_by_group(goal, truth, score, group, able, signature.threshold)
    by_group = GroupThresholds(
        columns=tuple(_column(one, rows) for one in groupings),
        thresholds=tuple((named[place], round(value, 6)) for place, value in made.items()),
    )
    known = {reading.column for reading in signature.readings}
    more = tuple(
        Reading(column=name, kind=rows.schema[name].kind)  # type: ignore[arg-type]
        for name in dict.fromkeys(fair.by) if name not in known
    )  # fmt: skip
    signature = replace(signature, group_thresholds=by_group, readings=(*signature.readings, *more))
    choice = ", ".join(f"{' '.join(levels)} {value:.3g}" for levels, value in by_group.thresholds)
    left = len(named) - len(able)
    reason = f"{GOALS[goal]}, on validation rows" + (
        f"; {left} small groups keep {signature.threshold:.3g}" if left else ""
    )
    return replace(before, signature=signature), Decision(
        "training", f"thresholds by {', '.join(fair.by)}", choice, reason
    )


def _column(grouping: Grouping, rows: Dataset) -> Any:
    """How the runtime finds a row's group."""
    from modelwright_runtime.groups import TRUTH, GroupColumn

    levels = TRUTH if rows.schema[grouping.column].kind == "boolean" else grouping.levels
    return GroupColumn(column=grouping.column, levels=levels, edges=grouping.edges)


def _compared(
    before: Trained, after: Trained, rows: Dataset, splits: Splits, fair: FairSpec, seed: int
) -> list[Decision]:
    """What the remedy changes, on the rows that both predicted without having been fitted on them."""
    import numpy as np

    from modelwright_runtime.predictions import decide_task

    if after.task.kind != "binary":
        return []
    fairness = registry.verbs("fairness")
    validations = [_in_order(splits, one.validation) for one in (before, after)]
    judged = np.isfinite(validations[0]).all(axis=1) & np.isfinite(validations[1]).all(axis=1)
    some = Dataset(rows.frame.filter(judged).lazy(), rows.schema, int(judged.sum()), rows.origin)
    truth, told = _truth(some, after) == 1, []
    for one, validation in zip((before, after), validations, strict=True):
        threshold = one.signature.threshold_of({name: some.frame[name].to_list() for name in fair.by})
        said = decide_task(validation[judged], one.task, threshold)
        told.append(fairness.Judged(
            outcome=f"{one.task.target} = {one.task.classes[1]}", truth=truth, told=said == one.task.classes[1],
            score=validation[judged][:, 1],
        ))  # fmt: skip
    words = {"about": "the model", "before": "none"}
    found = fairness.audit(told[1], some, list(fair.by), before=told[0], words=words, seed=seed)
    return [
        Decision("training", about, change, "measured on validation rows, without and with the remedy, paired")
        for about, change in fairness.change_pairs(found)
    ]
