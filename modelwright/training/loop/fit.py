"""The one loop of every network, as a staircase: fit -> run -> epoch -> step -> loss.

It is fast because of what it does not do: rows are cut from tensors, not collated; hooks that nobody asked for
are not called; losses stay tensors until somebody looks; nothing on the way of a step waits for a device.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from modelwright.core.store import digest_of
from modelwright.core.values import Watch
from modelwright.training.loop import checkpoint, state
from modelwright.training.loop.average import Average
from modelwright.training.loop.batch import Batch
from modelwright.training.loop.devices import World, casting, choose_device, choose_precision, spread
from modelwright.training.loop.examples import Examples, batches
from modelwright.training.loop.order import epoch_order, n_steps_of, step_generator
from modelwright.training.loop.spec import LoopSpec
from modelwright.training.loop.state import Progress

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

Objective = Callable[[tuple["Tensor", ...], tuple["Tensor", ...], "Tensor | None"], "Tensor"]
"""(outputs, targets, weights) -> the loss, a scalar. An nn.Module's own parameters are trained too."""
Score = Callable[[tuple["Tensor", ...], tuple["Tensor", ...]], float]
"""(outputs, targets) of all validation rows -> a number; higher is better."""
Augment = Callable[[Batch, "Generator"], Batch]

LOG_EVERY = 50  # steps between looks at the loss
TELL_EVERY_S = 0.2  # seconds between events for the progress bar
LEAST_GAIN = 1e-8  # in score; less than this is kept, but patience does not wait for more of it
FIT_ON_DEVICE_SHARE = 0.25  # of the free memory of a device, for the rows themselves
_CHANGES_NO_BIT = ("checkpoint_every_s", "keep_checkpoints", "n_workers")


class Observer(Protocol):
    """One who looks into training at some steps: the doctor. It sees gradients before the optimizer does."""

    def due(self, step: int) -> int:
        """The next step, after `step`, that it wants to see."""

    def before(self, loop: Loop) -> None:
        """The forward pass of a step it wants to see begins."""

    def after(self, loop: Loop, batch: Batch, loss: Tensor) -> None:
        """The gradients of that step are there."""

    def validated(self, loop: Loop, event: Mapping[str, Any]) -> None:
        """The validation rows were scored."""

    def state(self) -> dict[str, Any]:
        """What it remembers, JSON-able, for a checkpoint."""

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""


@dataclass(frozen=True)
class Fit:
    """A trained network with its best weights in it, and how it came about.

    `stopped` is "end", "patience", "diverged" (the loss was not finite any more) or an observer's reason.
    `score` is that of the weights kept, or NaN without validation rows.
    """

    network: nn.Module
    history: tuple[Mapping[str, Any], ...]
    n_steps: int
    best_step: int
    score: float
    stopped: str


