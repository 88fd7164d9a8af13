"""The same thing in two tables: no known pairs, and known pairs (train, threshold on valid, F1 on test).

Without known pairs: all rows of Abt against all rows of Buy, truth only for the score. The way to the threshold was
made on other tables: the train part of Amazon-Google and iTunes-Amazon, and damaged copies of theirs and of news titles
in which 10, 50 and 95 % of the rows have a partner; what it finds on such copies is in the table too.

With known pairs: the tables are the distinct records of all three parts (a table is there when it is matched), labels
are those of train and valid. A test pair that blocking does not look at counts as "not the same".
"""

from __future__ import annotations

import csv
import gzip
import random
import re
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.common import SHARED, bar

if TYPE_CHECKING:
    import polars as pl

FOLDER = SHARED / "entity_resolution"
Pairs = set[tuple[int, int]]


def abt_buy() -> tuple[pl.DataFrame, pl.DataFrame, Pairs]:
    """Both tables and the pairs that are the same, as positions."""
    import polars as pl

    left, right = (
        pl.read_csv(gzip.decompress((FOLDER / f"abt_buy/table_{name}.csv.gz").read_bytes()), separator="|",
                    infer_schema=False)
        for name in ("abt", "buy")
    )  # fmt: skip
    lines = (FOLDER / "abt_buy/ground_truth_pairs.csv").read_text().split("\n")[1:]
    return left, right, {(int(a), int(b)) for a, b in (line.split("|") for line in lines if line)}


