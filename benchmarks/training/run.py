"""Training side by side with its peers and on real data. `make bench NAME=training`; `--only mlp,mnist` for parts.

Each part leaves its lines in `parts/<name>.json` with date and machine, and RESULTS.md is written from all of them: the
parts together take more than an hour.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import SHARED, Part, run_parts

HERE = Path(__file__).resolve().parent
PARTS = {
    "overhead": Part("Time of a step", "benchmarks.training.overhead:measure"),
    "doctor": Part("What the doctor adds to a step", "benchmarks.training.overhead:doctor"),
    "device": Part("Rows, images and tokens a second", "benchmarks.training.device:measure"),
    "resume": Part("kill -9 at random points", "benchmarks.training.resume:measure"),
    "mnist": Part("MNIST", "benchmarks.training.quality:mnist"),
    "text": Part("Texts", "benchmarks.training.quality:text"),
    "ag_news": Part("AG News", "benchmarks.training.quality:ag_news"),
    "spoken": Part("Spoken digits", "benchmarks.training.quality:spoken"),
    "series": Part("Series to classes", "benchmarks.training.quality:series"),
    "forecasts": Part("Forecasts", "benchmarks.training.forecasts:forecasts"),
    "boxes": Part("Boxes", "benchmarks.training.quality:boxes"),
    "masks": Part("Masks", "benchmarks.training.quality:masks"),
    "noise": Part("Wrong labels", "benchmarks.training.noise:noise"),
}

if __name__ == "__main__":
    if not SHARED.is_dir():
        print(f"the data sets are not here ({SHARED}): only the parts that need none are run")
    run_parts(HERE, "Training", PARTS, __doc__)
