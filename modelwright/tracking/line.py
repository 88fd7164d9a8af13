"""One tracker's line: notes wait in memory, a thread of its own sends them now and then.

Training only appends to a list, so it costs the same whether the tracker is a file, a slow server or away.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelwright.tracking.notes import Note, without_secrets

if TYPE_CHECKING:
    from modelwright.tracking.base import Sink

MOST_WAITING = 100_000  # notes, some 20 MB: a day and more of a server that is away
LONGEST_PAUSE_S = 60.0  # between attempts, while a tracker fails


class Line:
    """Sends notes to a sink every `every_s` seconds. What fails is kept and tried again, less and less often.

    `trouble` is the first failure's first line, or "". Errors of the sink end here: a run never ends by them.
    """

    def __init__(self, name: str, sink: Sink, *, every_s: float) -> None:
        self.name, self.sink, self.every_s = name, sink, every_s
        self.trouble, self.n_told, self.n_sent = "", 0, 0
        self._waiting: list[Note] = []
        self._lock, self._ending = threading.Lock(), threading.Event()
        self._status, self._said = "done", ""
        self._thread = threading.Thread(target=self._run, name=f"track-{name}", daemon=True)
        self._thread.start()

    def add(self, notes: Sequence[Note]) -> None:
        """Let notes wait for the next sending. Of too many, the oldest go."""
        with self._lock:
            self.n_told += len(notes)
            self._waiting.extend(notes)
            del self._waiting[: max(0, len(self._waiting) - MOST_WAITING)]

    def end(self, status: str, *, within_s: float) -> str:
        """Send what waits, close the sink, and say where to look, or what was not sent."""
        self._status = status
        self._ending.set()
        self._thread.join(within_s)
        n_lost = self.n_told - self.n_sent
        if not n_lost and self._said:
            return self._said
        why = self.trouble or f"no answer within {within_s:.2g} s"
        lost = f"{n_lost:,} of {self.n_told:,} notes were not sent ({why})" if n_lost else f"not closed ({why})"
        return f"{self.name}: {lost}" + (f"; {self._said}" if self._said else "")

    def _run(self) -> None:
        pause = min(self.every_s, 0.2)  # the first notes at once: they open the run
        while not self._ending.wait(pause):
            pause = self.every_s if self._send() else min(2 * max(pause, 1.0), LONGEST_PAUSE_S)
        self._send()
        try:
            self._said = self.sink.close(self._status)
        except Exception as problem:  # noqa: BLE001  a tracker's library may raise anything
            self.trouble = self.trouble or told_of(problem)

    def _send(self) -> bool:
        with self._lock:
            batch, self._waiting = self._waiting, []
        if not batch:
            return True
        try:
            self.sink.write(batch)
        except Exception as problem:  # noqa: BLE001  a tracker's library may raise anything
            with self._lock:
                self._waiting[:0] = batch
            self.trouble = self.trouble or told_of(problem)
            return False
        self.n_sent += len(batch)
        return True


def told_of(problem: Exception) -> str:
    """A failure in one line.

    >>> told_of(OSError(28, "No space left on device"))
    'OSError: [Errno 28] No space left on device'
    """
    lines = str(problem).strip().splitlines() or [""]
    return str(without_secrets(f"{type(problem).__name__}: {lines[0]}"[:200])).rstrip(": ")
