"""On every table: how far are the package's answers to raw rows from those of the libraries that fitted the model?

    python benchmarks/quality/parity.py [--budget quick]

One held-out part per table; the quick budget by default, which fits a linear model and boosting.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from run import run_ours
from tables import TABLES, read, truth_of

from benchmarks.common import bar, machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="quick", help="quick, standard or thorough [quick]")
    budget = parser.parse_args().budget
    print(f"{machine()}, budget {budget}", flush=True)
    largest = 0.0
    for table in TABLES:
        raw = read(table)
        _, told = run_ours(raw, raw.parts[0], truth_of(raw)[1], budget)
        largest = max(largest, told["difference"])
        print(f"{table.name:<19} {told['difference']:.1e}   {told['members']}", flush=True)
    print(bar("package_difference", largest, 1e-5))


if __name__ == "__main__":
    main()
