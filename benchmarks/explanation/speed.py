"""`wright explain` as a command, whole: a package of Adult (boosting, budget quick), 100 rows of the official test
file, bound to one core. Seconds of wall time and of processor time, and how the page's parts share them by the
answers they ask for."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.common import bar, process
from benchmarks.explanation.adult import table as adult


def table() -> tuple[list[str], list[str]]:
    """The table and its bar."""
    os.sched_setaffinity(0, {0})
    wright = [sys.executable, "-m", "modelwright"]
    lines = ["| what | seconds |", "|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        adult().write_csv(folder / "adult.csv")
        adult("test").head(100).write_csv(folder / "rows.csv")
        run = ["run", str(folder / "adult.csv"), "--target", "income", "--name", "income", "--train.budget", "quick"]
        store = ["--store", str(folder / "store")]
        process([*wright, *run, "--train.models", "[boosting]", *store])
        times = []
        for ending in ("csv", "html", "json"):
            done = process(
                [*wright, "explain", "income", str(folder / "rows.csv"), "-o", f"{folder}/x.{ending}", *store]
            )
            times.append(done.wall_s)
            lines.append(f"| wright explain income rows.csv -o x.{ending} | {done.wall_s:.1f} |")
    return lines, [bar("explanation.seconds_100_rows", min(times), 8.0)]
