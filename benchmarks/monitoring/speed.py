"""Ten million rows of twenty columns in one pass: CPU time, memory and state; per row beside Evidently and NannyML.

Each runs in a process of its own and counts its own CPU time (`time.process_time`), imports left out, rows in memory
before the clock starts. Ours counts drift, quality and missingness, batch by batch as a log is read; the peers are
asked for drift alone (Evidently's drift preset; NannyML's univariate Jensen-Shannon and CBPE).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.common import ROOT, bar

PEERS = ROOT / "benchmarks" / ".peers"
MAKE = """
import numpy as np
def rows(n, seed):
    rng = np.random.default_rng(seed)
    made = {f"n{k}": rng.normal(k, 1 + k, n) for k in range(15)}
    for k in range(0, 15, 3):
        made[f"n{k}"][rng.random(n) < 0.1] = np.nan
    for k in range(5):
        made[f"c{k}"] = np.array([f"level {j}" for j in range(4 + 4 * k)])[rng.integers(4 + 4 * k, size=n)]
    return made
"""
OURS = (
    MAKE
    + """
import json, resource, sys, time
import polars as pl
import scipy.special
from modelwright.monitoring.drift import faults_of, moved, tests_of
from modelwright.monitoring.reference import Reference, learn_view
from modelwright.monitoring.sketch import merged, sketch_of
from modelwright_runtime.reading import Reading
from modelwright_runtime.signature import Signature, Task
N_BATCH, N_ROWS = 50_000, int(sys.argv[1])
learned = {name: pl.Series(name, values) for name, values in rows(20_000, 0).items()}
kind = {name: "number" if name[0] == "n" else "category" for name in learned}
views = tuple(learn_view(n, n, kind[n], s.to_numpy() if kind[n] == "number" else s) for n, s in learned.items())
reference = Reference(name="m", task="binary", target="y", classes=("a", "b"), threshold=0.5, primary="roc_auc",
    better="higher", score=0.8, score_low=0.79, score_high=0.81, baseline=0.5, views=views,
    importance={name: 1 / 20 for name in learned})
signature = Signature(task=Task(kind="binary", target="y", classes=("a", "b")),
    readings=tuple(Reading(column=name, kind=kind[name]) for name in learned))
batches = [pl.DataFrame(rows(N_BATCH, seed)).with_columns(pl.Series("_id", [f"{seed}-{k}" for k in range(N_BATCH)]))
           for seed in (1, 2)]
before = resource.getrusage(resource.RUSAGE_SELF)
whole = None
began = time.process_time()
for turn in range(N_ROWS // N_BATCH):
    one = sketch_of(reference, signature, batches[turn % 2])
    whole = one if whole is None else whole.merge(one)
counted_s = time.process_time() - began
tests = tests_of(reference, whole, np.random.default_rng(0))
told = moved(reference, whole, tests, 0.3)
faults_of(reference, whole, told, [])
cpu_s = time.process_time() - began
print(json.dumps({"cpu_s": cpu_s, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "state_kb": len(json.dumps(whole.to_plain())) / 1024, "n": whole.n_rows}))
"""
)
EVIDENTLY = (
    MAKE
    + """
import json, sys, time, os
os.environ["DO_NOT_TRACK"] = "1"
import pandas as pd
from evidently import Report, Dataset, DataDefinition
from evidently.presets import DataDriftPreset
n = int(sys.argv[1])
a, b = pd.DataFrame(rows(20_000, 0)), pd.DataFrame(rows(n, 1))
d = DataDefinition(numerical_columns=[c for c in a if c[0] == "n"], categorical_columns=[c for c in a if c[0] == "c"])
began = time.process_time()
now, then = (Dataset.from_pandas(frame, data_definition=d) for frame in (b, a))
Report([DataDriftPreset()]).run(now, then).dict()
import evidently
print(json.dumps({"cpu_s": time.process_time() - began, "n": n, "version": evidently.__version__}))
"""
)
NANNYML = (
    MAKE
    + """
import json, os, sys, time
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
import pandas as pd
import nannyml as nml
n = int(sys.argv[1])
a, b = pd.DataFrame(rows(20_000, 0)), pd.DataFrame(rows(n, 1))
for frame in (a, b):
    for c in [c for c in frame if c[0] == "c"]:
        frame[c] = frame[c].astype("category")
began = time.process_time()
calc = nml.UnivariateDriftCalculator(column_names=list(a), chunk_number=1, continuous_methods=["jensen_shannon"],
    categorical_methods=["jensen_shannon"])
calc.fit(a)
calc.calculate(b)
print(json.dumps({"cpu_s": time.process_time() - began, "n": n, "version": nml.__version__}))
"""
)


def asked(python: Path | str, code: str, n: int) -> dict[str, float]:
    done = subprocess.run(
        [str(python), "-c", code, str(n)], capture_output=True, text=True, cwd=ROOT, check=False, timeout=900,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1",
             "POLARS_MAX_THREADS": "1", "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1", "HOME": "/tmp"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-1500:])
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def measure() -> tuple[list[str], list[str]]:
    table = ["| what | rows | CPU s | µs a row | peak MB | state kB |", "|---|---|---|---|---|---|"]
    bars = []
    ours = asked(sys.executable, OURS, 10_000_000)
    per_row = ours["cpu_s"] / ours["n"] * 1e6
    table.append(
        f"| ours: drift, quality, missingness | {ours['n']:,} | {ours['cpu_s']:.2f} | {per_row:.3f} | "
        f"{ours['peak_mb']:.0f} | {ours['state_kb']:.0f} |"
    )
    bars.append(bar("CPU s for 10 million rows x 20 columns", ours["cpu_s"], 8))
    bars.append(bar("peak MB of the process", ours["peak_mb"], 200))
    bars.append(bar("state kB", ours["state_kb"], 1024))
    peers = {
        "Evidently, drift preset": ("evidently", EVIDENTLY, 80.0),
        "NannyML, Jensen-Shannon": ("nannyml", NANNYML, 3.0),
    }
    for title, (folder, code, least) in peers.items():
        python = PEERS / folder / "bin" / "python"
        if not python.exists():
            table.append(f"| {title} | - | not here: make `benchmarks/.peers/{folder}` | | | |")
            continue
        found = asked(python, code, 1_000_000)
        peer = found["cpu_s"] / found["n"] * 1e6
        table.append(f"| {title} {found['version']} | {found['n']:,} | {found['cpu_s']:.2f} | {peer:.3f} | | |")
        bars.append(bar(f"times less CPU a row than {title}", peer / per_row, least, at_least=True))
    return table, bars


if __name__ == "__main__":
    print(*sum(measure(), []), sep="\n")
