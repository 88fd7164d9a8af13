"""A small table with numbers, categories and gaps, as people have them: three kinds of shops, a few odd rows."""

from __future__ import annotations

import numpy as np
import polars as pl

N_ROWS = 240
KINDS = ("bakery", "garage", "florist")
ODD = (7, 60, 181)


def frame(seed: int = 0) -> pl.DataFrame:
    """Rows with the truth in `kind` and `odd`; five per cent of the cells are empty."""
    rng = np.random.default_rng(seed)
    kind = np.repeat([0, 1, 2], N_ROWS // 3)
    sales = np.array([40.0, 120.0, 65.0])[kind] * rng.lognormal(0, 0.08, N_ROWS)
    staff = np.array([4.0, 9.0, 2.0])[kind] + rng.normal(0, 0.5, N_ROWS)
    rent = 10 + 0.2 * sales + rng.normal(0, 1, N_ROWS)
    open_hours = np.array([60.0, 45.0, 50.0])[kind] + rng.normal(0, 2, N_ROWS)
    sales[ODD[0]], rent[ODD[1]], staff[ODD[2]] = 900.0, 95.0, 40.0
    town = np.array(["Bergen", "Oslo", "Tromso"])[rng.integers(0, 3, N_ROWS)]
    made = pl.DataFrame({
        "sales": sales.round(2), "staff": staff.round(1), "rent": rent.round(2), "hours": open_hours.round(1),
        "town": town, "card": rng.random(N_ROWS) < 0.7,
        "kind": np.array(KINDS)[kind], "odd": np.isin(np.arange(N_ROWS), ODD),
    }).sample(fraction=1.0, shuffle=True, seed=seed)  # fmt: skip
    gaps = rng.random((N_ROWS, 4)) < 0.05
    keep = made["odd"].to_numpy()
    return made.with_columns(
        pl.when(pl.Series(gaps[:, place] & ~keep)).then(None).otherwise(pl.col(name)).alias(name)
        for place, name in enumerate(("sales", "staff", "rent", "town"))
    )
