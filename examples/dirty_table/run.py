"""From a dirty table to a trusted one: a register of wines, damaged in nine ways, mended without labels.

    python examples/dirty_table/run.py            the folder examples/dirty_table/out holds tables and reports

The table is scikit-learn's wines, each bottled three times, with a grower, town and region that belong together. It is
damaged here, so what was wrong is known and the mending can be scored; the mending itself never sees the truth.
The same in the shell: `wright clean register.csv`, then `wright run register.clean.csv --target cultivar`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import string
import subprocess
import sys
from pathlib import Path

import polars as pl

import modelwright as mw

HERE = Path(__file__).resolve().parent
GROWERS = {
    "Cantina Rossi": ("Asti", "Piemonte"),
    "Poderi Bianchi": ("Alba", "Piemonte"),
    "Tenuta Verdi": ("Siena", "Toscana"),
    "Casa Ferrari": ("Lucca", "Toscana"),
    "Vigna Moretti": ("Verona", "Veneto"),
    "Corte Gallo": ("Vicenza", "Veneto"),
}


def register(rng: random.Random) -> pl.DataFrame:
    """The table as it should be: every cell a text, as a file has it."""
    from sklearn.datasets import load_wine

    wine = load_wine()
    rows = []
    for bottling in range(3):
        for values, kind in zip(wine.data, wine.target, strict=True):
            grower = rng.choice(list(GROWERS))
            town, region = GROWERS[grower]
            row = {"grower": grower, "town": town, "region": region, "bottling": str(2021 + bottling)}
            row |= {"alcohol_percent": f"{values[0] + rng.gauss(0, 0.1):.1f}", "malic_acid": f"{values[1]:.2f}"}
            row |= {"colour": f"{values[9]:.1f}", "proline": f"{values[12]:.0f}", "cultivar": f"C{kind + 1}"}
            rows.append(row)
    return pl.DataFrame(rows)


def damaged(table: pl.DataFrame, rng: random.Random) -> pl.DataFrame:
    """Typos, wrong towns, gaps, units, percent signs, blanks and words for nothing."""
    columns = {name: table[name].to_list() for name in table.columns}

    def hit(name: str, change: object, share: float = 0.05) -> None:
        cells = columns[name]
        for row in rng.sample(range(len(cells)), round(share * len(cells))):
            cells[row] = change(cells[row])  # type: ignore[operator]

    def typo(text: str) -> str:
        place = rng.randrange(len(text))
        return text[:place] + rng.choice(string.ascii_lowercase) + text[place + 1 :]

    hit("grower", typo)
    hit("town", typo)
    hit("town", lambda _: rng.choice([town for town, _ in GROWERS.values()]), 0.03)
    hit("region", typo)
    hit("region", lambda _: "")
    hit("alcohol_percent", lambda text: f"{text}%", 0.2)
    hit("malic_acid", lambda text: f"{text} g/l", 0.2)
    hit("colour", lambda _: "n/a")
    hit("proline", lambda text: f" {text}  ")
    return pl.DataFrame(columns)


def main() -> None:
    """Damage, mend, score, train on both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "out")
    out: Path = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    truth = register(random.Random(1))
    held_out = pl.Series(random.Random(2).sample(range(truth.height), truth.height // 5))
    is_held_out = pl.int_range(truth.height, eager=True).is_in(held_out.implode())
    known, later = truth.filter(~is_held_out), truth.filter(is_held_out)
    dirty = damaged(known, random.Random(3))
    dirty.write_csv(out / "register.csv")
    command = [sys.executable, "-m", "modelwright", "clean", "register.csv", "--target", "cultivar"]
    subprocess.run(command, cwd=out, check=True)
    mended = pl.read_csv(out / "register.clean.csv", infer_schema=False).fill_null("")
    tell(known, dirty, mended)
    for name in ("register.csv", "register.clean.csv"):
        print(f"trained on {name:20} {accuracy(out, name, later):.1%} of {later.height} sound rows answered rightly")


def tell(truth: pl.DataFrame, dirty: pl.DataFrame, mended: pl.DataFrame) -> None:
    """How many of the wrong cells are right now, and how many sound ones are not."""
    wrong = repaired = harmed = 0
    for name in truth.columns:
        was, now = dirty[name] != truth[name], same(mended[name], truth[name])
        wrong += was.sum()
        repaired += (was & now).sum()
        harmed += (~was & ~now).sum()
    n_sound = truth.height * truth.width - wrong
    print(f"\n{repaired} of {wrong} wrong cells are right now, {harmed} of {n_sound} sound ones are not")


def same(cells: pl.Series, truth: pl.Series) -> pl.Series:
    """Equal as texts or as numbers: 2.40 and 2.4 say the same."""
    numbers = cells.cast(pl.Float64, strict=False) == truth.cast(pl.Float64, strict=False)
    return (cells == truth) | numbers.fill_null(value=False)


def accuracy(out: Path, name: str, rows: pl.DataFrame) -> float:
    """The share of right answers of a default model."""
    recipe = mw.Recipe.from_plain({"name": name.replace(".", "_"), "data": str(out / name), "target": "cultivar",
                                   "train": {"models": ["boosting"], "network": "off"}})  # fmt: skip
    run = mw.run(recipe, store=out / "store")
    told = mw.load(run.facts["package"]).predict(rows.drop("cultivar")).prediction
    return sum(one == true for one, true in zip(told, rows["cultivar"], strict=True)) / rows.height


if __name__ == "__main__":
    main()
