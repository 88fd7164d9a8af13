"""How much of the damage of `make.py` was found and repaired, and what harm was done.

    python examples/hospital/score.py FOLDER

cleans FOLDER/hospital.csv and compares with FOLDER/truth.json.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from modelwright.core.data import ROW_ID
from modelwright.core.values import Cleaned


def score(cleaned: Cleaned, truth: Mapping[str, Any]) -> dict[str, Any]:
    """Compare a cleaned `hospital.csv` with its `truth.json`.

    `lines` has one entry per kind of damage: `n_injected`, `n_found` (the cell, row or column was touched or
    reads right) and `n_right` (it reads as the truth says). `n_harmed` counts cells that were right in the
    export and are wrong now, rows removed without cause and columns put aside without cause, out of
    `n_undamaged` cells; `harmed` lists the first ten.
    """
    kept = {row: index for index, row in enumerate(cleaned.kept.frame[ROW_ID])}
    columns = cleaned.kept.frame.to_dict(as_series=False)
    logged = set(cleaned.changes.select(ROW_ID, "column").collect().iter_rows())
    removed = {row: (reason, twin) for row, reason, twin in cleaned.removed.iter_rows()}
    lines: dict[str, list[int]] = {}
    damaged = set()
    for one in truth["damage"]:
        row, column = one["row"], one["column"]
        damaged.add((row, column))
        if one["kind"] == "missing target":
            right = found = row in removed and removed[row][1] is None
        elif row not in kept:
            continue
        else:
            right = same(columns[column][kept[row]], one["value"])
            found = right or (row, column) in logged
        _count(lines, one["kind"], found=found, right=right)
    for twin in truth["twins"]:
        found = twin["row"] in removed
        _count(lines, twin["kind"], found=found, right=found and removed[twin["row"]][1] == twin["twin_of"])
    for column in truth["columns"]:
        right = cleaned.kept.schema[column["column"]].role == column["role"]
        _count(lines, column["kind"], found=right, right=right)
    harmed, n_undamaged = _harm(cleaned, truth, damaged, kept, columns)
    return {
        "lines": [
            {"damage": kind, "n_injected": n, "n_found": found, "n_right": right}
            for kind, (n, found, right) in sorted(lines.items())
        ],
        "n_injected": sum(n for n, _, _ in lines.values()),
        "n_right": sum(right for _, _, right in lines.values()),
        "n_harmed": len(harmed),
        "n_undamaged": n_undamaged,
        "harmed": harmed[:10],
    }


def same(value: Any, true: Any) -> bool:
    """Whether a cleaned cell says what the truth says: numbers to nine digits, dates by the day."""
    if value is None or true is None:
        return value is None and true is None
    if isinstance(true, (int, float)):
        return isinstance(value, float) and math.isclose(value, true, rel_tol=1e-9)
    return bool(true == (value.isoformat()[:10] if isinstance(value, datetime) else value))


def _count(lines: dict[str, list[int]], kind: str, *, found: bool, right: bool) -> None:
    line = lines.setdefault(kind, [0, 0, 0])
    line[0] += 1
    line[1] += found
    line[2] += right


def _harm(
    cleaned: Cleaned, truth: Mapping[str, Any], damaged: set[tuple[int, str]], kept: Mapping[int, int],
    columns: Mapping[str, list[Any]],
) -> tuple[list[str], int]:  # fmt: skip
    """What was right in the export and is wrong now, and the number of cells looked at."""
    harmed, n_undamaged = [], 0
    twins = {twin["row"] for twin in truth["twins"]}
    targetless = {one["row"] for one in truth["damage"] if one["kind"] == "missing target"}
    for row, true in enumerate(truth["rows"]):
        if row not in kept:
            if row not in twins | targetless:
                harmed.append(f"row {row} was removed without cause")
            continue
        for column, value in true.items():
            if (row, column) not in damaged:
                n_undamaged += 1
                now = columns[column][kept[row]]
                if not same(now, value):
                    harmed.append(f"row {row} of {column}: {value!r} became {now!r}")
    aside = {column["column"] for column in truth["columns"]}
    for one in cleaned.kept.schema.columns:
        if one.role in ("id", "ignored") and one.name not in aside:
            harmed.append(f"column {one.name} was put aside: {one.why}")
    return harmed, n_undamaged


def table(scored: Mapping[str, Any]) -> str:
    """A score as a table for people."""
    lines = [f"{'damage':<40} {'injected':>9} {'found':>7} {'repaired':>9} {'share':>8}"]
    for line in scored["lines"]:
        share = line["n_right"] / line["n_injected"]
        lines.append(
            f"{line['damage']:<40} {line['n_injected']:>9} {line['n_found']:>7} {line['n_right']:>9} {share:>8.1%}"
        )
    share = scored["n_right"] / scored["n_injected"]
    lines.append(f"{'all':<40} {scored['n_injected']:>9} {'':>7} {scored['n_right']:>9} {share:>8.1%}")
    lines.append(f"harm: {scored['n_harmed']} of {scored['n_undamaged']} undamaged cells, rows and columns")
    return "\n".join([*lines, *(f"  {harm}" for harm in scored["harmed"])])


def main(folder: str | Path) -> None:
    """Clean the export in a folder and print its score."""
    import polars as pl

    from modelwright.cleaning import CleanSpec, clean
    from modelwright.core.data import Dataset

    truth = json.loads((Path(folder) / "truth.json").read_text(encoding="utf-8"))
    raw = pl.read_csv(Path(folder) / "hospital.csv", infer_schema=False)
    print(table(score(clean(Dataset.from_frame(raw), CleanSpec(target=truth["target"])), truth)))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
