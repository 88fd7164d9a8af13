"""What the runtime adds to onnxruntime: one row through `Model.predict`, and 10,000 rows beside the bare graph.

python benchmarks/spine/runtime.py [PACKAGE.wright]; without a package, a linear one of four columns is made.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from modelwright_runtime import Model, load
from modelwright_runtime.cells import Notes
from modelwright_runtime.engine import open_session

N_ROWS = 10_000


def median_ms(*functions: Callable[[], Any], n_repeats: int) -> list[float]:
    """The median of each, in ms, their runs taken in turn so that a busy machine slows all alike."""
    took: list[list[float]] = [[] for _ in functions]
    for _ in range(n_repeats):
        for index, function in enumerate(functions):
            began = time.perf_counter()
            function()
            took[index].append(time.perf_counter() - began)
    return [statistics.median(times) * 1e3 for times in took]


def columns_of(model: Model) -> dict[str, np.ndarray]:
    """10,000 rows as arrays: golden training rows in turn, numbers as float64, everything else as objects."""
    golden = model.facts["golden"]
    rows = [row for row, kind in zip(golden["rows"], golden["kinds"], strict=True) if kind == "training"]
    taken = list(itertools.islice(itertools.cycle(rows), N_ROWS))
    feeds = model._feeds_of_columns({name: [row[name] for row in taken] for name in model.columns}, N_ROWS, Notes())
    columns = {name: np.array([row[name] for row in taken], dtype=object) for name in model.columns}
    kinds = {reading.column: reading.kind for reading in model.signature.readings}
    for index, name in enumerate(model.signature.numbers):
        if kinds[name] == "number":
            columns[name] = feeds["numbers"][:, index].copy()
    return columns


def measure(path: Path) -> tuple[float, float, list[str]]:
    """Milliseconds of one raw row, the speed of 10,000 rows as a share of the bare graph's, and lines to read."""
    model = load(path)
    row = {name: column[0] for name, column in columns_of(model).items()}
    raw = next(iter(model.facts["golden"]["rows"]))
    texts, typed = median_ms(lambda: model.predict(raw), lambda: model.predict(row), n_repeats=3000)
    columns = columns_of(model)
    feeds = model._feeds_of_columns(columns, N_ROWS, Notes())
    session = open_session(model._graph)  # opened alike: default options spin, and slow down what runs beside
    ours, bare = median_ms(lambda: model.predict(columns), lambda: session.run(None, feeds), n_repeats=40)
    loading = median_ms(lambda: load(path), n_repeats=10)[0]
    lines = [
        f"{model!r}, graph {len(model._graph) / 1e3:,.0f} kB, loads in {loading:.0f} ms",
        f"one raw row {texts:.3f} ms, one typed row {typed:.3f} ms",
        f"10,000 rows {ours:.1f} ms, onnxruntime alone {bare:.1f} ms: {bare / ours:.2f} of its speed",
    ]
    return texts, bare / ours, lines


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print("\n".join(measure(Path(sys.argv[1]))[2]))
    else:
        from modelwright.testing.packages import tiny_package

        with tempfile.TemporaryDirectory() as folder:
            print("\n".join(measure(tiny_package(Path(folder)).path)[2]))
