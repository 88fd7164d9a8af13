"""The reference profile: what each column looked like in training, for monitoring to compare with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

N_BINS = 10
MAX_LEVELS = 50


def profile(frame: pl.DataFrame, kinds: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Each column's kind, n, share missing, and its shape: mean, std and quantile bins of numbers (datetimes are
    seconds since 1970), shares of the levels of categories (the 50 commonest), mean length of texts.

    `edges` are 11 quantiles (fewer where values tie) and `shares` the share of present values in each bin, the
    last bin closed on both sides, as in the population stability index (Siddiqi 2006, "Credit Risk Scorecards").

    >>> import polars as pl
    >>> profile(pl.DataFrame({"x": [1.0, 2.0, None]}), {"x": "number"})["x"]["missing"]
    0.333...
    """
    return {name: _column(frame, name, kind) for name, kind in kinds.items()}


def _column(frame: pl.DataFrame, name: str, kind: str) -> dict[str, Any]:
    series = frame[name]
    present = series.drop_nulls()
    n_rows = series.len()
    found: dict[str, Any] = {
        "kind": kind,
        "n": n_rows,
        "missing": series.null_count() / n_rows if n_rows else 0.0,
    }
    if kind in ("number", "datetime"):
        return found | _numbers(frame.select(name))
    if kind == "text":
        lengths = present.str.len_chars()
        return found | {"mean_length": float(lengths.mean() or 0.0)}  # type: ignore[arg-type]
    return found | _levels(present)


def _numbers(frame: pl.DataFrame) -> dict[str, Any]:
    import numpy as np

    from modelwright.core.inputs import numbers

    values = numbers(frame, frame.columns)[:, 0]
    values = values[np.isfinite(values)]
    if not len(values):
        return {"mean": None, "std": None, "edges": [], "shares": []}
    edges = np.unique(np.quantile(values, np.linspace(0, 1, N_BINS + 1)))
    counts, _ = np.histogram(values, edges) if len(edges) > 1 else (np.array([len(values)]), None)
    return {
        "mean": _finite(values.mean()),
        "std": _finite(values.std()),
        "edges": edges.tolist(),
        "shares": (counts / len(values)).tolist(),
    }


def _finite(value: np.floating[Any]) -> float | None:
    return float(value) if math.isfinite(value) else None


def _levels(present: pl.Series) -> dict[str, Any]:
    import polars as pl

    counts = (
        present.cast(pl.String).rename("level").to_frame().group_by("level").len()
        .sort(["len", "level"], descending=[True, False])
    )  # fmt: skip
    n_present = max(1, present.len())
    levels = {level: count / n_present for level, count in counts.head(MAX_LEVELS).iter_rows()}
    return {"n_levels": counts.height, "levels": levels, "other": max(0.0, 1.0 - sum(levels.values()))}
