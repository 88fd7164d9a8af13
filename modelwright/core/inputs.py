"""Typed rows to the graph's inputs, and the graph's answer to them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright_runtime.signature import ArrayInput, Signature


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


def series(frame: pl.DataFrame, column: str) -> list[np.ndarray | None]:
    """A series column: float64 arrays, NaN in gaps, None where missing."""
    import numpy as np
    import polars as pl

    lists = frame[column].cast(pl.List(pl.Float64))
    lengths = lists.list.len().fill_null(0).to_numpy()
    values = lists.filter(lists.is_not_null() & (lists.list.len() > 0)).explode()
    flat = values.fill_null(float("nan")).to_numpy()
    ends = np.cumsum(lengths)
    there = lists.is_not_null().to_list()
    return [
        flat[end - length : end] if is_there else None
        for end, length, is_there in zip(ends.tolist(), lengths.tolist(), there, strict=True)
    ]


def cells_of(frame: pl.DataFrame, input: ArrayInput) -> dict[str, Sequence[Any]]:
    """The cells of typed rows as `modelwright_runtime.arrays.make_array` takes them."""
    import polars as pl

    names = tuple(dict.fromkeys(input.columns))
    if input.form == "numbers":
        matrix = numbers(frame, names)
        return {name: matrix[:, index] for index, name in enumerate(names)}  # type: ignore[misc]
    if input.form == "series":
        return {name: series(frame, name) for name in names}
    if input.form in ("image", "audio"):
        return {name: frame[name].to_list() for name in names}
    if input.form == "tokens":
        return {name: texts(frame, name) for name in names}
    return {
        name: (frame[name] if frame[name].dtype == pl.Boolean else frame[name].cast(pl.String)).to_list()
        for name in names
    }


def array(frame: pl.DataFrame, input: ArrayInput) -> np.ndarray:
    """The array of typed rows. Raises `UserError("rows.cell")` naming the row of a file that cannot be decoded."""
    from modelwright_runtime.arrays import make_array

    return make_array(input, cells_of(frame, input))


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
    for index, input in enumerate(signature.arrays):
        made[f"array_{index}"] = array(frame, input)
    return made


@lru_cache(maxsize=4)
def _session(graph: bytes) -> Any:
    from modelwright_runtime.engine import open_session

    return open_session(graph)


def graph_answers(graph: bytes, signature: Signature, data: Dataset) -> np.ndarray:
    """Run the graph over typed rows: what it answers for `signature.task` (see `Task`)."""
    return graph_outputs(graph, signature, data)[0]


def graph_outputs(graph: bytes, signature: Signature, data: Dataset) -> tuple[np.ndarray, ...]:
    """Run the graph over typed rows: one answer for `signature.task`, then one for each of `more_tasks`.

    Rows are fed in parts that `rows_at_once` bounds; images and sounds are decoded part by part.
    """
    import numpy as np

    from modelwright_runtime.arrays import rows_at_once

    session, n_at_once = _session(graph), rows_at_once(signature)
    needed = [*signature.numbers, *signature.categories, *(text.column for text in signature.texts)]
    needed += [name for input in signature.arrays for name in input.columns]
    frame = data.table.select(list(dict.fromkeys(needed))).collect() if signature.arrays else data.frame
    parts = [
        session.run(None, feeds(signature, frame.slice(start, n_at_once)))
        for start in range(0, max(frame.height, 1), n_at_once)
    ]
    return tuple(outputs[0] if len(parts) == 1 else np.concatenate(outputs) for outputs in zip(*parts, strict=True))
