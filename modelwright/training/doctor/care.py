"""Healing: each change a verdict asks for is tried on a fork, and kept only if it scores better."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.store import disk_faults
from modelwright.core.values import Watch
from modelwright.training.doctor.base import DoctorMode, Verdict
from modelwright.training.doctor.changes import FOR_PEOPLE, INSTEAD, Build, Change, Setup, changed, from_start
from modelwright.training.doctor.examine import examine
from modelwright.training.doctor.observer import Doctor, next_look
from modelwright.training.doctor.preflight import verdicts_of
from modelwright.training.loop.examples import Examples
from modelwright.training.loop.fit import Fit, Loop
from modelwright.training.loop.spec import LoopSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelwright.training.loop.checkpoint import Saved
    from modelwright.training.loop.fit import Objective

TRIAL_SHARE = 0.25  # of the run, for which both sides of a fork are trained
FEWEST_STEPS = 30
MOST_TRIALS = 6
LEDGER = "doctor.json"
CLOSE = 0.15  # of a score: so near to each other, both sides are trained on for as long again
AGAIN = {
    "learning_rate": 3,
    "skip": 3,
    "drop_inputs": 2,
    "capacity": 2,
}  # how often a kind of change may be tried; others once
MORE = {"capacity"}  # what has helped is tried again: nothing says how much is enough

Mark = tuple[float, float]
"""Score, and loss with its sign turned, by which equal scores are told apart. Higher is better."""
WORST: Mark = (-math.inf, -math.inf)  # the network answers with what is no number


def care(
    build: nn.Module | Build,
    train: Examples,
    spec: LoopSpec,
    *,
    mode: DoctorMode = "heal",
    folder: Path | str | None = None,
    watch: Watch | None = None,
    **more: Any,
) -> Fit:
    """Train with the doctor: look at rows and network first, watch every step, and with `heal` mend what is wrong.

    `build(changes)` gives a new network at every call, with all `changes` of networks made so far, `()` at first, or
    None where it cannot make one. With a module in its place only rows and settings of the loop are changed. `more`
    is what `Loop` takes besides: `objective`, `validation`, `score`, `augment`, `seed`, `identity`.

    A change is tried on a fork from the last good state, or from the start where the network or its rows change.
    Both sides are then trained to the same step; the side that scores better on the validation rows goes on, of
    equals the one with the smaller loss. (An input that gives the target away is shuffled there first.) A training
    whose trials all fail ends with the same bits as one that nobody mends. Verdicts and trials stand in the history.
    A killed run goes on from `folder` as `fit` does; states to fork back to are in memory only, so a verdict soon
    after may then fork from a later state. Raises what `fit` raises.

    >>> import torch
    >>> x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    >>> run = care(torch.nn.Linear(4, 1), Examples((x[:200],), (x[:200].sum(1, keepdim=True),)),
    ...     LoopSpec(max_steps=120, optimizer={"sgd": {"learning_rate": 30.0}}),
    ...     validation=Examples((x[200:],), (x[200:].sum(1, keepdim=True),)),
    ...     objective=lambda outputs, targets, _: ((outputs[0] - targets[0]) ** 2).mean())
    >>> {(event["fault"], event["healed"]) for event in run.history if event["event"] == "verdict"}, run.score > -0.1
    ({('learning_rate_high', True)}, True)
    """
    from modelwright.training.loop.fit import fit

    if mode == "off":
        network = build(()) if not _is_module(build) else build
        return fit(network, train, spec, folder=folder, watch=watch, **more)  # type: ignore[arg-type]
    setup = Setup(spec, train, more.pop("validation", None))
    ward = Ward(build, setup, more, watch, None if folder is None else Path(folder), heals=mode == "heal")
    ward.begin()
    ward.run()
    return ward.loop.finish()


@dataclass
class Side:
    """One side of a fork, with random numbers of its own: what is tried beside a training does not change it."""

    loop: Loop
    chance: dict[str, Tensor]

    @classmethod
    def of(cls, loop: Loop) -> Side:
        """A loop, with the random numbers that would come next."""
        return cls(loop, loop.chance())

    def run(self, until: int) -> None:
        """Train on to a step."""
        self.take_up()
        self.loop.run(until=until)
        self.chance = self.loop.chance()

    def take_up(self) -> None:
        """Let this side's random numbers come next."""
        self.loop.set_chance(self.chance)


