"""The spine's speed and size, side by side in one run. `make bench NAME=spine`; `--rows 500000` for a quick look."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import ROOT, SHARED, bar, machine, measured_process, process
from benchmarks.spine.runtime import measure

HERE = Path(__file__).resolve().parent
PYTHON = sys.executable
lines: list[str] = []


def tell(text: str) -> None:
    print(text, flush=True)
    lines.append(text)


def start_up() -> list[str]:
    """Interpreter start included: what a person waits for."""
    imports = statistics.median(process([PYTHON, "-c", "import modelwright"]).wall_s for _ in range(15))
    verbs = statistics.median(process([PYTHON, "-c", "import modelwright as mw; mw.run"]).wall_s for _ in range(9))
    help_s = statistics.median(process([str(Path(PYTHON).with_name("wright")), "--help"]).wall_s for _ in range(15))
    run_help_s = statistics.median(
        process([str(Path(PYTHON).with_name("wright")), "run", "--help"]).wall_s for _ in range(9)
    )
    tell(f"import modelwright {imports:.3f} s (with mw.run touched {verbs:.3f} s), wright --help {help_s:.3f} s, "
         f"wright run --help {run_help_s:.3f} s")  # fmt: skip
    return [bar("import_s", imports, 0.3), bar("help_s", help_s, 0.4)]


def install(folder: Path) -> list[str]:
    """The core in an environment of its own: packages and bytes, pip and setuptools left out."""
    subprocess.run([PYTHON, "-m", "venv", folder / "env"], check=True)
    pip = [folder / "env" / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-q", ROOT / "runtime", ROOT], check=True)
    listed = json.loads(
        subprocess.run([*pip, "list", "--format=json"], capture_output=True, text=True, check=True).stdout
    )
    names = sorted(package["name"] for package in listed if package["name"] not in ("pip", "setuptools", "wheel"))
    packages = next((folder / "env" / "lib").glob("python*")) / "site-packages"
    size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file()) - sum(
        path.stat().st_size for name in ("pip", "setuptools") for path in (packages / name).rglob("*") if path.is_file()
    )
    tell(f"core install: {len(names)} packages, {size / 1e6:.0f} MB: {', '.join(names)}")
    unwanted = [name for name in names if re.match(r"torch|nvidia|cuda", name)]
    return [bar("install_packages", len(names), 40), bar("install_mb", size / 1e6, 700),
            bar("install_cuda_or_torch", len(unwanted), 0)]  # fmt: skip


def large_table(folder: Path, n_rows: int, n_times: int) -> list[str]:
    """Collect, clean and split against the same steps by hand, in turn, each a process of its own."""
    table = folder / "table.csv"
    process([PYTHON, str(HERE / "make_table.py"), str(table), str(n_rows)])
    size = table.stat().st_size
    tell(f"table: {n_rows:,} rows x 20 columns, {size / 1e6:.0f} MB")
    hand, ours = [], []
    for number in range(n_times):
        hand.append(measured_process([PYTHON, str(HERE / "by_hand.py"), str(table), str(folder)]))
        ours.append(measured_process([PYTHON, str(HERE / "ours.py"), str(table), str(folder / f"store{number}")]))
        shutil.rmtree(folder / f"store{number}")
    ratio = statistics.median(o.wall_s / h.wall_s for o, h in zip(ours, hand, strict=True))
    peak = max(o.peak_bytes for o in ours) / size
    tell("| | wall s | peak memory / file |\n|---|---|---|")
    for name, runs in (("by hand in Polars", hand), ("collect + clean + split", ours)):
        walls = ", ".join(f"{run.wall_s:.1f}" for run in runs)
        tell(f"| {name} | {walls} | {max(run.peak_bytes for run in runs) / size:.2f} |")
    tell(ours[-1].output.strip())
    return [bar("clean_time_ratio", ratio, 3), bar("clean_peak_over_file", peak, 2)]


ADULT = SHARED / "tabular" / "adult" / "adult_train.csv.gz"


def packages(folder: Path) -> list[str]:
    """One row and 10,000 rows through a loaded package, against onnxruntime on the same graph."""
    if not ADULT.exists():
        tell("package speed: skipped, ../shared/data is not on this machine")
        return []
    store = str(folder / "store")
    command = [PYTHON, "-m", "modelwright", "run", str(ADULT), "--target", "column_15", "--name", "adult", "--json"]
    began = time.perf_counter()
    events = [json.loads(line) for line in process([*command, "--store", store]).output.splitlines()]
    tell(f"wright run on Adult (32,561 rows, standard budget): {time.perf_counter() - began:.0f} s")
    tell("; ".join(event["told"] for event in events if event["event"] == "end" and event.get("told")))
    single_ms, share, lines = measure(folder / "store" / "out" / "adult" / "adult.wright")
    tell("\n".join(lines))
    return [bar("single_row_ms", single_ms, 0.5), bar("rows_10000_of_raw", share, 0.9, at_least=True)]


def cold_serve(folder: Path) -> list[str]:
    """From the command to the first answer, and the second `up` of the same command."""
    path = folder / "store" / "out" / "adult" / "adult.wright"
    if not path.exists():
        return []
    times = [
        _first_answer([PYTHON, "-m", "modelwright", "serve", str(path), "--port", "0", "--json"]) for _ in range(7)
    ]
    again = [PYTHON, "-m", "modelwright", "up", str(ADULT), "--target", "column_15", "--name", "adult",
             "--store", str(folder / "store"), "--port", "0", "--json"]  # fmt: skip
    ups = [_first_answer(again) for _ in range(5)]
    tell(f"cold serve to first answer {statistics.median(times):.2f} s")
    tell(f"the same `wright up` again, to first answer {statistics.median(ups):.2f} s")
    return [bar("cold_serve_s", statistics.median(times), 1.5), bar("second_up_s", statistics.median(ups), 2)]


def _first_answer(command: list[str]) -> float:
    began = time.perf_counter()
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    for line in serving.stdout:
        event = json.loads(line)
        if event["event"] == "ready":
            body = re.search(r"-d '(.*)'", event["curl"], re.S)
            assert body is not None
            rows = body.group(1).replace("'\\''", "'").encode()
            request = urllib.request.Request(f"{event['address']}/predict", rows, {"Content-Type": "application/json"})
            urllib.request.urlopen(request).read()
            break
    took = time.perf_counter() - began
    serving.send_signal(signal.SIGINT)
    serving.wait(20)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows of the large table [5000000]")
    parser.add_argument("--times", type=int, default=3, help="how often the large table is run [3]")
    parser.add_argument("--only", default="start_up,install,large_table,packages,cold_serve", help="which parts")
    options = parser.parse_args()
    os.environ["WRIGHT_PLUGINS"] = "off"
    tell(f"# spine\n\n{machine()}, load {os.getloadavg()[0]:.1f}\n")
    bars: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = {
            "start_up": lambda: start_up(),
            "install": lambda: install(folder),
            "large_table": lambda: large_table(folder, options.rows, options.times),
            "packages": lambda: packages(folder),
            "cold_serve": lambda: cold_serve(folder),
        }
        for part in options.only.split(","):
            bars += parts[part]()
    print()
    for line in bars:
        tell(line)
    if options.rows >= 5_000_000 and len(options.only.split(",")) == len(parts):
        (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
