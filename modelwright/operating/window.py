"""Served rows as a frame: what was asked, what was answered, and what turned out to be true."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright_runtime.reading import as_text
from modelwright_runtime.records import asked, row_ids, truths

if TYPE_CHECKING:
    import polars as pl

    from modelwright_runtime.model import Model
    from modelwright_runtime.records import Asked

LOG = logging.getLogger("modelwright.operating")
MOST_ROWS = 500_000
"""Rows that are looked at: the newest. A busy server logs more in a week than fits in memory."""
OWN = ("_id", "_time", "_version", "_role", "_latency_ms")


def served_rows(folder: Path) -> pl.DataFrame:
    """The prediction log of a deployment folder, with late labels joined by id; one row per row asked, the newest
    500,000 (to a segment of 64 MB).

    Columns: the model's own as they were sent, `_id`, `_time` (seconds since 1970), `_version`, `_role` (champion or
    challenger), `_latency_ms`, `_prediction`, `_probability_<class>`, `_truth` (null where it has not come) and
    `_truth_time`, when it came. A label joins the rows of all roles that have its id. Cost: about 2 s for a million
    rows of 20 columns.
    """
    import polars as pl

    entries, damaged = asked(folder / "log", most_rows=MOST_ROWS)
    known, more = truths(folder / "labels")
    for problem in (*damaged, *more):
        LOG.warning("%s: %s", folder.name, problem)
    frame = frame_of(entries)
    if not frame.height:
        return frame
    found = [known.get(row_id, (None, None)) for row_id in frame["_id"]]
    return frame.with_columns(
        column("_truth", [value for value, _ in found]).cast(pl.String),
        pl.Series("_truth_time", [time_s for _, time_s in found], dtype=pl.Float64),
    )


def answered_rows(
    model: Model, rows: pl.DataFrame, *, time_s: float = 0.0, version: int = 0, role: str = "challenger", first: int = 0
) -> pl.DataFrame:
    """Rows as `served_rows` gives them: answered, with their truth. Ids count from `first`."""
    import numpy as np
    import polars as pl

    target = model.signature.task.target
    told = model.predict(rows.select(model.columns))
    own = {
        "_id": [str(first + index) for index in range(rows.height)],
        "_time": np.full(rows.height, time_s), "_version": np.full(rows.height, version), "_role": [role] * rows.height,
        "_latency_ms": np.full(rows.height, 1.0), "_truth": rows[target].cast(pl.String),
        "_truth_time": np.full(rows.height, time_s),
        **{f"_{name}": values for name, values in told.columns().items()},
    }  # fmt: skip
    return pl.concat([rows.select(model.columns), pl.DataFrame(own)], how="horizontal")


def frame_of(entries: Sequence[Asked]) -> pl.DataFrame:
    """Log entries as one frame."""
    import numpy as np
    import polars as pl

    cells: dict[str, list[Any]] = {}
    own: dict[str, list[Any]] = {name: [] for name in OWN}
    n_rows = 0
    for entry in entries:
        n = len(entry.rows)
        ids = row_ids(entry.id, n)
        for name, value in zip(
            own, (None, entry.time_s, entry.version, entry.role, entry.latency_s * 1e3), strict=True
        ):
            own[name] += ids if name == "_id" else [value] * n
        if isinstance(entry.rows, np.ndarray):
            parts: Mapping[str, list[Any]] = {
                name: entry.rows[:, index].tolist() for index, name in enumerate(entry.columns)
            }
        else:
            parts = {name: [row[name] for row in entry.rows] for name in entry.columns}
        _extend(cells, {**parts, **{f"_{name}": list(told) for name, told in entry.answers.items()}}, n_rows, n)
        n_rows += n
    frame = pl.DataFrame({**{name: column(name, values) for name, values in cells.items()},
                          **{name: column(name, values) for name, values in own.items()}})  # fmt: skip
    return frame.with_columns(_truth=pl.lit(None, dtype=pl.String), _truth_time=pl.lit(None, dtype=pl.Float64))


def _extend(cells: dict[str, list[Any]], parts: Mapping[str, list[Any]], n_before: int, n: int) -> None:
    """Append, with nulls where versions differ in their columns."""
    for name in cells.keys() | parts.keys():
        into = cells.setdefault(name, [None] * n_before)
        into += parts.get(name, [None] * n)


def column(name: str, values: Sequence[Any]) -> pl.Series:
    """A column of whatever was sent: numbers, texts, lists; texts where kinds are mixed."""
    import polars as pl

    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int, float}:
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    if kinds == {bool} or kinds == {bytes}:
        return pl.Series(name, values)
    if kinds == {list}:
        inner = {type(part) for value in values if value is not None for part in value} - {type(None)}
        if inner <= {int, float}:
            rows = [None if value is None else [None if x is None else float(x) for x in value] for value in values]
            return pl.Series(name, rows, dtype=pl.List(pl.Float64))
    return pl.Series(name, [None if value is None else _text(value) for value in values], dtype=pl.String)


def _text(value: Any) -> str:
    import json

    return json.dumps(value) if isinstance(value, list | dict) else as_text(value)
