"""Make `data/wines.csv` and `data/tumours.csv`: real measurements that scikit-learn carries, and the truth of them.

Of the 178 wines each is of one of three growers, which `clusters.yaml` and `embedding.yaml` do not see. Of the tumours
all 357 benign ones are there, and 20 malignant ones, which `anomaly.yaml` is to find odd; some cells are empty. The
truth is only held against the answers.

    python examples/tabular/make_unlabelled.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

GROWERS = ("Aldo", "Bruna", "Carlo")
N_MALIGNANT = 20


def wines() -> pl.DataFrame:
    """Thirteen measurements and the grower (the names are made up)."""
    from sklearn.datasets import load_wine

    told = load_wine()
    frame = pl.DataFrame(told.data, [name.replace("/", "_") for name in told.feature_names])
    return frame.with_columns(grower=pl.Series([GROWERS[number] for number in told.target]))


def tumours(seed: int = 0) -> pl.DataFrame:
    """Ten means of cell nuclei, how they were found, and whether the tumour is malignant."""
    from sklearn.datasets import load_breast_cancer

    told = load_breast_cancer()
    rng = np.random.default_rng(seed)
    benign = np.flatnonzero(told.target == 1)
    malignant = rng.permutation(np.flatnonzero(told.target == 0))[:N_MALIGNANT]
    rows = rng.permutation(np.concatenate([benign, malignant]))
    names = [name.replace(" ", "_") for name in told.feature_names[:10]]
    frame = pl.DataFrame(told.data[rows, :10], names).with_row_index("row")
    gaps = [
        pl.when(pl.col("row") % 30 == place).then(None).otherwise(name).alias(name) for place, name in enumerate(names)
    ]
    found = np.array(["screening", "symptoms"])[rng.integers(0, 2, len(rows))]
    malign = np.where(told.target[rows] == 0, "yes", "no")
    return frame.with_columns(gaps).drop("row").with_columns(found=pl.Series(found), malignant=pl.Series(malign))


if __name__ == "__main__":
    folder = Path(__file__).resolve().parent / "data"
    folder.mkdir(exist_ok=True)
    for name, frame in (("wines", wines()), ("tumours", tumours())):
        frame.write_csv(folder / f"{name}.csv")
        print(folder / f"{name}.csv", frame.shape)
