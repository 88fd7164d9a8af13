"""The model asked for every held-out row: truth, answer and baseline of each target, ready to be measured.

Answers of one number or one row of probabilities are kept; boxes and masks are summed up as they come, a part of
the rows at a time, so that memory does not grow with the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.data import Dataset, Decision
from modelwright.core.errors import UserError
from modelwright.evaluation.answers import Answers, class_answers, label_answers, value_answers
from modelwright.evaluation.background import Background
from modelwright.evaluation.metrics import Floats
from modelwright.evaluation.sums import Held

if TYPE_CHECKING:
    from modelwright.core.values import Trained
    from modelwright_runtime.signature import Signature, Task

N_AT_ONCE = 64
"""Rows asked for at once where an answer is a picture's worth of numbers."""
LARGE = ("detection", "segmentation")


@dataclass(frozen=True, eq=False, kw_only=True)
class Asked:
    """One target: `model` and `base` (the baseline, called `base_name`) on the `rows` that have a truth.

    `losses` (n,) says how badly each row was answered. `others` are further baselines, by name; `facts` is
    JSON-able and goes into the report's curves.
    """

    task: Task
    rows: Dataset
    model: Held
    base: Held
    base_name: str
    losses: Floats
    decisions: tuple[Decision, ...] = ()
    others: Mapping[str, Held] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def ask(
    trained: Trained, data: Dataset, backgrounds: Mapping[str, Background], *, season: int | None = None
) -> list[Asked]:
    """Every target of the model, each on the rows whose truth is known.

    Raises `evaluation.target` when a target column is absent, `evaluation.rows` when no row has one,
    `evaluation.answers` when an answer is no finite number.
    """
    tasks = (trained.task, *trained.signature.more_tasks)
    known = [_with_truth(data, task.target) for task in tasks]
    rows = known[0][0] if len(tasks) == 1 else data
    parts: list[list[Any]] = [[] for _ in tasks]
    for chunk, outputs in answered(trained, rows):
        beside = dict(zip((task.target for task in trained.signature.beside), outputs[len(tasks) :], strict=True))
        for index, task in enumerate(tasks):
            output = outputs[index]
            if task.target in beside:
                output = np.column_stack([output, beside[task.target]])
            parts[index].append(_part(task, trained.signature, *_of_task(task, chunk, output)))
    return [
        _asked(trained, task, known[index], parts[index], backgrounds.get(task.target), season)
        for index, task in enumerate(tasks)
    ]


def answered(trained: Trained, data: Dataset) -> Iterator[tuple[Dataset, tuple[np.ndarray, ...]]]:
    """Rows and the graph's answers to them; all at once, or in parts where answers are large."""
    from modelwright.core.inputs import graph_outputs

    tasks = (trained.task, *trained.signature.more_tasks)
    size = N_AT_ONCE if any(task.kind in LARGE for task in tasks) else max(data.n_rows, 1)
    for start in range(0, data.n_rows, size):
        chunk = data if size >= data.n_rows else _slice(data, start, size)
        yield chunk, graph_outputs(trained.graph, trained.signature, chunk)


def _slice(data: Dataset, start: int, size: int) -> Dataset:
    frame = data.frame.slice(start, size)
    return Dataset(frame.lazy(), data.schema, frame.height, data.origin)


def _of_task(task: Task, chunk: Dataset, output: np.ndarray) -> tuple[Dataset, np.ndarray]:
    """The rows with a truth, and their answers, which must be finite numbers."""
    there = chunk.column(task.target).is_not_null()
    if chunk.column(task.target).dtype.is_float():
        there = there & chunk.column(task.target).is_not_nan()
    if not there.all():
        frame = chunk.frame.filter(there)
        chunk = Dataset(frame.lazy(), chunk.schema, frame.height, chunk.origin)
        output = output[there.to_numpy()]
    finite = np.isfinite(output)
    if not finite.all():
        raise UserError(
            "evaluation.answers",
            f"the model answered {int((~finite).sum())} times with no finite number.",
            hint="train again; a missing or extreme input is not handled by this graph",
        )
    return chunk, output


def _part(task: Task, signature: Signature, chunk: Dataset, output: np.ndarray) -> Any:
    """What is kept of one part of the rows."""
    if task.kind == "detection":
        from modelwright.evaluation.box_answers import box_part

        return box_part(task, signature, chunk, output)
    if task.kind == "segmentation":
        from modelwright.evaluation.mask_answers import mask_part

        return mask_part(task, signature, chunk, output)
    return np.asarray(output, dtype=np.float64)


