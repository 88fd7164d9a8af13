"""Quality on 22 tables against scikit-learn's defaults, on the same held-out rows.

    python benchmarks/quality/run.py [--tables a,b] [--budget standard] [--results FILE] [--fresh]

Each finished table is kept in the results file, so that a run can be stopped and taken up again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # spinning threads make small tables take minutes on a busy machine

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent))

from baselines import BASELINES, answer
from tables import TABLES, Raw, Table, as_pandas, read, truth_of

HERE = Path(__file__).resolve().parent
SYSTEMS = ("ours", *BASELINES)


def main() -> None:
    """Run the tables asked for, print the comparison and the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default="", help="names, with commas; by default all")
    parser.add_argument("--budget", default="standard", choices=("quick", "standard", "thorough"))
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    parser.add_argument("--fresh", action="store_true", help="run tables again that are in the results")
    options = parser.parse_args()
    asked = options.tables.split(",") if options.tables else [table.name for table in TABLES]
    results = json.loads(options.results.read_text()) if options.results.exists() else {}
    for table in TABLES:
        if table.name in asked and (options.fresh or table.name not in results):
            results[table.name] = compare(table, options.budget)
            options.results.write_text(json.dumps(results, indent=1))
            print(line(table, results[table.name]), flush=True)
    show([table for table in TABLES if table.name in results and table.name in asked], results)


def compare(table: Table, budget: str) -> dict[str, object]:
    """All systems on all held-out parts of one table; a failure is kept with its message."""
    raw = read(table)
    truth, classes = truth_of(raw)
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in SYSTEMS}
    seconds = dict.fromkeys(SYSTEMS, 0.0)
    failures, difference, members = [], 0.0, []
    features = as_pandas(raw)
    for part in raw.parts:
        fit = np.setdiff1d(np.arange(len(truth)), part)
        for name in BASELINES:
            began = time.perf_counter()
            found = answer(name, table.task, features.iloc[fit], truth[fit], features.iloc[part])
            seconds[name] += time.perf_counter() - began
            scores[name].append(measure(table, truth[part], _filled(found, truth[fit], classes)))
        began = time.perf_counter()
        try:
            ours, told = run_ours(raw, part, classes, budget)
        except Exception as problem:  # noqa: BLE001 - a failure is a result
            failures.append(f"{type(problem).__name__}: {problem}")
            continue
        seconds["ours"] += time.perf_counter() - began - told["package_s"]
        scores["ours"].append(measure(table, truth[part], ours))
        difference = max(difference, told["difference"])
        members.append(told["members"])
    return {
        "metric": table.metric,
        "scores": scores,
        "seconds": seconds,
        "failures": failures,
        "difference": difference,
        "members": members,
        "n_rows": len(truth),
        "budget": budget,
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": f"{platform.machine()} {platform.system()} python {platform.python_version()}",
    }


def _filled(found: np.ndarray, y: np.ndarray, classes: list[str]) -> np.ndarray:
    """Probabilities for every class: scikit-learn leaves out a class that it has not seen."""
    if not classes or found.shape[1] == len(classes):
        return found
    full = np.zeros((len(found), len(classes)))
    full[:, np.unique(y)] = found
    return full


def run_ours(raw: Raw, part: np.ndarray, classes: list[str], budget: str) -> tuple[np.ndarray, dict]:
    """clean, split by the given rows, train; answers for the held-out rows in their order."""
    from modelwright.cleaning import CleanSpec, clean
    from modelwright.core.data import Column, Dataset, Schema
    from modelwright.splitting import split
    from modelwright.training import TrainSpec, train

    cleaned = clean(Dataset.from_frame(raw.frame), CleanSpec(target=raw.target))
    kept = cleaned.kept
    words = np.full(raw.frame.height, "train", dtype=object)
    words[part] = "test"
    said = pl.Series("held out rows", words[kept.row_ids.astype(int)].tolist())
    schema = Schema((*kept.schema.columns, Column("held out rows", "category", "split")))
    data = Dataset.from_frame(kept.frame.with_columns(said), schema)
    spec = TrainSpec(budget=budget, task="multiclass" if raw.table.task == "multiclass" else "auto")
    trained = train(data, split(data), spec)
    began = time.perf_counter()
    found, difference = through_package(trained, cleaned, raw, part)
    package_s = time.perf_counter() - began
    if classes:
        found = found[:, [trained.task.classes.index(text) for text in _as_ours(classes, trained.task.classes)]]
    members = {c.name: round(c.weight, 2) for c in trained.leaderboard if c.weight > 0}
    return found, {"difference": difference, "members": members, "package_s": package_s}


