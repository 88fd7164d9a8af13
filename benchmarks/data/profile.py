"""The profile of a table, from its file to the value: read, typed, every figure, pairs of columns, repeats and leaks.

Each run is a process of its own, and the first call in it. What an interpreter and the libraries take to start is
told apart, as it is for the peer. CPU seconds (user and system, all threads) stand for the time, for the machine is
shared; an idle machine's wall time is at most as much. Peak memory as the operating system counted it for the whole
process. The tables are made here: numbers with gaps, of which some go with the target; categories of 3 to 50 levels;
a date; a code that hardly repeats; one row of 500 repeated.

Peer: ydata-profiling with its defaults, on the table as pandas has it in memory; reading is not counted for it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import ROOT, bar, measured_process

PEER = ROOT / "benchmarks/.peers/data-profile/bin/python"
SMALL, LARGE = (10_000, 20), (1_000_000, 50)
ROUNDS = {SMALL: 5, LARGE: 2}


def make(folder: Path, n_rows: int, n_columns: int) -> dict[str, str]:
    """The same table as CSV and as Parquet."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(0)
    hidden = rng.normal(size=n_rows)
    n_numbers = n_columns * 3 // 5
    columns = {}
    for at in range(n_numbers):
        values = pl.Series(np.round(50 + 20 * (0.8 * rng.normal(size=n_rows) + 0.1 * at * hidden), 3))
        columns[f"number_{at}"] = values.set(pl.Series(rng.random(n_rows) < 0.01), None)
    for at in range(n_columns - n_numbers - 3):
        levels = pl.Series([f"level {level}" for level in range(3 + 3 * at)])
        columns[f"category_{at}"] = levels.gather(rng.integers(0, len(levels), n_rows))
    days = np.datetime64("2020-01-01") + rng.integers(0, 1500, n_rows).astype("timedelta64[D]")
    columns["day"] = pl.Series(days)
    columns["code"] = pl.Series([f"c{code:08d}" for code in rng.integers(0, 10 * n_rows, n_rows)])
    columns["target"] = pl.Series(np.where(hidden + rng.normal(size=n_rows) > 0.5, "yes", "no"))
    frame = pl.DataFrame(columns)
    frame = pl.concat([frame.head(n_rows - n_rows // 500), frame.sample(n_rows // 500, seed=1)])
    stem = str(folder / f"table_{n_rows}")
    frame.write_csv(f"{stem}.csv")
    frame.write_parquet(f"{stem}.parquet")
    return {"CSV": f"{stem}.csv", "Parquet": f"{stem}.parquet"}


def used() -> float:
    """CPU seconds of this process so far."""
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime


def child(source: str) -> None:
    """File to profile in this process."""
    import numpy  # noqa: F401
    import polars  # noqa: F401

    import modelwright as mw

    _ = (mw.collect, mw.clean, mw.profile, mw.CleanSpec)
    started, began = used(), time.perf_counter()
    data = mw.collect(source)
    cleaned = mw.clean(data, mw.CleanSpec(target="target", skip=("duplicates",)))
    typed = used()
    profile = mw.profile(cleaned)
    print(json.dumps({
        "start_s": started, "typing_s": typed - started, "cpu_s": used() - started,
        "wall_s": time.perf_counter() - began, "n_repeated": profile.n_repeated, "n_pairs": len(profile.pairs),
    }))  # fmt: skip


PEER_CODE = """
import json, resource, sys, time, warnings
warnings.filterwarnings("ignore")
import pandas as pd
from ydata_profiling import ProfileReport
frame = pd.read_csv(sys.argv[1])
used = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
cpu, wall = used(), time.perf_counter()
ProfileReport(frame, progress_bar=False).to_html()
print(json.dumps({"cpu_s": used() - cpu, "wall_s": time.perf_counter() - wall}))
"""


def run(source: str) -> dict[str, float]:
    done = measured_process([sys.executable, "-m", "benchmarks.data.profile", source], folder=ROOT)
    return {**json.loads(done.output.strip().splitlines()[-1]), "peak_gb": done.peak_bytes / 1e9}


def run_peer(source: str) -> dict[str, float] | None:
    """One run of the peer; None where it is not installed."""
    if not PEER.exists():
        return None
    done = measured_process([str(PEER), "-c", PEER_CODE, source])
    return {**json.loads(done.output.strip().splitlines()[-1]), "peak_gb": done.peak_bytes / 1e9}


def measure() -> tuple[list[str], list[str]]:
    """Best of some runs of each table and form, in turn; the peer once."""
    lines = [
        "| table | from | CPU seconds, file to profile | of that read and typed | wall | start of the libraries | peak "
        "memory |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    bars = []
    with tempfile.TemporaryDirectory() as name:
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(name) / "compiled")  # as an installed package is
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for shape, rounds in ROUNDS.items():
            files = make(Path(name), *shape)
            runs: dict[str, list[dict[str, float]]] = {form: [] for form in files}
            run(make(Path(name), 1000, 20)["CSV"])
            for _ in range(rounds):
                for form, file in files.items():
                    runs[form].append(run(file))
            for form, found in runs.items():
                best = min(found, key=lambda one: one["cpu_s"])
                peak = max(one["peak_gb"] for one in found)
                lines.append(
                    f"| {shape[0]:,} x {shape[1]} | {form} | {best['cpu_s']:.2f} | {best['typing_s']:.2f} | "
                    f"{min(one['wall_s'] for one in found):.2f} | {best['start_s']:.2f} | {peak:.2f} GB |"
                )
                limit = 0.5 if shape == SMALL else 12
                bars.append(bar(f"profile of {shape[0]:,} x {shape[1]} from {form}, CPU s", best["cpu_s"], limit))
                if shape == LARGE:
                    bars.append(bar(f"profile of {shape[0]:,} x {shape[1]} from {form}, peak GB", peak, 2))
            if shape == SMALL:
                peer = run_peer(files["CSV"])
                told = f"{peer['cpu_s']:.1f} | - | {peer['wall_s']:.1f} | - | {peer['peak_gb']:.2f} GB" if peer else "-"
                lines.append(f"| {shape[0]:,} x {shape[1]} | ydata-profiling, from memory to HTML | {told} |")
            for file in files.values():
                Path(file).unlink()
    return lines, bars


if __name__ == "__main__":
    child(sys.argv[1])
