"""Requests that arrive together are answered by one call of the graph: a call costs more than a row does.

Nothing waits for others: what one look at the sockets brings is a batch. A request that cannot be answered is
refused alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelwright_runtime.cells import Note
from modelwright_runtime.errors import WrightError
from modelwright_runtime.http import Response
from modelwright_runtime.predictions import Predictions
from modelwright_runtime.records import Asked
from modelwright_runtime.routing import Arm, Route

MOST_ROWS = 256
"""Rows that are answered at once at most; and a request of more is not batched."""

Reply = Callable[[Response], None]


@dataclass(slots=True)
class Told:
    """The answer to one request: its rows as columns, and what was odd about them."""

    id: str
    arm: Arm
    n_rows: int
    columns: Mapping[str, Sequence[Any]]
    warnings: Sequence[Note]
    n_more_warnings: int
    answered: Predictions
    start: int

    def rows(self) -> list[dict[str, Any]]:
        """One dict per row."""
        names = tuple(self.columns)
        return [dict(zip(names, cells, strict=True)) for cells in zip(*self.columns.values(), strict=True)]


@dataclass(slots=True)
class Job:
    """A request that has been read: its rows (dicts, a table, or a matrix in the order of the model's columns), who
    answers it, and how the answer is written."""

    id: str
    route: Route
    arm: Arm
    rows: Any
    n_rows: int
    write: Callable[[Told], Response]
    refuse: Callable[[WrightError], Response]
    began_s: float


class Batcher:
    """Collects the jobs of one turn of the event loop. `of_problem` makes a response of an error."""

    def __init__(self, of_problem: Callable[[Exception], Response]) -> None:
        self.waiting: list[tuple[Job, Reply]] = []
        self.n_rows = 0
        self.of_problem = of_problem

    def add(self, job: Job, reply: Reply) -> None:
        """Answer this job with the others of this turn."""
        if not self.waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        self.waiting.append((job, reply))
        self.n_rows += job.n_rows

    def _answer(self) -> None:
        waiting, self.waiting, self.n_rows = self.waiting, [], 0
        by_arm: dict[int, list[tuple[Job, Reply]]] = {}
        for pair in waiting:
            by_arm.setdefault(id(pair[0].arm), []).append(pair)
        for pairs in by_arm.values():
            start = n_rows = 0
            for index, (job, _) in enumerate(pairs):
                if n_rows and n_rows + job.n_rows > MOST_ROWS:
                    self._answer_part(pairs[start:index])
                    start, n_rows = index, 0
                n_rows += job.n_rows
            self._answer_part(pairs[start:])

    def _answer_part(self, pairs: list[tuple[Job, Reply]]) -> None:
        if len(pairs) == 1:
            self._answer_each(pairs)
            return
        first = pairs[0][0]
        try:
            told = first.arm.model.predict([row for job, _ in pairs for row in job.rows], strict=True)
        except Exception:  # noqa: BLE001  one of them is at fault: each alone, so that the others are answered
            self._answer_each(pairs)
            return
        if told.n_more_warnings:  # which of them are whose is not known: each alone keeps its own
            self._answer_each(pairs)
            return
        columns, start = told.columns(), 0
        now_s = time.perf_counter()
        for job, reply in pairs:
            try:
                response = _part(job, told, columns, start, now_s)
            except Exception as problem:  # noqa: BLE001  such as an output that is asked for and not there
                response = self.of_problem(problem)
            reply(response)
            start += job.n_rows

    def _answer_each(self, pairs: list[tuple[Job, Reply]]) -> None:
        for job, reply in pairs:
            try:
                response = answer(job)
            except Exception as problem:  # noqa: BLE001  the edge
                response = self.of_problem(problem)
            reply(response)


def _part(job: Job, told: Predictions, columns: dict[str, list[Any]], start: int, now_s: float) -> Response:
    end = start + job.n_rows
    own = {name: column[start:end] for name, column in columns.items()}
    notes = [Note(note.row - start, note.column, note.code, note.message)
             for note in told.warnings if start <= note.row < end] if told.warnings else []  # fmt: skip
    return _kept(job, Told(job.id, job.arm, job.n_rows, own, notes, 0, told, start), now_s)


def answer(job: Job) -> Response:
    """Answer one job by itself."""
    model = job.arm.model
    try:
        told = model.predict(job.rows, strict=True)
    except WrightError as problem:
        job.arm.tally.n_errors += 1
        return job.refuse(problem)
    one = Told(job.id, job.arm, len(told), told.columns(), told.warnings, told.n_more_warnings, told, 0)
    return _kept(job, one, time.perf_counter())


def _kept(job: Job, told: Told, now_s: float) -> Response:
    arm, latency_s = job.arm, now_s - job.began_s
    asked = Asked(job.id, time.time(), arm.version, arm.role, latency_s, job.rows, arm.model.columns, told.columns)
    job.route.keep(asked, arm, told.n_rows)
    return job.write(told)