def fit(
    network: nn.Module,
    train: Examples,
    spec: LoopSpec = LoopSpec(),  # noqa: B008
    *,
    objective: Objective,
    folder: Path | str | None = None,
    watch: Watch | None = None,
    **more: Any,
) -> Fit:
    """Train a network on rows until its steps are done; keep the weights that score best on the validation rows.

    `network(*inputs)` gives one output per target, or one tensor. `objective(outputs, targets, weights)` gives the
    loss. With a `folder`, checkpoints lie there, and the same call goes on from the newest one to the same bits.
    Further settings are `seed`, `identity` and those of `Lesson`: `validation`, `score`, `augment`, ...

    The order of rows follows from the seed and the epoch alone; dropout follows from torch's generator, which is
    seeded here and is part of a checkpoint. The same machine, versions and number of threads give the same bits.

    Raises `UserError`: `train.examples`, `train.device`, `train.precision`, and those of optimizer and schedule.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> x = torch.linspace(-1, 1, 64).reshape(-1, 1)
    >>> line = fit(torch.nn.Linear(1, 1), Examples((x,), (3 * x,)), LoopSpec(epochs=60, optimizer={"adamw": {
    ...     "learning_rate": 0.1}}), objective=lambda outputs, targets, _: ((outputs[0] - targets[0]) ** 2).mean())
    >>> round(line.network.weight.item(), 1), line.n_steps
    (3.0, 120)
    """
    loop = Loop(network, train, spec, objective=objective, watch=watch, **more)
    if folder is not None:
        loop.keep_in(Path(folder))
    loop.run()
    return loop.finish()


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a network is taught by, besides its rows.

    `objective(outputs, targets, weights)` gives the loss; `validation` rows are scored by `score`, or by the loss;
    `augment` changes training batches; `observers` look into some steps; `rates` maps the start of a parameter's
    name to a factor of the learning rate, 0 for what is frozen.
    """

    objective: Objective
    validation: Examples | None = None
    score: Score | None = None
    augment: Augment | None = None
    observers: tuple[Observer, ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)


class Loop:
    """One training in progress. `run` takes it on, `saved` and `restore` carry it over a break or a fork.

    The keywords besides `seed`, `identity` (of the data, for checkpoints) and `watch` are those of `Lesson`.
    """

    def __init__(
        self,
        network: nn.Module,
        train: Examples,
        spec: LoopSpec,
        *,
        seed: int = 0,
        identity: str = "",
        watch: Watch | None = None,
        **lesson: Any,
    ) -> None:
        import torch

        self.spec, self.seed, self.watch = spec, seed, watch
        self.world = World.join()
        self.device = choose_device(spec.device, self.world)
        self.precision = choose_precision(spec.precision, self.device)
        self.network = network.to(self.device)
        self.lesson = Lesson(**lesson)
        self.objective: Any = self.lesson.objective
        if isinstance(self.objective, torch.nn.Module):
            self.objective = self.objective.to(self.device)
        self.train, self.validation = self._placed(train), self.lesson.validation
        self.score, self.augment, self.observers = self.lesson.score, self.lesson.augment, self.lesson.observers
        self.per_epoch, self.n_steps = n_steps_of(train.n_rows, spec.batch_size, spec.epochs, spec.max_steps)
        self.validate_every = _validate_every(self.per_epoch, self.n_steps, spec.validations)
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self.folder: Path | None = None
        torch.manual_seed(seed)
        self._prepare()
        shapes = [list(parameter.shape) for parameter in self.parameters]
        decides = {name: value for name, value in spec.to_plain().items() if name not in _CHANGES_NO_BIT}
        self.identity = digest_of([identity, decides, seed, train.n_rows, shapes])

    def _placed(self, examples: Examples) -> Examples:
        """Rows on the device where they fit there."""
        import torch

        if self.device.type == "cpu" or not examples.in_memory:
            return examples
        free, _ = torch.cuda.mem_get_info(self.device)
        return examples.to(self.device) if examples.size_bytes < FIT_ON_DEVICE_SHARE * free else examples

    def _prepare(self) -> None:
        """Compile what a step does into few calls: what was not asked for is not called."""
        import torch

        from modelwright.training.optimizers.base import make_optimizer
        from modelwright.training.optimizers.grouping import decayed
        from modelwright.training.schedules.base import make_schedule

        module = spread(self.network, self.spec, self.world, self.device)  # before the optimizer: it shares weights out
        self.module = torch.compile(module) if self.spec.compile else module
        own = list(self.objective.parameters()) if isinstance(self.objective, torch.nn.Module) else []
        self.optimizer = make_optimizer(self.spec.optimizer, self.network, rates=self.lesson.rates, more_parameters=own)
        self.rate = make_schedule(self.spec.schedule, self.n_steps)
        self.base_rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.decayed = decayed(self.network)
        self.average = Average(self.network, self.spec.average) if self.spec.average else None
        self.scaler = torch.amp.GradScaler(self.device.type) if self.precision == "fp16" else None
        self.casting = casting(self.precision, self.device)
        self.balances = bool(getattr(self.objective, "needs_balance", False))
        self.loss_of = self._plain_loss if self.precision == "fp32" and not self.balances else self._cast_loss
        self.since: list[Tensor] = []

    # The staircase -----------------------------------------------------------------------------------------------

    def run(self, until: int | None = None) -> None:
        """Go on to step `until`, or to the end. Ctrl-C writes a checkpoint first."""
        self.network.train()
        self._look_ahead()
        goal = self.n_steps if until is None else min(until, self.n_steps)
        self._began, self._began_at = time.monotonic(), self.progress.step
        try:
            while self.progress.step < goal and not self.progress.stopped:
                self._epoch(goal)
        except KeyboardInterrupt:
            if self.folder is not None:
                self.save()
            raise

    def _epoch(self, goal: int) -> None:
        progress = self.progress
        epoch, start = divmod(progress.step, self.per_epoch)
        for batch in self._batches(epoch, start):
            step = progress.step
            if self.augment is not None:
                batch = self.augment(batch, step_generator(self.seed, step))
            seen = step == self._next_look
            loss = self._observed(batch) if seen else self._learn(batch)
            self._apply(step, batch)
            self.since.append(loss)
            progress.step = step = step + 1
            if seen or step >= self._next_due or time.monotonic() >= self._next_tick:
                self._between_steps(step)
            if step >= goal or progress.stopped:
                return

    def _learn(self, batch: Batch) -> Tensor:
        """The loss of a batch, and its gradients."""
        if self.spec.accumulate > 1:
            return self._learn_in_parts(batch)
        loss = self.loss_of(batch)
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        return loss.detach()

    def _learn_in_parts(self, batch: Batch) -> Tensor:
        parts = list(Examples(batch.inputs, batch.targets, batch.weights).slices(
            -(-len(batch.targets[0]) // self.spec.accumulate)))  # fmt: skip
        total = batch.targets[0].new_zeros((), dtype=_float32())
        for part in parts:
            loss = self.loss_of(part) * (len(part.targets[0]) / len(batch.targets[0]))
            (loss if self.scaler is None else self.scaler.scale(loss)).backward()
            total += loss.detach()
        return total

    def _plain_loss(self, batch: Batch) -> Tensor:
        outputs = self.module(*batch.inputs)
        given = outputs if type(outputs) is tuple else (outputs,)
        loss: Tensor = self.objective(given, batch.targets, batch.weights)
        return loss

    def _cast_loss(self, batch: Batch) -> Tensor:
        with self.casting():
            return self._balanced_loss(batch) if self.balances else self._plain_loss(batch)

    def _balanced_loss(self, batch: Batch) -> Tensor:
        """The losses of several tasks, weighed by the gradients that each sends to what all share."""
        losses = self.objective.losses(self.module(*batch.inputs), batch.targets, batch.weights)
        self.objective.balance(losses, shared_parameter(self.network))
        total: Tensor = self.objective.total(losses)
        return total

    def _apply(self, step: int, batch: Batch) -> None:
        """Change the weights by their gradients."""
        factor = self.rate(step, self.progress.scores)
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor
        if self.scaler is not None:
            self._apply_scaled()
        elif self.limits_gradient:
            self._limit_gradient()
            self.optimizer.step()
        elif getattr(self.optimizer, "needs_closure", False):
            self.optimizer.step(lambda: self._again(batch))  # type: ignore[arg-type, return-value]
        else:
            self.optimizer.step()
        for parameter in self.parameters:
            parameter.grad = None
        if self.average is not None:
            self.average.update()

    # What happens now and then -----------------------------------------------------------------------------------

    def _observed(self, batch: Batch) -> Tensor:
        """A step that an observer sees: its activations on the way, its gradients before they are used."""
        seen_by = [observer for observer in self.observers if observer.due(self.progress.step - 1) == self._next_look]
        for observer in seen_by:
            observer.before(self)
        loss = self._learn(batch)
        for observer in seen_by:
            observer.after(self, batch, loss)
        return loss

    def _look_ahead(self) -> None:
        """When something other than a step is due: by steps for what changes results, by time for what does not."""
        step = self.progress.step
        next_validation = min(self.n_steps, (step // self.validate_every + 1) * self.validate_every)
        self._next_due = min(next_validation, (step // LOG_EVERY + 1) * LOG_EVERY)
        self._next_look = min((observer.due(step - 1) for observer in self.observers), default=-1)
        self._next_tick = min(self._next_save, self._next_tell) if self.folder or self.watch else math.inf

    _next_save = _next_tell = 0.0

    def _between_steps(self, step: int) -> None:
        now = time.monotonic()
        if step >= self._next_due:
            self._look_at_losses()
            if step % self.validate_every == 0 or step == self.n_steps:
                self._validate()
        if self.watch is not None and now >= self._next_tell:
            self._next_tell = now + TELL_EVERY_S
            self._tell(now)
        if self.folder is not None and now >= self._next_save:
            self.save()
        self._look_ahead()

    def _look_at_losses(self) -> None:
        """Read the losses since the last look; a loss that is not finite ends the training."""
        import torch

        if self.since:
            self.progress.losses += torch.stack(self.since).double().tolist()
            self.since.clear()
        if self.progress.losses and not math.isfinite(self.progress.losses[-1]):
            self.stop("diverged")

    def recent_losses(self) -> list[float]:
        """The losses of all steps since the last validation, for observers: waits for a device."""
        import torch

        return self.progress.losses + (torch.stack(self.since).double().tolist() if self.since else [])

    def stop(self, why: str) -> None:
        """End the training after this step."""
        self.progress.stopped = self.progress.stopped or why
        self.tell_history({"event": "stopped", "why": why, "step": self.progress.step})

    def _validate(self) -> None:
        """Score the validation rows, keep the weights if they are the best, and remember both."""
        progress = self.progress
        recent = [loss for loss in progress.losses if math.isfinite(loss)]
        event: dict[str, Any] = {
            "event": "validation", "step": progress.step, "epoch": round(progress.step / self.per_epoch, 3),
            "loss": sum(recent) / len(recent) if recent else None,
            "learning_rate": self.base_rates[0] * self.rate(progress.step - 1, progress.scores),
        }  # fmt: skip
        if self.validation is not None:
            event |= self.evaluate(self.validation)
            event["score_name"] = getattr(self.score, "name", "score") if self.score else ""
            self._keep_best(float(event["score"]))
            event["best"] = progress.best_step == progress.step
        self.tell_history(event)
        for observer in self.observers:
            observer.validated(self, event)
        progress.losses.clear()
        if self.spec.patience and progress.n_without_gain >= self.spec.patience:
            self.stop("patience")

    def _keep_best(self, score: float) -> None:
        progress = self.progress
        progress.scores.append(score)
        progress.n_without_gain += 1
        best = -math.inf if progress.best_score is None else progress.best_score
        if math.isfinite(score) and score > best:
            if score > best + LEAST_GAIN:
                progress.n_without_gain = 0
            progress.best_score, progress.best_step = score, progress.step
            self.best = self._weights()

    def _weights(self) -> dict[str, Tensor]:
        """A copy of the weights that would be kept now."""
        with self.averaged():
            return {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}

    def averaged(self) -> Any:
        """A context in which the network has its mean weights, if it keeps any."""
        import contextlib

        return self.average.in_place() if self.average is not None else contextlib.nullcontext()

    def evaluate(self, examples: Examples) -> dict[str, Any]:
        """Loss and score of some rows, as the weights are now (their running mean, if there is one)."""
        import torch

        outputs, targets, total = [], [], 0.0
        self.network.eval()
        with torch.no_grad(), self.averaged():
            for batch in examples.slices(max(examples.at_once, self.spec.batch_size)):
                batch = _moved(batch, self.device)
                with self.casting():
                    given = self.network(*batch.inputs)
                    given = given if type(given) is tuple else (given,)
                    loss = self.objective(given, batch.targets, batch.weights)
                total += float(loss) * len(batch.targets[0])
                outputs.append(tuple(output.float().cpu() for output in given))
                targets.append(tuple(target.cpu() for target in batch.targets))
        self.network.train()
        loss = total / examples.n_rows
        if self.score is None:
            return {"validation_loss": loss, "score": -loss}
        whole = tuple(torch.cat(parts) for parts in zip(*outputs, strict=True))
        return {"validation_loss": loss, "score": self.score(whole, tuple(map(torch.cat, zip(*targets, strict=True))))}

    # Small parts -------------------------------------------------------------------------------------------------

    def _batches(self, epoch: int, start: int) -> Any:
        size, order = self.spec.batch_size, epoch_order(self.seed, epoch, self.train.n_rows)
        if self.world.size > 1:
            import torch

            order = torch.cat([self.world.own(rows) for rows in order.split(size)])
            size = max(1, size // self.world.size)
        found = batches(self.train, order, size, start=start, n_workers=self.spec.n_workers)
        if self.device.type == "cpu":
            return found
        return (_moved(batch, self.device) for batch in found)

    @property
    def limits_gradient(self) -> bool:
        """Whether gradients are clipped or weights are drawn to zero before a step."""
        return bool(self.spec.clip_norm or self.spec.clip_value or self.spec.l1)

    def _limit_gradient(self) -> None:
        from modelwright.training.objectives.regularise import clip_norm, clip_value

        if self.spec.l1:  # the gradient of the sum of absolute weights
            for parameter in self.decayed:
                if parameter.grad is not None:
                    parameter.grad.add_(parameter.detach().sign(), alpha=self.spec.l1)
        if self.spec.clip_norm:
            clip_norm(self.parameters, self.spec.clip_norm)
        if self.spec.clip_value:
            clip_value(self.parameters, self.spec.clip_value)

    def _apply_scaled(self) -> None:
        assert self.scaler is not None
        if self.limits_gradient:
            self.scaler.unscale_(self.optimizer)
            self._limit_gradient()
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _again(self, batch: Batch) -> Tensor:
        """Loss and gradients once more, for optimizers that ask several times a step."""
        for parameter in self.parameters:
            parameter.grad = None
        return self._learn(batch)

    def tell_history(self, event: dict[str, Any]) -> None:
        """Put an event on record and tell it."""
        self.progress.history.append(event)
        if self.watch is not None:
            self.watch({"stage": "training", **event})

    def _tell(self, now: float) -> None:
        assert self.watch is not None
        progress = self.progress
        n_done = progress.step - self._began_at
        rate = n_done / max(now - self._began, 1e-9)
        loss = float(self.since[-1]) if self.since else (progress.losses or [math.nan])[-1]
        self.watch({
            "stage": "training", "event": "step", "step": progress.step, "n_steps": self.n_steps, "loss": loss,
            "score": progress.best_score, "rows_per_s": rate * self.spec.batch_size,
            "seconds_left": (self.n_steps - progress.step) / max(rate, 1e-9),
        })  # fmt: skip

    # Checkpoints -------------------------------------------------------------------------------------------------

    def keep_in(self, folder: Path) -> None:
        """Keep checkpoints in a folder, and go on from the newest one there, if there is one."""
        self.folder = folder
        self._next_save = time.monotonic() + self.spec.checkpoint_every_s
        found = checkpoint.load_latest(folder, identity=self.identity)
        if found is not None:
            self.restore(found)
            if self.watch is not None:
                self.watch({"stage": "training", "event": "resumed", "step": found.step, "n_steps": self.n_steps})

    def save(self) -> None:
        """Write a checkpoint; among several processes the first one does."""
        self._next_save = time.monotonic() + self.spec.checkpoint_every_s
        if self.folder is not None and self.world.rank == 0:
            checkpoint.save(self.folder, self.saved(), keep=self.spec.keep_checkpoints)

    def saved(self) -> checkpoint.Saved:
        """All that the rest of the training depends on. The tensors are copies."""
        return state.saved(self)

    def restore(self, saved: checkpoint.Saved) -> None:
        """Go back (or on) to where a checkpoint was written."""
        state.restore(self, saved)

    def chance(self) -> dict[str, Tensor]:
        """The state of the random numbers that dropout draws from."""
        return state.chance(self.device)

    def set_chance(self, saved: Mapping[str, Tensor]) -> None:
        """The inverse of `chance`."""
        state.set_chance(self.device, saved)

    def finish(self) -> Fit:
        """The network with the weights to keep, in eval mode."""
        progress = self.progress
        if self.best:
            self.network.load_state_dict(self.best)
        elif self.average is not None:
            self.network.load_state_dict(self._weights())
        self.network.eval()
        score = progress.best_score if progress.best_score is not None else math.nan
        best_step = progress.best_step if self.best else progress.step
        return Fit(self.network, tuple(progress.history), progress.step, best_step, score, progress.stopped or "end")


def shared_parameter(network: nn.Module) -> Tensor:
    """A matrix that all tasks share: the last one of the trunk, or what comes before the heads.

    >>> import torch
    >>> shared_parameter(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))).shape
    torch.Size([4, 3])
    """
    matrices = [
        (name, parameter)
        for name, parameter in network.named_parameters()
        if parameter.ndim > 1 and "heads." not in name
    ]
    if len(matrices) > 1 and not any(name.startswith("heads.") for name, _ in network.named_parameters()):
        matrices = matrices[:-1]
    return matrices[-1][1]


def _validate_every(per_epoch: int, n_steps: int, most: int) -> int:
    """Steps between two validations: at most once an epoch, but some ten times in a run of few epochs.

    >>> _validate_every(10, 1000, 40), _validate_every(1000, 1000, 40)
    (25, 100)
    """
    if n_steps >= 5 * per_epoch:
        return max(per_epoch, -(-n_steps // most))
    return -(-n_steps // min(most, 10))


def _moved(batch: Batch, device: Any) -> Batch:
    if device.type == "cpu":
        return batch
    return replace(
        batch,
        inputs=tuple(array.to(device, non_blocking=True) for array in batch.inputs),
        targets=tuple(target.to(device, non_blocking=True) for target in batch.targets),
        weights=None if batch.weights is None else batch.weights.to(device, non_blocking=True),
    )


def _float32() -> Any:
    import torch

    return torch.float32
