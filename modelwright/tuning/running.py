"""Running a study: in this process, or in several that share its journal."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import SystemFault, UserError, WrightError
from modelwright.tuning.base import Objective, StudySpec
from modelwright.tuning.space import Space
from modelwright.tuning.tuner import Tuner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelwright.core.values import Watch
    from modelwright.tuning.study import Study, Tried

LOOK_EVERY_S = 0.5
MOST_IN_VAIN = 3


def run(
    objective: Objective, space: Space | Mapping[str, Any], spec: StudySpec, *, seed: int,
    journal: tuple[str | Path | None, str], watch: Watch,
) -> Study:  # fmt: skip
    """Try settings until there are no more to try. `journal` is where it lies, and what the study is called there."""
    checked = space if isinstance(space, Space) else Space.parse(space)
    if spec.workers == 1:
        with Tuner(checked, spec, seed=seed, journal=journal[0], name=journal[1]) as tuner:
            told = _Told(watch, tuner)
            told.tell(tuner.study)
            work(tuner, objective, after=lambda _: told.tell(tuner.study))
            return tuner.look()
    with tempfile.TemporaryDirectory(prefix="wright-study-") as folder:
        where = journal[0] if journal[0] is not None else Path(folder) / "study.jsonl"
        with Tuner(checked, spec, seed=seed, journal=where, name=journal[1]) as tuner:
            _in_processes(objective, tuner, where, _Told(watch, tuner))
            return tuner.look()


def work(tuner: Tuner, objective: Objective, after: Callable[[Tried], None] = lambda tried: None) -> None:
    """Ask, try and tell until nothing is left to begin."""
    while (trial := tuner.ask()) is not None:
        try:
            loss, why = _loss_of(objective, trial)
        except BaseException:
            tuner.leave(trial)
            raise
        after(tuner.tell(trial, loss, why=why))


def _loss_of(objective: Objective, trial: Any) -> tuple[float | None, str]:
    try:
        return float(objective(trial)), ""
    except UserError as problem:
        return None, str(problem).splitlines()[0]


class _Told:
    """Tells each trial's end once, with the best so far."""

    def __init__(self, watch: Watch, tuner: Tuner) -> None:
        self.watch, self.tuner = watch, tuner
        self.seen: set[int] = set()
        self.best: float | None = None

    def tell(self, study: Study) -> None:
        """Tell what is new."""
        for one in study.trials:
            if one.state == "running" or one.number in self.seen:
                continue
            self.seen.add(one.number)
            better = one.state == "done" and one.loss is not None and (self.best is None or one.loss < self.best)
            self.best = one.loss if better else self.best
            self.watch({
                "stage": "tuning", "event": "trial", "number": one.number, "settings": dict(one.settings),
                "state": one.state, "loss": one.loss, "why": one.why, "best": better, "best_loss": self.best,
                "done": len(self.seen), "total": self.tuner.n_trials,
            })  # fmt: skip


# Several processes ----------------------------------------------------------------------------------------------------


def _in_processes(objective: Objective, tuner: Tuner, journal: str | Path, told: _Told) -> None:
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of threads that it does not copy
    place = (str(journal), tuner.name, tuner.crowd)
    given = (objective, tuner.space.to_plain(), tuner.spec.to_plain(), tuner.seed, place)
    begun: list[_Worker] = []

    def begin() -> _Worker:
        ours, theirs = context.Pipe(duplex=False)
        process: BaseProcess = context.Process(target=_worker, args=(theirs, *given), daemon=True)
        _start(process)
        theirs.close()
        begun.append(_Worker(process, ours))
        return begun[-1]

    try:
        _follow([begin() for _ in range(tuner.spec.workers)], begin, tuner, told)
    finally:
        for one in begun:
            one.process.terminate()
            one.process.join()
            one.says.close()


@dataclass(frozen=True)
class _Worker:
    process: BaseProcess
    says: Connection


def _start(process: BaseProcess) -> None:
    try:
        process.start()
    except (pickle.PicklingError, AttributeError, TypeError) as problem:
        raise UserError(
            "tune.objective", f"several processes cannot share this objective: {problem}.",
            hint="make it a function of a module, or use one worker",
        ) from problem  # fmt: skip


def _follow(left: list[_Worker], begin: Callable[[], _Worker], tuner: Tuner, told: _Told) -> None:
    """Tell trials as they end. A process that is ended from outside is replaced, until too many in a row have not come
    to begin a trial."""
    n_begun, n_in_vain = -1, 0
    while left:
        wait([one.process.sentinel for one in left], timeout=LOOK_EVERY_S)
        told.tell(tuner.look())
        for one in [one for one in left if not one.process.is_alive()]:
            left.remove(one)
            code = one.process.exitcode or 0
            if code < 0:
                n_begun, n_in_vain = tuner.n_begun, n_in_vain + 1 if tuner.n_begun == n_begun else 0
            if code > 0 or n_in_vain > MOST_IN_VAIN * tuner.spec.workers:
                raise _fault(code, one.says)
            if code < 0:
                text = f"a worker was ended by signal {-code}; another takes its place"
                told.watch({"stage": "tuning", "event": "note", "text": text})
                left.append(begin())


def _fault(code: int, says: Connection) -> WrightError:
    said = _said(says)
    if said is not None:
        kind, plain = said
        made: WrightError = {"user": UserError, "system": SystemFault}[kind](**plain)
        return made
    how = f"was ended by signal {-code}, as others before" if code < 0 else "failed; its traceback is above"
    return SystemFault(
        "tune.worker", f"a worker {how}.",
        hint="the same command goes on from what is finished; if it was memory, use fewer workers",
    )  # fmt: skip


def _said(says: Connection) -> tuple[str, dict[str, str]] | None:
    """The error that a process told before it ended, if it did."""
    try:
        found: tuple[str, dict[str, str]] = says.recv()
    except EOFError:
        return None
    return found


def _worker(
    theirs: Connection,
    objective: Objective,
    space: dict[str, Any],
    spec: dict[str, Any],
    seed: int,
    place: tuple[str, str, str],
) -> None:
    """One process: it works on the study until nothing is left, and ends with the process that began it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # threads of several processes that wait for each other cost more than they save
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // spec["workers"])))
    journal, name, crowd = place
    try:
        with Tuner(Space.parse(space), StudySpec(**spec), seed=seed, journal=journal, name=name, crowd=crowd) as tuner:
            work(tuner, objective)
    except WrightError as problem:
        kind = "user" if isinstance(problem, UserError) else "system"
        theirs.send((kind, {"code": problem.code, "message": problem.message, "hint": problem.hint}))
        sys.exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # the parent was killed: nobody is left to tell
