"""Raw rows to the graph's inputs, fast: one prepared reader per column, each distinct text read once.

The meaning of a cell is `reading.read_cell` alone; the fast paths here only pass by what it would leave as is.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np

from modelwright_runtime.errors import UserError
from modelwright_runtime.reading import CellError, Reading, read_cell, read_whole

MAX_NOTES = 100
_MAX_KNOWN = 4096  # texts remembered per column
_MAX_KNOWN_CHARACTERS = 200
_NAN = math.nan
_PLAIN = frozenset((float, int, type(None)))
_MAX_FLOAT = float(np.finfo(np.float64).max)
Column = Sequence[Any] | np.ndarray


@dataclass(frozen=True, slots=True)
class Note:
    """Something odd about one cell that did not keep the row from being answered. `row` counts from 0."""

    row: int
    column: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column!r}: {self.message}"


@dataclass(slots=True)
class Notes:
    """The notes of one call in the making. When `strict`, an unreadable cell raises instead.

    At most `MAX_NOTES` are kept in full; `n_more` counts the rest.
    """

    strict: bool = False
    first_row: int = 0
    kept: list[Note] = field(default_factory=list)
    n_more: int = 0

    def unreadable(self, row: int, column: str, reason: str) -> None:
        """A cell that cannot be read counts as missing, or is refused."""
        if self.strict:
            raise UserError(
                "rows.cell",
                f"row {self.first_row + row}, column {column!r}: {reason}.",
                hint="send null for a missing value",
            )
        self._add(row, column, "rows.cell", f"{reason}; read as missing")

    def unseen(self, row: int, column: str, text: str) -> None:
        """A category that training never saw; the graph answers as its encoding does for such."""
        self._add(row, column, "rows.unseen", f"{text[:60]!r} was not seen in training")

    def _add(self, row: int, column: str, code: str, message: str) -> None:
        if len(self.kept) < MAX_NOTES:
            self.kept.append(Note(self.first_row + row, column, code, message))
        else:
            self.n_more += 1


class NumberCells:
    """Reads a number, boolean or datetime column as float64, NaN where missing."""

    __slots__ = ("column", "high", "low", "plain", "reading")

    def __init__(self, reading: Reading) -> None:
        self.column = reading.column
        self.reading = reading
        self.plain = reading.kind == "number"
        self.low = max(-_MAX_FLOAT, -_MAX_FLOAT if reading.low is None else reading.low)
        self.high = min(_MAX_FLOAT, _MAX_FLOAT if reading.high is None else reading.high)

    def one(self, cell: Any, row: int, notes: Notes) -> float:
        """One cell."""
        kind = type(cell)
        if self.plain and (kind is float or kind is int) and self.low <= cell <= self.high:
            return _NAN if cell in self.reading.sentinels else float(cell)
        try:
            value = read_cell(cell, self.reading)
        except CellError as problem:
            notes.unreadable(row, self.column, str(problem))
            return _NAN
        return _NAN if value is None else value  # type: ignore[return-value]

    def many(self, column: Column, notes: Notes) -> np.ndarray:
        """A whole column: an array as it stands, texts once for each distinct one."""
        values = _as_floats(column) if self.plain else None
        if values is not None:
            return self._bounded(values, notes)
        if self.reading.kind == "datetime" and isinstance(column, np.ndarray) and column.dtype.kind == "M":
            return _seconds(column)
        return _through_distinct(column, self._quiet, self.one, notes, np.float64)

    def _quiet(self, cell: Any) -> float:
        value = read_cell(cell, self.reading)
        return _NAN if value is None else value  # type: ignore[return-value]

    def _bounded(self, values: np.ndarray, notes: Notes) -> np.ndarray:
        """What `read_cell` says of numbers: none infinite, none impossible, no sentinels."""
        with np.errstate(invalid="ignore"):
            outside = (values < self.low) | (values > self.high)
        if not outside.any() and not self.reading.sentinels:
            return values
        for row in np.flatnonzero(np.isinf(values)):
            notes.unreadable(int(row), self.column, f"not a finite number: {float(values[row])!r}")
        if self.reading.sentinels:
            outside |= np.isin(values, self.reading.sentinels)
        return np.where(outside, _NAN, values)


class QuickNumbers:
    """Reads the numbers of a few rows at once, where all of them are plain: finite, possible, no texts, no blanks."""

    __slots__ = ("high", "low", "names", "pick", "plain", "sentinels", "within")

    def __init__(self, columns: Sequence[NumberCells]) -> None:
        self.names = tuple(column.column for column in columns)
        self.plain = all(column.plain for column in columns)
        self.pick = itemgetter(*self.names)
        self.low = np.array([column.low for column in columns])
        self.high = np.array([column.high for column in columns])
        self.within = float(self.low.max()), float(self.high.min())
        self.sentinels = [(index, value) for index, column in enumerate(columns) for value in column.reading.sentinels]

    def read(self, rows: Sequence[Mapping[str, Any]]) -> np.ndarray | None:
        """float64 of shape (n, n_columns), or None when one of the cells needs to be read by itself."""
        if not self.plain:
            return None
        cells = list(map(self.pick, rows))
        kinds: set[type] = set()
        if len(self.names) == 1:
            kinds.update(map(type, cells))
        else:
            for row in cells:
                kinds.update(map(type, row))
        if not kinds <= _PLAIN:
            return None
        try:
            numbers = np.array(cells, dtype=np.float64).reshape(len(rows), len(self.names))
        except OverflowError:
            return None
        return numbers if self.fits(numbers) else None

    def fits(self, numbers: np.ndarray) -> bool:
        """Whether all of these, float64 (n, n_columns), are read as they are: none infinite, impossible or a blank."""
        if not self.plain:
            return False
        low, high = self.within  # of all columns: one number is compared five times as fast as one a column
        some_beyond = (numbers < low).any() or (numbers > high).any()
        if some_beyond and ((numbers < self.low).any() or (numbers > self.high).any()):
            return False
        return not any((numbers[:, index] == value).any() for index, value in self.sentinels)


class CategoryCells:
    """Reads a category or text column as texts, "" where missing; knows the levels that training saw."""

    __slots__ = ("column", "known", "levels", "reading")

    def __init__(self, reading: Reading, levels: Sequence[str] | None) -> None:
        self.column = reading.column
        self.reading = reading
        self.levels = None if levels is None else frozenset(levels)
        self.known: dict[str, str] = {}

    def one(self, cell: Any, row: int, notes: Notes) -> str:
        """One cell; texts that raise no note are remembered."""
        is_text = type(cell) is str
        if is_text:
            known = self.known.get(cell)
            if known is not None:
                return known
        try:
            value = read_cell(cell, self.reading)
        except CellError as problem:
            notes.unreadable(row, self.column, str(problem))
            return ""
        text = "" if value is None else str(value)
        if text and self.levels is not None and text not in self.levels:
            notes.unseen(row, self.column, text)
        elif is_text and len(self.known) < _MAX_KNOWN and len(cell) <= _MAX_KNOWN_CHARACTERS:
            self.known[cell] = text
        return text

    def many(self, column: Column, notes: Notes) -> np.ndarray:
        """A whole column as objects (str), each distinct text read once."""
        return _through_distinct(column, self._quiet, self.one, notes, object)

    def _quiet(self, cell: Any) -> str | None:
        """The text of a cell that raises no note; `CellError` for one that does."""
        known = self.known.get(cell) if type(cell) is str else None
        if known is not None:
            return known
        value = read_cell(cell, self.reading)
        text = "" if value is None else str(value)
        if text and self.levels is not None and text not in self.levels:
            raise CellError("unseen")
        return text


class WholeCells:
    """Reads a column of files (bytes or their base64) or of lists of numbers; None where missing."""

    __slots__ = ("column", "reading")

    def __init__(self, reading: Reading) -> None:
        self.column = reading.column
        self.reading = reading

    def many(self, column: Column, notes: Notes) -> tuple[list[Any], dict[int, str]]:
        """A whole column, the files not opened yet; and the rows that have nothing, with the reason."""
        read: list[Any] = []
        missing: dict[int, str] = {}
        for row, cell in enumerate(column):
            try:
                value = read_whole(cell, self.reading)
            except CellError as problem:
                notes.unreadable(row, self.column, str(problem))
                value, missing[row] = None, str(problem)
            if value is None:
                missing.setdefault(row, "is missing")
            read.append(value)
        return read, missing


class _Mixed(Exception):
    """A column holds cells of several types; Python takes 1, 1.0 and True for one key."""


class _Meanings(dict[Any, Any]):
    """Distinct cell to its meaning, found out when first met; `told` are those that have something to tell."""

    def __init__(self, quiet: Any, allowed: type) -> None:
        super().__init__({None: quiet(None)})
        self.quiet = quiet
        self.allowed = allowed
        self.told: set[Any] = set()

    def __missing__(self, cell: Any) -> Any:
        if type(cell) is not self.allowed:
            raise _Mixed
        try:
            meaning = self.quiet(cell)
        except CellError:
            self.told.add(cell)
            meaning = self[None]
        self[cell] = meaning
        return meaning


def _through_distinct(column: Column, quiet: Any, loud: Any, notes: Notes, dtype: Any) -> np.ndarray:
    """Read each distinct cell once; cells that have something to tell are read again with their row."""
    cells = _as_list(column)
    is_plain_array = isinstance(column, np.ndarray) and column.dtype.kind in "iubf" and bool(cells)
    meanings = _Meanings(quiet, type(cells[0]) if is_plain_array else str)
    try:
        read = np.fromiter(map(meanings.__getitem__, cells), dtype=dtype, count=len(cells))
    except (_Mixed, TypeError):  # TypeError: a cell that cannot be a key, such as a list
        return np.array([loud(cell, row, notes) for row, cell in enumerate(cells)], dtype=dtype)
    for row, cell in enumerate(cells) if meanings.told else ():
        if cell in meanings.told:
            read[row] = loud(cell, row, notes)
    return read


def _as_floats(column: Column) -> np.ndarray | None:
    """A column of plain numbers as float64, NaN for None; None when there is anything else in it."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "f" or (column.dtype.kind in "iu" and column.dtype.itemsize <= 8):
            return column.astype(np.float64, copy=False)
        if column.dtype.kind != "O":
            return None
    if not set(map(type, column)) <= {float, int, type(None), np.float64}:
        return None
    try:
        return np.array(column, dtype=np.float64)
    except OverflowError:  # an integer beyond float64: read alone, so that its row is named
        return None


