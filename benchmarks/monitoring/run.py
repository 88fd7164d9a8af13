"""Monitoring against its bars. `make bench NAME=monitoring`; `--only speed,failures,budget,streams` for parts.

Each part leaves its lines in `parts/<name>.json` with date and machine, and RESULTS.md is written from all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.common import machine

HERE = Path(__file__).resolve().parent
TITLES = {
    "speed": "Ten million rows",
    "budget": "The false-alarm budget",
    "failures": "Twelve kinds of failure",
    "streams": "Real drifting streams",
}


def parts() -> dict[str, object]:
    from benchmarks.monitoring import budget, failures, speed, streams

    return {"speed": speed.measure, "failures": failures.measure, "budget": budget.measure, "streams": streams.measure}


def write() -> None:
    """RESULTS.md from what every part left."""
    lines, bars = ["# Monitoring", ""], []
    for name, title in TITLES.items():
        file = HERE / "parts" / f"{name}.json"
        if not file.exists():
            continue
        part = json.loads(file.read_text())
        lines += [f"## {title}", "", part["machine"], "", *part["table"], ""]
        bars += part["bars"]
    (HERE / "RESULTS.md").write_text("\n".join([*lines, "## Bars", "", "```", *bars, "```", ""]))


def keep(name: str, table: list[str], bars: list[str]) -> None:
    """What a part found, on disk and on the terminal."""
    (HERE / "parts").mkdir(exist_ok=True)
    plain = {"machine": machine(), "table": table, "bars": bars}
    (HERE / "parts" / f"{name}.json").write_text(json.dumps(plain, indent=1))
    print(*table, *bars, sep="\n", flush=True)
    write()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="parts, with commas between")
    asked = [name for name in parser.parse_args().only.split(",") if name]
    for name, measure in parts().items():
        if not asked or name in asked:
            print(f"-- {name}", flush=True)
            keep(name, *measure())  # type: ignore[operator]


if __name__ == "__main__":
    main()
