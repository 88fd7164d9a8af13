"""Forecasts through the public `run`: ETTh1 by the protocol in common use, M4's hourly series by the competition's.

Both are long rows: one for each step, with a column that says which series it is of, and one that says which steps are
held out. Settings were chosen on validation steps; the test steps are only measured.
"""

from __future__ import annotations

import csv
import gzip
import statistics
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.common import SHARED, bar
from benchmarks.training.quality import Lines, measured, scratch, write_table

MONTH = 30 * 24
ENDS = (12 * MONTH, 16 * MONTH, 20 * MONTH)  # of training, validation and test, in hours
HORIZONS = {96: 0.385, 192: 0.42, 336: 0.45, 720: 0.48}
M4_HORIZON = 48


def forecasts() -> Lines:
    table, bars = ["| series | test windows | ours | last season repeated | seconds |", "|---|---|---|---|---|"], []
    for horizon, limit in HORIZONS.items():
        report, seconds = etth1(horizon)
        ours, base = (value_of(metrics, "rmse") ** 2 for metrics in (report.metrics, report.baseline))
        table.append(f"| ETTh1, {horizon} steps, MSE | {report.n_rows:,} | {ours:.4f} | {base:.4f} | {seconds:.0f} |")
        bars.append(bar(f"etth1_mse_{horizon}", ours, limit))
        print(table[-1], flush=True)
    report, seconds = m4()
    ours, base = (value_of(metrics, "smape") for metrics in (report.metrics, report.baseline))
    table.append(
        f"| M4 hourly, {M4_HORIZON} steps, sMAPE | {report.n_rows} | {ours:.3f} | {base:.3f} | {seconds:.0f} |"
    )
    return table, [*bars, bar("m4_hourly_smape", ours, 11.0)]


def value_of(metrics: Sequence[Any], name: str) -> float:
    return next(metric.value for metric in metrics if metric.name == name)


def etth1(horizon: int) -> tuple[Any, float]:
    """All seven columns, each by itself in the same network; in units of their training rows."""
    recipe = {
        "target": "y", "name": f"etth1-{horizon}", "clean": {"roles": {"date": "time", "column": "group"}},
        "sequences": {"horizon": horizon, "length": 336, "stride": 1}, "split": {"kind": "given", "column": "part"},
        "evaluate": {"n_bootstrap": 200},
    }  # fmt: skip
    with scratch() as folder:
        file = write_table(folder / "etth1.csv", ["date", "column", "y", "part"], list(etth1_rows()))
        return measured({**recipe, "data": file}, folder)


def etth1_rows() -> Iterator[tuple[str, str, float, str]]:
    with gzip.open(SHARED / "time_series" / "etth1" / "ETTh1.csv.gz", "rt", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    for place, name in enumerate(header[1:], start=1):
        values = [float(row[place]) for row in rows[: ENDS[-1]]]
        mean, deviation = statistics.fmean(values[: ENDS[0]]), statistics.pstdev(values[: ENDS[0]])
        for step, value in enumerate(values):
            part = ("train", "validation", "test")[sum(step >= end for end in ENDS)]
            yield datetime.fromisoformat(rows[step][0]).isoformat(), name, (value - mean) / deviation, part


def m4() -> tuple[Any, float]:
    """The 414 hourly series, 48 steps ahead of each one's end."""
    recipe = {
        "target": "y", "name": "m4-hourly", "clean": {"roles": {"t": "time", "series": "group"}},
        "sequences": {"horizon": M4_HORIZON}, "split": {"kind": "given", "column": "part"},
        "evaluate": {"n_bootstrap": 200},
    }  # fmt: skip
    with scratch() as folder:
        file = write_table(folder / "m4.csv", ["series", "t", "y", "part"], list(m4_rows()))
        return measured({**recipe, "data": file}, folder)


def m4_rows() -> Iterator[tuple[str, int, float, str]]:
    source = SHARED / "time_series" / "m4_hourly"
    future = dict(_m4_series(source / "Hourly-test.csv.gz"))
    for name, values in _m4_series(source / "Hourly-train.csv.gz"):
        n_fit, whole = len(values) - M4_HORIZON, [*values, *future[name]]
        for step, value in enumerate(whole):
            part = "train" if step < n_fit else "validation" if step < len(values) else "test"
            yield name, step, value, part


def _m4_series(path: Path) -> Iterator[tuple[str, list[float]]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for name, *cells in list(csv.reader(file))[1:]:
            yield name, [float(cell) for cell in cells if cell]
