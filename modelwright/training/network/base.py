"""`train_network`: typed rows in, one graph out: arrays, a network, the loop, a temperature, a check."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, cast

from modelwright.core import registry
from modelwright.core.data import ROW_ID, Dataset, Decision
from modelwright.core.errors import UserError
from modelwright.core.rng import stream_seed
from modelwright.core.values import Candidate, Splits, Trained, Watch
from modelwright.training.budget import name_of_budget
from modelwright.training.loop.fit import Fit
from modelwright.training.loop.order import n_steps_of
from modelwright.training.loop.spec import LoopSpec
from modelwright.training.network.answers import (
    Answers,
    answers_of,
    calibrate,
    centre,
    importance_of,
    judge,
    metric_of,
    parity_of,
    tempered,
)
from modelwright.training.network.arrays import Prepared, keeps_origin, prepare
from modelwright.training.network.forecasts import suited
from modelwright.training.network.labels import MIXED, told_of_labels
from modelwright.training.network.plan import FORWARD_AND_BACK, plan_loop, work_of
from modelwright.training.network.score import score_of
from modelwright.training.network.spec import DeepSpec
from modelwright.training.problem import read_weights
from modelwright.training.threshold import choose_threshold

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from modelwright.core.use import Use
    from modelwright.training.base import TrainSpec
    from modelwright_runtime.signature import Signature

FOLDS_BELOW_ROWS = 1_000
REFIT_BELOW_ROWS = 20_000
CHECKED_ROWS = 1_000
PLANNED_ROWS = 2_000
PLACES = ("detection", "segmentation")
LOOP_CHANGES = ("learning_rate", "clip_norm", "warm_up")
LEAST_SHARE, ENOUGH_SHARE = 0.2, 0.9  # of the planned steps: what a final fit is given at least, and left as it is
WORTH_THREADS = 3e8  # floating-point operations of a step


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """What does not change from one fit to the next."""

    rows: Dataset
    pairs: tuple[tuple[np.ndarray, np.ndarray], ...]
    weights: np.ndarray | None
    spec: TrainSpec
    deep: DeepSpec
    seed: int
    watch: Watch
    folder: Path | None
    told: tuple[Decision, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Learned:
    """A trained network with the arrays it was trained on."""

    prepared: Prepared
    fit: Fit
    loop: LoopSpec
    decisions: tuple[Decision, ...]

    @property
    def network(self) -> nn.Module:
        """The network, with the weights that were kept."""
        return self.fit.network


def train_network(
    data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int, watch: Watch, folder: Path | None = None
) -> Trained:
    """Train a network of encoders, trunk and heads on the training rows; one graph answers as it does.

    Of fewer than 1,000 rows every fold is validated in turn; of more, one. Up to 20,000 rows the network is then
    trained once more on all of them with the same settings; above, the one that was validated is kept, with
    the weights of its best validation. Class probabilities are tempered on the validation rows. `folder` keeps
    checkpoints, from which the same call goes on.

    Raises `UserError`: `train.*`, and those of arrays, networks, augmentation and optimizers.
    """
    task = _read(data, splits, spec, seed=seed, watch=watch, folder=folder)
    places = {task.rows.schema[name].kind for name in task.rows.schema.of_role("target")} & {"boxes", "mask"}
    few = task.rows.n_rows < FOLDS_BELOW_ROWS and not places
    refit = task.deep.refit if task.deep.refit is not None else task.rows.n_rows <= REFIT_BELOW_ROWS
    pairs = task.pairs if few else (task.pairs[-1] if splits.ordered else task.pairs[0],)
    validated = [_learn(task, fit_rows, valid, f"fold-{number}") for number, (fit_rows, valid) in enumerate(pairs)]
    answers = [answers_of(one.network, one.prepared.validation, one.prepared.scales) for one in validated]
    first = validated[0]
    avoid, about_labels = _harmful(task, first)
    again = refit or len(pairs) > 1
    kept = _learn(task, _all_rows(task), None, "all", avoid, validated) if again else first
    kept = replace(kept, fit=replace(kept.fit, network=calibrate(kept.network, kept.prepared.tasks, answers)))
    answers = tempered(kept.prepared.tasks, answers)
    told = [
        *task.told,
        Decision("training", "validation", f"{len(pairs)} folds" if len(pairs) > 1 else "one fold",
                 _why_validated(len(pairs), few, len(task.pairs))),
        Decision("training", "final fit", "all training rows" if again else "the validated network",
                 "few rows: none is left out" if again else "many rows: its best weights are kept"),
        *about_labels, *told_of_labels(task.rows, task.deep, first.prepared.tasks[0], answers, pairs),
    ]  # fmt: skip
    return _trained(task, splits, data, kept, (validated, answers, pairs), told)


def told_of_network(data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int) -> tuple[Decision, ...]:
    """What training would choose, without training: arrays, parts, epochs, augmentation. Cost: a few rows' arrays."""
    task = _read(data, splits, spec, seed=seed, watch=lambda event: None, folder=None)
    some = task.rows.frame.head(PLANNED_ROWS)
    few = replace(task, rows=Dataset(some.lazy(), task.rows.schema, some.height), weights=None)
    rows = _all_rows(few)
    prepared = prepare(few.rows, rows, None, spec, task.deep, None, seed=seed)
    n_fit = len(task.pairs[0][0])
    network, loop, told = _designed(task, prepared, n_fit, seed, patient=True)
    _, about_changes = _augment(task, prepared, frozenset())
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    size = Decision(
        "training", "network", f"{n_weights:,} weights", f"judged by {some.height:,} rows; batch {loop.batch_size}"
    )
    return (*prepared.decisions, *task.told, *_parts_of(network), size, *told, *about_changes)


