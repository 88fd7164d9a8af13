"""Changes laid over a table: batch by batch, by row id, without a join."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Dataset

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.cleaning.findings import Findings
    from modelwright.cleaning.history import History


@dataclass(frozen=True, eq=False)
class _Layer:
    """What the cells of one column become: `rows` ascending, each once, and the new `cells`, of the column's type."""

    column: str
    rows: np.ndarray
    cells: pl.Series


def overlay(history: History) -> Dataset:
    """The history's raw table with its changes in force; lazy where the raw table is."""
    import polars as pl

    from modelwright.cleaning.survey import in_memory

    raw = history.raw
    types = raw.table.collect_schema()
    layers = _layers(history, types)
    gone = history.removed[ROW_ID]

    def lay(frame: pl.DataFrame) -> pl.DataFrame:
        frame = _laid(frame, layers)
        return frame.filter(~pl.col(ROW_ID).is_in(gone.implode())) if gone.len() else frame

    if in_memory(raw):
        table = lay(raw.frame).lazy()
    else:
        table = raw.table.map_batches(lay, schema=types, streamable=True)
    told = {
        "groups": sum(history.n_active(group.number) > 0 for group in history.groups),
        "changes": history.n_active(),
    }
    return Dataset(table, raw.schema, raw.n_rows - gone.len(), {**raw.origin, "mended": told})


def _layers(history: History, types: Any) -> list[_Layer]:
    import numpy as np
    import polars as pl

    bits = pl.Series(history.bits)
    by_column: dict[str, list[pl.DataFrame]] = {}
    for group in history.groups:
        if group.kind == "rows" or not history.n_active(group.number):
            continue
        span = slice(history.starts[group.number], history.starts[group.number] + group.n)
        rows = history.changes[span].select(ROW_ID, "after")
        if history.n_active(group.number) < group.n:
            rows = rows.filter(bits[span])
        by_column.setdefault(str(group.column), []).append(rows)
    layers = []
    for column, parts in by_column.items():
        rows = pl.concat(parts)
        if len(parts) > 1:  # the later group has the last word
            rows = rows.unique(ROW_ID, keep="last", maintain_order=True).sort(ROW_ID)
        cells = rows["after"]
        if types[column] == pl.Binary:
            files = {name: history.files[name] for name in cells.unique()}
            cells = pl.Series(column, [files[name] for name in cells], dtype=pl.Binary)
        layers.append(_Layer(column, rows[ROW_ID].to_numpy().astype(np.uint64), as_type(cells, types[column])))
    return layers


def as_type(cells: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Texts as cells of a column of another type; null where a text is no such cell."""
    import polars as pl

    if cells.dtype == dtype:
        return cells
    if dtype == pl.Boolean:
        return cells.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    if isinstance(dtype, pl.Datetime) or dtype == pl.Date:
        return cells.str.to_datetime(strict=False, time_unit="us").cast(dtype, strict=False)
    if dtype.is_nested():  # lists of numbers, written out as JSON
        return cells.str.json_decode(pl.List(dtype.inner)).cast(dtype, strict=False)  # type: ignore[attr-defined]
    return cells.cast(dtype, strict=False)


def _laid(frame: pl.DataFrame, layers: list[_Layer]) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    if not frame.height:
        return frame
    ids = frame[ROW_ID].to_numpy()
    order = None if bool((ids[1:] > ids[:-1]).all()) else np.argsort(ids)
    sorted_ids = ids if order is None else ids[order]
    changed = []
    for layer in layers:
        low, high = np.searchsorted(layer.rows, [sorted_ids[0], sorted_ids[-1]])
        rows = layer.rows[low : high + 1]
        if not len(rows):
            continue
        place = np.minimum(np.searchsorted(sorted_ids, rows), len(ids) - 1)
        here = np.flatnonzero(sorted_ids[place] == rows)
        if not len(here):
            continue
        place = place[here] if order is None else order[place[here]]
        column = frame[layer.column]
        new = layer.cells[int(low) : int(high) + 1].gather(here).alias(layer.column)
        taken = np.arange(len(ids), dtype=np.uint32)
        taken[place] = np.arange(len(ids), len(ids) + len(here), dtype=np.uint32)
        changed.append(pl.concat([column, new]).gather(pl.Series(taken)))
    return frame.with_columns(changed)


def cells_of(data: Dataset, column: str, rows: pl.Series) -> pl.Series:
    """The raw cells of these rows as texts, in the rows' order; null where a row is absent.

    >>> import polars as pl
    >>> cells_of(Dataset.from_frame(pl.DataFrame({"x": [1.0, 2.5]})), "x", pl.Series([1, 0])).to_list()
    ['2.5', '1']
    """
    import polars as pl

    wanted = pl.DataFrame({ROW_ID: rows.cast(pl.UInt64)})
    cells = data.table.select(ROW_ID, column).join(wanted.lazy(), on=ROW_ID, how="semi").collect(engine="streaming")
    found = wanted.join(cells, on=ROW_ID, how="left", maintain_order="left")[column]
    return texts_of(found).alias("before")


def texts_of(cells: pl.Series) -> pl.Series:
    """Raw cells as the texts that a CSV file would hold; bytes and lists by what they are."""
    import polars as pl

    from modelwright_runtime.reading import as_text

    if cells.dtype == pl.String:
        return cells
    if cells.dtype == pl.Binary:
        return (cells.bin.size() / 1000).round(1).cast(pl.String) + " kB"
    return pl.Series(cells.name, [None if cell is None else as_text(cell) for cell in cells.to_list()], dtype=pl.String)


def laid_without_log(raw: Dataset, found: Findings) -> Dataset:
    """The changes of cells that were found laid over a table, and nothing kept of them: what the log is measured by."""
    import numpy as np

    from modelwright.cleaning.grouping import parted

    types = raw.table.collect_schema()
    layers = []
    for (column,), part in parted(found.cells.select(ROW_ID, "column", "after"), ["column"]):
        rows = part if part[ROW_ID].is_sorted() else part.sort(ROW_ID)
        cells = as_type(rows["after"], types[column])
        layers.append(_Layer(column, rows[ROW_ID].to_numpy().astype(np.uint64), cells))
    table = raw.table.map_batches(lambda frame: _laid(frame, layers), schema=types, streamable=True)
    return Dataset(table, raw.schema, raw.n_rows, raw.origin)
