"""What every benchmark shares: timing whole processes, bars, and the machine's description."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"


@dataclass(frozen=True)
class Process:
    """One finished process."""

    wall_s: float
    peak_bytes: int
    output: str


def process(command: Sequence[str], *, folder: Path | None = None) -> Process:
    """Run a command; wall time and its own peak memory as the operating system counted them."""
    began = time.perf_counter()
    with subprocess.Popen(
        list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, text=True
    ) as running:
        out, err = running.communicate()
        if running.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{out}\n{err}")
    return Process(time.perf_counter() - began, 0, out)


def measured_process(command: Sequence[str], *, folder: Path | None = None) -> Process:
    """As `process`, with peak memory, read by a small parent so that only this child counts."""
    parent = (
        "import resource,subprocess,sys,time\n"
        "b=time.perf_counter(); d=subprocess.run(sys.argv[1:]); w=time.perf_counter()-b\n"
        "print('\\nMEASURED', w, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss*1024)\n"
        "sys.exit(d.returncode)\n"
    )
    done = process([sys.executable, "-c", parent, *command], folder=folder)
    body, _, numbers = done.output.rpartition("\nMEASURED ")
    wall_s, peak = numbers.split()
    return Process(float(wall_s), int(peak), body)


def machine() -> str:
    """One line on where this ran."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next(
            (line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), model
        )
    return f"{date.today()}, {os.cpu_count()} x {model}, Python {platform.python_version()}"


def bar(what: str, value: float, limit: float, *, at_least: bool = False) -> str:
    """The last line of a benchmark for one bar."""
    ok = value >= limit if at_least else value <= limit
    return f"bar {what} {value:.4g} {limit:g} {'ok' if ok else 'short'}"


# Benchmarks of several parts, which together take long: each leaves its lines, RESULTS.md is written from all of them


@dataclass(frozen=True)
class Part:
    """Its heading in RESULTS.md, and where it is measured: "module:function", which gives lines of a table and bars."""

    title: str
    where: str


def run_parts(folder: Path, title: str, parts: Mapping[str, Part], about: str | None = None) -> None:
    """The command line of such a benchmark: `--only a,b` for parts of it. What a part finds is kept in
    `parts/<name>.json` with date and machine."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--only", default=",".join(parts), help="parts, with commas between")
    cores = os.sched_getaffinity(0)
    for name in parser.parse_args().only.split(","):
        print(f"-- {name}", flush=True)
        where = f"{machine()}; load average {os.getloadavg()[0]:.1f} before"
        module, _, function = parts[name].where.partition(":")
        table, bars = getattr(importlib.import_module(module), function)()
        os.sched_setaffinity(0, cores)
        (folder / "parts").mkdir(exist_ok=True)
        plain = {"machine": where, "table": table, "bars": bars}
        (folder / "parts" / f"{name}.json").write_text(json.dumps(plain, indent=1))
        print(*table, *bars, sep="\n", flush=True)
        write_results(folder, title, parts)


def write_results(folder: Path, title: str, parts: Mapping[str, Part]) -> None:
    """RESULTS.md from what every part left."""
    lines, bars = [f"# {title}", ""], []
    for name, part in parts.items():
        file = folder / "parts" / f"{name}.json"
        if file.exists():
            kept = json.loads(file.read_text())
            lines += [f"## {part.title}", "", kept["machine"], "", *kept["table"], ""]
            bars += kept["bars"]
    (folder / "RESULTS.md").write_text("\n".join([*lines, "## Bars", "", "```", *bars, "```", ""]))
