"""Shapley values of a boosting on Adult by ours and by shap's estimators that know nothing of the model, with the
same background rows, held against shap's exact values of trees (interventional, in log-odds: of probabilities shap
has no exact ones). One thread; answers of the model are counted. Ours knows where a row and a background row have the
same cell, and does not ask for that.

And whether stated errors hold: values against 50 drawn background rows, with the exact ones against 2,000.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import ROOT, bar
from benchmarks.explanation.adult import write_case

PEER = ROOT / "benchmarks/.peers/explain/bin/python"
N_ROWS, N_BACKGROUND, N_POPULATION = 30, 100, 2_000


def ours(
    folder: Path, rows: np.ndarray, background: np.ndarray, n_orders: int, seed: int = 0
) -> tuple[np.ndarray, ...]:
    """Values, errors, answers asked for a row, seconds."""
    import lightgbm

    from modelwright.explanation.shapley import sampled_shares

    model = lightgbm.Booster(model_file=folder / "model.txt")
    rng, ground = np.random.default_rng(seed), model.predict(background, num_threads=1, raw_score=True)
    n_asked, values, errors = 0, [], []
    began = time.perf_counter()
    for row in rows:
        parts = []
        for _ in range(n_orders):

            def value(places: np.ndarray, taken: np.ndarray, row: np.ndarray = row) -> np.ndarray:
                return np.asarray(
                    model.predict(np.where(taken, row, background[places]), num_threads=1, raw_score=True)
                )

            own = float(model.predict(row[None], num_threads=1, raw_score=True)[0])
            shares = sampled_shares(value, row != background, own, ground, rng)
            parts.append(shares)
            n_asked += shares.n_asked
        values.append(np.mean([one.values for one in parts], axis=0))
        errors.append(np.mean([one.errors for one in parts], axis=0))
    return np.array(values), np.array(errors), n_asked / len(rows), time.perf_counter() - began


def peer(folder: Path, method: str) -> dict[str, Any]:
    script = ROOT / "benchmarks/explanation/peers/shap_values.py"
    done = subprocess.run(
        [str(PEER), str(script), str(folder), method], capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def table() -> tuple[list[str], list[str]]:
    """The table and its bars."""
    lines = [
        "| estimator | answers a row | error, log-odds (root mean square) | seconds for 30 rows |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case = write_case(folder, N_ROWS, N_POPULATION)
        few = case["background"][:N_BACKGROUND]
        exact = {n: np.array(peer(folder, f"exact {n}")["values"]) for n in (N_BACKGROUND, N_POPULATION)}
        found: dict[object, float] = {}
        for n_orders in (1, 4, 10):
            values, _, n_asked, seconds = ours(folder, case["rows"], few, n_orders)
            found[n_orders] = float(np.sqrt(((values - exact[N_BACKGROUND]) ** 2).mean()))
            of = "1 order and its reverse" if n_orders == 1 else f"{n_orders} orders and their reverses"
            lines.append(
                f"| ours, {of} for each background row | {n_asked:,.0f} | {found[n_orders]:.3f} | {seconds:.1f} |"
            )
        for method in ("permutation 1", "permutation 10", "kernel 200", "kernel auto"):
            theirs = peer(folder, f"{method} {N_BACKGROUND}")
            error = float(np.sqrt(((np.array(theirs["values"]) - exact[N_BACKGROUND]) ** 2).mean()))
            found[method] = error
            lines.append(f"| shap, {method} | {theirs['n_asked']:,.0f} | {error:.3f} | {theirs['seconds']:.1f} |")
        inside, n = 0, 0
        for seed in range(6):
            some = case["background"][np.random.default_rng(seed).permutation(N_POPULATION)[:50]]
            values, errors, _, _ = ours(folder, case["rows"], some, 1, seed)
            apart = np.abs(values - exact[N_POPULATION])
            inside, n = inside + int((apart <= 2 * errors).sum()), n + apart.size
    held = f"{inside / n:.1%} of {n:,} values from 50 drawn background rows"
    lines += ["", f"Within two stated errors of the exact values against {N_POPULATION:,} rows: {held}."]
    bars = [
        bar("explanation.error_log_odds", found[1], 0.05),
        bar("explanation.within_two_errors", inside / n, 0.90, at_least=True),
        bar("explanation.error_beside_shap_permutation", found[1] / max(1e-9, found["permutation 1"]), 1.0),
    ]
    return lines, bars
