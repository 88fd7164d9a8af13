"""The journal of a study: a file of one line per event, which several processes append to in turn.

An event is on disk before what follows from it begins. A line that a killed process left half-written was never read by
anyone, and is cut off by the next one that writes. A process holds a lock of the operating system for as long as it
lives, so that the others see at once, by no clock, whether who began a trial is still there.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from modelwright.core.errors import SystemFault
from modelwright.core.store import disk_faults

Event = Mapping[str, Any]
_BLOCK_BYTES = 4096


class Journal(Protocol):
    """Where events are written down. `append` is called only while `locked`."""

    worker: str

    def locked(self) -> AbstractContextManager[None]:
        """Nobody else writes meanwhile."""

    def read(self) -> list[Event]:
        """The events that were not read before, in their order."""

    def append(self, event: Event) -> None:
        """Write an event; it is safe when this returns."""

    def is_alive(self, worker: str) -> bool:
        """Whether the process that goes by this name is still there."""

    def close(self) -> None:
        """Leave; from now on this worker is not there."""


class MemoryJournal:
    """A journal for one process, which goes with it.

    >>> journal = MemoryJournal()
    >>> journal.append({"event": "begin"})
    >>> journal.read(), journal.read()
    ([{'event': 'begin'}], [])
    """

    def __init__(self) -> None:
        self.worker = "here"
        self.events: list[Event] = []
        self.n_read = 0

    def locked(self) -> AbstractContextManager[None]:
        """Nobody else is there."""
        return contextlib.nullcontext()

    def read(self) -> list[Event]:
        """What is new."""
        new, self.n_read = self.events[self.n_read :], len(self.events)
        return new

    def append(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)

    def is_alive(self, worker: str) -> bool:
        """Only this process is."""
        return worker == self.worker

    def close(self) -> None:
        """Nothing to leave."""


class FileJournal:
    """A journal in a file; processes on machines that share the folder may share it.

    Raises `tune.journal` (`SystemFault`) where a line is not what was written.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.worker = path, uuid.uuid4().hex
        self._offset = 0
        with disk_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            self._life = self._alive_file(self.worker).open("w")
        _lock(self._life.fileno(), wait=True)

    def _alive_file(self, worker: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{worker}.alive")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Wait for whoever writes now. The system frees the lock of a process that dies."""
        with self.path.with_name(f"{self.path.name}.lock").open("a") as handle:
            _lock(handle.fileno(), wait=True)
            yield

    def read(self) -> list[Event]:
        """Whole lines that are new."""
        with disk_faults(self.path), self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        try:
            events: list[Event] = [json.loads(line) for line in whole.splitlines()]
        except ValueError as problem:
            raise SystemFault(
                "tune.journal", f"{self.path} has a line that is not what was written there.",
                hint="delete that file to begin the study again",
            ) from problem  # fmt: skip
        self._offset += len(whole)
        return events

    def append(self, event: Event) -> None:
        """Write one line and wait until the disk has it."""
        line = json.dumps(event, separators=(",", ":"), sort_keys=True, allow_nan=False)
        with disk_faults(self.path), self.path.open("r+b") as file:
            file.truncate(_end_of_last_line(file))
            file.seek(0, os.SEEK_END)
            file.write(f"{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())

    def is_alive(self, worker: str) -> bool:
        """Whether its lock is held."""
        file = self._alive_file(worker)
        if worker == self.worker:
            return not self._life.closed
        try:
            with file.open("r+") as handle:
                if not _lock(handle.fileno(), wait=False):
                    return True
        except FileNotFoundError:
            return False
        file.unlink(missing_ok=True)
        return False

    def close(self) -> None:
        """Let go of the lock that says this process lives."""
        self._alive_file(self.worker).unlink(missing_ok=True)
        self._life.close()


def _end_of_last_line(file: BinaryIO) -> int:
    """Where the last whole line ends."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _BLOCK_BYTES)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _lock(handle: int, *, wait: bool) -> bool:
    """Lock an open file for this process alone; False where another has it. Where there are no such locks (Windows),
    a study is for one process, and nobody else is there."""
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def open_journal(where: str | Path | None, study: str) -> Journal:
    """The journal of a study: in a file, in PostgreSQL (by the name of the study), or in memory."""
    if where is None:
        return MemoryJournal()
    if isinstance(where, str) and where.startswith(("postgresql://", "postgres://")):
        from modelwright.tuning.postgres import PostgresJournal

        return PostgresJournal(where, study)
    return FileJournal(Path(where))
