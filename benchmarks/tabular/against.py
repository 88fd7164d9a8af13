"""Modelwright beside AutoGluon, FLAML, and LightGBM and CatBoost as they are: same rows, same clock, same cores.

    python -m benchmarks.tabular.against --budget 60 [--tables a,b] [--systems ours,autogluon] [--fresh ours]

One table at a time, the systems in turns; every finished run is kept under benchmarks/.peers/tabular-runs, so that a
benchmark of hours can be stopped and taken up again. Answers are kept too: intervals are of the same held-out rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.common import ROOT, bar, machine

sys.path.insert(0, str(ROOT / "benchmarks" / "quality"))

from tables import TABLES, Raw, Table, as_pandas, read, truth_of

PEERS = ROOT / "benchmarks" / ".peers"
RUNS = PEERS / "tabular-runs"
HERE = Path(__file__).resolve().parent / "peers"
PRESET = "best_quality"
"""AutoGluon's strongest preset for CPUs."""

SYSTEMS = ("ours", "autogluon", "flaml", "lightgbm", "catboost")
TIMELESS = ("lightgbm", "catboost")
N_BOOTSTRAP = 1_000


@dataclass(frozen=True)
class Done:
    """A finished run: answers to the held-out rows in their order, and what was told of it."""

    answers: np.ndarray | None
    told: dict