def _designed(
    task: Task, prepared: Prepared, n_rows: int, seed: int, *, patient: bool
) -> tuple[nn.Module, LoopSpec, list[Decision]]:
    """A network with its first weights, and how long it will learn."""
    networks = registry.verbs("networks")
    spec = networks.NetworkSpec.parse(task.deep.network, where="network")
    network = networks.build(spec, prepared.inputs, prepared.tasks, seed=seed, n_rows=n_rows)
    _set_scales(network, prepared)
    work = work_of(network, [_first(source) for source in prepared.fit.inputs])
    loop, told = plan_loop(
        task.deep, n_rows, work, name_of_budget(task.spec.budget), patient=patient, about=_about(prepared)
    )
    network.work_per_step = FORWARD_AND_BACK * work * loop.batch_size
    return network, loop, told


def _why_validated(n_scored: int, few: bool, n_folds: int) -> str:  # noqa: FBT001
    if n_folds == 1:
        return "the split has one part to validate on"
    return "few rows: every fold is scored" if few and n_scored > 1 else "one fold of them tells enough, and is quicker"


def _about(prepared: Prepared) -> Literal["", "texts", "places"]:
    """What the task is about, where that says how it is best learned."""
    if any(aim.kind in PLACES for aim in prepared.tasks):
        return "places"
    return "texts" if {array.form for array in prepared.inputs} == {"tokens"} else ""


def _read(data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int, watch: Watch, folder: Path | None) -> Task:
    """Training rows in ascending order of id, folds as positions among them, weights."""
    import numpy as np

    rows = data.take(splits.train)
    frame = rows.frame.sort(ROW_ID)
    rows = Dataset(frame.lazy(), data.schema, frame.height, data.origin)
    if not data.schema.features:
        raise UserError("train.features", "no column is left to predict from.", hint="check the columns' roles")
    order = np.argsort(splits.train, kind="stable")
    pairs = tuple(replace(splits, train=splits.train[order], folds=splits.folds[order]).pairs())
    weights = _weights_of(rows, spec)
    deep, told = suited(rows, spec.network if isinstance(spec.network, DeepSpec) else DeepSpec())
    return Task(rows=rows, pairs=pairs, weights=weights, spec=spec, deep=deep, seed=seed, watch=watch, folder=folder,
                told=tuple(told))  # fmt: skip


def _weights_of(rows: Dataset, spec: TrainSpec) -> np.ndarray | None:
    """Row weights times class weights, or None where all are the same."""
    import numpy as np

    from modelwright.training.problem import read_target

    if not rows.schema.of_role("weight") and spec.class_weight == "none":
        return None
    name = rows.schema.target
    assert name is not None
    task, y, _ = read_target(rows, spec, name)
    weights, _ = read_weights(rows, task, y, spec)
    return weights.astype(np.float32)


