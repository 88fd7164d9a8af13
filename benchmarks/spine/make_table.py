"""A seeded CSV of n rows and 20 columns, damaged a little as real exports are."""

import sys

import numpy as np
import polars as pl

path, n_rows = sys.argv[1], int(sys.argv[2])
rng = np.random.default_rng(0)
CHUNK = 500_000
with open(path, "wb") as file:
    for begin in range(0, n_rows, CHUNK):
        n = min(CHUNK, n_rows - begin)
        columns = {f"number_{i}": np.round(rng.normal(50, 20, n), 3).astype(str) for i in range(12)}
        for i in range(12):
            holes = rng.random(n) < 0.01
            columns[f"number_{i}"] = np.where(holes, rng.choice(["?", "NA", "-", ""], n), columns[f"number_{i}"])
        for i in range(5):
            levels = np.array([f"level {k}" for k in range(4 + 3 * i)] + [" level 1", "Level 2"])
            columns[f"category_{i}"] = rng.choice(levels, n)
        days = np.datetime64("2020-01-01") + rng.integers(0, 1500, n).astype("timedelta64[D]")
        columns["day"] = days.astype(str)
        columns["constant"] = np.full(n, "v1")
        columns["target"] = np.where(rng.random(n) < 0.3, "yes", "no")
        frame = pl.DataFrame(columns)
        repeated = frame.sample(fraction=0.002, seed=begin)
        frame = pl.concat([frame.head(n - repeated.height), repeated])
        frame.write_csv(file, include_header=begin == 0)
