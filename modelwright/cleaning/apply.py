"""Reading whole columns as `read_cell` reads one cell, fast.

What a vectorised expression reads for certain is read so; every other distinct cell goes through `read_cell`
itself. "Unsure" is null on the way, so the one parser has the last word and parity holds by construction.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from modelwright.cleaning.survey import LONGEST_NUMBER
from modelwright_runtime.reading import CURRENCIES, CellError, Reading, Value, read_cell

if TYPE_CHECKING:
    import polars as pl

_SPACES = r"\x09-\x0d\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_UNTIDY = rf"^ | $|  |[{_SPACES}]"  # what the reader of categories would change
_UNSTRIPPED = rf"^[ {_SPACES}]|[ {_SPACES}]$"
_MANY = 2000  # unread cells above which a second, wider expression pays
_LETTERS = {
    "%Y": "[0-9]{4}", "%y": "[0-9]{2}", "%m": "[0-9]{1,2}", "%d": "[0-9]{1,2}", "%H": "[0-9]{1,2}", "%I": "[0-9]{1,2}",
    "%M": "[0-9]{1,2}", "%S": "[0-5]?[0-9]", "%f": "[0-9]{1,6}", "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]{3,9}",
    "%p": "(?:[AaPp][Mm])",
}  # fmt: skip


def dtype_of(kind: str) -> pl.DataType:
    """The type of a cleaned column."""
    import polars as pl

    if kind == "number":
        return pl.Float64()
    if kind == "boolean":
        return pl.Boolean()
    return pl.Datetime("us") if kind == "datetime" else pl.String()


def read_series(cells: pl.Series, reading: Reading) -> pl.Series:
    """One column read, cell for cell what `read_cell` says; null where it says None or raises.

    >>> import polars as pl
    >>> read_series(pl.Series(" x", [" 12", "1.234,5", "?", None]).alias("x"),
    ...     Reading(column="x", kind="number", decimal=",", thousands=".", missing=("?",))).to_list()
    [12.0, 1234.5, None, None]
    """
    typed = _certain(cells, reading)
    unsure = (typed.is_null() & cells.is_not_null()).arg_true()
    if unsure.len() == 0:
        return typed
    rest = cells.gather(unsure)
    values = _by_distinct(rest, reading)
    return values if unsure.len() == cells.len() else typed.scatter(unsure, values)


def _by_distinct(cells: pl.Series, reading: Reading) -> pl.Series:
    """Each distinct cell through the one reader."""
    import polars as pl

    if cells.dtype.is_nested() or cells.dtype == pl.Object:
        return typed_values([value_of(cell, reading) for cell in cells.to_list()], reading, cells.name)
    distinct = cells.unique()
    values = typed_values([value_of(cell, reading) for cell in distinct.to_list()], reading, cells.name)
    if values.dtype == distinct.dtype == pl.String() and values.equals(distinct):
        return cells
    return cells.replace_strict(distinct, values, default=None, return_dtype=values.dtype)


def value_of(cell: Any, reading: Reading) -> Value:
    """What the reader says, None when it cannot read the cell."""
    try:
        return read_cell(cell, reading)
    except CellError:
        return None


def typed_values(values: Sequence[Value], reading: Reading, name: str) -> pl.Series:
    """The reader's values as a column of the kind's type."""
    import polars as pl

    dtype = dtype_of(reading.kind)
    if reading.kind == "boolean":
        return pl.Series(name, [None if value is None else value == 1.0 for value in values], dtype=dtype)
    if reading.kind == "datetime":
        ticks = [None if value is None else round(float(value) * 1e6) for value in values]
        return pl.Series(name, ticks, dtype=pl.Int64).cast(dtype)
    return pl.Series(name, values, dtype=dtype)


def _certain(cells: pl.Series, reading: Reading) -> pl.Series:
    """What can be read for certain without the reader; null elsewhere."""
    import polars as pl

    dtype = cells.dtype
    if dtype in (pl.Categorical, pl.Enum):
        cells = cells.cast(pl.String)
    if reading.kind == "number":
        return _certain_numbers(cells, reading)
    if reading.kind == "datetime":
        return _certain_moments(cells, reading)
    if reading.kind in ("category", "text") and (cells.dtype == pl.String or cells.dtype.is_integer()):
        return _certain_texts(cells.cast(pl.String), reading)
    return pl.Series(cells.name, [None], dtype=dtype_of(reading.kind)).new_from_index(0, cells.len())


# Numbers ------------------------------------------------------------------------------------------------------


def _certain_numbers(cells: pl.Series, reading: Reading) -> pl.Series:
    import polars as pl

    if cells.dtype == pl.String:
        values = plain_numbers(cells, reading)
        unread = (values.is_null() & cells.is_not_null()).arg_true()
        if unread.len() > _MANY:
            values = values.scatter(unread, _marked_numbers(cells.gather(unread), reading))
    elif cells.dtype.is_numeric() or cells.dtype == pl.Boolean:
        values = cells.cast(pl.Float64)
    else:
        return pl.Series(cells.name, [None], dtype=pl.Float64).new_from_index(0, cells.len())
    impossible = [~values.is_finite()]
    if reading.sentinels:
        impossible.append(values.is_in(list(reading.sentinels)))
    if reading.low is not None:
        impossible.append(values < reading.low)
    if reading.high is not None:
        impossible.append(values > reading.high)
    for mask in impossible:
        if mask.any():
            values = values.set(mask.fill_null(False), None)
    return values


def numeric_markers(reading: Reading) -> list[str]:
    """Markers of missing values that a plain number could be: "999", asked for as a word."""
    return _numeric(reading.missing)


@lru_cache(maxsize=256)
def _numeric(markers: tuple[str, ...]) -> list[str]:
    return [marker for marker in markers if _is_number(marker)]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def plain_numbers(cells: pl.Series, reading: Reading) -> pl.Series:
    """Texts that say a number without marks, blanks or units: a plain cast; null elsewhere."""
    import polars as pl

    values = cells.cast(pl.Float64, strict=False)
    unsure = [~values.is_finite(), cells.str.len_bytes() > LONGEST_NUMBER]
    if reading.decimal == "," and reading.thousands == ".":
        unsure.append(cells.str.contains(".", literal=True))
    if markers := numeric_markers(reading):
        unsure.append(cells.str.to_lowercase().is_in(markers))
    for mask in unsure:
        if mask.any():
            values = values.set(mask.fill_null(False), None)
    factor = reading.units.get("", 1.0)
    return values if factor == 1.0 else values * factor


def _marked_numbers(cells: pl.Series, reading: Reading) -> pl.Series:
    """Numbers with decimal comma, thousands marks, a currency sign or a unit, in the forms that are certain."""
    import polars as pl

    if numeric_markers(reading):
        return pl.Series(cells.name, [None], dtype=pl.Float64).new_from_index(0, cells.len())
    decimal, thousands = reading.decimal, reading.thousands
    mark = re.escape(thousands)
    fraction = "[.,]" if decimal == "," and not thousands else re.escape(decimal)
    whole = rf"[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|[0-9]+" if thousands else "[0-9]+"
    units = "|".join(sorted(map(re.escape, filter(None, reading.units)), key=len, reverse=True))
    sign = rf"[{re.escape(CURRENCIES)}]?"
    form = rf"^ *{sign} *([+-]?(?:{whole})(?:{fraction}[0-9]+)?) *({units})? *{sign} *$"
    parts = cells.alias("cell").to_frame().with_columns(pl.col("cell").str.extract_groups(form).alias("part"))
    core, unit = pl.col("part").struct[0], pl.col("part").struct[1]
    if thousands:
        core = core.str.replace_all(thousands, "", literal=True)
    if decimal == ",":
        core = core.str.replace(",", ".", literal=True)
    factor: pl.Expr = pl.lit(reading.units.get("", 1.0))
    if units:
        known = {name: value for name, value in reading.units.items() if name}
        factor = unit.fill_null("").replace_strict(known, default=reading.units.get("", 1.0), return_dtype=pl.Float64)
    short = pl.col("cell").str.len_bytes() <= LONGEST_NUMBER
    value = pl.when(short).then(core.cast(pl.Float64, strict=False) * factor)
    return parts.select(value.alias("v"))["v"].alias(cells.name)


# Dates --------------------------------------------------------------------------------------------------------


def _certain_moments(cells: pl.Series, reading: Reading) -> pl.Series:
    import polars as pl

    micro = pl.Datetime("us")
    empty = pl.Series(cells.name, [None], dtype=micro).new_from_index(0, cells.len())
    dtype = cells.dtype
    if dtype == pl.Date:
        values = cells.cast(micro)
    elif isinstance(dtype, pl.Datetime):
        zoned = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else cells
        values = zoned.cast(micro)
    elif dtype == pl.String and reading.formats:
        values = _parsed(cells, reading.formats)
    else:
        return empty
    bad = ~values.dt.year().is_between(1, 9999)
    if reading.sentinels or reading.low is not None or reading.high is not None:
        seconds = values.dt.timestamp("us") / 1e6
        bad |= seconds.is_in(list(reading.sentinels))
        bad |= (seconds < reading.low) if reading.low is not None else False
        bad |= (seconds > reading.high) if reading.high is not None else False
    return values.set(bad.fill_null(True), None)


def _parsed(cells: pl.Series, formats: Sequence[str]) -> pl.Series:
    import polars as pl

    tries = []
    for form in formats:
        shape = "^" + re.sub("%[A-Za-z]|.", lambda part: _LETTERS.get(part[0], re.escape(part[0])), form) + "$"
        if any(letter not in _LETTERS for letter in re.findall("%[A-Za-z]", form)):
            break  # a later format must not read what this one would
        spelled = form.replace(".%f", "%.f")
        shaped = pl.when(pl.col("cell").str.contains(shape)).then(pl.col("cell"))
        tries.append(shaped.str.to_datetime(spelled, strict=False, time_unit="us"))
    if not tries:
        return pl.Series(cells.name, [None], dtype=pl.Datetime("us")).new_from_index(0, cells.len())
    return cells.alias("cell").to_frame().select(pl.coalesce(tries).alias("v"))["v"].alias(cells.name)


# Texts --------------------------------------------------------------------------------------------------------


def _certain_texts(cells: pl.Series, reading: Reading) -> pl.Series:
    """Cells that the reader would return as they are; only worth asking where few cells repeat."""
    import polars as pl

    head = cells.head(_MANY)
    if head.n_unique() < 0.25 * head.len() + 50 and cells.n_unique() < _MANY:
        return pl.Series(cells.name, [None], dtype=pl.String).new_from_index(0, cells.len())
    text = pl.col("cell")
    tidy = ~text.str.contains(_UNTIDY if reading.kind == "category" else _UNSTRIPPED) & (text != "")
    if reading.missing:
        longest = max(map(len, reading.missing))
        tidy &= ~text.str.to_lowercase().is_in(list(reading.missing))
        # case-folding knows more letters than lower-casing: short cells beyond ASCII are left to the reader
        tidy &= (text.str.len_chars() > longest) | (text.str.len_chars() == text.str.len_bytes())
    if reading.variants and reading.kind == "category":
        tidy &= ~text.is_in(list(reading.variants))
    return cells.alias("cell").to_frame().select(pl.when(tidy).then(text))["cell"].alias(cells.name)