def known_pairs(name: str, parts: tuple[str, ...]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The distinct records of both sides, and the pairs: left, right (positions), same, part."""
    import polars as pl

    sides: tuple[dict[tuple[str, ...], int], dict[tuple[str, ...], int]] = ({}, {})
    rows, names = [], []
    for part in parts:
        for line in gzip.decompress((FOLDER / name / f"pairs_{part}.txt.gz").read_bytes()).decode().splitlines():
            *records, same = line.split("\t")
            at = []
            for side, record in zip(sides, records, strict=True):
                fields = re.split(r"COL (\S+) VAL ?", record)
                names = fields[1::2]
                at.append(side.setdefault(tuple(cell.strip() for cell in fields[2::2]), len(side)))
            rows.append((*at, same == "1", part))
    left, right = (pl.DataFrame(list(side), schema=names, orient="row") for side in sides)
    return left, right, pl.DataFrame(rows, schema=["left", "right", "same", "part"], orient="row")


def f1_of(found: Pairs, truth: Pairs) -> float:
    return 2 * len(found & truth) / max(1, len(found) + len(truth))


def same_of(pairs: pl.DataFrame) -> Pairs:
    return set(pairs.filter("same").select("left", "right").rows())


def damaged(rows: list[dict[str, str]], share: float, strength: float, seed: int) -> tuple[list, list, Pairs]:  # type: ignore[type-arg]
    """Two tables of which a share of the rows is the same, the right one damaged: words lost, shortened, split,
    mistyped and shuffled, cells emptied."""
    rng = random.Random(seed)
    rows = rng.sample(rows, min(len(rows), 1000))
    n_alone = round(len(rows) * (1 - share) / (2 - share))
    both, mine, theirs = rows[2 * n_alone :], rows[:n_alone], rows[n_alone : 2 * n_alone]
    right = [(_damaged(row, rng, strength), at) for at, row in enumerate(both)]
    right += [(_damaged(row, rng, strength), -1) for row in theirs]
    rng.shuffle(right)
    return both + mine, [row for row, _ in right], {(at, place) for place, (_, at) in enumerate(right) if at >= 0}


def _damaged(row: dict[str, str], rng: random.Random, strength: float) -> dict[str, str]:
    made = {}
    for name, cell in row.items():
        words = []
        for word in cell.split():
            luck, at = rng.random() / strength, rng.randrange(len(word))
            if luck < 0.15:
                continue
            if luck < 0.25 and len(word) > 3:
                word = word[:at] + rng.choice("abcdefghijklmnopqrstuvwxyz") + word[at + 1 :]
            elif luck < 0.3:
                word = word[:3]
            elif luck < 0.35:
                word = f"{word[:at]} {word[at:]}"
            words.append(word)
        if rng.random() < 0.3 * strength:
            rng.shuffle(words)
        made[name] = "" if rng.random() < 0.15 * strength else " ".join(words)
    return made


def without_pairs(table: list[str], bars: list[str]) -> None:
    import polars as pl

    from modelwright.cleaning.matching import match
    from modelwright.core.data import Dataset

    left, right, truth = abt_buy()
    began = time.process_time()
    found = match(Dataset.from_frame(left), Dataset.from_frame(right))
    cpu_s = time.process_time() - began
    f1 = f1_of(same_of(found.pairs), truth)
    table.append(f"| Abt-Buy, all against all, no known pair | {left.height} x {right.height} | {f1:.3f} "
                 f"| {_oracle(found.pairs, truth):.3f} | {found.expected_f1:.2f} | {cpu_s:.1f} |")  # fmt: skip
    bars.append(bar("F1 Abt-Buy tables, no known pair, automatic threshold", f1, 0.80, at_least=True))
    news = gzip.decompress((SHARED / "text/ag_news/ag_news_7600.csv.gz").read_bytes()).decode().splitlines()
    sources = {
        "news titles": [{"title": row[1]} for row in csv.reader(news)],
        "Amazon-Google, right side": known_pairs("amazon_google", ("train",))[1].to_dicts(),
        "iTunes, left side": known_pairs("itunes_amazon_dirty", ("train",))[0].to_dicts(),
    }
    for name, rows in sources.items():
        for share in (0.1, 0.5, 0.95):
            a, b, same = damaged(rows, share, 1.0, 7)
            began = time.process_time()
            found = match(Dataset.from_frame(pl.DataFrame(a)), Dataset.from_frame(pl.DataFrame(b)))
            cpu_s = time.process_time() - began
            table.append(
                f"| {name}, damaged, {share:.0%} have a partner | {len(a)} x {len(b)} "
                f"| {f1_of(same_of(found.pairs), same):.3f} | {_oracle(found.pairs, same):.3f} "
                f"| {found.expected_f1:.2f} | {cpu_s:.1f} |"
            )


def _oracle(pairs: pl.DataFrame, truth: Pairs) -> float:
    """The best F1 that any threshold on the same confidences would have given."""
    found, best = set(), 0.0
    for pair in pairs.select("left", "right").rows():
        found.add(pair)
        best = max(best, f1_of(found, truth))
    return best


def with_pairs(table: list[str], bars: list[str], name: str, limit: float) -> None:
    import polars as pl

    from modelwright.cleaning.matching import match
    from modelwright.core.data import Dataset

    left, right, pairs = known_pairs(name, ("train", "valid", "test"))
    began = time.process_time()
    known = pairs.filter(pl.col("part") != "test")
    found = match(Dataset.from_frame(left), Dataset.from_frame(right), known=known)
    cpu_s = time.process_time() - began
    test = pairs.filter(pl.col("part") == "test")
    asked, same = same_of(found.pairs), set(test.filter("same").select("left", "right").rows())
    f1 = f1_of(asked & set(test.select("left", "right").rows()), same)
    table.append(f"| {name}, train and valid pairs known, test pairs | {left.height} x {right.height} | {f1:.3f} "
                 f"| | {found.expected_f1:.2f} | {cpu_s:.1f} |")  # fmt: skip
    bars.append(bar(f"F1 {name}, test pairs, train and valid known", f1, limit, at_least=True))


def measure() -> tuple[list[str], list[str]]:
    table = ["| tables | rows | F1 | best threshold | F1 it expects | CPU s |", "|---|---|---|---|---|---|"]
    bars: list[str] = []
    without_pairs(table, bars)
    for name, limit in (("abt_buy", 0.80), ("amazon_google", 0.68), ("itunes_amazon_dirty", 0.80)):
        with_pairs(table, bars, name, limit)
    return table, bars


if __name__ == "__main__":
    print(*sum(measure(), []), sep="\n", file=sys.stdout)
