"""Make `data/sugar.csv`: 442 people with diabetes, ten measurements, and how far the disease had come a year later.

The rows are real; scikit-learn carries them (Efron et al., 2004).

    python examples/tabular/make_sugar.py
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
from sklearn.datasets import load_diabetes


def main() -> None:
    """Write the table."""
    data = load_diabetes(scaled=False)
    names = ["age", "sex", "body_mass", "pressure", "cholesterol", "ldl", "hdl", "ratio", "triglycerides", "glucose"]
    columns = dict(zip(names, data.data.T, strict=True))
    path = Path(__file__).resolve().parent / "data" / "sugar.csv"
    path.parent.mkdir(exist_ok=True)
    pl.DataFrame({**columns, "progression": data.target}).write_csv(path)
    print(f"{len(data.target)} people in {path}")


if __name__ == "__main__":
    main()
