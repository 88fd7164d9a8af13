"""kill -9 at random moments, also inside a save; go on; compare every tensor and every line of the history.

The training has what makes resuming hard: dropout, augmentation, batch norm, a running mean of the weights, a
schedule, clipping, validation, rows on disk fetched by threads (their number differs between the two parts).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.common import bar
from modelwright.training.loop.batch import Batch
from modelwright.training.loop.examples import Examples
from modelwright.training.loop.fit import fit
from modelwright.training.loop.spec import LoopSpec

N_STEPS = 120


def noisy(batch: Batch, rng: torch.Generator) -> Batch:
    """A stand-in for augmentation: noise of the step's own generator."""
    x = batch.inputs[0]
    return Batch((x + 0.1 * torch.randn(x.shape, generator=rng), *batch.inputs[1:]), batch.targets, batch.weights)


def score(outputs: tuple[torch.Tensor, ...], targets: tuple[torch.Tensor, ...]) -> float:
    return float((outputs[0].argmax(1) == targets[0]).double().mean())


def loss(outputs: Any, targets: Any, weights: Any) -> torch.Tensor:
    return nn.functional.cross_entropy(outputs[0], targets[0])


def train(folder: Path | None, rows: Path, *, every_s: float, n_workers: int) -> str:
    """Train (or go on), and say the digest of all that came out."""
    torch.set_num_threads(1)
    random.seed(1)
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Linear(20, 64),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 4),
    )
    x: Any = np.load(rows, mmap_mode="r") if n_workers else torch.from_numpy(np.load(rows))
    y = torch.from_numpy(np.load(rows)[:, 0] > 0).long() + 2 * torch.from_numpy(np.load(rows)[:, 1] > 0).long()
    held_out = Examples((torch.from_numpy(np.load(rows)[:200]),), (y[:200],))
    spec = LoopSpec(
        max_steps=N_STEPS, batch_size=24, average=0.99, clip_norm=0.5, checkpoint_every_s=every_s,
        n_workers=n_workers, optimizer={"adamw": {"learning_rate": 0.01}}, validations=12,
    )  # fmt: skip
    done = fit(
        network, Examples((x,), (y,)), spec, objective=loss, validation=held_out, score=score, augment=noisy,
        folder=folder, seed=7, identity="resume",
    )  # fmt: skip
    told = hashlib.sha256(json.dumps(done.history, sort_keys=True).encode())
    for name, tensor in sorted(done.network.state_dict().items()):
        told.update(name.encode() + tensor.numpy().tobytes())
    return told.hexdigest()


def child(folder: Path, rows: Path, answer: Path, *, every_s: float, n_workers: int) -> int:
    """A process of its own that trains and writes what came out."""
    number = os.fork()
    if number:
        return number
    try:
        answer.write_text(train(folder, rows, every_s=every_s, n_workers=n_workers))
    except BaseException as problem:  # noqa: BLE001 - a forked child must not run on into the parent's code
        answer.write_text(f"failed: {problem!r}")
    os._exit(0)


def measure(n_kills: int = 200) -> tuple[list[str], list[str]]:
    """Kill and go on `n_kills` times."""
    chance = random.Random(0)
    same = in_save = resumed = 0
    with tempfile.TemporaryDirectory() as whole:
        base = Path(whole)
        rows = base / "rows.npy"
        np.save(rows, np.random.default_rng(0).normal(size=(600, 20)).astype(np.float32))
        wanted = train(None, rows, every_s=60.0, n_workers=0)
        began = time.perf_counter()
        assert train(None, rows, every_s=60.0, n_workers=0) == wanted, "two runs without a kill differ"
        length_s = time.perf_counter() - began
        for number in range(n_kills):
            folder, answer = base / f"run-{number}", base / f"answer-{number}"
            every_s = chance.choice(
                [0.0, 0.0, length_s / 20]
            )  # 0: a save after every step, so that kills fall into saves
            process = child(folder, rows, answer, every_s=every_s, n_workers=chance.choice([0, 1, 3]))
            time.sleep(chance.uniform(0.02, length_s * (3.0 if every_s == 0.0 else 0.95)))
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            in_save += any(folder.glob(".*.tmp"))
            resumed += any(folder.glob("step-*"))
            answer.unlink(missing_ok=True)
            os.waitpid(child(folder, rows, answer, every_s=1.0, n_workers=chance.choice([0, 1, 3])), 0)
            same += answer.read_text() == wanted
            print(f"\rkill {number + 1}: {same} the same, {in_save} inside a save", end="", file=sys.stderr)
    table = [
        f"{n_kills} kills of a training of {N_STEPS} steps: {resumed} had a checkpoint to go on from, {in_save} fell "
        f"inside a save, {same} ended with the same bytes (weights, buffers, history)."
    ]
    return table, [bar("resume_bit_exact_of_200", same * 200 / n_kills, 200, at_least=True)]


if __name__ == "__main__":
    print(*measure(int(sys.argv[1]) if len(sys.argv) > 1 else 200), sep="\n")