def _all_rows(task: Task) -> np.ndarray:
    import numpy as np

    return np.arange(task.rows.n_rows)


def _learn(
    task: Task, fit_rows: np.ndarray, valid_rows: np.ndarray | None, name: str, avoid: frozenset[str] = frozenset(),
    before: Sequence[Learned] = (),
) -> Learned:  # fmt: skip
    """One network, trained on some rows and scored on others."""
    prepared = prepare(task.rows, fit_rows, valid_rows, task.spec, task.deep, task.weights, seed=task.seed)
    seed = stream_seed(task.seed, "training", "network", name)
    network, loop, told = _designed(task, prepared, len(fit_rows), seed, patient=valid_rows is not None)
    loop, more_told = _as_validated(_healed(loop, before), before)
    told += more_told
    task.watch({"stage": "training", "event": "note", "text": _what(network, prepared, loop, name)})
    with _threads(cast(float, network.work_per_step)):
        augment, more = _augment(task, prepared, avoid)
        done = _fit(task, network, prepared, loop, augment, (seed, name))
    if done.stopped == "diverged" and not done.best_step:
        raise UserError(
            "train.diverged",
            f"the loss was not finite any more after {done.n_steps} steps.",
            hint="lower the learning rate, or set `clip_norm: 1.0` in `loop`",
        )
    centre(done.network, prepared, task.deep.losses)
    return Learned(
        prepared=prepared, fit=done, loop=loop, decisions=(*prepared.decisions, *_parts_of(network), *told, *more)
    )


@contextmanager
def _threads(work_per_step: float) -> Iterator[None]:
    """One thread for small steps: handing work to several costs more than it saves, much more on a busy machine."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1 if work_per_step < WORTH_THREADS else n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def _fit(
    task: Task, network: nn.Module, prepared: Prepared, loop: LoopSpec, augment: Any, which: tuple[int, str]
) -> Fit:
    from modelwright.training.doctor.care import care

    seed, name = which
    mode = task.deep.doctor if prepared.has_validation or task.deep.doctor == "off" else "advise"
    return care(
        lambda changes: _rebuilt(task, network, prepared, changes, seed), prepared.fit, loop, mode=mode,
        objective=_objective(task, prepared, network),
        validation=prepared.validation_or_none,
        score=None if any(keeps_origin(task.deep, aim) for aim in prepared.tasks) else score_of(prepared.tasks),
        augment=augment,
        rates=network.rate_factors(),  # type: ignore[operator]
        folder=None if task.folder is None else task.folder / name,
        seed=seed % 2**31, identity=repr((task.spec.to_plain(), prepared.digest)),
        watch=lambda event: task.watch({**event, "fit": name}),
    )  # fmt: skip


def _rebuilt(
    task: Task, network: nn.Module, prepared: Prepared, changes: Sequence[Mapping[str, Any]], seed: int
) -> nn.Module | None:
    """The network with the doctor's changes, drawn anew; None for a change that our networks have no setting for."""
    if not changes:  # both sides of a fork begin with it, so each has one of its own
        return copy.deepcopy(network) if task.deep.doctor == "heal" else network
    networks = registry.verbs("networks")
    spec = networks.NetworkSpec.parse(task.deep.network, where="network")
    for change in changes:
        if change["what"] == "initialise":
            spec = spec.but(initialise="he")
        elif change["what"] == "capacity":
            spec = spec.but(width=min(1024, (spec.width or 64) * int(change["times"])))
        elif change["what"] in ("regularise", "dropout"):
            spec = spec.but(dropout=change.get("dropout", change.get("value")))
        else:
            return None
    made = networks.build(spec, prepared.inputs, prepared.tasks, seed=seed, n_rows=prepared.fit.n_rows)
    _set_scales(made, prepared)
    return cast("nn.Module", made)


def _healed(loop: LoopSpec, fitted: Sequence[Learned]) -> LoopSpec:
    """The loop with the changes that helped when folds were validated, for the final fit, which nothing scores."""
    from modelwright.training.doctor.changes import Setup, changed

    for event in (event for one in fitted[:1] for event in one.fit.history):
        kept = event["event"] == "verdict" and event.get("healed") and event["change"]["what"] in LOOP_CHANGES
        setup = changed(Setup(loop, fitted[0].prepared.fit, None), event["change"]) if kept else None
        loop = loop if setup is None else setup.spec
    return loop


