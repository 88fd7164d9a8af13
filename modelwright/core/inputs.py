"""Typed rows to the graph's inputs, and the graph's answer to them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright_runtime.signature import Signature


def numbers(frame: pl.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Number, boolean and datetime columns as float64 of shape (n, len(columns)), NaN where missing.

    Datetimes are seconds since 1970.
    """
    import numpy as np
    import polars as pl

    matrix = np.empty((frame.height, len(columns)), dtype=np.float64)
    kinds = frame.schema
    plain = [index for index, name in enumerate(columns) if kinds[name] == pl.Float64]
    if plain:  # at once: thousands of columns one by one take seconds
        matrix[:, plain] = frame[[columns[index] for index in plain]].to_numpy()
    for index in sorted(set(range(len(columns))).difference(plain)):
        series = frame[columns[index]]
        if isinstance(series.dtype, pl.Datetime):
            series = series.dt.timestamp("us").cast(pl.Float64) / 1e6
        matrix[:, index] = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return matrix


def categories(frame: pl.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Category columns as objects (str) of shape (n, len(columns)), "" where missing."""
    import numpy as np
    import polars as pl

    matrix = np.empty((frame.height, len(columns)), dtype=object)
    for index, name in enumerate(columns):
        matrix[:, index] = frame[name].cast(pl.String).fill_null("").to_numpy()
    return matrix


def texts(frame: pl.DataFrame, column: str) -> list[str]:
    """A text column, "" where missing."""
    import polars as pl

    return frame[column].cast(pl.String).fill_null("").to_list()


def feeds(signature: Signature, frame: pl.DataFrame) -> dict[str, np.ndarray]:
    """The graph's inputs for typed rows."""
    from modelwright_runtime.text import weigh

    made: dict[str, np.ndarray] = {}
    if signature.numbers:
        made["numbers"] = numbers(frame, signature.numbers)
    if signature.categories:
        made["categories"] = categories(frame, signature.categories)
    for index, text in enumerate(signature.texts):
        made[f"text_{index}"] = weigh(texts(frame, text.column), text)
    return made


@lru_cache(maxsize=4)
def _session(graph: bytes) -> Any:
    from modelwright_runtime.engine import open_session

    return open_session(graph)


def graph_answers(graph: bytes, signature: Signature, data: Dataset) -> np.ndarray:
    """Run the graph over typed rows: probabilities (n, n_classes) or values (n,)."""
    import numpy as np

    session, frame, n_at_once = _session(graph), data.frame, signature.n_rows_at_once
    parts = [
        session.run(None, feeds(signature, frame.slice(start, n_at_once)))[0]
        for start in range(0, max(frame.height, 1), n_at_once)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
