"""Training side by side with its peers and on real data. `make bench NAME=training`; `--only mlp,mnist` for parts.

Each part leaves its lines in `parts/<name>.json` with date and machine, and RESULTS.md is written from all of them: the
parts together take more than an hour.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import SHARED, machine

HERE = Path(__file__).resolve().parent
TITLES = {
    "overhead": "Time of a step",
    "doctor": "What the doctor adds to a step",
    "device": "Rows, images and tokens a second",
    "resume": "kill -9 at random points",
    "mnist": "MNIST",
    "text": "Texts",
    "ag_news": "AG News",
    "spoken": "Spoken digits",
    "series": "Series to classes",
    "forecasts": "Forecasts",
    "boxes": "Boxes",
    "masks": "Masks",
    "noise": "Wrong labels",
}


def parts() -> dict[str, object]:
    from benchmarks.training import device, forecasts, noise, overhead, quality, resume

    found: dict[str, object] = {
        "overhead": overhead.measure,
        "doctor": overhead.doctor,
        "resume": resume.measure,
        "device": device.measure,
    }
    return {**found, **quality.PARTS, **forecasts.PARTS, **noise.PARTS}


def write() -> None:
    """RESULTS.md from what every part left."""
    lines, bars = ["# Training", ""], []
    for name, title in TITLES.items():
        file = HERE / "parts" / f"{name}.json"
        if not file.exists():
            continue
        part = json.loads(file.read_text())
        lines += [f"## {title}", "", part["machine"], "", *part["table"], ""]
        bars += part["bars"]
    (HERE / "RESULTS.md").write_text("\n".join([*lines, "## Bars", "", "```", *bars, "```", ""]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="parts, with commas between")
    asked = [name for name in parser.parse_args().only.split(",") if name]
    if not SHARED.is_dir():
        print(f"the data sets are not here ({SHARED}): only the parts that need none are run")
    for name, measure in parts().items():
        if asked and name not in asked:
            continue
        print(f"-- {name}", flush=True)
        table, bars = measure()  # type: ignore[operator]
        (HERE / "parts").mkdir(exist_ok=True)
        (HERE / "parts" / f"{name}.json").write_text(
            json.dumps({"machine": machine(), "table": table, "bars": bars}, indent=1)
        )
        print(*table, *bars, sep="\n", flush=True)
        write()


if __name__ == "__main__":
    main()
