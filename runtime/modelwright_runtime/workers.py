"""Several processes on one port: forked before anything is loaded, watched, begun again when one dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import msgspec

from modelwright_runtime.deployment import write_aside
from modelwright_runtime.errors import WrightError
from modelwright_runtime.metrics import Samples

LOG = logging.getLogger("modelwright_runtime")
PUBLISH_S = 1.0
_PAUSE_S = 1.0  # before a worker that died is begun again
_decode = msgspec.json.Decoder(Samples).decode


@dataclass(frozen=True)
class Peers:
    """The other workers, who leave what they have counted in a folder; None where there is one process only."""

    folder: Path | None
    is_first: bool = True

    def others(self) -> list[Samples]:
        """What the others have counted, a second ago at most."""
        if self.folder is None:
            return []
        found = []
        for path in self.folder.glob("*.json"):
            if path.stem != str(os.getpid()):
                with contextlib.suppress(OSError, msgspec.MsgspecError):  # a worker has just gone
                    found.append(_decode(path.read_bytes()))
        return found

    async def publish(self, samples: Callable[[], Samples]) -> None:
        """For ever: leave what this worker has counted."""
        assert self.folder is not None
        while True:
            write_aside(self.folder / f"{os.getpid()}.json", msgspec.json.encode(samples()))
            await asyncio.sleep(PUBLISH_S)


def in_workers(n_workers: int, work: Callable[[Peers], None]) -> None:
    """Run `work` in so many processes until SIGINT or SIGTERM, which each of them gets. One that dies is begun again.

    Raises what a worker's error said when none of them could begin.
    """
    folder = Path(tempfile.mkdtemp(prefix="wright-workers-"))
    alive: dict[int, int] = {}
    stopping: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stopping.append(number)
        for pid in list(alive):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for index in range(n_workers):
            alive[_fork(index, folder, work)] = index
        while alive:
            pid, status = os.wait()
            index = alive.pop(pid, -1)
            (folder / f"{pid}.json").unlink(missing_ok=True)
            if index < 0 or stopping or os.waitstatus_to_exitcode(status) in (0, 1, 2):
                continue  # it was asked to stop, or has told why it cannot work
            LOG.error("worker %d died (%d); it is begun again", index, os.waitstatus_to_exitcode(status))
            time.sleep(_PAUSE_S)
            if not stopping:
                alive[_fork(index, folder, work)] = index
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        shutil.rmtree(folder, ignore_errors=True)


def _fork(index: int, folder: Path, work: Callable[[Peers], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 0
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        work(Peers(folder, is_first=index == 0))
    except WrightError as problem:
        LOG.error("%s", problem)
        code = problem.exit_code
    finally:
        os._exit(code)
