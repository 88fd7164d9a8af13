"""The reference profile: what each column looked like in training, for monitoring to compare with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

N_BINS = 10
MAX_LEVELS = 50
FILES = ("image", "audio", "mask")


def profile(frame: pl.DataFrame, kinds: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Each column's kind, n, share missing, and its shape: mean, std and quantile bins of numbers (datetimes are
    seconds since 1970), shares of the levels of categories (the 50 commonest), mean length of texts; of files their
    bytes, of pictures width and height, of sounds rate and seconds, of series length and values, of labels and boxes
    how many a row and which.

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
    if kind in FILES:
        return found | _files(present.to_list(), kind)
    if kind == "series":
        return found | _series(present)
    if kind in ("labels", "boxes"):
        return found | _lists(present, kind)
    if kind == "text":
        lengths = present.str.len_chars()
        return found | {"mean_length": float(lengths.mean() or 0.0)}  # type: ignore[arg-type]
    return found | _levels(present)


def _files(cells: Sequence[bytes], kind: str) -> dict[str, Any]:
    """Bytes of files; of pictures width and height in pixels, of sounds seconds and rate; quantiles and shares."""
    from modelwright_runtime.arrays import audio, images
    from modelwright_runtime.reading import CellError

    told: dict[str, list[float]] = {"bytes": [float(len(cell)) for cell in cells]}
    n_broken = 0
    for cell in cells:
        try:
            if kind == "audio":
                samples, rate_hz = audio.read(cell)
                about = {"seconds": len(samples) / rate_hz, "rate_hz": float(rate_hz), "level": _level(samples)}
            else:
                width, height = images.size_of(cell)
                about = {"width": float(width), "height": float(height)}
        except CellError:
            n_broken += 1
            continue
        for name, value in about.items():
            told.setdefault(name, []).append(value)
    return {"n_opened": len(cells), "broken": n_broken} | {name: _spread(values) for name, values in told.items()}


def _level(samples: np.ndarray) -> float:
    """Root mean square of samples in -1..1."""
    import numpy as np

    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def _series(present: pl.Series) -> dict[str, Any]:
    """Lengths and values of series."""
    import polars as pl

    values = present.explode().cast(pl.Float64).rename("value").to_frame()
    return {"length": _spread(present.list.len().cast(pl.Float64).to_list()), "value": _numbers(values)}


def _lists(present: pl.Series, kind: str) -> dict[str, Any]:
    """How many a row, and the shares of the labels among all."""
    inner = present.explode().drop_nulls()
    labels = inner.struct.field("label").drop_nulls() if kind == "boxes" and inner.len() else inner
    counts = [float(count) for count in present.list.len().to_list()]
    return {"count": _spread(counts)} | (_levels(labels) if inner.len() else {"n_levels": 0, "levels": {}})


def _spread(values: Sequence[float]) -> dict[str, Any]:
    import polars as pl

    return _numbers(pl.DataFrame({"value": list(values)}, schema={"value": pl.Float64}))


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
