"""Noise of series and of columns in time, offered to be taken off: which, by which filter, and the gain expected.

What moves fast may be what matters, so nothing is changed unasked: by default the method tells what it would do, and
`columns` in its settings asks for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method
from modelwright.cleaning.signals.denoise import Denoised, denoise
from modelwright.cleaning.signals.filters import without
from modelwright.cleaning.signals.timelines import usual_step
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.spec import Spec
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

NAME = "denoising"
ASKED = 0.96  # done in the gentle mode: the settings name the column
MOST_MISSING = 0.2
LEAST_NUMBERS = 0.95  # share of a column's cells that say plain numbers
TOLD_GAIN_DB = 1.0
N_LOOKED_AT = 200  # series of a column that are looked at unasked
PEEKED_ROWS = 200
MOST_ROWS_UNASKED = 1_000_000


class DenoisingSpec(Spec):
    """Which columns lose their noise."""

    columns: tuple[str, ...] = Field((), description="columns to take the noise off; of others it is told only")
    step_s: float | None = Field(None, gt=0, description="seconds between the values of a series cell, for hum")


def propose(data: Dataset, spec: DenoisingSpec, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Propose the cells of the columns asked for without their noise; of other columns tell what there is.

    Columns of plain numbers are taken in the order of the table's times, or of its row ids where it has none, and
    changed as one series; cells that are series each by themselves. Numbers keep as many decimals as their column has.

    >>> import numpy as np, polars as pl
    >>> rng = np.random.default_rng(0)
    >>> noisy = np.sin(np.arange(600) / 40) + 0.3 * rng.normal(size=600)
    >>> data = Dataset.from_frame(pl.DataFrame({"level": noisy.round(3)}))
    >>> found = propose(data, DenoisingSpec(columns=("level",)))
    >>> found.cells.height > 550, found.cells["reason"][0][:12]
    (True, 'white noise:')

    Raises UserError `schema.column` for a column that there is not.

    Reference: Stein (1981), Annals of Statistics 9(6); see `denoise`.
    """
    import polars as pl

    for name in spec.columns:
        _ = data.schema[name]
    types = data.table.collect_schema()
    times = time_column(data) if spec.columns or data.n_rows <= MOST_ROWS_UNASKED else ""
    cells: list[pl.DataFrame] = []
    flags: list[tuple[object, ...]] = []
    for column in data.schema.columns:
        asked = column.name in spec.columns
        if column.role in ("target", "id", "weight", "group") and not asked:
            continue
        if _holds_series(data, column.name, types[column.name]):
            found = _series_cells(data, column.name, spec, seed, flags, asked=asked)
        elif asked or times:
            found = _number_column(data, column.name, times, seed, flags, asked=asked)
        else:
            continue
        cells += [found] if found is not None else []
    told = pl.DataFrame(flags, schema=Findings.of().flags.schema, orient="row").sort("column", ROW_ID)
    return Findings.of(cells=pl.concat(cells) if cells else None, flags=told)


# Columns of numbers ---------------------------------------------------------------------------------------------


def time_column(data: Dataset) -> str:
    """The column of a raw table that holds times with a usual step; "" for none.

    >>> import polars as pl
    >>> time_column(Dataset.from_frame(pl.DataFrame({"at": [f"2024-01-01 00:{n:02}:00" for n in range(40)]})))
    'at'
    """
    types = data.table.collect_schema()
    for column in sorted(data.schema.columns, key=lambda column: column.role != "time"):
        seconds = _seconds(data, column.name, types[column.name])
        if seconds is None or not usual_step(seconds):
            continue
        if (seconds[1:] > seconds[:-1]).mean() > 0.8:  # else days of events, or several things: no one series
            return column.name
    return ""


def _seconds(data: Dataset, name: str, dtype: pl.DataType) -> np.ndarray | None:
    """A column of times in ascending order; None where it holds none."""
    import numpy as np
    import polars as pl

    if dtype == pl.String:
        first = data.table.select(ROW_ID, name).bottom_k(PEEKED_ROWS, by=ROW_ID).collect()[name].drop_nulls()
        if not first.len() or first.str.contains(r"^\d{4}-\d{2}-\d{2}").mean() != 1:
            return None
    elif not dtype.is_temporal() or dtype in (pl.Time, pl.Duration):
        return None
    found = data.table.select(_as_seconds(name, dtype)).collect().to_series().drop_nulls()
    return np.sort(found.to_numpy()) if found.len() > LEAST_NUMBERS * data.n_rows else None


def _as_seconds(name: str, dtype: pl.DataType) -> pl.Expr:
    import polars as pl

    cell = pl.col(name)
    if dtype == pl.String:
        cell = cell.str.slice(0, 19).str.replace("T", " ").str.to_datetime(strict=False, time_unit="us")
    return cell.cast(pl.Datetime("us")).dt.timestamp("us").cast(pl.Float64) / 1e6


