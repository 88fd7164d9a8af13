"""Adult with categories as numbers, and a boosting on it: what both sides are asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common import SHARED

NAMES = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race",
    "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
)  # fmt: skip


def table(part: str = "train") -> pl.DataFrame:
    """The official rows, as texts and numbers."""
    path = SHARED / "tabular" / "adult" / f"adult_{part}.csv.gz"
    frame = pl.read_csv(path, has_header=False, new_columns=list(NAMES))
    frame = frame.filter(pl.col("income").is_not_null())  # the file's last line is empty
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    return frame.with_columns(pl.col(texts).str.strip_chars().str.strip_suffix(".").fill_null("?"))


def matrix(frame: pl.DataFrame, levels: dict[str, list[str]] | None = None) -> tuple[np.ndarray, dict[str, list[str]]]:
    """Features as float64, categories as places among their sorted levels."""
    known = levels or {
        name: sorted(frame[name].unique().to_list()) for name in NAMES[:-1] if frame.schema[name] == pl.String
    }
    columns = [
        frame[name].replace_strict(known[name], range(len(known[name])), default=-1).to_numpy().astype(float)
        if name in known else frame[name].to_numpy().astype(float) for name in NAMES[:-1]
    ]  # fmt: skip
    return np.column_stack(columns), known


def boosting(x: np.ndarray, y: np.ndarray) -> Any:
    """LightGBM, 200 rounds on one thread."""
    import lightgbm

    settings = {"objective": "binary", "num_threads": 1, "verbosity": -1, "seed": 0, "learning_rate": 0.06}
    return lightgbm.train(settings, lightgbm.Dataset(x, y), 200)


def write_case(folder: Path, n_rows: int, n_background: int) -> dict[str, np.ndarray]:
    """The model, rows to explain and background rows, on disk for both sides."""
    frame = table()
    x, _ = matrix(frame)
    y = (frame["income"] == ">50K").to_numpy().astype(float)
    boosting(x[:20_000], y[:20_000]).save_model(folder / "model.txt")
    rng = np.random.default_rng(0)
    arrays = {"background": x[:20_000][rng.permutation(20_000)[:n_background]], "rows": x[20_000 : 20_000 + n_rows]}
    np.savez(folder / "case.npz", **arrays)
    return arrays