def _seconds(column: np.ndarray) -> np.ndarray:
    seconds = column.astype("datetime64[us]").astype(np.int64) / 1e6
    return np.where(np.isnat(column), _NAN, seconds)


def _as_list(column: Column) -> list[Any]:
    if isinstance(column, np.ndarray):
        if column.dtype == np.dtype("datetime64[ns]"):  # Python's datetime has no nanoseconds
            column = column.astype("datetime64[us]")
        return list(column.tolist())
    return column if isinstance(column, list) else list(column)


def column_of(table: Any, name: str, *, lists: bool = False) -> Column:
    """One column of a dict of columns, a Polars frame or a pandas frame, as an array or a list.

    Cells of a column of `lists` may be the rows of an array.
    """
    column = table[name]
    if isinstance(column, (np.ndarray, list, tuple)):
        if isinstance(column, np.ndarray) and column.ndim != 1:
            if lists and column.ndim == 2:
                return list(column)
            raise UserError("rows.shape", f"column {name!r} has {column.ndim} dimensions; it needs one.")
        return column
    kind = getattr(getattr(column, "dtype", None), "kind", None)  # NumPy's letter: pandas has it, Polars not
    if kind is not None:
        return np.asarray(column.to_numpy() if kind in "fiuM" and _is_numpy(column) else _objects(column))
    if hasattr(column, "null_count"):  # a Polars series
        is_whole = column.null_count() == 0 and column.dtype.is_integer()
        if is_whole or column.dtype.is_float() or str(column.dtype).startswith("Date"):
            return np.asarray(column.to_numpy())
        return list(column.to_list())
    if hasattr(column, "tolist"):
        return list(column.tolist())
    return list(column)