def _as_validated(loop: LoopSpec, fitted: Sequence[Learned]) -> tuple[LoopSpec, list[Decision]]:
    """The loop, as long as served the folds best: nothing stops the final fit when it has learned enough.

    The median over folds of the step with the best score, as a share of the steps that were planned for it.
    """
    shares = [one.fit.best_step / max(n_steps_of(one.prepared.fit.n_rows, one.loop.batch_size, one.loop.epochs,
                                                 one.loop.max_steps)[1], 1) for one in fitted]  # fmt: skip
    share = max(LEAST_SHARE, median(shares)) if shares else 1.0
    if share > ENOUGH_SHARE:
        return loop, []
    steps = None if loop.max_steps is None else max(1, round(loop.max_steps * share))
    told = Decision("training", "length of the final fit", f"{share:.0%} of the plan", "there the folds scored best")
    return loop.but(epochs=loop.epochs * share, max_steps=steps), [told]


def _parts_of(network: nn.Module) -> tuple[Decision, ...]:
    """Which encoders, trunk and heads were chosen, and why."""
    return cast("tuple[Decision, ...]", network.decisions)


def _what(network: nn.Module, prepared: Prepared, loop: LoopSpec, name: str) -> str:
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    which = "all training rows" if name == "all" else f"{prepared.fit.n_rows:,} rows; {name} scores it"
    return f"network of {n_weights:,} weights, {loop.epochs:.3g} epochs, on {which}"


def _first(source: Any) -> Any:
    import torch

    some = source[:2]
    return some if isinstance(some, torch.Tensor) else torch.from_numpy(some)


def _set_scales(network: nn.Module, prepared: Prepared) -> None:
    """Tell the heads of numbers the centre and scale of their targets."""
    for task, scale in zip(prepared.tasks, prepared.scales, strict=True):
        if scale is not None:
            network.set_scale(task.target, *scale)  # type: ignore[operator]


def _objective(task: Task, prepared: Prepared, network: nn.Module) -> Any:
    import torch

    from modelwright.training.objectives.base import is_complete, make_objective

    heads: Any = network.heads
    uses = tuple(
        _with_cells(task.deep.losses.get(one.target), head) for one, head in zip(prepared.tasks, heads, strict=True)
    )
    complete = is_complete([torch.as_tensor(target) for target in prepared.fit.targets])
    return make_objective(uses, prepared.tasks, weighting=task.deep.weighting, complete=complete)


def _with_cells(use: Use | None, head: nn.Module) -> Use | None:
    """The loss of boxes is told which grid of cells the head has; others stay as they are."""
    from modelwright.core.use import Use

    if not hasattr(head, "cells") or (use is not None and (use.method != "box" or "cells" in use.settings)):
        return use
    return Use(method="box", settings={**({} if use is None else use.settings), "cells": head.cells})


def _augment(task: Task, prepared: Prepared, avoid: frozenset[str]) -> tuple[Any, list[Decision]]:
    """A function of a batch and its random numbers, or None; and why."""
    asked = task.deep.augment
    if asked == "off":
        return None, []
    verbs, reason, uses = registry.verbs("augmentation"), "asked for", cast("tuple[Use, ...]", asked)
    if isinstance(asked, str):
        uses, reason = verbs.default_steps(prepared.inputs, prepared.tasks, prepared.fit.n_rows)
        if task.deep.wrong_labels == "many":
            uses, reason = (*uses, MIXED), f"{reason}; rows are mixed, for many labels are wrong"
    uses = tuple(use for use in uses if use.method not in avoid)
    told = [Decision("training", "augmentation", ", ".join(use.method for use in uses) or "none", reason)]
    return (verbs.augmenter(prepared.inputs, prepared.tasks, uses) if uses else None), told


