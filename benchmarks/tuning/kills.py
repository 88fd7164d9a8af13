"""Workers of one study killed at random moments: is a finished trial lost, one doubled, are they the same?"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import bar
from modelwright.tuning import StudySpec, tune

N_KILLS, N_TRIALS, N_WORKERS = 25, 600, 4
SPACE = {"x": {"low": -1.0, "high": 1.0}, "kind": ["a", "b"]}


def slow(trial: Any, *, seconds: float) -> float:
    time.sleep(seconds)
    return float(trial["x"]) ** 2 + (trial["kind"] == "b")


def workers() -> list[int]:
    """The processes of this one that try settings."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == os.getpid() and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def measure() -> tuple[list[str], list[str]]:
    """One study with kills beside one without."""
    rng, kills, is_over = random.Random(0), [0], threading.Event()

    def kill() -> None:
        while kills[0] < N_KILLS and not is_over.wait(rng.uniform(0.5, 1.5)):
            if found := workers():
                os.kill(rng.choice(found), signal.SIGKILL)
                kills[0] += 1

    spec = StudySpec(search="random", trials=N_TRIALS, workers=N_WORKERS, prune="none")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.jsonl"
        threading.Thread(target=kill, daemon=True).start()
        study = tune(partial(slow, seconds=0.15), SPACE, spec, journal=path)
        is_over.set()
        events = [json.loads(line) for line in path.read_text().splitlines()]
    ended = [event["number"] for event in events if event["event"] == "end"]
    begun = sum(event["event"] == "begin" for event in events)
    alone = tune(partial(slow, seconds=0.0), SPACE, spec.but(workers=1, lag=spec.behind))
    same = study.to_plain() == alone.to_plain()
    lines = [
        "| workers | kills | trials | beginnings | ends | lost | doubled | the same trials as one unbroken worker's |",
        "|---|---|---|---|---|---|---|---|",
        f"| {N_WORKERS} | {kills[0]} | {N_TRIALS} | {begun} | {len(ended)} | {N_TRIALS - len(set(ended))} | "
        f"{len(ended) - len(set(ended))} | {'yes' if same else 'no'} |",
    ]
    bars = [
        bar("finished trials lost or doubled", N_TRIALS - len(set(ended)) + len(ended) - len(set(ended)), 0),
        bar("the same trials as without kills", float(same), 1, at_least=True),
    ]
    return lines, bars