@dataclass
class Ward:
    """One training in care: the loop that is ahead, its doctor, and states to go back to."""

    build: Any
    setup: Setup
    more: dict[str, Any]
    watch: Watch | None
    folder: Path | None
    heals: bool
    tried: list[dict[str, Any]] = field(default_factory=list)
    good: list[Saved] = field(default_factory=list)
    pending: Saved | None = None

    def begin(self) -> None:
        """The first state: of a killed run, or new, with what the examination before the first step says."""
        self._read_ledger()
        self.objective = copy.deepcopy(self.more["objective"])  # it may learn too: each fork begins with one of its own
        self.loop, self.doctor, verdicts = self._admit(self.setup)
        if self.folder is not None:
            self.loop.keep_in(self.folder)
        if self.loop.progress.step == 0:
            self.good = [self.loop.saved()]
            self._consider(verdicts)

    def run(self) -> None:
        """To the end, with a halt at every look of the doctor."""
        n_seen = len(self.doctor.verdicts)
        while self.loop.progress.step < self.loop.n_steps and not self.loop.progress.stopped:
            self.loop.run(until=next_look(self.loop.progress.step - 1) + 1)
            new = self.doctor.verdicts[n_seen:]
            if new and self.heals:
                self._consider(tuple(new))
            elif self.heals:
                self._remember()
            n_seen = len(self.doctor.verdicts)

    def _remember(self) -> None:
        """A state is good to go back to when the look after it has found nothing either."""
        if self.doctor.suspects:
            self.pending = None
            return
        if self.pending is not None:
            self.good = [*self.good[:1], self.pending]
        self.pending = self.loop.saved()

    def _admit(self, setup: Setup, told: Mapping[str, float] | None = None) -> tuple[Loop, Doctor, tuple[Verdict, ...]]:
        """A loop that has not begun, watched by a doctor who has examined its rows and network."""
        network = self._network(setup)
        assert network is not None
        facts = examine(network, setup.train, self.more["objective"], validation=setup.validation,
                        batch_size=setup.spec.batch_size, seed=self.more.get("seed", 0))  # fmt: skip
        objective = self.more["objective"] if told is None else copy.deepcopy(self.objective)
        verdicts = tuple(verdict for verdict in verdicts_of(facts) if verdict.fault not in (told or {}))
        doctor = Doctor(facts, verdicts)
        doctor.chart.told |= dict(told or {})
        loop = self._loop(setup, network, doctor, objective)
        for verdict in verdicts:
            loop.tell_history(verdict.event())
        return loop, doctor, verdicts

    def _loop(self, setup: Setup, network: nn.Module, doctor: Doctor, objective: Objective) -> Loop:
        identity = json.dumps([self.more.get("identity", ""), [*setup.network_changes]])
        own = {**self.more, "objective": objective, "identity": identity}
        return Loop(network, setup.train, setup.spec, validation=setup.validation, observers=(doctor,),
                    watch=self.watch, **own)  # fmt: skip

    def _network(self, setup: Setup) -> nn.Module | None:
        """The network with the setup's changes, or None where it cannot have them."""
        if _is_module(self.build):
            known = all(change["what"] == "dropout" for change in setup.network_changes)
            return copy.deepcopy(self.build) if known else None
        import torch

        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices):
            network: nn.Module | None = self.build(setup.network_changes)
        return network

    # Trials ----------------------------------------------------------------------------------------------------------

    def _consider(self, verdicts: tuple[Verdict, ...]) -> None:
        """Try the change of each verdict, the surest first, until one is kept: then the rest is seen anew."""
        for verdict in verdicts if self.heals else ():
            if len(self.tried) >= MOST_TRIALS or verdict.change["what"] in FOR_PEOPLE:
                continue
            change, setup = self._possible(verdict.change)
            if setup is not None and self._try(verdict, change, setup):
                return

    def _possible(self, change: Change) -> tuple[Change, Setup | None]:
        """The change, or what stands in for it where the network cannot have it."""
        for one in (change, INSTEAD.get(change["what"])):
            n_before = sum(trial["change"]["what"] == one["what"] for trial in self.tried) if one is not None else 0
            if one is None or n_before >= AGAIN.get(one["what"], 1):
                continue
            setup = changed(self.setup, one)
            if setup is not None and self._network(setup) is not None:
                return one, setup
        return change, None

    def _try(self, verdict: Verdict, change: Change, setup: Setup) -> bool:
        """Train on with and without the change to the same step; go on with what scores better."""
        base = self.good[0] if from_start(change) or not self.good else self.good[-1]
        n_trial = max(FEWEST_STEPS, round(TRIAL_SHARE * self.loop.n_steps))
        goal = min(self.loop.n_steps, max(self.loop.progress.step, base.step) + n_trial)
        told = {fault: sure for fault, sure in self.doctor.chart.told.items() if fault != verdict.fault}
        ours = Side.of(self.loop)
        other, doctor, more = self._fork(setup, change, base, told)
        theirs = Side.of(other)
        scores = self._contest(ours, theirs, change, goal)
        kept = scores is None or scores[1] > scores[0]
        (theirs if kept else ours).take_up()
        outcome = {"event": "trial", "step": self.loop.progress.step, "fault": verdict.fault, "change": dict(change),
                   "kept": kept, "unchanged": scores and scores[0][0], "changed": scores and scores[1][0]}  # fmt: skip
        self.tried.append(outcome)
        _mark(self.loop.progress.history, verdict, healed=kept)
        self.loop.tell_history(outcome)
        if kept:
            other.progress.history[:0] = _verdicts_and_trials(self.loop.progress.history)
            self.loop, self.doctor, self.setup = other, doctor, setup
            self.good, self.pending = [self.loop.saved()], None
            if self.folder is not None:
                self.loop.folder = self.folder
                self.loop.save()
        self._write_ledger()
        if kept:
            more_of_it = (verdict,) if change["what"] in MORE else ()
            self._consider((*more, *doctor.verdicts, *more_of_it))
        elif scores == (WORST, WORST) and change["what"] == "learning_rate":
            lower = replace(verdict, change={**change, "times": change["times"] * 0.1})  # it was not enough
            self._consider((lower,))
        return kept

    def _contest(self, ours: Side, theirs: Side, change: Change, goal: int) -> tuple[Mark, Mark] | None:
        """Train both sides on to the same share of the run; the marks of both. None where the rows to score on are
        what changes, so that nothing can be compared."""
        if change["what"] == "drop_shared_rows":
            return None
        n_steps, n_more = self.loop.n_steps, goal - self.loop.progress.step
        for _ in range(2):
            ours.run(goal)
            theirs.run(min(theirs.loop.n_steps, round(goal / n_steps * theirs.loop.n_steps)))
            first, second = self._marks(theirs.loop, change)
            if not abs(first[0] - second[0]) < CLOSE * max(abs(first[0]), abs(second[0])) or goal >= n_steps:
                break
            goal = min(n_steps, goal + n_more)
        return first, second

    def _fork(
        self, setup: Setup, change: Change, base: Saved, told: Mapping[str, float]
    ) -> tuple[Loop, Doctor, tuple[Verdict, ...]]:
        """The changed training, where it parts from the unchanged one."""
        loop, doctor, verdicts = self._admit(setup, told)
        if not from_start(change) and base.step > 0:
            loop.restore(base)
            doctor.begin_again(told, base.step)
            verdicts = ()
        if change["what"] == "skip":
            loop.progress.step = max(loop.progress.step, change["steps"][1] + 1)
        return loop, doctor, verdicts

    def _marks(self, other: Loop, change: Change) -> tuple[Mark, Mark]:
        """Marks of both sides on the same rows; without validation rows, on training rows."""
        rows = self.setup.validation or self.setup.train
        if change["what"] == "drop_inputs":
            rows = _shuffled(rows, change["inputs"])
        ours, theirs = (_mark_of(loop.evaluate(rows)) for loop in (self.loop, other))
        return ours, theirs

    # Over a break ----------------------------------------------------------------------------------------------------

    def _write_ledger(self) -> None:
        if self.folder is None:
            return
        path = self.folder / LEDGER
        aside = path.with_suffix(".tmp")
        with disk_faults(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps(self.tried))
            aside.replace(path)

    def _read_ledger(self) -> None:
        """Make the changes again that a killed run had kept."""
        path = self.folder / LEDGER if self.folder is not None else None
        if path is None or not path.exists():
            return
        self.tried = json.loads(path.read_text())
        for trial in self.tried:
            made = changed(self.setup, trial["change"]) if trial["kept"] else None
            self.setup = made or self.setup