def _number_column(
    data: Dataset, name: str, times: str, seed: int, flags: list[tuple[object, ...]], *, asked: bool
) -> pl.DataFrame | None:
    """A column of plain numbers as one series in the order of time."""
    import numpy as np
    import polars as pl

    from modelwright.cleaning.overlay import texts_of

    types = data.table.collect_schema()
    if not (types[name].is_numeric() or types[name] == pl.String) or name == times:
        return None
    order = _as_seconds(times, types[times]) if times else pl.col(ROW_ID).cast(pl.Float64)
    rows = data.table.select(ROW_ID, pl.col(name).alias("cell"), order.alias("at")).sort("at", ROW_ID).collect()
    values = rows["cell"].cast(pl.Float64, strict=False).fill_nan(None)
    if values.null_count() > (1 - LEAST_NUMBERS) * rows.height + rows["cell"].null_count():
        return None
    step_s = usual_step(rows["at"].drop_nulls().to_numpy()) if times else None
    found = _whole(values.fill_null(float("nan")).to_numpy(), step_s, seed)
    if found is None or not found.steps:
        return None
    if not asked:
        if found.gain_db >= TOLD_GAIN_DB:
            flags.append((int(rows[ROW_ID].min()), name, NAME, f"the column has {_said(found)}", found.gain_db))  # type: ignore[arg-type]
        return None
    before = texts_of(rows["cell"])
    decimals = 0 if types[name].is_integer() else _decimals(before)
    after = pl.Series("after", [_number(value, decimals) for value in found.values], dtype=pl.String)
    changed = rows.select(ROW_ID).with_columns(
        before.alias("before"), after, column=pl.lit(name), method=pl.lit(NAME), reason=pl.lit(_said(found)),
        confidence=pl.lit(ASKED),
    )  # fmt: skip
    really = values.is_not_null() & (pl.Series(np.round(found.values, decimals)) != values)
    return changed.filter(really).select(*Findings.of().cells.columns).sort(ROW_ID)


def _decimals(texts: pl.Series) -> int:
    """How many decimals the cells of a column have, at most 9; one more than that is not known."""
    digits = texts.str.extract(r"\.(\d+)").str.len_chars()
    return min(9, int(digits.max() or 0))  # type: ignore[arg-type]


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}"


def _whole(values: np.ndarray, step_s: float | None, seed: int) -> Denoised | None:
    """A series without its noise; its missing values are drawn from their neighbours for that, and told by nobody."""
    import numpy as np

    missing = ~np.isfinite(values)
    if missing.mean() > MOST_MISSING or (~missing).sum() < 2:
        return None
    return denoise(without(np.where(missing, 0.0, values), missing), step_s=step_s, seed=seed)


def _said(found: Denoised) -> str:
    """What was found, and what takes it off, in words."""
    parts = []
    for step in found.steps:
        kind = "white noise" if step.kind == "white" else step.kind
        parts.append(f"{kind}: {step.method} gains about {step.gain_db:.1f} dB")
    return "; ".join(parts)


# Cells that are series ------------------------------------------------------------------------------------------


def _holds_series(data: Dataset, name: str, dtype: pl.DataType) -> bool:
    import polars as pl

    if isinstance(dtype, (pl.List, pl.Array)):
        return bool(dtype.inner.is_numeric())
    if dtype != pl.String:
        return False
    first = data.table.select(ROW_ID, name).bottom_k(PEEKED_ROWS, by=ROW_ID).collect()[name].drop_nulls()
    return bool(first.len()) and bool(first.str.contains(r"^\s*\[[-\d\s.,eE+]*,[-\d\s.,eE+]*\]\s*$").all())


def _read_series(data: Dataset, name: str, n: int) -> Iterator[tuple[int, str, np.ndarray]]:
    """Row, cell as text and values of the `n` lowest rows whose cell is a series."""
    import polars as pl

    from modelwright.cleaning.overlay import texts_of

    rows = (
        data.table.select(ROW_ID, name).filter(pl.col(name).is_not_null()).bottom_k(n, by=ROW_ID).sort(ROW_ID).collect()
    )
    numbers = rows[name]
    if numbers.dtype == pl.String:
        numbers = pl.Series(name, [json.loads(cell) for cell in numbers], dtype=pl.List(pl.Float64))
    texts = texts_of(rows[name])
    for row, text, values in zip(rows[ROW_ID].to_list(), texts.to_list(), numbers.to_list(), strict=True):
        yield row, text, pl.Series(values, dtype=pl.Float64).fill_null(float("nan")).to_numpy()


def _series_cells(
    data: Dataset, name: str, spec: DenoisingSpec, seed: int, flags: list[tuple[object, ...]], *, asked: bool
) -> pl.DataFrame | None:
    """Each cell of a column by itself; of a column that nobody asked for a sample, and one flag for all of it."""
    import polars as pl

    said: list[tuple[object, ...]] = []
    kinds: Counter[str] = Counter()
    gains, n, first = [], 0, 0
    for row, text, values in _read_series(data, name, data.n_rows if asked else N_LOOKED_AT):
        n, first = n + 1, first if n else row
        found = _whole(values, spec.step_s, seed) if len(values) else None
        if found is None or not found.steps:
            continue
        kinds.update({step.kind for step in found.steps})
        gains.append(found.gain_db)
        if asked:
            said.append((row, name, text, as_cell(found.values, values), NAME, _said(found), ASKED))
    if asked:
        return pl.DataFrame(said, schema=Findings.of().cells.schema, orient="row").sort(ROW_ID) if said else None
    if gains and len(gains) > 0.2 * n and sum(gains) / len(gains) >= TOLD_GAIN_DB:
        kind, n_kind = kinds.most_common(1)[0]
        mean = sum(gains) / len(gains)
        what = "white noise" if kind == "white" else kind
        flags.append(
            (first, name, NAME, f"{n_kind} of {n} series looked at have {what}, worth about {mean:.1f} dB", mean)
        )
    return None


def as_cell(values: np.ndarray, was: np.ndarray) -> str:
    """A series written out as JSON with seven digits; null where it had no value.

    >>> import numpy as np
    >>> as_cell(np.array([0.123456789, 2.0]), np.array([0.1, np.nan]))
    '[0.1234568, null]'
    """
    import numpy as np

    numbers = [float(f"{value:.7g}") if np.isfinite(old) else None for value, old in zip(values, was, strict=True)]
    return json.dumps(numbers)


MEND = Method(
    name=NAME, about="Noise of series, taken off where the settings ask for it.", propose=propose,
    kinds=("datetime", "series", "number"), spec=DenoisingSpec,
)  # fmt: skip
