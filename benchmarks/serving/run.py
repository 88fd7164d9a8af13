"""Serving side by side with its peers. `make bench NAME=serving`; `--only singles,bad` for parts.

The load comes from wrk (`apt-get install wrk`). The peers have environments of their own under `benchmarks/.peers`,
made by pip where they are missing. Server and load each have a core.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import Part, run_parts

HERE = Path(__file__).resolve().parent
PARTS = {
    "singles": Part("One row a request", "benchmarks.serving.singles:measure"),
    "tables": Part("1,000 rows a request", "benchmarks.serving.singles:tables"),
    "swaps": Part("Hot swaps under load", "benchmarks.serving.swaps:measure"),
    "shadow": Part("A challenger in shadow", "benchmarks.serving.swaps:shadow"),
    "bad": Part("Bad requests", "benchmarks.serving.abuse:measure"),
}

if __name__ == "__main__":
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not here: apt-get install wrk")
    run_parts(HERE, "Serving", PARTS, __doc__)
