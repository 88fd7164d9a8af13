"""The cleaning log: every cell whose meaning was changed, with before, after, step and reason; and its summary.

A plain number read as that number, an ISO date, and a yes or no are no changes, nor is an empty cell that
stays empty. The log is computed when it is read: it is a function of the raw table and the readings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from modelwright.cleaning.apply import plain_numbers, read_series, typed_values, value_of
from modelwright.cleaning.categories import canonical_blanks
from modelwright.cleaning.known import all_known
from modelwright.core.data import ROW_ID
from modelwright_runtime.reading import CellError, Reading, as_text, is_missing, read_cell

if TYPE_CHECKING:
    import polars as pl

    from modelwright.cleaning.survey import Look
    from modelwright.core.values import Cleaned


def changes_of(
    raw: pl.LazyFrame, looks: Sequence[Look], readings: Sequence[Reading], removed: pl.Series
) -> pl.LazyFrame:
    """The log of the rows that are kept, in row order and then column order; lazy, batch by batch."""
    import polars as pl

    changed = [(look, reading) for look, reading in zip(looks, readings, strict=True) if _may_change(look, reading)]
    if not changed:
        return _nothing().lazy()

    @cache
    def logs() -> list[_Log]:
        return [_column_log(look, reading) for look, reading in changed]

    def log_batch(frame: pl.DataFrame) -> pl.DataFrame:
        parts = [
            _of_column(frame[log.reading.column], log).with_columns(pl.lit(index).alias("index"))
            for index, log in enumerate(logs())
        ]
        found = pl.concat(parts).sort("place", "index")
        return found.select(frame[ROW_ID].gather(found["place"]), *_TEXTS)

    raw = raw.select(ROW_ID, *(reading.column for _, reading in changed))
    if removed.len():
        raw = raw.filter(~pl.col(ROW_ID).is_in(removed.implode()))
    return raw.map_batches(log_batch, schema=_nothing().schema, streamable=True)


_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ISO = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LETTERS = r"""[^\W\d_]|[%°"]"""
_SPACES = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
_TEXTS = ("column", "before", "after", "step", "reason")


@dataclass(frozen=True, eq=False)
class _Log:
    """How one column is logged: by a dictionary of its changed cells, where all its cells are known."""

    reading: Reading
    known: pl.DataFrame | None


def _has_limits(reading: Reading) -> bool:
    """Whether a plain number may be lost."""
    return bool(reading.sentinels) or reading.low is not None or reading.high is not None


def _may_change(look: Look, reading: Reading) -> bool:
    return not all_known(look, reading) or _has_limits(reading) or any(look.odd)


def _column_log(look: Look, reading: Reading) -> _Log:
    """A dictionary of changed cells where all cells are known; it is told cell by cell."""
    import polars as pl

    if not all_known(look, reading) or _has_limits(reading):
        return _Log(reading, None)
    cells = pl.Series(reading.column, list(look.odd), dtype=pl.String)
    values = typed_values([value_of(cell, reading) for cell in look.odd], reading, reading.column)
    changed = [
        place
        for place, (cell, value) in enumerate(zip(look.odd, values, strict=True))
        if _differs(cell, value, reading)
    ]
    before, after = cells.gather(changed), values.gather(changed)
    words = [explain(cell, reading) for cell in before]
    return _Log(reading, _entries(reading.column, before, after, words))


def _differs(cell: str, value: Any, reading: Reading) -> bool:
    """Whether the meaning of a cell was changed; `_changed` says the same of whole columns."""
    if value is None:
        return cell != ""
    if reading.kind == "number":
        return not _PLAIN.fullmatch(cell.strip())
    if reading.kind == "datetime":
        return not _ISO.match(cell)
    return reading.kind != "boolean" and bool(value != cell)


def _entries(column: str, before: pl.Series, after: pl.Series, words: Sequence[tuple[str, str]]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        {
            "column": pl.repeat(column, before.len(), eager=True), "before": _as_texts(before),
            "after": _written(after), "step": [step for step, _ in words], "reason": [reason for _, reason in words],
        },
        schema=dict.fromkeys(_TEXTS, pl.String()),
    )  # fmt: skip


def _nothing() -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(schema={ROW_ID: pl.UInt64(), **{name: pl.String() for name in _TEXTS}})


def _of_column(cells: pl.Series, log: _Log) -> pl.DataFrame:
    """The changed cells of one column in a batch: `place` in the batch, and the texts of the log."""
    import polars as pl

    if log.known is None:
        return _cell_changes(cells, log.reading)
    entry = cells.replace_strict(
        log.known["before"], pl.int_range(log.known.height, eager=True), default=None, return_dtype=pl.Int64
    )
    place = entry.is_not_null().arg_true()
    return log.known[entry.gather(place)].select(place.cast(pl.Int64).alias("place"), *_TEXTS)


def _cell_changes(cells: pl.Series, reading: Reading) -> pl.DataFrame:
    import polars as pl

    values = read_series(cells, reading)
    place = _changed(cells, values, reading).fill_null(False).arg_true()
    before, after = cells.gather(place), values.gather(place)
    words = _explained(before, after, reading)
    column = pl.repeat(reading.column, place.len(), eager=True)
    texts = pl.DataFrame({"column": column, "before": _as_texts(before), "after": _written(after)})
    return texts.hstack(words).cast(pl.String).select(place.cast(pl.Int64).alias("place"), *_TEXTS)


def _changed(cells: pl.Series, values: pl.Series, reading: Reading) -> pl.Series:
    """Which cells changed their meaning: null became of what was there, or a text that says it otherwise."""
    import polars as pl

    lost = values.is_null() & cells.is_not_null()
    if cells.dtype != pl.String:
        if cells.dtype.is_float():
            lost &= cells.is_not_nan()
        return lost
    lost &= cells != ""
    if reading.kind == "number":
        if reading.units.get("", 1.0) != 1.0:
            return lost | values.is_not_null()
        unread = (plain_numbers(cells, reading).is_null() & values.is_not_null()).arg_true()
        marked = ~cells.gather(unread).str.strip_chars(_SPACES).str.contains(f"^(?:{_PLAIN.pattern})$")
        return lost.scatter(unread.filter(marked), True)
    if reading.kind == "datetime":
        return lost | (values.is_not_null() & ~cells.str.contains(_ISO.pattern))
    if reading.kind == "boolean":
        return lost
    return lost | (values.is_not_null() & (values != cells))


def _as_texts(cells: pl.Series) -> pl.Series:
    import polars as pl

    if cells.dtype == pl.String:
        return cells
    return pl.Series(cells.name, [None if cell is None else as_text(cell) for cell in cells.to_list()], dtype=pl.String)


def _written(values: pl.Series) -> pl.Series:
    """Typed values as texts: 20, 12.5, 2024-12-31."""
    import polars as pl

    if values.dtype == pl.Float64:
        return values.cast(pl.String).str.strip_suffix(".0")
    if isinstance(values.dtype, pl.Datetime):
        return values.dt.to_string("%Y-%m-%d %H:%M:%S%.f").str.strip_suffix(" 00:00:00")
    return values.cast(pl.String)


def _explained(before: pl.Series, after: pl.Series, reading: Reading) -> pl.DataFrame:
    """Step and reason of each changed cell, as `explain` says; at once for numbers and dates that were read."""
    import polars as pl

    frame = pl.DataFrame({"before": before, "lost": after.is_null()})
    told = pl.arange(before.len(), eager=True)
    if reading.kind in ("number", "datetime"):
        bare = ~pl.col("before").cast(pl.String).str.contains(_LETTERS) if reading.kind == "number" else pl.lit(False)
        (step, reason), (bare_step, bare_reason) = _rule_words(reading, bare=False), _rule_words(reading, bare=True)
        frame = frame.with_columns(
            pl.when(bare).then(pl.lit(bare_step)).otherwise(pl.lit(step)).alias("step"),
            pl.when(bare).then(pl.lit(bare_reason)).otherwise(pl.lit(reason)).alias("reason"),
        )
        told = frame["lost"].arg_true()
    else:
        frame = frame.with_columns(pl.lit("").alias("step"), pl.lit("").alias("reason"))
    if told.len():
        known: dict[Any, tuple[str, str]] = {}
        words = [
            known.get(cell) or known.setdefault(cell, explain(cell, reading)) for cell in _as_keys(before.gather(told))
        ]
        frame = frame.with_columns(
            frame["step"].scatter(told, [step for step, _ in words]),
            frame["reason"].scatter(told, [reason for _, reason in words]),
        )
    return frame.select("step", "reason")


def _as_keys(cells: pl.Series) -> list[Any]:
    return [as_text(cell) if isinstance(cell, (list, dict)) else cell for cell in cells.to_list()]


def _rule_words(reading: Reading, *, bare: bool) -> tuple[str, str]:
    """Step and reason of what the column's rule read; `bare` is a number without letters or a %."""
    if reading.kind == "datetime":
        return "dates", f"a date of the form {' or '.join(reading.formats)}"
    if any(reading.units) and not bare:
        factors = ", ".join(f"{unit or 'none'} x {factor:g}" for unit, factor in sorted(reading.units.items()))
        return "units", f"brought to the column's unit ({factors})"
    marks = [f"decimal mark {reading.decimal!r}"] if reading.decimal != "." else []
    marks += [f"thousands mark {reading.thousands!r}"] if reading.thousands else []
    return "numbers", f"a number with {' and '.join(marks)}" if marks else "a number with a sign of its own"


def explain(cell: Any, reading: Reading) -> tuple[str, str]:
    """The step that changed a cell, and why.

    >>> explain("N/A", Reading(column="x", kind="number", missing=("n/a",)))
    ('missing', "'N/A' means no value")
    >>> explain("twelve", Reading(column="x", kind="number"))
    ('unreadable', "not a number: 'twelve'")
    """
    try:
        value = read_cell(cell, reading)
    except CellError as problem:
        return "unreadable", str(problem)
    text = as_text(cell).strip()
    if value is None and not text:
        return "missing", "blank"
    if value is None and is_missing(text, reading):
        return "missing", f"{text[:40]!r} means no value"
    if value is None:
        return "sentinels", f"{text[:40]} means no value in this column: it repeats, far outside all others"
    if reading.kind in ("number", "datetime"):
        return _rule_words(reading, bare=not re.search(_LETTERS, text))
    if canonical_blanks(text) in reading.variants:
        return "categories", "another spelling of the same category"
    return "blanks", "stray blanks"


def summary(cleaned: Cleaned) -> list[dict[str, Any]]:
    """What was cleaned, one line per column and step, then one per reason for removing rows.

    Each line has `column`, `step`, `n_changed` and `example` (before -> after of the first such cell). Costs
    one pass over the log.

    >>> import polars as pl
    >>> from modelwright.cleaning import clean
    >>> from modelwright.core.data import Dataset
    >>> table = pl.DataFrame({"x": ["1,5", "2,25", "?"], "c": ["a b", "a b", " a b"]})
    >>> [(line["column"], line["step"], line["example"]) for line in summary(clean(Dataset.from_frame(table)))]
    [('x', 'missing', "'?' -> missing"), ('x', 'numbers', "'1,5' -> '1.5'"), ('c', 'blanks', "' a b' -> 'a b'")]
    """
    import polars as pl

    first = [pl.col(name).min_by(ROW_ID) for name in ("before", "after")]
    groups = cleaned.changes.group_by("column", "step").agg(pl.len().alias("n"), *first).collect(engine="streaming")
    order = {name: index for index, name in enumerate(cleaned.kept.schema.names)}
    lines = [
        {"column": column, "step": step, "n_changed": n, "example": _shown(before, after)}
        for column, step, n, before, after in groups.iter_rows()
    ]
    lines.sort(key=lambda line: (order[line["column"]], line["step"]))
    for reason, n, row, twin in _removed(cleaned.removed):
        shown = f"row {row}" if twin is None else f"row {row} repeats row {twin}"
        lines.append({"column": "(rows removed)", "step": reason, "n_changed": n, "example": shown})
    return lines


def _shown(before: str | None, after: str | None) -> str:
    return f"{(before or '')[:60]!r} -> {'missing' if after is None else repr(after[:60])}"


def _removed(removed: pl.DataFrame) -> list[tuple[str, int, int, int | None]]:
    import polars as pl

    if not removed.height:
        return []
    first = [pl.len(), pl.col(ROW_ID).first(), pl.col("twin_of").first()]
    return removed.group_by("reason", maintain_order=True).agg(first).rows()
