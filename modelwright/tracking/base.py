"""Events in, curves out: `track` hears what a run tells, and passes it on to trackers without holding it up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from modelwright.core import registry
from modelwright.core.spec import Spec
from modelwright.core.use import Use
from modelwright.core.values import Watch
from modelwright.tracking.line import Line
from modelwright.tracking.notes import File, Note, Settings, notes_of, without_secrets

CLOSE_WITHIN_S = 30.0  # how long the end of a run waits for a slow tracker
LONGEST_GAP_S, GAP_SHARE = 1.0, 0.01  # between points of steps: a hundredth of the time so far, at most a second


class Sink(Protocol):
    """Where notes go. Called by one thread of its own; whatever it raises is told and tried again."""

    def write(self, notes: Sequence[Note]) -> None:
        """Write, or send, what came since the last time."""

    def close(self, status: str) -> str:
        """The run is "done" or "failed": finish, and say in one line where to look."""


@dataclass(frozen=True, kw_only=True)
class Tracker:
    """One way of tracking. `open(spec, name, run, folder)` is quick, and refuses what cannot work: a package
    that is missing, say. It connects when it first writes. `folder` is the tracker's own, not yet there.
    """

    name: str
    spec: type[Spec]
    open: Callable[[Any, str, str, Path], Sink]
    every_s: float = 1.0
    """Seconds between two sendings."""


@dataclass(eq=False)
class Tracking:
    """Trackers at work: a `watch` that passes every event on to the `watch` it was given, and keeps notes of it."""

    lines: tuple[Line, ...]
    watch: Watch
    _due: dict[str, float] = field(default_factory=dict)
    _began: dict[str, float] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Hear one event. Never fails for a tracker's sake; the first failure of each is told, once."""
        self.watch(event)
        if self.lines and not self._too_soon(event):
            self.add(notes_of(event, at_s=time.time()))

    def add(self, notes: Sequence[Note]) -> None:
        """Give notes to every tracker."""
        for line in self.lines:
            line.add(notes)
            if line.trouble and line.name not in self._told:
                self._told.add(line.name)
                text = f"tracker {line.name}: {line.trouble}; training goes on, and it is tried again"
                self.watch({"stage": "tracking", "event": "note", "text": text})

    def _too_soon(self, event: Mapping[str, Any]) -> bool:
        """Whether a point of a step is left out, so that what a long training sends stays bounded."""
        if event.get("event") != "step":
            return False
        fit, now = str(event.get("fit", "")), time.monotonic()
        if now < self._due.get(fit, 0.0):
            return True
        began = self._began.setdefault(fit, now)
        self._due[fit] = now + min(LONGEST_GAP_S, GAP_SHARE * (now - began))
        return False

    def close(self, status: str, files: Sequence[Path] = (), *, within_s: float = CLOSE_WITHIN_S) -> tuple[str, ...]:
        """Send what waits with these files, and say for each tracker where to look and what was not sent."""
        self.add([File(path) for path in files])
        until = time.monotonic() + within_s
        return tuple(filter(None, (line.end(status, within_s=max(0.1, until - time.monotonic()))
                                   for line in self.lines)))  # fmt: skip


def track(
    uses: Sequence[Use],
    *,
    name: str,
    run: str,
    folder: Path,
    settings: Mapping[str, Any],
    watch: Watch | None = None,
) -> Tracking:
    """Open trackers for one run. The answer is a `watch`: give it to the verbs, and close it at the end.

    `name` gathers runs (a project, an experiment) and `run` is this one. Files lie in `folder`, one folder for
    each tracker. `settings` is kept with the run, without the passwords of its addresses. Of several processes
    (torchrun) only the first tracks.

    Raises `UserError`: `registry.name` for an unknown tracker, `spec.*` for wrong settings, `optional.missing`
    for a missing package, and a tracker's own. After that no tracker's failure is raised.

    >>> import tempfile
    >>> told = []
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     watch = track([Use(method="tensorboard")], name="homes", run="1", folder=Path(folder), settings={},
    ...                   watch=told.append)
    ...     watch({"stage": "training", "event": "step", "fit": "all", "step": 1, "loss": 0.5})
    ...     (line,) = watch.close("done")
    ...     [path.parent.name for path in Path(folder).rglob("*tfevents*")], line.split()[:2]
    (['all'], ['tensorboard', '--logdir'])
    >>> len(told)
    1
    """
    if os.environ.get("RANK", "0") != "0":
        uses = ()
    opened = []
    for use in uses:
        tracker: Tracker = registry.get("tracking", use.method)
        spec = tracker.spec.parse(use.settings, where=use.method)
        opened.append((tracker, tracker.open(spec, name, run, folder / use.method)))
    lines = tuple(Line(tracker.name, sink, every_s=tracker.every_s) for tracker, sink in opened)
    tracking = Tracking(lines, watch or (lambda event: None))
    if settings:
        tracking.add([Settings(without_secrets(settings), time.time())])
    return tracking
