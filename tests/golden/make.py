"""Write a golden package of the present format: `python tests/golden/make.py`. Every later version must load it.

A new file is added when the package format or its contents change; none is ever replaced.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import polars as pl
from sklearn.datasets import load_diabetes, load_wine

import modelwright as mw

HERE = Path(__file__).parent


def main(version: str) -> None:
    """One package per kind of answer, each over numbers, categories and damage."""
    for name, loaded, columns in (("wine", load_wine(), 5), ("diabetes", load_diabetes(scaled=False), 6)):
        frame = pl.DataFrame({c: loaded.data[:, i] for i, c in enumerate(loaded.feature_names[:columns])})
        first = pl.col(frame.columns[0])
        second = pl.col(frame.columns[1]).round(3).cast(pl.String)
        frame = frame.with_columns(
            pl.when(first > first.median()).then(pl.lit("High")).otherwise(pl.lit(" low")).alias("grade"),
            (second.str.replace(".", ",", literal=True) + " mg").alias("dose"),
            pl.Series("target", [f"kind {k}" for k in loaded.target] if name == "wine" else loaded.target),
        )
        with tempfile.TemporaryDirectory() as folder:
            frame.write_csv(f"{folder}/{name}.csv")
            recipe = mw.Recipe.from_plain(
                {"data": f"{folder}/{name}.csv", "target": "target", "train": {"budget": "quick"}}
            )
            record = mw.run(recipe, store=f"{folder}/store")
            (HERE / f"{name}-{version}.wright").write_bytes(Path(record.facts["package"]).read_bytes())


if __name__ == "__main__":
    main(sys.argv[1])
