"""Serving side by side with its peers. `make bench NAME=serving`; `--only singles,bad` for parts.

The load comes from wrk (`apt-get install wrk`). The peers have environments of their own under `benchmarks/.peers`,
made by pip where they are missing. Server and load each have a core. Each part leaves its lines in `parts/<name>.json`
with date and machine, and RESULTS.md is written from all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import machine

HERE = Path(__file__).resolve().parent
TITLES = {
    "singles": "One row a request",
    "tables": "1,000 rows a request",
    "swaps": "Hot swaps under load",
    "shadow": "A challenger in shadow",
    "bad": "Bad requests",
}


def parts() -> dict[str, object]:
    from benchmarks.serving import abuse, singles, swaps

    return {"singles": singles.measure, "tables": singles.tables, "swaps": swaps.measure, "shadow": swaps.shadow,
            "bad": abuse.measure}  # fmt: skip


def write() -> None:
    """RESULTS.md from what every part left."""
    lines, bars = ["# Serving", ""], []
    for name, title in TITLES.items():
        file = HERE / "parts" / f"{name}.json"
        if file.exists():
            part = json.loads(file.read_text())
            lines += [f"## {title}", "", part["machine"], "", *part["table"], ""]
            bars += part["bars"]
    (HERE / "RESULTS.md").write_text("\n".join([*lines, "## Bars", "", "```", *bars, "```", ""]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="parts, with commas between")
    asked = [name for name in parser.parse_args().only.split(",") if name]
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not here: apt-get install wrk")
    cores = os.sched_getaffinity(0)
    for name, measure in parts().items():
        if asked and name not in asked:
            continue
        print(f"-- {name}", flush=True)
        busy = os.getloadavg()[0]
        table, bars = measure()  # type: ignore[operator]
        os.sched_setaffinity(0, cores)
        (HERE / "parts").mkdir(exist_ok=True)
        where = f"{machine()}; load average {busy:.1f} before"
        (HERE / "parts" / f"{name}.json").write_text(
            json.dumps({"machine": where, "table": table, "bars": bars}, indent=1)
        )
        print(*table, *bars, sep="\n", flush=True)
        write()


if __name__ == "__main__":
    main()
