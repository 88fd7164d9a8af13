"""New long rows to the cases that a model answers: one a window, or one a series for a forecast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID
from modelwright.core.errors import UserError
from modelwright.sequences.grid import Repairs, Step, merged, on_grid
from modelwright.sequences.layout import Layout
from modelwright.sequences.rows import TIME, by_group
from modelwright_runtime.reading import CellError, Reading, Value, read_cell

if TYPE_CHECKING:
    import polars as pl


def cases_to_answer(rows: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The cases of raw long rows, and what names each answer: the row it ends at, its group and its time.

    A forecast has one case for each group, at its last row, whose past may be shorter than the model's (it is then
    unknown at its beginning). Windows follow one another without a gap and without overlap; rows at a group's end
    that fill no window are covered by one more window that ends with them. Raises UserError `rows.missing_column`
    and `sequences.short` when not one window is filled.

    >>> import polars as pl
    >>> layout = Layout(kind="windows", target="y", length=2, stride=1, inputs={"x": "x"}, time_column="step")
    >>> cases, keys = cases_to_answer(pl.DataFrame({"x": [1.0, 2.0, 3.0]}), layout)
    >>> cases["x"].to_list(), keys["row"].to_list()
    ([[1.0, 2.0], [2.0, 3.0]], [1, 2])
    """
    import polars as pl

    frame = _typed(rows, layout)
    groups = by_group(frame, layout.group)
    table = _forecasts(groups, layout) if layout.kind == "forecast" else _windows(groups, layout)
    if table is None or not table.height:
        raise UserError(
            "sequences.short",
            f"the {rows.height:,} rows do not fill one window of {layout.length} rows.",
            hint="give the rows of a whole session",
        )
    keys = [pl.col(ROW_ID).alias("row"), *([pl.col(layout.group)] if layout.group else [])]
    keys += [pl.col(layout.time)] if layout.time else []
    return table, table.select(keys)


def _typed(rows: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """The raw rows' cells read as training read them; the time as `TIME`, sorted within groups by whoever asks."""
    import polars as pl

    readings = {reading.column: reading for reading in layout.readings}
    columns = [pl.Series(ROW_ID, range(rows.height), dtype=pl.UInt64)]
    for name in [layout.group, *layout.static, *layout.inputs]:
        if not name:
            continue
        if name not in rows.columns:
            raise UserError("rows.missing_column", f"the rows have no column {name!r}, which the model needs.")
        kind = "category" if name in (layout.group, *layout.static) else "number"
        columns.append(_read(rows[name], readings.get(name) or Reading(column=name, kind=kind)))  # type: ignore[arg-type]
    if layout.time:
        if layout.time not in rows.columns:
            raise UserError("rows.missing_column", f"the rows have no column {layout.time!r}, which says their time.")
        kind = "datetime" if layout.moments else "number"
        moments = _read(rows[layout.time], readings.get(layout.time) or Reading(column=layout.time, kind=kind))  # type: ignore[arg-type]
        columns.append((moments * 1e6).round().cast(pl.Int64).alias(TIME) if layout.moments else moments.alias(TIME))
    else:
        columns.append(pl.Series(TIME, range(rows.height), dtype=pl.Float64))
    frame = pl.DataFrame(columns)
    return frame.filter(pl.col(TIME).is_not_null())


def _read(cells: pl.Series, reading: Reading) -> pl.Series:
    """A raw column read cell by cell, each distinct cell once; numbers and seconds as Float64, else text."""
    import polars as pl

    dtype = pl.String if reading.kind in ("category", "text") else pl.Float64
    if dtype == pl.Float64 and cells.dtype.is_float() and not (reading.sentinels or reading.low or reading.high):
        return cells.cast(pl.Float64)
    known: dict[Any, Value] = {cell: _value(cell, reading) for cell in cells.unique().to_list()}
    return pl.Series(cells.name, [known[cell] for cell in cells.to_list()], dtype=dtype)


def _value(cell: Any, reading: Reading) -> Value:
    try:
        return read_cell(cell, reading)
    except CellError:
        return None


def _forecasts(groups: list[tuple[object, pl.DataFrame]], layout: Layout) -> pl.DataFrame | None:
    from modelwright.sequences.forecast import cases_of, join_cases
    from modelwright.sequences.grid import interpolated

    numbers = list(layout.inputs)
    step = Step(layout.step_unit, layout.step_size, "")
    parts = []
    statics: dict[object, Mapping[str, Any]] = {}
    for key, rows in groups:
        tidy = merged(rows, TIME, numbers, Repairs())
        series = on_grid(tidy, key, tidy[TIME].to_numpy(), numbers, step)
        series.values[:, 0], _ = interpolated(series.values[:, 0])
        parts.append(cases_of(series, layout, training=False)[0])
        statics[key] = tidy.select(layout.static).row(0, named=True) if layout.static else {}
    return join_cases(parts, layout, statics)


def _windows(groups: list[tuple[object, pl.DataFrame]], layout: Layout) -> pl.DataFrame | None:
    import numpy as np
    import polars as pl

    from modelwright.sequences.windows import windows_of

    parts = []
    for key, rows in groups:
        ordered = rows.sort(TIME, maintain_order=True)
        starts = np.arange(0, ordered.height - layout.length + 1, layout.length)
        rest = ordered.height - layout.length
        if rest > 0 and (not len(starts) or starts[-1] < rest):
            starts = np.append(starts, rest)
        if rest >= 0:
            parts.append(windows_of(ordered, key, starts, layout))
    return pl.concat(parts).sort(ROW_ID) if parts else None
