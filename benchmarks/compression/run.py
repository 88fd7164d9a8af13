"""Compression beside onnxruntime's own recipes on real packages. `make bench NAME=compression`; `--only "mnist cnn"`.

Every package is trained once (kept in `benchmarks/compression/.wright`), compressed, and measured on held-out rows that
compression never saw: score, calibration, size, and CPU time of a call by sessions opened anew, in turns with the
original. Beside it what is usually done without measuring: `quantize_dynamic` and `quantize_static` with their defaults
on all.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import SHARED, bar, machine
from benchmarks.compression.cases import CASES, Case, recipe_of

HERE = Path(__file__).resolve().parent
WORK = HERE / ".wright"
TOLERANCE = 0.01
N_ROUNDS, N_SESSIONS = 25, 3
LOSERS = ("dynamic everywhere", "static everywhere")


def prepared(case: Case) -> tuple[Any, Any, Any]:
    """The trained model, its typed rows and splits; trained now if it was not."""
    from modelwright import lifecycle
    from modelwright.core.store import Store
    from modelwright.recipe import Recipe

    store, name = Store.open(WORK / "store"), case.name.replace(" ", "-")
    if name not in store.names("runs"):
        lifecycle.run(Recipe.from_plain(recipe_of(case, WORK / "data" / name)), store=store)
    stages = {stage.stage for stage in lifecycle.load_run(store, name).stages}
    cleaned = "sequences/window" if "sequences/window" in stages else "cleaning/clean"
    trained, rows, splits = (
        lifecycle.value_of(store, name, stage) for stage in ("training/train", cleaned, "splitting/split")
    )
    return trained, rows.kept, splits


def everywhere(kind: str, case: Any) -> bytes:
    """What onnxruntime's quantiser makes of the whole graph, with its defaults."""
    from onnx import load_from_string
    from onnxruntime.quantization import quantize_dynamic, quantize_static

    from modelwright.packaging.compression.static_int8 import _Rows

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        source.write_bytes(load_from_string(case.trained.graph).SerializeToString())
        if kind == "dynamic everywhere":
            quantize_dynamic(source, target)
        else:
            quantize_static(source, target, _Rows(case.calibration))
        return target.read_bytes()


def measure(case: Case, batch_size: int) -> dict[str, Any]:
    """One package: what was chosen and the losers, on held-out rows."""
    from modelwright.packaging.compression import compress
    from modelwright.packaging.compression.base import _case
    from modelwright.packaging.spec import CompressSpec

    trained, data, splits = prepared(case)
    began = time.process_time()
    made = compress(trained, data, splits, CompressSpec(batch_size=batch_size, tolerance=TOLERANCE))
    row = next(row for row in made.table if row["name"] == made.chosen)
    seconds = time.process_time() - began
    held_out = data.take(splits.test)
    inner = _case(trained, data, splits, 0)
    forms: dict[str, Any] = {"chosen": (made.trained.graph, made.trained.signature)}
    failed = {}
    for kind in LOSERS:
        try:
            forms[kind] = (everywhere(kind, inner), trained.signature)
        except Exception as problem:  # noqa: BLE001 - what a loser cannot do is told in its column
            failed[kind] = type(problem).__name__
    told = {name: against(trained, form, inner, held_out, batch_size) for name, form in forms.items()}
    return {
        "case": case.name, "kind": case.kind, "form": made.chosen, "seconds": seconds, "bytes": len(trained.graph),
        "expected": {"speed": row["speed"], "loss": row["loss"]}, "failed": failed, **told,
    }  # fmt: skip


def against(trained: Any, form: tuple[bytes, Any], inner: Any, held_out: Any, batch_size: int) -> dict[str, float]:
    """Times faster and smaller, points lost and calibration on held-out rows; NaN where the form cannot be opened."""
    from dataclasses import replace

    from modelwright.core.inputs import graph_outputs
    from modelwright.packaging.compression.base import _asking
    from modelwright.packaging.compression.case import Variant
    from modelwright.packaging.compression.score import calibration_error, score_of, truth_of
    from modelwright.packaging.compression.timing import cpu_seconds, fastest
    from modelwright_runtime.engine import ENGINE_ERRORS

    graph, signature = form
    original = Variant(name="original", graph=trained.graph, signature=trained.signature)
    other = Variant(name="form", graph=graph, signature=signature)
    whole = signature != trained.signature
    if graph == trained.graph:
        return {"speed": 1.0, "size": 1.0, "lost": 0.0, "calibration": 0.0}
    try:
        turns = [variant for variant in (original, original, other) for _ in range(N_SESSIONS)]
        asked = [_asking(inner, variant, batch_size, whole=whole) for variant in turns]
        _, faster = fastest(cpu_seconds(asked, n_rounds=N_ROUNDS), N_SESSIONS)
        now = graph_outputs(graph, signature, held_out)[0]
    except ENGINE_ERRORS:
        return dict.fromkeys(("speed", "size", "lost", "calibration"), math.nan)
    was = replace(trained).predict(held_out)
    task, truth = trained.task, truth_of(trained.task, held_out)
    return {
        "speed": float(faster[2]),
        "null": float(faster[1]),
        "size": len(trained.graph) / len(graph),
        "lost": score_of(task, truth, was) - score_of(task, truth, now),
        "calibration": calibration_error(task, truth, now) - calibration_error(task, truth, was),
    }