def main() -> None:
    """Run what is asked for and not kept, then print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=int, default=60, help="seconds for each system and table")
    parser.add_argument("--tables", default="", help="names, with commas; by default all")
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--fresh", default="", help="systems whose kept runs are done again")
    parser.add_argument("--only-show", action="store_true", help="print what is kept and run nothing")
    options = parser.parse_args()
    asked = options.tables.split(",") if options.tables else [table.name for table in TABLES]
    for table in TABLES:
        if table.name in asked and not options.only_show:
            raw = read(table)
            for system in options.systems.split(","):
                run(system, raw, options.budget, fresh=system in options.fresh.split(","))
    print("\n".join(comparison([table for table in TABLES if table.name in asked], options.budget)))


def place(system: str, table: Table, seconds: int) -> Path:
    """Where a run is kept; defaults take no time limit."""
    return RUNS / (system if system in TIMELESS else f"{system}-{seconds}") / table.name


def run(system: str, raw: Raw, seconds: int, *, fresh: bool) -> None:
    """One system on one table, in a process of its own, unless the run is kept."""
    folder = place(system, raw.table, seconds)
    if (folder / "told.json").exists() and not fresh:
        return
    work = folder.with_name(f".{folder.name}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    _lay_out(raw, work, seconds)
    python = {
        "ours": sys.executable, "autogluon": str(PEERS / "tabular/bin/python"),
        "flaml": str(PEERS / "tabular-flaml/bin/python"),
    }.get(system, str(PEERS / "tabular/bin/python"))  # fmt: skip
    script = [str(HERE / f"{'defaults' if system in TIMELESS else system}.py"), str(work)]
    began = time.monotonic()
    done = subprocess.run(
        [python, *script, *([system] if system in TIMELESS else [])], capture_output=True, text=True, check=False,
        timeout=max(600, 4 * seconds),
    )  # fmt: skip
    (work / "output.txt").write_text(done.stdout + done.stderr)
    whole = time.monotonic() - began
    told = json.loads((work / "told.json").read_text()) if done.returncode == 0 else {"failed": done.stderr[-2000:]}
    (work / "told.json").write_text(json.dumps({**told, "whole_s": whole, "date": time.strftime("%Y-%m-%d")}))
    for path in work.iterdir():  # the rows are not kept, nor are peers' models
        if path.name not in ("told.json", "answers.npy", "output.txt", "model.wright"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    work.rename(folder)
    print(f"{raw.table.name:20s} {system:10s} {told.get('seconds', float('nan')):7.1f} s  "
          f"{'failed' if 'failed' in told else ''}", flush=True)  # fmt: skip


def _lay_out(raw: Raw, work: Path, seconds: int) -> None:
    """The rows as files: for the peers with numbers read and gaps made, for us as the raw text."""
    truth, classes = truth_of(raw)
    held = raw.parts[0]
    fit = np.setdiff1d(np.arange(len(truth)), held)
    features = as_pandas(raw)
    features.iloc[fit].to_csv(work / "train.csv", index=False)
    features.iloc[held].to_csv(work / "test.csv", index=False)
    np.save(work / "y.npy", truth[fit])
    raw.frame[fit].write_csv(work / "raw.csv")
    raw.frame[held].drop(raw.target).write_csv(work / "raw_test.csv")
    asked = {
        "task": raw.table.task, "target": raw.target, "classes": classes, "seconds": seconds, "preset": PRESET,
        "budget": f"{seconds}s", "train": {},
    }  # fmt: skip
    (work / "asked.json").write_text(json.dumps(asked))


def done(system: str, table: Table, seconds: int) -> Done:
    """A kept run; without answers when it failed or was never made."""
    folder = place(system, table, seconds)
    if not (folder / "told.json").exists():
        return Done(None, {})
    told = json.loads((folder / "told.json").read_text())
    return Done(None if "failed" in told else np.load(folder / "answers.npy"), told)


def losses(table: Table, truth: np.ndarray, answers: np.ndarray, rows: np.ndarray) -> float:
    """What is compared, lower is better: 1 - AUC, log loss or RMSE."""
    y, p = truth[rows], answers[rows]
    if table.task == "regression":
        return float(np.sqrt(np.mean((p - y) ** 2)))
    if table.task == "multiclass":
        shares = p / p.sum(axis=1, keepdims=True)
        return float(-np.log(shares[np.arange(len(y)), y].clip(1e-7)).mean())
    positive = y == 1
    if positive.all() or not positive.any():
        return 0.5
    from scipy.stats import rankdata

    ranks = rankdata(p[:, 1])
    n_positive = positive.sum()
    return float(1 - (ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * (~positive).sum()))


def win(table: Table, truth: np.ndarray, ours: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """1, 0.5 or 0: whether ours is better beyond the 95 % interval of the paired bootstrap; and the interval."""
    rng = np.random.default_rng(0)
    apart = []
    for _ in range(N_BOOTSTRAP):
        rows = rng.integers(0, len(truth), len(truth))
        apart.append(losses(table, truth, other, rows) - losses(table, truth, ours, rows))
    low, high = np.quantile(apart, [0.025, 0.975])
    return (1.0 if low > 0 else 0.0 if high < 0 else 0.5), float(low), float(high)


def comparison(tables: list[Table], seconds: int) -> list[str]:
    """The table with one line for each data set, and the bars."""
    lines = [f"{machine()}, {seconds} s", ""]
    lines += [
        f"{'table':20s} {'metric':9s}"
        + "".join(f"{name:>12s}" for name in SYSTEMS)
        + "   ours-AG    s ours   s AG   kB"
    ]
    ranks: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    wins, failed, overrun = [], 0, []
    for table in tables:
        runs = {name: done(name, table, seconds) for name in SYSTEMS}
        if not runs["ours"].told:
            continue
        truth, _ = truth_of(raw := read(table))
        truth = truth[raw.parts[0]]
        rows = np.arange(len(truth))
        found = {name: losses(table, truth, one.answers, rows) for name, one in runs.items() if one.answers is not None}
        failed += "ours" not in found
        if "ours" not in found:
            lines.append(f"{table.name:20s} failed: {runs['ours'].told['failed'][-80:]!r}")
            continue
        for name in SYSTEMS:
            if len(found) == len(SYSTEMS):
                ranks[name].append(sum(other < found[name] for other in found.values()) + 1 + 0.5 * (
                    sum(other == found[name] for other in found.values()) - 1))  # fmt: skip
        verdict = ""
        if "autogluon" in found:
            score, low, high = win(table, truth, runs["ours"].answers, runs["autogluon"].answers)
            wins.append(score)
            verdict = {1.0: "better", 0.5: "same", 0.0: "worse"}[score]
        overrun.append(runs["ours"].told["seconds"] / seconds)
        shown = "".join(f"{found[name]:12.5g}" if name in found else f"{'-':>12s}" for name in SYSTEMS)
        told = runs["ours"].told
        lines.append(
            f"{table.name:20s} {table.metric:9s}{shown}   {verdict:8s} {told['seconds']:7.1f} "
            f"{runs['autogluon'].told.get('seconds', float('nan')):7.1f} {told['bytes'] / 1000:6.0f}"
        )
    means = {name: float(np.mean(held)) for name, held in ranks.items() if held}
    lines.append("")
    lines.append(
        "mean rank  " + "  ".join(f"{name} {mean:.2f}" for name, mean in sorted(means.items(), key=lambda kv: kv[1]))
    )
    if means:
        best_other = min(mean for name, mean in means.items() if name != "ours")
        lines.append(bar(f"tabular_{seconds}s_mean_rank_beyond_the_best_other", means["ours"] - best_other, 0.0))
    if wins:
        lines.append(bar(f"tabular_{seconds}s_win_rate_over_autogluon", float(np.mean(wins)), 0.55, at_least=True))
    lines.append(bar(f"tabular_{seconds}s_failed_tables", failed, 0))
    if overrun:
        lines.append(bar(f"tabular_{seconds}s_largest_share_of_the_budget_taken", max(overrun), 1.05))
    return lines


if __name__ == "__main__":
    main()
