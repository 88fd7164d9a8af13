"""Which rows come next while labels come in: a quick model learns from those there are, and is asked what it doubts.

`Pupil.learn` costs a second or so and runs in a process of its own beside the server; `follow` is a short write.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import signal
import threading
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import WrightError
from modelwright.core.rng import stream
from modelwright.core.store import disk_faults, write_atomically
from modelwright.labelling.active import ActiveSpec, Progress, choose, progress
from modelwright.labelling.looks import looks_of
from modelwright.labelling.settle import labels
from modelwright.labelling.store import Project, open_project
from modelwright.labelling.tasks import Desk

if TYPE_CHECKING:
    import numpy as np

LOG = logging.getLogger("modelwright.labelling")
MOST_ROWS = 20_000
N_CHOSEN = 50
LEAST_NEW, SHARE_NEW = 5, 0.1
"""A lesson is due after so many labels more than the last one had, the larger of both."""
N_WATCHED = 500
FEW = 10
"""Of fewer labels nothing is learnt: rows that stand for many others come first."""
_LOOK_EVERY_S = 0.5
_FILE = "lessons.json"


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What was learnt of `n_labels` labels: `rows`, ids of the rows to label next, best first; how it goes."""

    rows: tuple[int, ...]
    n_labels: int
    going: Progress


@dataclass(eq=False)
class Pupil:
    """Learns from a project's labels, again and again; what rows look like is made once."""

    project: Project
    answers: list[np.ndarray] = field(default_factory=list)

    @cached_property
    def ids(self) -> np.ndarray:
        """The rows that are learnt from and chosen of: all, or 20,000 drawn evenly."""
        import numpy as np

        found = np.array([row for (row,) in self.project.labels.execute("SELECT row FROM tasks ORDER BY row")])
        drawn = stream(self.project.spec.seed, "labelling", "lessons").permutation(len(found))[:MOST_ROWS]
        return found[np.sort(drawn)]

    @cached_property
    def looks(self) -> tuple[Any, np.ndarray]:
        """Features of the rows, and their main components."""
        return looks_of(self.project, self.ids.tolist())

    def learn(self) -> Lesson:
        """Learn from the labels there are now, and choose the rows whose labels would teach most.

        With fewer than ten labels, or of one class only, rows that stand for many; then those between two classes
        (the smallest margin), unlike each other. Reference: as `choose`.
        """
        import numpy as np

        told = labels(self.project).values()
        codes = np.array([self._code(told.get(row)) for row in self.ids.tolist()])
        known = codes >= 0
        features, dense = self.looks
        is_young = known.sum() < FEW or len(set(codes[known].tolist())) < 2
        n_classes = len(self.project.spec.classes)
        likely = np.full((len(codes), n_classes), 1 / n_classes) if is_young else _probabilities(
            features, codes, n_classes
        )  # fmt: skip
        if not is_young:
            watched = stream(0, "labelling", "watched").permutation(len(codes))[:N_WATCHED]
            self.answers.append(likely[watched].argmax(axis=1))
        spec = ActiveSpec(method="typical" if is_young else "margin", n=N_CHOSEN)
        closed = known | np.isin(self.ids, self._closed())
        chosen = choose(likely, spec, labelled=closed, features=dense, seed=self.project.spec.seed)
        going = progress(self.answers) if self.answers else Progress(stop=False, kappas=(), reason="it just began")
        return Lesson(rows=tuple(self.ids[chosen].tolist()), n_labels=_n_labelled(self.project), going=going)

    def _code(self, value: Any) -> int:
        return self.project.spec.classes.index(value) if value is not None else -1

    def _closed(self) -> list[int]:
        return [row for (row,) in self.project.labels.execute("SELECT row FROM tasks WHERE is_open = 0")]


def _probabilities(features: Any, codes: np.ndarray, n_classes: int) -> np.ndarray:
    """Of each class for every row, 0 of one that has no label yet: multinomial logistic regression."""
    import numpy as np
    import scipy.sparse as sp
    from sklearn.linear_model import LogisticRegression

    known = codes >= 0
    model = LogisticRegression(C=30.0 if sp.issparse(features) else 10.0, max_iter=200)
    made = np.zeros((len(codes), n_classes))
    made[:, np.unique(codes[known])] = model.fit(features[known], codes[known]).predict_proba(features)
    return made


def is_due(project: Project, n_known: int) -> bool:
    """Whether enough labels came since the last lesson, which had `n_known`; -1: there was none."""
    return n_known < 0 or _n_labelled(project) >= n_known + max(LEAST_NEW, SHARE_NEW * n_known)


def _n_labelled(project: Project) -> int:
    (found,) = project.labels.execute("SELECT count(DISTINCT row) FROM current WHERE what = 'label'").fetchone()
    return int(found)


def follow(desk: Desk, lesson: Lesson) -> None:
    """Put the rows of a lesson before all others, and keep how it goes for `--status` and the page."""
    plain = {"n_labels": lesson.n_labels, "stop": lesson.going.stop, "reason": lesson.going.reason,
             "kappas": [round(kappa, 4) for kappa in lesson.going.kappas]}  # fmt: skip
    with desk.project.transaction() as database:
        (first,) = database.execute("SELECT min(place) FROM tasks").fetchone()
        first -= len(lesson.rows)
        database.executemany(
            "UPDATE tasks SET place = ? WHERE row = ?", ((first + place, row) for place, row in enumerate(lesson.rows))
        )
    desk.forget()
    write_atomically(desk.project.folder / _FILE, json.dumps(plain).encode())


def going_told(project: Project) -> dict[str, Any] | None:
    """How it went when rows were ordered last, or None."""
    file = project.folder / _FILE
    with disk_faults(file):
        return dict(json.loads(file.read_text())) if file.exists() else None


# Beside a server ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _pupil(folder: Path) -> Pupil:
    return Pupil(open_project(folder.parent.parent, folder.name))


def _learn(folder: Path) -> Lesson:
    return _pupil(folder).learn()


def learner() -> ProcessPoolExecutor:
    """A process that learns beside a server, and ends with it however that ends."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_stay_beside)


def _stay_beside() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # the parent was killed: nobody is left to tell


async def keep_teaching(desk: Desk, pool: Executor) -> None:
    """Whenever a lesson is due, have it learnt in another process, and follow it. Ends when learning cannot go on:
    then rows come in the order that they have, and labelling is not disturbed."""
    loop, n_known = asyncio.get_running_loop(), -1
    while True:
        if is_due(desk.project, n_known):
            try:
                lesson = await loop.run_in_executor(pool, _learn, desk.project.folder)
                follow(desk, lesson)
            except (WrightError, BrokenProcessPool, MemoryError) as problem:
                LOG.warning("rows keep their order, for learning failed: %s", problem)
                return
            n_known = lesson.n_labels
        await asyncio.sleep(_LOOK_EVERY_S)
