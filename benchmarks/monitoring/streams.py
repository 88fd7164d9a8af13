"""Real drifting streams, tested then trained in order: the loop against retraining at every batch and against never.

`elec2` (electricity prices, New South Wales, 1996 to 1998) and `sea` (four concepts, 10 % noise); the first tenth is
known at the beginning. The retraining at every batch learns from all rows so far, and once more from the newest
2,000 alone; the bar is against the better of the two.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import polars as pl

from benchmarks.common import SHARED, bar

BATCHES = 40
NEWEST = 2_000


def elec2() -> pl.DataFrame:
    """45,312 half-hours; the label says whether the price is above its mean of the last day."""
    folder = SHARED / "drift" / "elec2"
    rows = [line.split() for line in _lines(folder / "elec2_data.dat.gz")]
    names = ("date", "day", "period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer")
    frame = pl.DataFrame({name: [float(row[i]) for row in rows] for i, name in enumerate(names)})
    frame = frame.drop("date", "nswprice")  # as Gama et al. (2004) leave them out
    truth = _lines(folder / "elec2_label.dat.gz")
    return frame.with_columns(y=pl.Series(["up" if float(one) > 0 else "down" for one in truth]))


def _lines(path: Path) -> list[str]:
    with gzip.open(path, "rt") as file:
        return [line.strip() for line in file if line.strip()]


def sea() -> pl.DataFrame:
    """50,000 rows of three numbers; the threshold on the sum of two changes every 12,500 rows."""
    folder = SHARED / "drift" / "sea"
    rows = [list(map(float, line.split(","))) for line in _lines(folder / "SEA_training_data.csv.gz")]
    frame = pl.DataFrame({f"x{i}": [row[i] for row in rows] for i in range(len(rows[0]))})
    truth = _lines(folder / "SEA_training_class.csv.gz")
    return frame.with_columns(y=pl.Series(["one" if float(one) > 0 else "zero" for one in truth]))


def _tell(batch: Any) -> None:
    told = f"  {batch.number:3} {batch.score:.4f} first {batch.first_score:.4f} v{batch.champion} {batch.kind}"
    print(told, batch.words[:100], flush=True)


def one(name: str, stream: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Lines of the table, and bars."""
    import modelwright as mw
    from modelwright.core.store import Store
    from modelwright.monitoring import MonitorSpec
    from modelwright.operating.replaying import Learned, replay
    from modelwright.operating.retraining import retrained
    from modelwright_runtime import load

    n_first = stream.height // 10
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.csv"
        stream[:n_first].write_csv(start)
        recipe = mw.Recipe.from_plain({"name": name, "data": str(start), "target": "y",
                                       "clean": {"skip": ["duplicates"]},
                                       "train": {"models": ["boosting"], "metric": "accuracy"}})  # fmt: skip
        store = Store.open(Path(folder) / ".wright")
        first = load(mw.run(recipe, store=store).facts["package"])

        def learn(known: pl.DataFrame, champion: Any) -> Learned:
            made = retrained(recipe, known, store, champion=champion, folder=Path(folder) / "rows")
            return Learned(model=load(made.package), n_learned=made.n_learned, trial=made.trial)

        def learn_plainly(known: pl.DataFrame, *, keeps_old: bool) -> Any:
            rows = Path(folder) / "plain.csv"
            (pl.concat([stream[:n_first], known]) if keeps_old else known).write_csv(rows)
            return load(mw.run(recipe.but(name="always", data={"sources": [str(rows)]}), store=store).facts["package"])

        rest = stream[n_first:]
        size = -(-rest.height // BATCHES)
        spec = MonitorSpec.parse(
            {"every": "1h", "false_alarms": "1 per 4d", "keep_watch": "1h",
             "retrain_when": {"score_drop": 0.1, "new_rows": 6 * size},
             "promote_when": {"held_back": True, "confidence": 0.5}}, where="monitor",
        )  # fmt: skip
        looped = replay(first, rest, learn, spec, batch_rows=size, tell=_tell)
        often = {way: _always(first, rest, size, make) for way, make in (
            ("all rows so far", lambda known: learn_plainly(known, keeps_old=True)),
            (f"the newest {NEWEST:,}", lambda known: learn_plainly(known.tail(NEWEST), keeps_old=False)),
        )}  # fmt: skip
    way = max(often, key=lambda one: often[one])
    told = ", ".join(f"{score:.4f} ({one})" for one, score in often.items())
    table = [f"| {name} | {rest.height:,} | {looped.first_score:.4f} | {looped.score:.4f} | {looped.n_retrainings} | "
             f"{told} | {BATCHES - 1} |"]  # fmt: skip
    return table, [
        bar(f"{name}: points below retraining at every batch", (often[way] - looped.score) * 100, 1.0),
        bar(f"{name}: share of its retrainings", looped.n_retrainings / (BATCHES - 1), 0.25),
        bar(f"{name}: points above the frozen model", (looped.score - looped.first_score) * 100, 0.0, at_least=True),
    ]


def _always(first: Any, rest: pl.DataFrame, size: int, make: Callable[[pl.DataFrame], Any]) -> float:
    """The share of right answers when a new model is made after every batch and answers the next."""
    n_right, model = 0.0, first
    for number in range(BATCHES):
        rows = rest[number * size : (number + 1) * size]
        told = model.predict(rows.select(model.columns)).prediction
        n_right += float((pl.Series(told.tolist()) == rows["y"]).sum())
        if number + 1 < BATCHES:
            model = make(rest[: (number + 1) * size])
    return n_right / rest.height


def measure() -> tuple[list[str], list[str]]:
    """Lines of the table, and bars."""
    table = ["One setting for both, chosen on elec2: `score_drop: 0.1`; a new model that is better on the newest rows, "
             "held back from it, is promoted at once (`held_back: true, confidence: 0.5`).", "",
             "| stream | rows | frozen | loop | retrainings | retrained at every batch | retrainings |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    bars: list[str] = []
    for name, make in (("elec2", elec2), ("sea", sea)):
        lines, more = one(name, make())
        table += lines
        bars += more
    return table, bars


if __name__ == "__main__":
    for lines in measure():
        print(*lines, sep="\n")
