"""Do 90 % intervals and sets hold the truth of 90 % of rows? Ten tables, each row held out once, through the package.

    python -m benchmarks.tabular.conformal [--tables abalone,vehicle] [--coverage 0.9]

Every table is parted as in `benchmarks/quality/tables.py` (five parts below 5,000 rows, else three); a part is held out
of everything, cleaning too, and its raw text is answered by the package that was made of the rest with `budget: quick`.
Classes: tables where the likeliest class alone is right less often than the sets are to be, for sets are never empty.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.common import ROOT, bar, machine

sys.path.insert(0, str(ROOT / "benchmarks" / "quality"))

from tables import TABLES, Raw, read

COVERAGE = 0.9
LOW, HIGH = 0.88, 0.92
CHOSEN = (
    "abalone", "ames_housing", "california_housing", "insurance", "wine_quality_red",
    "bank_churn", "german_credit", "pima_diabetes", "titanic", "vehicle",
)  # fmt: skip
LEAST_TEST = 0.0005
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Held:
    """What one table came to: rows, the share held, and the mean width (over that of the middle 90 %) or set size."""

    table: str
    n_rows: int
    share: float
    size: float
    by_part: tuple[float, ...]
    told: str
    seconds: float

    @property
    def error(self) -> float:
        """Standard error of the share, if rows are independent."""
        return math.sqrt(self.share * (1 - self.share) / self.n_rows)


def conformal(tables: tuple[str, ...] = CHOSEN, coverage: float = COVERAGE) -> tuple[list[str], list[str]]:
    """The lines of the table, and of the bars."""
    found = [_held(read(table), coverage) for table in TABLES if table.name in tables]
    lines = [
        "| table | rows | held | ± (95 %) | by part | size | of each kind | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    bars = []
    for one in found:
        parts = " ".join(f"{100 * share:.0f}" for share in one.by_part)
        lines.append(
            f"| {one.table} | {one.n_rows:,} | {one.share:.1%} | {1.96 * one.error:.1%} | {parts} | {one.size:.2f} | "
            f"{one.told} | {one.seconds:.0f} |"
        )
        if coverage == COVERAGE:
            bars.append(bar(f"conformal {one.table} at least", one.share, LOW, at_least=True))
            bars.append(bar(f"conformal {one.table} at most", one.share, HIGH))
    lines += [
        "",
        "Size: mean width over the span of the middle 90 % of the truth; of classes the mean number in a set.",
    ]
    return lines, bars


def _held(raw: Raw, coverage: float) -> Held:
    """Every part held out in turn."""
    began = time.monotonic()
    shares, sizes, told = [], [], []
    for held in raw.parts:
        inside, size, about = _part(raw, held, coverage)
        shares.append(inside)
        sizes.append(size)
        told.append(about)
        print(f"{raw.table.name}: {inside.mean():.1%} of {len(inside)} rows, {about}", file=sys.stderr, flush=True)
    every = np.concatenate(shares)
    kinds = ", ".join(f"{told.count(kind)} {kind}" for kind in dict.fromkeys(told))
    by_part = tuple(float(part.mean()) for part in shares)
    return Held(raw.table.name, len(every), float(every.mean()), float(np.mean(sizes)), by_part, kinds,
                time.monotonic() - began)  # fmt: skip


def _part(raw: Raw, held: np.ndarray, coverage: float) -> tuple[np.ndarray, float, str]:
    """Whether each held-out row's truth is within, the mean size, and which kind of interval or set was chosen."""
    answers, trained = _answered(raw, held, coverage)
    truth = raw.frame[held][raw.target].str.strip_chars().to_list()
    columns = answers.columns()
    if trained.task.kind == "regression":
        values = np.array(truth, dtype=float)
        low, high = np.array(columns["low"]), np.array(columns["high"])
        middle = np.quantile(values, [(1 - coverage) / 2, (1 + coverage) / 2])
        about = next(one for one in trained.decisions if one.about == "conformal interval")
        kind = "by row" if about.reason.startswith("a width for each row") else "one width"
        return (low <= values) & (values <= high), float((high - low).mean() / (middle[1] - middle[0])), kind
    sets = columns["set"]
    inside = np.array([_plain(text) in set(map(_plain, own)) for text, own in zip(truth, sets, strict=True)])
    return inside, float(np.mean([len(own) for own in sets])), trained.task.sets.method.upper()


def _answered(raw: Raw, held: np.ndarray, coverage: float):
    """The package's answers to the raw text of the rows that are held out, and what was trained."""
    from modelwright.cleaning import CleanSpec, clean
    from modelwright.core.data import Dataset
    from modelwright.packaging import package
    from modelwright.splitting import SplitSpec, split
    from modelwright.training import TrainSpec, train
    from modelwright_runtime import load

    rest = np.setdiff1d(np.arange(raw.frame.height), held)
    cleaned = clean(Dataset.from_frame(raw.frame[rest]), CleanSpec(target=raw.target))
    splits = split(cleaned.kept, SplitSpec(size=LEAST_TEST))  # nearly all rows train
    task = {"task": "multiclass"} if raw.table.task == "multiclass" else {}
    trained = train(cleaned.kept, splits, TrainSpec(budget="quick", conformal=coverage, **task))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.wright"
        package(trained, cleaned, path=path, name="model", train_rows=splits.train)
        return load(path).predict(raw.frame[held].drop(raw.target)), trained


def _plain(text: str) -> str:
    """A class as both spell it: "1" for "1.0"."""
    try:
        return f"{float(text):g}"
    except ValueError:
        return text.strip()


def main() -> None:
    """Print the table and the bars, and keep them in parts/conformal.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default=",".join(CHOSEN), help="names, with commas")
    parser.add_argument("--coverage", type=float, default=COVERAGE)
    options = parser.parse_args()
    chosen = tuple(options.tables.split(","))
    where = machine()
    table, bars = conformal(chosen, options.coverage)
    print(where, "", *table, "", *bars, sep="\n")
    if set(chosen) == set(CHOSEN) and options.coverage == COVERAGE:
        (HERE / "parts").mkdir(exist_ok=True)
        plain = {"machine": where, "table": table, "bars": bars}
        (HERE / "parts" / "conformal.json").write_text(json.dumps(plain, indent=1))


if __name__ == "__main__":
    main()