def _asked(
    trained: Trained,
    task: Task,
    known: tuple[Dataset, list[Decision]],
    parts: list[Any],
    background: Background | None,
    season: int | None,
) -> Asked:
    rows, decisions = known
    weights, more = row_weights(rows)
    if task.kind == "detection":
        from modelwright.evaluation.box_answers import asked_boxes

        asked = asked_boxes(task, rows, parts, weights)
    elif task.kind == "segmentation":
        from modelwright.evaluation.mask_answers import asked_masks

        asked = asked_masks(task, rows, parts, weights, background)
    elif task.kind == "forecast":
        from modelwright.evaluation.forecast_answers import asked_forecasts

        asked = asked_forecasts(task, trained.signature, rows, np.concatenate(parts), weights, background, season)
    else:
        asked = _asked_plain(trained, task, rows, np.concatenate(parts), weights, background)
    return replace(asked, decisions=(*decisions, *more, *asked.decisions))


def _asked_plain(
    trained: Trained, task: Task, rows: Dataset, output: Floats, weights: Floats, background: Background | None
) -> Asked:
    """Classes, labels and values: answers that are kept whole, held against the constant answer."""
    target = rows.column(task.target)
    place = trained.signature.tasks.index(task)
    threshold = trained.signature.threshold_of(rows.frame) if place == 0 else trained.signature.threshold_at(place)  # type: ignore[arg-type]
    if task.is_classification:
        answers, decisions = class_answers(task, target, output, threshold)
    elif task.kind == "multilabel":
        answers, decisions = label_answers(task, target, output, float(np.mean(threshold)))
    else:
        output = output.reshape(len(output), -1)
        answers, decisions = value_answers(target, output[:, 0]), []
        answers = replace(answers, beside=output[:, 1:] if task.columns else None)
    answers = replace(answers, weights=weights)
    given = None if background is None else background.answer
    average = answers.average() if given is None else np.asarray(given, dtype=np.float64).reshape(-1)
    names = {"multilabel": "the commonest labels", "regression": "always the mean"}
    base = answers.constant(average)
    if task.kind == "regression" and task.quantiles:
        base = _constant_quantiles(task, answers, base, background)
    return Asked(
        task=task,
        rows=rows,
        model=answers,
        base=base,
        base_name=names.get(task.kind, "always the commonest answer"),
        losses=answers.losses(),
        decisions=(*decisions, *about_baseline(given is not None)),
    )


def _constant_quantiles(task: Task, answers: Answers, base: Answers, background: Background | None) -> Answers:
    """The baseline of quantiles: those of the training rows, or else of these rows; no interval."""
    known = np.quantile(answers.truth, task.quantiles) if background is None or not background.quantiles else (
        np.array(background.quantiles)
    )  # fmt: skip
    if answers.beside is None:  # the value itself is the quantile
        return replace(base, predicted=np.full(answers.n_rows, known[0]))
    n_others = answers.beside.shape[1] - len(known)
    return replace(base, beside=np.tile(np.append(known, np.full(n_others, np.nan)), (answers.n_rows, 1)))


def about_baseline(known: bool) -> list[Decision]:  # noqa: FBT001
    """A Decision where the baseline had to be made from the rows it is measured on."""
    if known:
        return []
    reason = "no training shares were given, so the baseline knows these rows' own: a little too good"
    return [Decision("evaluation", "baseline", "from the held-out rows", reason)]


def _with_truth(data: Dataset, target: str) -> tuple[Dataset, list[Decision]]:
    import polars as pl

    from modelwright.core.data import ROW_ID

    if target not in data.schema:
        raise UserError(
            "evaluation.target",
            f"the rows have no target column {target!r}.",
            hint="evaluate on held-out rows that carry the truth",
        )
    frame = data.frame
    missing = pl.col(target).is_null()
    if frame[target].dtype.is_float():
        missing = missing | pl.col(target).is_nan()
    known = frame.filter(~missing)
    if known.height == 0:
        raise UserError(
            "evaluation.rows",
            f"no held-out row has a value in {target!r} ({frame.height} rows given).",
            hint="hold out more rows, or give rows that carry the truth",
        )
    if known.height == frame.height:
        return data, []
    n_left_out = frame.height - known.height
    reason = f"{n_left_out} of {frame.height} rows have no value in {target!r}, so nothing can be compared"
    return data.take(known[ROW_ID].to_numpy()), [Decision("evaluation", "rows", f"{n_left_out} rows left out", reason)]


def row_weights(data: Dataset) -> tuple[Floats, list[Decision]]:
    """The weight of each row: 1, or what the column with the role `weight` says."""
    names = data.schema.of_role("weight")
    if not names:
        return np.ones(data.n_rows), []
    weights = data.column(names[0]).cast(float).fill_null(0.0).to_numpy().astype(np.float64)
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() <= 0:
        raise UserError(
            "evaluation.weights",
            f"the weights in {names[0]!r} must be finite, not negative and not all zero.",
            hint="mend the column, or take its role `weight` away",
        )
    reason = f"column {names[0]!r} has the role weight"
    return weights, [Decision("evaluation", "weights", "rows counted by weight", reason)]