def _is_module(build: Any) -> bool:
    import torch

    return isinstance(build, torch.nn.Module)


def _mark_of(found: Mapping[str, Any]) -> Mark:
    sound = math.isfinite(found["score"]) and math.isfinite(found["validation_loss"])
    return (float(found["score"]), -float(found["validation_loss"])) if sound else WORST


def _verdicts_and_trials(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What stood in the history before a fork and is to stay there."""
    return [event for event in history if event["event"] in ("verdict", "trial")]


def _mark(history: list[dict[str, Any]], verdict: Verdict, *, healed: bool) -> None:
    """Write into a verdict's event whether its change helped."""
    for event in reversed(history):
        if event["event"] == "verdict" and event["fault"] == verdict.fault and event["step"] == verdict.step:
            event["healed"] = bool(event["healed"]) or healed
            return
    history.append({**verdict.event(), "healed": healed})


def _shuffled(rows: Examples, columns: list[int]) -> Examples:
    """Rows with some numbers, counted over all inputs, exchanged between rows: they say nothing any more."""
    import torch

    order = torch.randperm(rows.n_rows, generator=torch.Generator().manual_seed(0))
    batch = rows.rows(torch.arange(rows.n_rows))
    made = []
    offset = 0
    for array in batch.inputs:
        array = array.clone()
        flat = array.reshape(len(array), -1)
        for column in columns:
            if 0 <= column - offset < flat.shape[1]:
                flat[:, column - offset] = flat[order, column - offset]
        offset += flat.shape[1]
        made.append(array)
    return Examples(tuple(made), batch.targets, batch.weights)
