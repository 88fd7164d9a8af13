"""The false-alarm budget: replays without any drift over windows, columns and gaps; how often a change is told.

Every replay draws its own population, its own reference from it, and a window from the same: numbers of several shapes
(normal, heavy-tailed, rounded, few values), classes with rare levels, columns that hang together, and gaps. Budgets of
5, 10 and 20 % a look are read off the same p-values; at 1 per month of hourly looks (0.14 %) a thousand replays would
hold one or two alarms and show nothing.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from benchmarks.common import bar

ROWS = (100, 1_000, 10_000, 100_000, 1_000_000)
COLUMNS = (1, 5, 20, 100, 500)
GAPS = (0.0, 0.05, 0.5, 0.9)
MOST_CELLS = 20_000_000
N_REPLAYS = 1_000


def grid() -> list[tuple[int, int, float]]:
    """All places of the grid that hold at most 20 million cells."""
    return [(n, d, gap) for n in ROWS for d in COLUMNS for gap in GAPS if n * d <= MOST_CELLS]


def replay(task: tuple[int, tuple[int, int, float]]) -> dict[str, float]:
    """The p-value of one look at rows of the population that the reference was drawn from."""
    seed, (n_rows, n_columns, gap) = task
    from modelwright.monitoring import drift
    from modelwright.monitoring.base import joint
    from modelwright.monitoring.sketch import Sketch

    rng = np.random.default_rng([seed, n_rows, n_columns, int(gap * 100)])
    n_reference = int(rng.choice([500, 2_000, 10_000]))
    alike = float(rng.choice([0.0, 0.5, 0.95]))
    kinds = rng.integers(5, size=n_columns)
    reference = _reference(_columns(n_reference, kinds, gap, alike, rng), kinds)
    sketch = _sketch(reference, _columns(n_rows, kinds, gap, alike, rng), n_rows)
    assert isinstance(sketch, Sketch)
    tests = drift.tests_of(reference, sketch, rng)
    parts = {"columns": tests.p}
    if (together := drift.together(reference, sketch, seed)) is not None:
        parts["together"] = together["p"]
    return {"p": joint(parts), **parts}


def _columns(n: int, kinds: Any, gap: float, alike: float, rng: np.random.Generator) -> Any:
    """Columns one by one, so that a million rows of them fit; gaps of neighbouring columns hang together too."""
    shared = rng.standard_normal(n)
    hole = rng.random(n)
    for kind in kinds:
        z = np.sqrt(alike) * shared + np.sqrt(1 - alike) * rng.standard_normal(n)
        u = np.where(rng.random(n) < alike, hole, rng.random(n))
        if kind == 4:
            yield np.where(u < gap, -1, np.digitize(z, [-3.2, -2.4, -1.0, 0.5, 2.2, 3.0]))  # classes, some rare
            continue
        shaped = [z, np.exp(2 * z), np.round(z, 1), np.floor(np.clip(z + 2, 0, 6))][kind]
        shaped[u < gap] = np.nan
        yield shaped


def _reference(columns: Any, kinds: Any) -> Any:
    import polars as pl

    from modelwright.monitoring.reference import N_SAMPLE, Reference, codes_of, encoded, learn_view

    views, codes = [], {}
    for index, (kind, values) in enumerate(zip(kinds, columns, strict=True)):
        values = _texts(values) if kind == 4 else values
        view = learn_view(f"c{index}", f"c{index}", "category" if isinstance(values, pl.Series) else "number", values)
        views.append(view)
        codes[view.name] = codes_of(view, values[:N_SAMPLE])
    return Reference(
        name="m", task="binary", target="y", classes=("a", "b"), threshold=0.5, primary="roc_auc", better="higher",
        score=0.8, score_low=0.79, score_high=0.81, baseline=0.5, views=tuple(views), importance={},
        sample=encoded(codes),
    )  # fmt: skip


def _texts(codes: Any) -> Any:
    import polars as pl

    return pl.Series("c", codes).replace_strict(
        {-1: None, **{k: f"level {k}" for k in range(7)}}, return_dtype=pl.String
    )


def _sketch(reference: Any, columns: Any, n_rows: int) -> Any:
    import polars as pl

    from modelwright.monitoring import sketch as s
    from modelwright.monitoring.reference import N_SAMPLE, codes_of, encoded

    counted, codes = {}, {}
    for view, values in zip(reference.views, columns, strict=True):
        values = values if view.is_number else _texts(values)
        counted[view.name] = s._numbers(view, values) if view.is_number else s._levels(view, values)
        codes[view.name] = codes_of(view, values[:N_SAMPLE])
    assert isinstance(values, (np.ndarray, pl.Series))
    return s.Sketch(model="m", n_rows=n_rows, columns=counted, sample=encoded(codes))


def measure(n_replays: int = N_REPLAYS) -> tuple[list[str], list[str]]:
    places = grid()
    tasks = [(seed, places[seed % len(places)]) for seed in range(n_replays)]
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(replay, tasks, chunksize=4))
    return told([place for _, place in tasks], np.array([one["p"] for one in found]))


def told(places: list[tuple[int, int, float]], p: Any) -> tuple[list[str], list[str]]:
    """The table and the bars, from the p-values of the replays at those places of the grid."""
    where = np.array(places)
    table = [
        f"{len(p):,} replays without drift, {len(set(map(tuple, places)))} places of the grid (at most {MOST_CELLS:,} "
        f"cells a window). Chance alone moves the rate by {np.sqrt(0.95 / (0.05 * len(p))):.0%} of a budget of 5 %, by "
        f"{np.sqrt(0.8 / (0.2 * len(p))):.0%} of one of 20 % (one standard deviation).",
        "", "| windows | replays | told at 5 % | at 10 % | at 20 % |", "|---|---|---|---|---|",
    ]  # fmt: skip
    names = ("rows", "columns", "missing")
    for axis, values in enumerate((ROWS, COLUMNS, GAPS)):
        for value in values:
            own = p[where[:, axis] == value]
            rates = " | ".join(f"{(own <= alpha).mean():.3f}" for alpha in (0.05, 0.1, 0.2))
            table.append(f"| {value:,} {names[axis]} | {len(own)} | {rates} |")
    rates = " | ".join(f"{(p <= alpha).mean():.3f}" for alpha in (0.05, 0.1, 0.2))
    table.append(f"| **all** | {len(p)} | {rates} |")
    bars = [
        bar(f"false alarms against a budget of {alpha:.0%}, off by", abs((p <= alpha).mean() / alpha - 1), 0.2)
        for alpha in (0.05, 0.1, 0.2)
    ]
    return table, bars


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(*sum(measure(), []), sep="\n")
