"""Monitoring against its bars. `make bench NAME=monitoring`; `--only speed,failures,budget,streams` for parts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.common import Part, run_parts

HERE = Path(__file__).resolve().parent
PARTS = {
    "speed": Part("Ten million rows", "benchmarks.monitoring.speed:measure"),
    "budget": Part("The false-alarm budget", "benchmarks.monitoring.budget:measure"),
    "failures": Part("Twelve kinds of failure", "benchmarks.monitoring.failures:measure"),
    "streams": Part("Real drifting streams", "benchmarks.monitoring.streams:measure"),
}

if __name__ == "__main__":
    run_parts(HERE, "Monitoring", PARTS, __doc__)
