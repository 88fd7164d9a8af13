"""Make `data/loans.csv`: applications for loans, and what a bank decided in the past.

The bank looked at income, debt and years in the job, and lent to women less readily than to men of the same means.
Sex is written into the district and the job as well, so a model that never sees it still learns it. Rows are made:
what an audit finds here was put there.

    python examples/tabular/make_loans.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

N_ROWS = 8_000


def loans(n_rows: int = N_ROWS, seed: int = 0) -> pl.DataFrame:
    """The applications, the same bytes every time."""
    rng = np.random.default_rng(seed)
    woman = rng.random(n_rows) < 0.45
    age = rng.integers(19, 75, n_rows)
    income = np.exp(rng.normal(10.3, 0.45, n_rows) - 0.12 * woman + 0.004 * (age - 40)).round(-2)
    debt = (income * rng.beta(1.3, 4, n_rows)).round(-1)
    years = np.minimum(rng.exponential(6, n_rows), age - 18).round(1)
    district = np.where(rng.random(n_rows) < np.where(woman, 0.7, 0.3), "north", "south")
    jobs = np.array(["care", "office", "trade", "transport"])
    of_woman, of_man = rng.choice(4, n_rows, p=[0.4, 0.3, 0.2, 0.1]), rng.choice(4, n_rows, p=[0.1, 0.25, 0.3, 0.35])
    means = 1.8 * np.log(income / 28_000) - 3.0 * debt / income + 0.08 * years
    odds = means + 0.9 - 1.1 * woman  # and here is what the bank should not have done
    granted = rng.random(n_rows) < 1 / (1 + np.exp(-odds))
    return pl.DataFrame({
        "income": income, "debt": debt, "years_in_job": years, "age": age, "district": district,
        "job": jobs[np.where(woman, of_woman, of_man)], "sex": np.where(woman, "female", "male"),
        "granted": np.where(granted, "yes", "no"),
    })  # fmt: skip


if __name__ == "__main__":
    folder = Path(__file__).parent / "data"
    folder.mkdir(exist_ok=True)
    loans().write_csv(folder / "loans.csv")
    print(f"{folder / 'loans.csv'}: {N_ROWS:,} rows")
