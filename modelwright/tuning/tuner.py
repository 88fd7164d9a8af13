"""`Tuner`: ask for a trial, tell what it came to. All that it knows is in the journal: it may be killed at any time."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from modelwright.core import registry
from modelwright.core.errors import UserError
from modelwright.core.rng import stream
from modelwright.core.store import digest_of
from modelwright.tuning.base import Pruner, Search, StudySpec
from modelwright.tuning.journal import Event, open_journal
from modelwright.tuning.space import Settings, Space, first_settings
from modelwright.tuning.study import Study, Tried

MOST_OF_CROWD, MOST_BEGINNINGS = 3, 10
"""A trial is given up after so many workers of one call died with it, for its settings may need more memory than there
is; and after so many processes of any calls did."""

MOST_REDRAWS = 100
WAITS_S = (0.02, 0.5)


class Trial(Mapping[str, Any]):
    """A trial in progress: the mapping of its settings, with a number and `report`."""

    def __init__(self, tuner: Tuner, number: int, settings: Settings) -> None:
        self._tuner, self.number, self.settings = tuner, number, settings
        self.reports: list[float] = []
        self.is_stopped = False

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.settings)

    def __len__(self) -> int:
        return len(self.settings)

    def report(self, loss: float) -> bool:
        """Tell the loss so far, after each step but the last; True when it is not worth going on.

        Earlier trials are compared at the same step. A loss that is no finite number is a reason to stop.
        """
        if not math.isfinite(loss):
            self.is_stopped = True
            return True
        self.reports.append(float(loss))
        self.is_stopped = self.is_stopped or self._tuner.is_hopeless(self)
        return self.is_stopped


class Tuner:
    """A study in progress, for loops of your own.

    >>> with Tuner({"x": {"low": 0, "high": 1}}, StudySpec(search="random", trials=3)) as tuner:
    ...     while (trial := tuner.ask()) is not None:
    ...         _ = tuner.tell(trial, (trial["x"] - 0.5) ** 2)
    >>> tuner.study.count("done"), tuner.study.best.loss < 0.25
    (3, True)
    """

    def __init__(
        self, space: Space | Mapping[str, Any], spec: StudySpec = StudySpec(),  # noqa: B008
        *, seed: int = 0, journal: str | Path | None = None, name: str = "", crowd: str = "",
    ) -> None:  # fmt: skip
        self.space = space if isinstance(space, Space) else Space.parse(space)
        self.spec, self.seed, self.name = spec, seed, name
        self.search: Search = registry.get("searches", spec.searcher)
        self.pruner: Pruner | None = None if spec.prune == "none" else registry.get("pruners", spec.prune)
        self.start = first_settings(self.space, spec.start)[: spec.trials] if self.search.starts else []
        self.n_trials = self.search.size(self.space, spec.trials)
        self.crowd = crowd or uuid.uuid4().hex  # the call that this process works for, with others beside it
        self.identity = identity_of(self.space, spec, seed, name)
        self._tried: dict[int, Tried] = {}
        self._by: dict[int, str] = {}  # who works on a trial that is running
        self._begun: dict[int, list[str]] = {}  # by which calls a trial was begun and not given back
        self._is_named = False
        self.journal = open_journal(journal, self.identity)
        with self.journal.locked():
            self._sync()
            if not self._is_named:
                self._write({"event": "study", "study": self.identity})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the study; trials that were asked for and not told are done by whoever comes next."""
        self.journal.close()

    @property
    def study(self) -> Study:
        """What was tried so far, as far as this process has read."""
        trials = tuple(self._tried[number] for number in sorted(self._tried))
        return Study(space=self.space, trials=trials, n_trials=self.n_trials)

    @property
    def n_begun(self) -> int:
        """How often trials were begun so far, those included that were begun again."""
        return sum(map(len, self._begun.values()))

    def look(self) -> Study:
        """What was tried so far, by all who work on it."""
        with self.journal.locked():
            self._sync()
        return self.study

    def ask(self) -> Trial | None:
        """The next trial; None when there is nothing left to begin. Waits for results that its settings follow from,
        and in the end for the trials of others.

        A trial whose process is gone is given out again with the same settings.
        """
        wait = WAITS_S[0]
        while True:
            with self.journal.locked():
                self._sync()
                number, n_tried = self._left_behind(), len(self._tried)
                if number is not None:
                    return self._begin(number)
                if n_tried < self.n_trials and not self._missing(n_tried):
                    return self._begin(n_tried)
                if n_tried < self.n_trials:
                    self._check_waiting(n_tried)
                elif all(worker == self.journal.worker for worker in self._by.values()):
                    return None
            time.sleep(wait)
            wait = min(2 * wait, WAITS_S[1])

    def tell(self, trial: Trial, loss: float | None, *, why: str = "") -> Tried:
        """What a trial came to; a loss of None, or one that is no finite number, says that it failed, and `why`."""
        state, known = ("stopped" if trial.is_stopped else "done"), loss is not None and math.isfinite(loss)
        if not known and not (trial.is_stopped and trial.reports):
            state, why = "failed", why or f"the loss is {loss}"
        with self.journal.locked():
            self._sync()
            held = self._by.get(trial.number)
            if held is None and self._tried[trial.number].state != "running":
                raise UserError(
                    "tune.tell", f"trial {trial.number} has been told already.", hint="ask for the next one"
                )
            self._write({
                "event": "end", "number": trial.number, "state": state, "reports": trial.reports,
                "loss": float(loss) if state == "done" and loss is not None else None, **({"why": why} if why else {}),
            })  # fmt: skip
        return self._tried[trial.number]

    def leave(self, trial: Trial) -> None:
        """Give a trial back, as if it had not begun: it is the next one that is asked for."""
        with self.journal.locked():
            self._write({"event": "left", "number": trial.number})

    def is_hopeless(self, trial: Trial) -> bool:
        """Whether a trial's reports are such that it is not worth going on."""
        if self.pruner is None:
            return False
        return self.pruner.stop(trial.number, trial.reports, self._visible(trial.number))

    # What the journal says ------------------------------------------------------------------------------------------

    def _write(self, event: Event) -> None:
        self.journal.append(event)
        self._sync()

    def _sync(self) -> None:
        for event in self.journal.read():
            self._apply(event)

    def _apply(self, event: Event) -> None:
        if event["event"] == "study":
            if event["study"] != self.identity:
                raise UserError(
                    "tune.journal", "the journal is of another study: of another name, space, search, seed or lag.",
                    hint="name another journal, or delete this one",
                )  # fmt: skip
            self._is_named = True
            return
        number = event["number"]
        if event["event"] == "begin":
            self._tried.setdefault(number, Tried(number=number, settings=event["settings"]))
            self._by[number] = event["worker"]
            self._begun.setdefault(number, []).append(event["crowd"])
        elif event["event"] == "left":
            self._by[number] = ""
            self._begun[number].pop()
        elif event["event"] == "end":
            self._by.pop(number, None)
            self._tried[number] = replace(
                self._tried[number], state=event["state"], loss=event["loss"], reports=tuple(event["reports"]),
                why=event.get("why", ""),
            )  # fmt: skip

    def _left_behind(self) -> int | None:
        """A trial that nobody works on any more; one that ended several processes is given up."""
        for number, worker in sorted(self._by.items()):
            if worker == self.journal.worker or (worker and self.journal.is_alive(worker)):
                continue
            begun = self._begun[number]
            if begun.count(self.crowd) < MOST_OF_CROWD and len(begun) < MOST_BEGINNINGS:
                return number
            why = f"{len(begun)} processes ended without a word while they tried it"
            self._write({"event": "end", "number": number, "state": "failed", "reports": [], "loss": None, "why": why})
        return None

    # The next settings ----------------------------------------------------------------------------------------------

    def _missing(self, number: int) -> list[int]:
        """The trials whose results the settings of this one wait for."""
        last = number - self.spec.behind
        return [one for one in sorted(self._by) if one <= last]

    def _check_waiting(self, number: int) -> None:
        missing = self._missing(number)
        if all(self._by[one] == self.journal.worker for one in missing):
            raise UserError(
                "tune.ask", f"trial {number} follows from the loss of trial {missing[0]}, which was not told.",
                hint=f"tell it first; to ask for several at once, set `lag` to {number - missing[0] + 1} or more",
            )  # fmt: skip

    def _begin(self, number: int) -> Trial:
        known = self._tried.get(number)
        settings = dict(known.settings) if known else self._settings(number)
        who = {"worker": self.journal.worker, "crowd": self.crowd}
        self._write({"event": "begin", "number": number, "settings": settings, **who})
        return Trial(self, number, settings)

    def _visible(self, number: int) -> list[Tried]:
        """The trials whose results may be looked at, in order."""
        last = number - self.spec.behind
        return [self._tried[one] for one in range(last + 1)]

    def _settings(self, number: int) -> Settings:
        """A pure function of the number and of the trials before it; of the last of those, only of their settings."""
        if number < len(self.start):
            return self.start[number]
        hidden = range(max(0, number - self.spec.behind + 1), number)
        running = [Tried(number=one, settings=self._tried[one].settings) for one in hidden]
        tried = [*self._visible(number), *running]
        made: Settings = self.search.suggest(self.space, tried, number, seed=self.seed, trials=self.spec.trials)
        seen = [one.settings for one in tried]
        return made if made not in seen or not self.search.starts else self._fresh(made, seen, number)

    def _fresh(self, made: Settings, seen: list[Mapping[str, Any]], number: int) -> Settings:
        """Settings that were not tried, in place of some that were; of a small space the first ones left."""
        rng = stream(self.seed, "tuning", "fresh", number)
        for _ in range(MOST_REDRAWS):
            other = self.space.at(rng.random(len(self.space)).tolist())
            if other not in seen:
                return other
        if self.space.n_points is not None:
            return next((one for one in self.space.grid(0) if one not in seen), made)
        return made


def identity_of(space: Space, spec: StudySpec, seed: int, name: str) -> str:
    """What tells one study from another: all that its trials follow from, but not how many there are to be."""
    search = registry.entry("searches", spec.searcher)
    counted = spec.trials if spec.searcher == "grid" else None
    said = [
        space.to_plain(),
        spec.searcher,
        search.version,
        spec.prune,
        list(spec.start),
        spec.behind,
        seed,
        counted,
        name,
    ]
    return digest_of(said)
