"""kill -9 at random moments of a command: what the suites of kills share.

A command runs in a process of its own, forked from one that has imported what it needs; so its length is that of its
work, and moments are spread evenly over it. A kill counts only where it ended the command, as the system tells.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

N_KILLS = 100
N_MEASURED = 3
GO_ON = 0.3
"""So many kills are followed by another kill of the command that goes on; the others by one that runs to its end."""

_CODE = """
import importlib, os, sys
for name in sys.argv[1].split(","):
    importlib.import_module(name)
from modelwright.cli import command
run = globals().get("other", command)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        for handle in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), handle)
        os._exit(run(line.rstrip().split(chr(9))))
    try:
        os.setpgid(child, child)
    except OSError:
        pass  # it has done so itself, or is over
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
_IMPORTED = "polars,numpy,modelwright.collection,modelwright.collection.gathering,modelwright.datasets"


@dataclass
class Tally:
    """What came of all kills of one kind of work. `n_late` came after its end, and are replaced by others."""

    length_s: float = 0.0
    n_kills: int = 0
    n_late: int = 0
    n_begun: int = 0
    n_ends: int = 0
    n_lost: int = 0
    n_doubled: int = 0
    odd: list[str] = field(default_factory=list)

    def line(self, what: str) -> str:
        """One line of the table."""
        if self.odd:
            print(what, *self.odd, sep="\n  ", file=sys.stderr)
        return (f"| {what} | {self.length_s:.2f} s | {self.n_kills} | {self.n_late} | {self.n_begun} | {self.n_ends} | "
                f"{self.n_lost} | {self.n_doubled} |")  # fmt: skip


HEAD = [
    "| what | length of the work | kills in it | kills after its end, replaced | left half-done work | gone on with to "
    "the end | lost | doubled |", "|---|---|---|---|---|---|---|---|",
]  # fmt: skip


class Wright:
    """Commands of `wright`, each in a process of its own that is forked from one in which everything is imported.
    `before` is code that runs first (an `other(arguments)` in it takes the place of `wright`); `imported` are more
    modules, commas between."""

    def __init__(self, *, imported: str = "", before: str = "") -> None:
        names = ",".join(name for name in (_IMPORTED, imported) if name)
        self.parent = subprocess.Popen(
            [sys.executable, "-c", before + _CODE, names], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.child = 0

    def close(self) -> None:
        """No more commands."""
        self.parent.communicate()

    def begin(self, arguments: Sequence[str]) -> int:
        """Let a command begin; the number of its process."""
        assert self.parent.stdin is not None and self.parent.stdout is not None
        self.parent.stdin.write("\t".join(arguments) + "\n")
        self.parent.stdin.flush()
        self.child = int(self.parent.stdout.readline())
        return self.child

    def end(self) -> int:
        """Wait until it has ended; as `os.waitpid` tells it."""
        assert self.parent.stdout is not None
        return int(self.parent.stdout.readline())

    def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        """Kill the command that is at work, with its children; how it ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child, how)
        return self.end()

    def whole_s(self, arguments: Sequence[str]) -> float:
        """Let a command run to its end, which must be a good one; how long that took."""
        began_s = time.monotonic()
        self.begin(arguments)
        status = self.end()
        assert status == 0, f"{arguments} ended with {status}"
        return time.monotonic() - began_s

    def killed_after(self, arguments: Sequence[str], seconds: float) -> bool:
        """Let a command run for so long and kill it with its children; whether it was still at work."""
        self.begin(arguments)
        time.sleep(seconds)
        status = self.kill()
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def moments(n: int, length_s: float, seed: int) -> list[float]:
    """Random moments, one in each of `n` equal pieces of a length, in random order."""
    draw = np.random.default_rng(seed)
    return [float((piece + draw.uniform()) / n * length_s) for piece in draw.permutation(n)]


def kill_often(
    wright: Wright, arguments: Sequence[str], grow: Callable[[], None], judge: Callable[[Tally], None], *, seed: int,
    n_kills: int = N_KILLS, is_begun: Callable[[], bool] = lambda: False,
) -> Tally:  # fmt: skip
    """Kill a command `n_kills` times while it works on what `grow` brought; let it end, and `judge`, in between.

    The source grows before every run, so that each has work; a run that was killed is gone on with by the next.
    """
    tally, draw = Tally(), np.random.default_rng(seed)
    lengths = []
    for _ in range(N_MEASURED):
        grow()
        lengths.append(wright.whole_s(arguments))
        judge(tally)
    tally.length_s = median(lengths)
    left = moments(n_kills, tally.length_s, seed)
    while left:
        grow()
        if wright.killed_after(arguments, left[-1]):
            left.pop()
            tally.n_kills += 1
            tally.n_begun += is_begun()
        else:
            tally.n_late += 1
            left[-1] = float(draw.uniform(0, tally.length_s))
        if not left or draw.uniform() >= GO_ON:
            grow()
            wright.whole_s(arguments)
            tally.n_ends += 1
            judge(tally)
    wright.close()
    return tally
