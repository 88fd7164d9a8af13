"""Tuning beside Optuna, against kills, and on real tables. `make bench NAME=tuning`; `--only searches,kills,tables`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import Part, run_parts

PARTS = {
    "searches": Part("Searches on known functions", "benchmarks.tuning.searches:measure"),
    "kills": Part("Workers killed within one study", "benchmarks.tuning.kills:measure"),
    "tables": Part("Boosting tuned on real tables", "benchmarks.tuning.tables:measure"),
}

if __name__ == "__main__":
    run_parts(Path(__file__).resolve().parent, "Tuning", PARTS, __doc__)