def _harmful(task: Task, one: Learned) -> tuple[frozenset[str], list[Decision]]:
    """Methods of augmentation under which a trained network changes its right answers: labels may not survive."""
    function, _ = _augment(task, one.prepared, frozenset())
    aim = one.prepared.tasks[0]
    if function is None or not aim.is_classification or not one.prepared.has_validation:
        return frozenset(), []
    import torch

    verbs, rows = registry.verbs("augmentation"), one.prepared.validation
    batch = rows.rows(torch.arange(min(CHECKED_ROWS, rows.n_rows)))
    if int((one.network(*batch.inputs)[0].argmax(1) == batch.targets[0]).sum()) == 0:
        return frozenset(), []
    uses = task.deep.augment
    if isinstance(uses, str):
        uses = verbs.default_steps(one.prepared.inputs, one.prepared.tasks, one.prepared.fit.n_rows)[0]
    checked = verbs.check(
        lambda *arrays: one.network.answers(one.network(*arrays))[0],  # type: ignore[operator]
        batch, one.prepared.inputs, one.prepared.tasks, uses, seed=task.seed,
    )  # fmt: skip
    kept = {step.name for step in checked.steps}
    told = [decision for decision in checked.decisions if decision.choice != "kept"]
    return frozenset(one.name for one in checked.seen if one.name not in kept), told


def _trained(
    task: Task, splits: Splits, data: Dataset, kept: Learned,
    scored: tuple[Sequence[Learned], Sequence[Answers], Sequence[tuple[np.ndarray, np.ndarray]]],
    told: list[Decision],
) -> Trained:  # fmt: skip
    """Everything that is said of the network that is kept."""
    import numpy as np

    learned, answers, pairs = scored
    aim = kept.prepared.tasks[0]
    validation = np.full((task.rows.n_rows, *answers[0].given[0].shape[1:]), np.nan, dtype=np.float64)
    for one, (_, valid) in zip(answers, pairs, strict=True):
        validation[valid] = one.given[0]
    judged = np.concatenate([valid for _, valid in pairs])
    truth = np.concatenate([one.truth[0] for one in answers])
    weights = np.ones(len(judged)) if task.weights is None else task.weights[judged].astype(np.float64)
    threshold, about = choose_threshold(task.spec.threshold, aim, truth, validation[judged], weights)
    metric = metric_of(aim, task.spec.metric)
    score = judge(metric, truth, validation[judged], weights)
    baseline = judge(metric, truth, kept.prepared.constant(len(truth)), weights)
    graph = registry.verbs("networks").export(kept.network, kept.prepared.inputs, kept.prepared.tasks)
    leaderboard = (
        Candidate(name="network", model="network", settings=_settings(task, kept), metric=metric, score=score,
                  weight=1.0),
        Candidate(name="constant", model="constant", settings={}, metric=metric, score=baseline),
    )  # fmt: skip
    trained = Trained(
        graph=graph,
        signature=_signature(task, kept, threshold),
        leaderboard=leaderboard,
        validation=validation[np.searchsorted(np.sort(splits.train), splits.train)],
        importance=importance_of(learned[0].network, learned[0].prepared, task.seed),
        decisions=(*kept.decisions, *told, *([about] if about else [])),
        parity=0.0,
        history=_history(learned, kept),
    )
    return replace(trained, parity=parity_of(trained, kept.network, kept.prepared, data, splits))


def _settings(task: Task, kept: Learned) -> dict[str, Any]:
    return {"network": task.deep.network, "loop": kept.loop.to_plain(), "n_steps": kept.fit.n_steps}


def _history(learned: Sequence[Learned], kept: Learned) -> tuple[dict[str, Any], ...]:
    again = all(one.fit.history is not kept.fit.history for one in learned)
    fits = [*learned, kept] if again else [*learned]
    names = [f"fold {number}" for number in range(len(learned))] + ["all rows"]
    return tuple({**event, "fit": name} for one, name in zip(fits, names, strict=False) for event in one.fit.history)


def _signature(task: Task, kept: Learned, threshold: float) -> Signature:
    """What the graph takes and gives; readings are by kind only, packaging puts cleaning's in their place."""
    from modelwright_runtime.reading import Reading
    from modelwright_runtime.signature import Signature

    inputs, (first, *others) = kept.prepared.inputs, kept.prepared.tasks
    columns = dict.fromkeys(name for array in inputs for name in array.columns)
    levels, ranges = registry.verbs("features").seen(task.rows, tuple(columns))
    return Signature(
        task=first,
        more_tasks=tuple(others),
        readings=tuple(Reading(column=name, kind=task.rows.schema[name].kind) for name in columns),  # type: ignore[arg-type]
        arrays=inputs,
        threshold=threshold,
        levels=levels,
        ranges=ranges,
        n_rows_at_once=kept.prepared.rows_at_once,
    )