def _is_numpy(column: Any) -> bool:
    return isinstance(column.dtype, np.dtype)


def _objects(column: Any) -> np.ndarray:
    """A pandas series as objects, every kind of "no value" as None."""
    return np.asarray(column.to_numpy(dtype=object, na_value=None), dtype=object)


def is_table(rows: Any, lists: Collection[str] = ()) -> bool:
    """Whether these rows come as columns: a frame, or a dict whose values are columns.

    In a column of `lists` a flat list of numbers is one cell, so the dict that holds it is one row.

    >>> is_table({"x": [1, 2]}), is_table({"x": [1, 2]}, lists=["x"]), is_table({"x": [[1, 2]]}, lists=["x"])
    (True, False, True)
    """
    if not isinstance(rows, Mapping):
        return hasattr(rows, "columns") and hasattr(rows, "to_dict")
    for name, value in rows.items():
        kind = type(value)
        if kind is str or kind is float or kind is int or value is None:  # a plain cell, as most are
            continue
        if _is_column(value, of_lists=name in lists):
            return True
    return False


def _is_column(value: Any, *, of_lists: bool) -> bool:
    if not (isinstance(value, (list, tuple)) or hasattr(value, "to_numpy") or getattr(value, "ndim", None)):
        return False
    n_dimensions = getattr(value, "ndim", None)
    if not of_lists or (n_dimensions is not None and n_dimensions > 1):
        return True
    return any(isinstance(cell, (list, tuple, str)) or hasattr(cell, "__len__") for cell in value)
