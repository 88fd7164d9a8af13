"""Which version answers: the champion, or beside it a challenger in shadow, as a canary or in an A/B test."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelwright_runtime import deployment as deployments
from modelwright_runtime.deployment import Deployment, Mode
from modelwright_runtime.errors import WrightError
from modelwright_runtime.metrics import Tally
from modelwright_runtime.model import Model, load
from modelwright_runtime.records import Asked, Recorder, in_share

LOG = logging.getLogger("modelwright_runtime")
MOST_IN_SHADOW = 20_000  # rows that wait for the challenger; beyond, it is not asked
SHADOW_PAUSE_S = 0.02


@dataclass(frozen=True, eq=False, kw_only=True)
class Arm:
    """A loaded version of a model. `name` is the route's; `tally` counts what it did."""

    name: str
    version: int
    role: str
    model: Model
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, eq=False, kw_only=True)
class Route:
    """What answers under one name. It never changes: a swap puts another one in its place, and requests under way
    are finished by the one that they began with."""

    name: str
    champion: Arm
    challenger: Arm | None = None
    mode: Mode = "shadow"
    share: float = 0.0
    recorder: Recorder | None = None
    shadow: Shadow | None = None
    folder: Path | None = None
    revision: int = 0

    @property
    def model(self) -> Model:
        """The champion's."""
        return self.champion.model

    @property
    def arms(self) -> tuple[Arm, ...]:
        return (self.champion, self.challenger) if self.challenger else (self.champion,)

    def pick(self, key: str) -> Arm:
        """The arm that answers a request of that key; the same key gets the same arm."""
        if self.challenger is None or self.mode == "shadow" or not in_share(key, self.share):
            return self.champion
        return self.challenger

    def keep(self, asked: Asked, arm: Arm, n_rows: int) -> None:
        """After an answer: count it, keep it, and ask the challenger in shadow."""
        arm.tally.answered(n_rows, asked.latency_s)
        if self.recorder is not None:
            self.recorder.put(asked)
        if self.shadow is not None:
            self.shadow.put(asked.id, asked.rows, n_rows)


class Shadow:
    """Asks the challenger what the champion was asked, beside the answering and never instead of it.

    A thread takes what has come together; when it cannot keep up, rows are counted in `n_lost` and not asked.
    """

    def __init__(self, arm: Arm, recorder: Recorder | None) -> None:
        self.arm, self.recorder = arm, recorder
        self.waiting: deque[tuple[str, Any, int]] = deque()
        self.n_waiting = self.n_lost = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self.thread.start()

    def put(self, request_id: str, rows: Any, n_rows: int) -> None:
        """Ask about these rows later."""
        if self.n_waiting + n_rows > MOST_IN_SHADOW:
            self.n_lost += n_rows
            return
        self.n_waiting += n_rows
        self.waiting.append((request_id, rows, n_rows))

    def close(self) -> None:
        """Ask what waits, and end."""
        self.stopping.set()
        self.thread.join(timeout=30)

    def _run(self) -> None:
        while not self.stopping.wait(SHADOW_PAUSE_S) or self.waiting:
            while self.waiting:
                self._ask()

    def _ask(self) -> None:
        """Single rows together, tables one by one."""
        taken: list[tuple[str, Any, int]] = []
        n_rows = 0
        while self.waiting and n_rows < 64 and (not taken or isinstance(self.waiting[0][1], list)):
            taken.append(self.waiting.popleft())
            n_rows += taken[-1][2]
            if not isinstance(taken[-1][1], list):
                break
        self.n_waiting -= n_rows
        began_s = time.perf_counter()
        columns, model = self.arm.model.columns, self.arm.model
        try:
            if isinstance(taken[0][1], list):
                answered = model.predict([row for _, rows, _ in taken for row in rows])
            else:
                answered = model.predict(taken[0][1])
        except WrightError as problem:  # the champion took these rows; that the challenger does not is worth knowing
            self.arm.tally.n_errors += len(taken)
            LOG.warning("version %d, in shadow, refused a row: %s", self.arm.version, problem.message)
            return
        latency_s = (time.perf_counter() - began_s) / max(1, len(taken))
        start, now_s, told = 0, time.time(), answered.columns()
        for request_id, rows, n in taken:
            self.arm.tally.answered(n, latency_s)
            if self.recorder is not None:
                part = {name: column[start : start + n] for name, column in told.items()}
                self.recorder.put(
                    Asked(request_id, now_s, self.arm.version, self.arm.role, latency_s, rows, columns, part)
                )
            start += n


def plain_route(model: Model) -> Route:
    """A package served by itself: one version, no log."""
    return Route(name=model.name, champion=Arm(name=model.name, version=1, role="champion", model=model))


def open_route(folder: Path, *, before: Route | None = None) -> Route:
    """The route that a deployment folder stands for now. Versions that `before` had loaded are not loaded again."""
    state = deployments.read(folder)
    recorder = before.recorder if before is not None else None
    if recorder is None or recorder.settings != state.log:
        recorder = Recorder(folder / "log", state.log) if state.log.share > 0 else None
    challenger = state.challenger
    beside = None if challenger is None else _arm(folder, state, challenger.version, "challenger", before)
    in_shadow = challenger is not None and challenger.mode == "shadow" and beside is not None
    return Route(
        name=state.name,
        champion=_arm(folder, state, state.champion, "champion", before),
        challenger=beside,
        mode=challenger.mode if challenger else "shadow",
        share=challenger.share if challenger else 0.0,
        recorder=recorder,
        shadow=_shadow(beside, recorder, before) if in_shadow and beside else None,
        folder=folder,
        revision=state.revision,
    )


def _shadow(arm: Arm, recorder: Recorder | None, before: Route | None) -> Shadow:
    earlier = before.shadow if before is not None else None
    same = earlier is not None and earlier.arm is arm and earlier.recorder is recorder
    return earlier if same and earlier is not None else Shadow(arm, recorder)


def _arm(folder: Path, state: Deployment, number: int, role: str, before: Route | None) -> Arm:
    for arm in before.arms if before is not None else ():
        if arm.version == number:
            if arm.role == role:
                return arm
            return Arm(name=state.name, version=number, role=role, model=arm.model, tally=arm.tally)
    model = load(deployments.package_path(folder, state.version(number)))
    model.name = state.name  # a version may have been made under another name
    return Arm(name=state.name, version=number, role=role, model=model)


def retire(before: Route, after: Route | None) -> None:
    """End what the route before had and the one after it does not: its shadow and its log."""
    if before.shadow is not None and (after is None or after.shadow is not before.shadow):
        before.shadow.close()
    if before.recorder is not None and (after is None or after.recorder is not before.recorder):
        before.recorder.close()