def _as_ours(classes: list[str], ours: tuple[str, ...]) -> list[str]:
    """The raw spelling of each class as cleaning spells it."""
    spelled = []
    for text in classes:
        same = [known for known in ours if known == text or known.casefold() == text.strip("'\" ").casefold()]
        same = same or [known for known in ours if _same_number(known, text)]
        spelled.append(same[0] if same else {"0": "false", "1": "true"}.get(text, text))
    return spelled


def _same_number(first: str, second: str) -> bool:
    try:
        return float(first) == float(second)
    except ValueError:
        return False


def through_package(trained, cleaned, raw: Raw, part: np.ndarray) -> tuple[np.ndarray, float]:
    """The package's answers to the raw held-out rows, and its largest difference from the model in this process.

    Raw rows, so that a held-out row that cleaning would remove (one that repeats another) is answered too. The
    difference is that from package to graph (on the rows that were kept), or from the graph to the libraries that
    fitted it, whichever is larger.
    """
    import tempfile

    from modelwright.packaging import package
    from modelwright_runtime import load
    from modelwright_runtime.model import largest_difference

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.wright"
        package(trained, cleaned, path=path, name=raw.table.name)
        told = load(path).predict(raw.frame[part].drop(raw.target))
    answers = told.prediction.astype(float) if told.probabilities is None else told.probabilities
    place = {int(row): index for index, row in enumerate(part)}
    rows = cleaned.kept.take(part)
    given = answers[[place[int(row)] for row in rows.row_ids]]
    apart = largest_difference(given, trained.predict(rows), relative=told.probabilities is None)
    return np.asarray(answers, dtype=np.float64), max(apart, trained.parity)


def measure(table: Table, truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """The table's metric under "score", and accuracy for classes."""
    from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

    if table.task == "regression":
        return {"score": float(np.sqrt(np.mean((found - truth) ** 2)))}
    accuracy = float(accuracy_score(truth, found.argmax(axis=1)))
    if table.task == "binary":
        return {"score": float(roc_auc_score(truth, found[:, 1])), "accuracy": accuracy}
    labels = list(range(found.shape[1]))
    return {"score": float(log_loss(truth, found, labels=labels)), "accuracy": accuracy}


def summary(table: Table, result: dict) -> dict[str, float | str]:
    """Mean scores, the ratio to the better baseline (above 1 is worse), and the verdict."""
    means = {name: float(np.mean([s["score"] for s in result["scores"][name]] or [np.nan])) for name in SYSTEMS}
    higher = table.metric == "auc"
    best = max(means["histgb"], means["linear"]) if higher else min(means["histgb"], means["linear"])
    ratio = best / means["ours"] if higher else means["ours"] / best
    verdict = "failed" if result["failures"] else "better" if ratio < 1 else "same" if ratio <= 1.01 else "worse"
    return {**means, "ratio": ratio, "verdict": verdict}


def line(table: Table, result: dict) -> str:
    """One row of the table."""
    found = summary(table, result)
    n_parts = max(1, len(result["scores"]["histgb"]))
    scores = " ".join(f"{found[name]:>11.5g}" for name in SYSTEMS)
    seconds = " ".join(f"{result['seconds'][name] / n_parts:>7.1f}" for name in SYSTEMS)
    return (
        f"{table.name:<19} {table.metric:<8} {scores} {found['ratio']:>8.4f} {found['verdict']:<7} {seconds} "
        f"{result['difference']:>9.1e}"
    )


def show(tables: list[Table], results: dict) -> None:
    """The comparison and the bars."""
    print(
        f"\n{'table':<19} {'metric':<8} {'ours':>11} {'histgb':>11} {'linear':>11} {'ratio':>8} {'verdict':<7} "
        f"{'s ours':>7} {'s hgb':>7} {'s lin':>7} {'package':>9}"
    )
    for table in tables:
        print(line(table, results[table.name]))
    verdicts = [summary(table, results[table.name])["verdict"] for table in tables]
    bars = (
        ("quality_failures", verdicts.count("failed"), 0, verdicts.count("failed") == 0),
        (
            "quality_not_worse_by_1_percent",
            verdicts.count("better") + verdicts.count("same"),
            22,
            verdicts.count("better") + verdicts.count("same") >= 22,
        ),
        ("quality_better", verdicts.count("better"), 16, verdicts.count("better") >= 16),
    )
    for name, value, bar, fulfilled in bars:
        print(f"bar {name} {value} {bar} {'ok' if fulfilled else 'short'}")


if __name__ == "__main__":
    main()
