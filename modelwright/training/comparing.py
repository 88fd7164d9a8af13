"""Candidates tried in turn: the known ones in their order, then new settings of those that did best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from modelwright.core.data import Decision
from modelwright.core.rng import stream
from modelwright.training.cross import MOST_ROUNDS, SMALL, Folds, OutOfTime, Result, found_again, stops_early, validate
from modelwright.training.further import next_trial
from modelwright.training.losses import Loss, as_score
from modelwright.training.portfolio import EARLY_STOP_WORK, FIRST, work

if TYPE_CHECKING:
    from modelwright.core.values import Watch
    from modelwright.training.budget import Clock
    from modelwright.training.kept import Kept
    from modelwright.training.portfolio import Trial

LEAST_SKILL = 0.75
MOST_FURTHER = 100
DEAR, SELDOM = 0.5, 0.06
LAST_OF_THE_STRONG = 5
"""Models up to this `order` win often enough to be worth a larger part of the budget."""


@dataclass(frozen=True)
class Judge:
    """What candidates are compared by, and who hears of it."""

    metric: str
    loss: Loss
    watch: Watch


@dataclass(eq=False)
class Comparison:
    """A search in progress: what was tried, in order, and what was passed over and why.

    The work is counted in units, so that the same budget tries the same candidates on any machine; the clock only
    ends a search that would otherwise take longer than was asked for, and that is told.
    """

    folds: Folds
    judge: Judge
    widths: Mapping[str, int]
    clock: Clock
    kept: Kept
    race: bool
    results: list[Result] = field(default_factory=list)
    history: list[Mapping[str, Any]] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    too_dear: list[str] = field(default_factory=list)
    out_of_time: str = ""

    def known(self, trials: Sequence[Trial]) -> None:
        """Try the known configurations; in a race, further settings of a model that was far behind are left out.

        Of a budget that goes on, what would take more than its model's share waits until the others are done.
        """
        waiting = []
        for number, trial in enumerate(trials):
            if trial.name not in FIRST and self._is_dear(trial):
                waiting.append(trial)
            elif not self._known(trial, number, len(trials)):
                return
        for trial in waiting:
            if self._units(trial) > self._left():
                self.too_dear.append(trial.name)
            elif not self._known(trial, len(trials) - len(waiting), len(trials)):
                return
        self._tell_progress(len(trials), len(trials), "all compared")

    def _known(self, trial: Trial, number: int, total: int) -> bool:
        self._tell_progress(number, total, trial.name)
        if self.race and is_behind(trial, self.results):
            self.behind.append(trial.name)
            return True
        return self._try(trial, required=trial.name in FIRST)

    def _is_dear(self, trial: Trial) -> bool:
        """Whether a candidate asks for more than half of what is left, or, of a model that is seldom the best, for more
        than a twentieth of the whole."""
        seldom = trial.model.order > LAST_OF_THE_STRONG
        return self._units(trial) > (
            min(SELDOM * self.clock.budget.units, self._left()) if seldom else DEAR * self._left()
        )

    def _left(self) -> float:
        return self.clock.budget.units - self.clock.spent if self.clock.budget.goes_on else math.inf

    def further(self) -> None:
        """Try new settings of the best models until the units are spent."""
        rng = stream(self.folds.seed, "training", "further")
        for number in range(MOST_FURTHER):
            trial = next_trial(self.results, number, rng)
            if trial is None or self.out_of_time:
                return
            if self._units(trial) > self._left():
                continue
            self._tell_progress(0, 1, trial.name)
            if not self._try(trial, required=False):
                return

    def told(self) -> list[Decision]:
        """What was not tried, and why."""
        told = []
        if self.behind:
            reason = "the same model with its first settings was far behind the best"
            told.append(Decision("training", "not tried", ", ".join(self.behind), reason))
        if self.too_dear:
            told.append(Decision("training", "left out", ", ".join(self.too_dear), "they would go beyond the budget"))
        if self.out_of_time:
            reason = "the clock: the machine was slower than measured, so another run may come further"
            told.append(Decision("training", "ended before", self.out_of_time, reason))
        if self.clock.budget.goes_on:
            spent = f"{self.clock.spent:.0f} units"
            told.append(Decision("training", "spent", spent, f"{len(self.results)} candidates were compared"))
        return told

    def _units(self, trial: Trial) -> float:
        return work(trial, self.folds.problem, dict(self.widths))

    def _spent(self, result: Result) -> float:
        """What a finished candidate came to: of one that stops early the rounds that it went."""
        trial = result.trial
        spec: Any = trial.spec
        if result.rounds is None or not stops_early(spec):
            return self._units(trial)
        twice = 2 if len(self.folds.problem.y) <= SMALL else 1
        went = replace(trial, spec=spec.but(rounds=min(MOST_ROUNDS, round(result.rounds) + spec.patience)))
        return twice * work(went, self.folds.problem, dict(self.widths)) / EARLY_STOP_WORK

    def _try(self, trial: Trial, *, required: bool) -> bool:
        """Validate one candidate, or find it again; False where the clock ends the search before it."""
        units, result = self._units(trial), None
        before = self.kept.find(trial)
        if before is not None:
            result = found_again(trial, self.folds, before)
        elif required or self.clock.bears(units):
            try:
                over = (lambda: False) if required else self.clock.is_over
                result = validate(trial, self.folds, self.judge.loss, over)
                self.kept.keep(trial, result.predicted, result.loss, result.rounds)
            except OutOfTime:
                result = None
        if result is None:
            self.out_of_time = trial.name
            return False
        self.clock.spent += self._spent(result)
        self._tell(result)
        return True

    def _tell(self, result: Result) -> None:
        event = {
            "stage": "training",
            "event": "candidate",
            "name": result.trial.name,
            "model": result.trial.model.name,
            "metric": self.judge.metric,
            "score": as_score(self.judge.metric, result.loss),
            "sought": " tried " in result.trial.name,
            "best": all(result.loss < other.loss for other in self.results),
        }
        self.results.append(result)
        self.history.append(event)
        self.judge.watch({**event, "fit_s": round(result.fit_s, 3)})

    def _tell_progress(self, done: int, total: int, text: str) -> None:
        if self.clock.budget.goes_on:
            done, total = round(1000 * min(1.0, self.clock.spent / self.clock.budget.units)), 1000
        self.judge.watch({"stage": "training", "event": "progress", "done": done, "total": total, "text": text})


def is_behind(trial: Trial, results: Sequence[Result]) -> bool:
    """Whether a model has been tried and gained less than `LEAST_SKILL` of the best one's gain on the baseline."""
    own = [result.loss for result in results if result.trial.model.name == trial.model.name]
    if not own:
        return False
    baseline, best = results[0].loss, min(result.loss for result in results)
    return baseline - min(own) < LEAST_SKILL * (baseline - best)
