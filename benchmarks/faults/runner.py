"""Does to one group of subjects all that can happen to a disk: `python runner.py GROUP MODELS FOLDER [KILLS FLIPS]`,
with `shim.so` preloaded and FAULT_FOLDER set. Each trial is a forked child. Prints one line of JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

from subjects import BROKEN, GROUPS, NEW, OLD, Subject

N_KILLS, N_FLIPS = map(int, sys.argv[4:6]) if len(sys.argv) > 4 else (100, 256)
PATIENCE_S = 30
OFF, KILL_BEFORE, KILL_AMID, FULL, READ_ONLY = range(5)
RNG = random.Random(0)


def in_child(do: Callable[[], object], *, kill_after_s: float | None = None) -> tuple[int, str]:
    """Run in a fork: its exit code (negative for a signal), and what it returned as text."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, 1)
            os.dup2(devnull, 2)
            signal.alarm(PATIENCE_S)
            os.write(writer, str(do()).encode())
        except BaseException as problem:  # noqa: BLE001  whatever opening it raises is what is asked about
            armed(OFF)
            code = 3
            with contextlib.suppress(OSError):
                os.write(writer, type(problem).__name__.encode())
        finally:
            os._exit(code)
    os.close(writer)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    told = b""
    while part := os.read(reader, 4096):
        told += part
    os.close(reader)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), told.decode()


def armed(mode: int, n: int = 1) -> None:
    ctypes.CDLL(None).fault_arm(ctypes.c_long(n), ctypes.c_int(mode))


def seen_state(subject: Subject, folder: Path) -> str:
    """What stands there: old, new, broken and not noticed, or noticed."""
    code, told = in_child(lambda: subject.state(folder))
    return told if code == 0 else "noticed" if code == 3 else "crash"


def fresh(subject: Subject, old: Path, folder: Path) -> Path:
    """The old state again."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(old, folder)
    return folder


def kills(subject: Subject, old: Path, folder: Path) -> dict[str, int]:
    """Killed at random moments of the operation; what stands there afterwards."""
    fresh(subject, old, folder)
    began = time.perf_counter()
    in_child(lambda: subject.write(folder))
    took_s = time.perf_counter() - began
    found: Counter[str] = Counter()
    for _ in range(N_KILLS):
        fresh(subject, old, folder)
        in_child(lambda: subject.write(folder), kill_after_s=RNG.uniform(0, took_s))
        found[seen_state(subject, folder)] += 1
    return dict(found)


def steps(subject: Subject, old: Path, folder: Path) -> dict[str, int]:
    """Killed at every step, before it and amid it, until the operation finishes."""
    found: Counter[str] = Counter()
    for mode in (KILL_BEFORE, KILL_AMID):
        for n in range(1, 10_000):
            fresh(subject, old, folder)
            code, _ = in_child(lambda n=n, mode=mode: (armed(mode, n), subject.write(folder), armed(OFF)))  # type: ignore[misc]
            found[seen_state(subject, folder)] += 1
            if code == 0:
                break
    return dict(found)


def denied(subject: Subject, old: Path, folder: Path, mode: int) -> dict[str, int]:
    """The disk is full from every step on, or read-only: is the old state still there, and was it told?"""
    found: Counter[str] = Counter()
    for n in range(1, 10_000):
        fresh(subject, old, folder)
        code, _ = in_child(lambda n=n: (armed(mode, n), subject.write(folder), armed(OFF)))  # type: ignore[misc]
        state = seen_state(subject, folder)
        found[state if code != 0 or state == NEW else f"{state}, not told"] += 1
        if code == 0 or mode == READ_ONLY:
            break
    return dict(found)


def flips(subject: Subject, old: Path, folder: Path) -> dict[str, int]:
    """One bit in each of 256 places, evenly spread over the files."""
    fresh(subject, old, folder)
    files = subject.files(folder)
    sizes = [path.stat().st_size for path in files]
    found: Counter[str] = Counter()
    for index in range(N_FLIPS):
        at = int((index + 0.5) * sum(sizes) / N_FLIPS)
        which = next(index for index in range(len(files)) if at < sum(sizes[: index + 1]))
        path, at = files[which], at - sum(sizes[:which])
        data = bytearray(path.read_bytes())
        data[at] ^= 1 << RNG.randrange(8)
        whole = path.read_bytes()
        path.write_bytes(data)
        state = seen_state(subject, folder)
        found["silent" if state == BROKEN else "harmless" if state in (OLD, NEW) else state] += 1
        path.write_bytes(whole)
    return dict(found)


def main() -> None:
    group, models, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    found: dict[str, dict[str, dict[str, int]]] = {}
    for subject in GROUPS[group](models):
        old, folder = work / "old", work / "now"
        shutil.rmtree(old, ignore_errors=True)
        old.mkdir(parents=True)
        in_child(lambda subject=subject, old=old: subject.prepare(old))  # type: ignore[misc]
        found[subject.name] = {
            "before": {seen_state(subject, old): 1},
            "kills": kills(subject, old, folder),
            "steps": steps(subject, old, folder),
            "flips": flips(subject, old, folder),
            "full": denied(subject, old, folder, FULL),
            "read-only": denied(subject, old, folder, READ_ONLY),
        }
        print(subject.name, found[subject.name], file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
