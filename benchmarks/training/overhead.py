"""Time of a step against a hand-tuned loop and against the peers, interleaved in one run.

A process per measurement, one thread, processor time. The cost of a step is the slope between a short and a long
run, so that start-up drops out; ratios are medians over rounds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.common import ROOT, bar

PEERS_PYTHON = ROOT / "benchmarks" / ".peers" / "training" / "bin" / "python"
NEEDS = ("torch==2.13.0", "lightning==2.6.6", "skorch", "keras", "transformers==5.23.0", "accelerate==1.15.0")
SHORT, LONG = {"mlp": 300, "cnn": 100, "transformer": 50}, {"mlp": 2300, "cnn": 600, "transformer": 250}

OURS = """
import sys, time, tempfile, torch
sys.path.insert(0, {root!r})
from benchmarks.training.peers import made
from modelwright.training.doctor.observer import Doctor
from modelwright.training.loop.examples import Examples
from modelwright.training.loop.fit import fit
from modelwright.training.loop.spec import LoopSpec
from modelwright.training.objectives.base import make_objective
from modelwright_runtime.signature import Task
torch.set_num_threads(1)
network, x, y = made(sys.argv[1])
n_steps, with_doctor = int(sys.argv[2]), sys.argv[3] == "on"
task = Task(kind="multiclass", target="y", classes=tuple("0123456789"))
began = time.process_time()
with tempfile.TemporaryDirectory() as folder:
    fit(network, Examples((x,), (y,)),
        LoopSpec(max_steps=n_steps, batch_size=32, optimizer={{"adamw": {{"learning_rate": 0.001}}}},
                 schedule="constant", checkpoint_every_s=1.0, device="cpu"),
        objective=make_objective([None], [task], complete=True), folder=folder,
        observers=(Doctor(),) if with_doctor else (), watch=lambda event: None)
print(time.process_time() - began)
"""


def peers_environment() -> bool:
    """Make the peers' own environment, once."""
    if not PEERS_PYTHON.exists():
        folder = PEERS_PYTHON.parent.parent
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([PEERS_PYTHON, "-m", "pip", "install", "-q", *NEEDS], check=True)
    return True


def seconds(command: list[str]) -> float | None:
    """What a measuring process prints; None when the peer has no such network (exit 3)."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode == 3:
        return None
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.strip().splitlines()[-1])


def slope(command: list[str], network: str, tail: list[str]) -> float | None:
    """Microseconds a step."""
    short = seconds([*command, network, str(SHORT[network]), *tail])
    long = seconds([*command, network, str(LONG[network]), *tail])
    if short is None or long is None:
        return None
    return (long - short) / (LONG[network] - SHORT[network]) * 1e6


def measure(rounds: int = 5) -> tuple[list[str], list[str]]:
    """Lines of the table, and bars."""
    peers_environment()
    script = [sys.executable, "-c", OURS.format(root=str(ROOT))]
    file = str(Path(__file__).with_name("peers.py"))
    ours = {"ours": [*script], "ours, no doctor": [*script]}
    others = ["hand", "common", "lightning", "hugging_face", "keras", "skorch"]
    table = [
        "| network | loop | µs a step | against hand-tuned | against DataLoader + AdamW |",
        "|---|---|---|---|---|",
    ]
    bars = []
    for network in ("mlp", "cnn", "transformer"):
        names = [*ours, *(others if network == "mlp" else ["hand", "common", "lightning"])]
        found: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                tail = [] if name in others else ["on" if name == "ours" else "off"]
                command = [str(PEERS_PYTHON), file, name] if name in others else ours[name]
                value = slope(command, network, tail)
                if value is not None:
                    found[name].append(value)
        ratio = {
            name: statistics.median(a / b for a, b in zip(found[name], found["hand"], strict=True))
            for name in names if found[name]
        }  # fmt: skip
        against = {
            name: statistics.median(a / b for a, b in zip(found[name], found["common"], strict=True))
            for name in names if found[name]
        }  # fmt: skip
        table += [f"| {network} | {name} | {statistics.median(found[name]):.0f} | {ratio[name]:.2f} | "
                  f"{against[name]:.2f} |" for name in ratio]  # fmt: skip
        limit = 1.05 if network == "mlp" else 1.02
        bars.append(bar(f"{network}_step_over_hand_tuned", ratio["ours"], limit))
        if network == "mlp":
            bars.append(bar("mlp_step_over_dataloader_adamw", against["ours"], 0.65))
            over = statistics.median(a / b for a, b in zip(found["ours"], found["lightning"], strict=True))
            bars.append(bar("mlp_step_over_lightning", over, 1 / 3))
    return table, bars


ALTERNATING = """
import statistics, sys, time, tempfile, torch
sys.path.insert(0, {root!r})
from benchmarks.training.peers import made
from modelwright.training.doctor.observer import Doctor
from modelwright.training.loop.examples import Examples
from modelwright.training.loop.fit import fit
from modelwright.training.loop.spec import LoopSpec
from modelwright.training.objectives.base import make_objective
from modelwright_runtime.signature import Task
torch.set_num_threads(1)
task = Task(kind="multiclass", target="y", classes=tuple("0123456789"))
def once(with_doctor, n_steps):
    network, x, y = made("mlp")
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        fit(network, Examples((x,), (y,)),
            LoopSpec(max_steps=n_steps, batch_size=32, optimizer={{"adamw": {{"learning_rate": 0.001}}}},
                     schedule="constant", checkpoint_every_s=1.0, device="cpu"),
            objective=make_objective([None], [task], complete=True), folder=folder,
            observers=(Doctor(),) if with_doctor else (), watch=lambda event: None)
    return (time.process_time() - began) * 1e6
def slope(with_doctor):
    short = once(with_doctor, 300)
    return (once(with_doctor, 4300) - short) / 4000
once(True, 300), once(False, 300)
for number in range(int(sys.argv[1])):
    first = bool(number % 2)
    found = {{first: slope(first)}}
    found[not first] = slope(not first)
    print(found[True], found[False])
"""


def doctor(pairs: int = 60) -> tuple[list[str], list[str]]:
    """What the doctor adds to a step of the smallest network, where it weighs most, from step 300 to step 4,300.

    The two take turns in one process: between processes the same step differs by more than the doctor costs.
    """
    command = [sys.executable, "-c", ALTERNATING.format(root=str(ROOT)), str(pairs)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    lines = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    found = [tuple(map(float, line.split())) for line in lines.splitlines()]
    extra = statistics.median(on / off - 1 for on, off in found)
    on, off = (statistics.median(column) for column in zip(*found, strict=True))
    told = f"64-32-10 MLP, {pairs} pairs of 4,000 steps after the first 300"
    table = [f"{told}: {on:.1f} µs a step with the doctor, {off:.1f} without"]
    return table, [bar("doctor_share_of_step", extra, 0.02)]
