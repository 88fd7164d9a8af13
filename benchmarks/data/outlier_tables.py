"""Tables for outliers without labels: those of the bar, and others on which the method was made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from benchmarks.common import SHARED

Table = tuple[str, str, np.ndarray, np.ndarray]
"""Source, name, values (n, d) and whether a row is an outlier (n,)."""
SHARE = 0.1
ADBENCH = ("cardio", "pendigits", "thyroid")
MADE_ON = (("ionosphere", "b"), ("glass", None), ("mammography", None), ("pima_diabetes", None), ("vehicle", None))


def bar_tables() -> Iterator[Table]:
    """The three tables of ADBench, and each class of four scikit-learn tables as what is usual, with a tenth of
    others."""
    from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

    for name in ADBENCH:
        with np.load(SHARED / "anomaly" / f"adbench_{name}" / f"{name}.npz") as arrays:
            yield name, name, arrays["X"].astype(np.float64), arrays["y"] == 1
    loaders = {"breast_cancer": load_breast_cancer, "digits": load_digits, "iris": load_iris, "wine": load_wine}
    for name, load in loaders.items():
        values, classes = load(return_X_y=True)
        yield from one_class(name, values.astype(np.float64), classes)


def made_on_tables() -> Iterator[Table]:
    """Tables in which nothing of the bar lies: classes of five other tables."""
    for name, _ in MADE_ON:
        frame = pl.read_csv(next((SHARED / "tabular" / name).glob("*.csv*")), infer_schema_length=5000)
        target = frame.columns[-1]
        numbers = [c for c in frame.columns if c != target and frame[c].dtype.is_numeric()]
        frame = frame.drop_nulls(numbers)
        classes = frame[target].cast(pl.String).to_physical().rank("dense").to_numpy()
        yield from one_class(name, frame.select(numbers).to_numpy().astype(np.float64), classes)


def one_class(name: str, values: np.ndarray, classes: np.ndarray) -> Iterator[Table]:
    """Each class of at least 30 rows, at most 3,000 of them, with rows of the other classes as a tenth of the table."""
    for label in np.unique(classes):
        usual, others = np.flatnonzero(classes == label), np.flatnonzero(classes != label)
        if len(usual) < 30:
            continue
        rng = np.random.default_rng(0)
        usual = rng.permutation(usual)[:3_000]
        n_odd = min(len(others), round(len(usual) * SHARE / (1 - SHARE)))
        odd = rng.permutation(others)[:n_odd]
        rows = rng.permutation(np.concatenate([usual, odd]))
        yield name, f"{name} {label}", values[rows], np.isin(rows, odd)
