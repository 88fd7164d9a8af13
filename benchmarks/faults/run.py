"""kill -9, flipped bits, a full and a read-only disk, beside the savers that people use. `make bench NAME=faults`;
`--only ours,savers,mlflow` for groups. Needs a C compiler: the faults are put between the program and the C library.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import bar, machine

HERE = Path(__file__).resolve().parent
TITLES = {
    "kills": "killed at a random moment", "steps": "killed before and amid every step", "flips": "one flipped bit",
    "full": "disk full from a step on", "read-only": "read-only disk",
}  # fmt: skip
Found = dict[str, dict[str, dict[str, int]]]


def measure(group: str) -> Found:
    """All that happens to one group's subjects."""
    from benchmarks.serving.servers import MODELS, environment, rows

    rows()  # makes the models where they are not there
    with tempfile.TemporaryDirectory(prefix="faults-") as work:
        shim = Path(work) / "shim.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, HERE / "shim.c", "-ldl"], check=True)
        python = environment("mlflow") / "bin" / "python" if group == "mlflow" else sys.executable
        place = Path(work) / "disk"
        done = subprocess.run(
            [python, HERE / "runner.py", group, MODELS, place], stdout=subprocess.PIPE, text=True, check=True,
            env={**os.environ, "LD_PRELOAD": str(shim), "FAULT_FOLDER": str(place), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def told(counts: dict[str, int]) -> str:
    """`96 old, 4 new`."""
    return ", ".join(f"{n} {name}" for name, n in sorted(counts.items(), key=lambda pair: -pair[1]))


def share(found: Found, what: str, good: set[str], *, first: str = "our ") -> float:
    """The share of trials of our subjects that ended well."""
    pairs = [pair for name, subject in found.items() if name.startswith(first) for pair in subject[what].items()]
    return sum(n for name, n in pairs if name in good) / sum(n for _, n in pairs)


def write() -> None:
    """RESULTS.md from what every group left."""
    found: Found = {}
    lines = ["# Faults", ""]
    for group in ("ours", "savers", "mlflow"):
        file = HERE / "parts" / f"{group}.json"
        if file.exists():
            part = json.loads(file.read_text())
            lines += [f"{', '.join(part['found'])}: {part['machine']}", ""]
            found |= part["found"]
    lines += [
        "What stands on the disk afterwards: the old state or the new one, whole; `noticed`: opening it raises; "
        "`broken` and `silent`: neither, and nobody is told; `crash`: opening it ends the process; `harmless`: other "
        "bytes, the same answers.", "",
        "| what | " + " | ".join(TITLES.values()) + " |", "| --- |" + " --- |" * len(TITLES),
    ]  # fmt: skip
    lines += [f"| {name} | {' | '.join(told(of[what]) for what in TITLES)} |" for name, of in found.items()]
    whole = {"old", "new"}
    bars = [
        bar("kills that leave the old or the new state", share(found, "kills", whole), 1.0, at_least=True),
        bar("steps at which a kill leaves the old or the new state", share(found, "steps", whole), 1.0, at_least=True),
        bar("flipped bits noticed", share(found, "flips", {"noticed"}), 1.0, at_least=True),
        bar("full disks that leave a whole state, told", share(found, "full", whole), 1.0, at_least=True),
        bar("read-only disks that leave the old state, told", share(found, "read-only", {"old"}), 1.0, at_least=True),
    ]
    (HERE / "RESULTS.md").write_text("\n".join([*lines, "", "## Bars", "", "```", *bars, "```", ""]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="ours,savers,mlflow", help="groups, with commas between")
    for group in parser.parse_args().only.split(","):
        print(f"-- {group}", flush=True)
        found = measure(group)
        (HERE / "parts").mkdir(exist_ok=True)
        (HERE / "parts" / f"{group}.json").write_text(json.dumps({"machine": machine(), "found": found}, indent=1))
        if (HERE / "parts" / "ours.json").exists():
            write()
    print((HERE / "RESULTS.md").read_text())


if __name__ == "__main__":
    main()