def mean(values: list[float]) -> float:
    """Geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def lines(rows: list[dict[str, Any]], batch_size: int) -> tuple[list[str], list[str]]:
    """The table and the bars."""
    table = [
        "| package | kB | chosen | faster | original against itself | smaller | points lost | calibration "
        "| dynamic everywhere: faster, lost "
        "| static everywhere: faster, lost | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]

    def loser(row: dict[str, Any], kind: str) -> str:
        if kind not in row:
            return row["failed"].get(kind, "")
        return f"{row[kind]['speed']:.2f}, {100 * row[kind]['lost']:.2f}"

    for row in rows:
        told = row["chosen"]
        table.append(
            f"| {row['case']} | {row['bytes'] / 1000:,.0f} | {row['form']} | {told['speed']:.2f} "
            f"| {told.get('null', 1.0):.2f} | {told['size']:.1f} "
            f"| {100 * told['lost']:.2f} | {told['calibration']:+.4f} | {loser(row, LOSERS[0])} "
            f"| {loser(row, LOSERS[1])} | {row['seconds']:.0f} |"
        )
    networks = [row for row in rows if row["kind"] == "network"]
    at = f"_at_{batch_size}"
    bars = [
        bar(f"packages{at}", len(rows), 20, at_least=True),
        bar(f"slowest_of_all{at}", min(row["chosen"]["speed"] for row in rows), 0.98, at_least=True),
        bar(f"most_points_lost{at}", 100 * max(row["chosen"]["lost"] for row in rows), 1.0),
        bar(f"times_faster_mean{at}", mean([row["chosen"]["speed"] for row in rows]), 1.5, at_least=True),
    ]
    if networks:
        faster, smaller = (mean([row["chosen"][what] for row in networks]) for what in ("speed", "size"))
        bars += [
            bar(f"times_faster_mean_networks{at}", faster, 1.5, at_least=True),
            bar(f"times_smaller_mean_networks{at}", smaller, 3.5, at_least=True),
        ]
    for kind in LOSERS:
        told = [row[kind] for row in rows if kind in row and math.isfinite(row[kind]["speed"])]
        if told:
            slowest, lost = min(one["speed"] for one in told), 100 * max(one["lost"] for one in told)
            average = mean([one["speed"] for one in told])
            table += ["", f"{kind}: {len(told)} of {len(rows)} can be opened; slowest {slowest:.2f} times as fast, "
                      f"mean {average:.2f}, most lost {lost:.2f} points."]  # fmt: skip
    return table, bars


def write(parts: Path) -> None:
    """RESULTS.md from what every package left."""
    told, bars = ["# Compression", ""], []
    for batch_size in (1, 32):
        found = [parts / f"{case.name.replace(' ', '-')}-{batch_size}.json" for case in CASES]
        rows = [json.loads(file.read_text()) for file in found if file.exists()]
        if rows:
            table, some = lines(rows, batch_size)
            told += [f"## {batch_size} row{'s' * (batch_size > 1)} a call", "", machine(), "", *table, ""]
            bars += some
    text = "\n".join([*told, "## Bars", "", "```", *bars, "```", ""])
    (HERE / "RESULTS.md").write_text(text)
    print(*bars, sep="\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="packages, with commas between")
    parser.add_argument("--batch", type=int, default=1, help="rows of a call")
    parser.add_argument("--again", action="store_true", help="measure also what is on record")
    given = parser.parse_args()
    if not SHARED.is_dir():
        raise SystemExit(f"the data sets are not here ({SHARED})")
    asked = [name for name in given.only.split(",") if name]
    parts = HERE / "parts"
    parts.mkdir(exist_ok=True)
    for case in CASES:
        file = parts / f"{case.name.replace(' ', '-')}-{given.batch}.json"
        if (asked and case.name not in asked) or (file.exists() and not (asked or given.again)):
            continue
        row = measure(case, given.batch)
        file.write_text(json.dumps(row, indent=1))
        print(row["case"], row["form"], json.dumps(row["chosen"]), flush=True)
    write(parts)


if __name__ == "__main__":
    main()
