"""The doctor's fault suite: trainings with known faults and healthy ones. `make bench NAME=doctor`.

`--only learning_rate_high,healthy --each 4` for a part; `--half development` while rules are written.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.common import bar, machine
from benchmarks.doctor import tables
from benchmarks.doctor.cases import FAULTS, HALVES, Case, faulty_case, healthy_cases
from benchmarks.doctor.running import Record, assess

HERE = Path(__file__).resolve().parent
EACH = 10  # spoiled trainings of a fault in each half
HEALTHY = 60  # healthy ones in each half
lines: list[str] = []


def tell(text: str) -> None:
    print(text, flush=True)
    lines.append(text)


def make(key: tuple[str, str, int, int]) -> Case:
    """A case from its key: fault ("" for healthy), half, number, draw."""
    fault, half, number, draw = key
    if fault:
        return faulty_case(fault, half, number, draw=draw)
    return healthy_cases(half, number + 1, draw=draw)[number]


def one(job: tuple[tuple[str, str, int, int], bool]) -> Record:
    """One case, in this process or another."""
    import torch

    torch.set_num_threads(1)
    return assess(make(job[0]), heal=job[1])


def keys_of(options: argparse.Namespace) -> list[tuple[str, str, int, int]]:
    """The cases that were asked for."""
    halves = HALVES if options.half == "both" else (options.half,)
    only = set(options.only.split(",")) if options.only else {*FAULTS, "healthy"}
    found = [(fault, half, number, options.draw) for half in halves for fault in FAULTS if fault in only
             for number in range(options.each)]  # fmt: skip
    n_healthy = options.healthy if "healthy" in only else 0
    return found + [("", half, number, options.draw) for half in halves for number in range(n_healthy)]


def name_of(key: tuple[str, str, int, int]) -> str:
    """A case's name without making it."""
    fault, half, number, _ = key
    return f"{fault or 'healthy'}/{half}/{number}"


def records_of(keys: Sequence[tuple[str, str, int, int]], *, heal: bool, jobs: int, path: Path | None) -> list[Record]:
    """All cases, one after the other or in several processes; progress goes to stderr, records to a file at once.
    What stands in the file already is not run again."""
    lines = path.read_text().splitlines() if path is not None and path.exists() else []
    done = {record.name: record for record in (Record(**json.loads(line)) for line in lines)}
    names = [name_of(key) for key in keys]
    work = [(key, heal) for key, name in zip(keys, names, strict=True) if name not in done]
    if jobs == 1:
        found: Iterable[Record] = map(one, work)
    else:
        found = ProcessPoolExecutor(jobs, mp_context=get_context("spawn")).map(one, work)
    for record in found:
        done[record.name] = record
        if path is not None:
            with path.open("a") as file:
                file.write(json.dumps(record.to_plain()) + "\n")
        print(f"\r{len(done)} of {len(names)}  {record.name:50s}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [done[name] for name in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=[*HALVES, "both"], default="both")
    parser.add_argument("--each", type=int, default=EACH, help=f"spoiled trainings of a fault and half [{EACH}]")
    parser.add_argument("--healthy", type=int, default=HEALTHY, help=f"healthy trainings of a half [{HEALTHY}]")
    parser.add_argument("--only", default="", help="faults, and `healthy`, with commas between")
    parser.add_argument("--draw", type=int, default=0, help="another draw of all cases [0]")
    parser.add_argument("--jobs", type=int, default=1, help="processes [1]")
    parser.add_argument("--no-heal", action="store_true", help="look on only")
    parser.add_argument("--records", type=Path, help="a file with a line of JSON for each; goes on from it")
    options = parser.parse_args()
    records = records_of(keys_of(options), heal=not options.no_heal, jobs=options.jobs, path=options.records)
    tell(f"# doctor\n\n{machine()}, load {os.getloadavg()[0]:.1f}\n")
    cpu_s = sum(record.cpu_s for record in records)
    tell(f"{len(records)} trainings, {cpu_s:.0f} s of one core: each spoiled one was run as it is, run healthy, and "
         "run in care.\n")  # fmt: skip
    tell(tables.report(records))
    figures = tables.figures([record for record in records if record.half == "held_out"] or records)
    for name, value, limit, at_least in figures:
        tell(bar(name, value, limit, at_least=at_least))
    whole = (options.half, options.each, options.healthy, options.only) == ("both", EACH, HEALTHY, "")
    if whole and not options.no_heal:
        (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n")
    print(Counter(fault for record in records for _, fault, _ in record.told), file=sys.stderr)


if __name__ == "__main__":
    main()
