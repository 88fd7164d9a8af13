"""JSON arrays of objects and JSON lines to typed columns.

Objects are flattened one level with dots (`{"a": {"b": 1}}` gives the column `a.b`); what is deeper, and
lists, stay JSON text. Values of several types in one column become text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from modelwright.collection.header import tidy_names
from modelwright.collection.piece import Notes, Piece
from modelwright.collection.textfile import mend_file, wide_encoding
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.base import SourceSpec

EXACT_INTEGER = 2**53
_SHAPE_HINT = 'write an array of objects, [{"a": 1}, {"a": 2}], or one object on each line'


def read_json(path: Path, name: str, source: SourceSpec, notes: Notes) -> Piece:
    """A JSON array of objects: one row each. The whole file is held in memory."""
    text = _text(path, name, source, notes)
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (json.JSONDecodeError, _ConstantError) as problem:
        raise UserError(
            "collection.json", f"`{name}` is not JSON: {problem}.", hint="export it again, or mend that place"
        ) from problem
    except RecursionError as problem:
        raise UserError("collection.json", f"`{name}` is nested too deeply to be a table.") from problem
    if not isinstance(found, list):
        told = f"an object with the keys {list(found)[:5]}" if isinstance(found, dict) else f"{found!r:.60}"
        raise UserError("collection.json_shape", f"`{name}` is {told}, not a table.", hint=_SHAPE_HINT)
    _check_rows(((f"element {number}", row) for number, row in enumerate(found, 1)), name)
    return _piece(found, name, notes)


def read_json_lines(path: Path, name: str, source: SourceSpec, notes: Notes) -> Piece:
    """One JSON object per line; blank lines are passed over and told. All rows are held in memory."""
    rows: list[Any] = []
    for line, text in enumerate(_text(path, name, source, notes).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text, parse_constant=_no_constant)
        except (json.JSONDecodeError, _ConstantError) as problem:
            raise UserError(
                "collection.json",
                f"`{name}`, line {line:,}, is not JSON: {problem}.",
                hint="mend or remove that line",
            ) from problem
        except RecursionError as problem:
            raise UserError(
                "collection.json", f"`{name}`, line {line:,}, is nested too deeply to be a row."
            ) from problem
        _check_rows([(f"line {line:,}", row)], name)
        rows.append(row)
    return _piece(rows, name, notes)


class _ConstantError(ValueError):
    """NaN or Infinity, which JSON does not have."""


def _no_constant(word: str) -> NoReturn:
    raise _ConstantError(f"{word} is no JSON value")


def _text(path: Path, name: str, source: SourceSpec, notes: Notes) -> str:
    """The file as text."""
    encoding = source.encoding or wide_encoding(path)
    raw = path.read_bytes()
    if encoding:
        try:
            return raw.decode(encoding).removeprefix("\ufeff")
        except UnicodeError as problem:
            raise UserError("collection.encoding", f"`{name}` is not {encoding}: {problem}.") from problem
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        mended, _ = mend_file(path, name, notes)
        text = mended.read_bytes().decode("utf-8")
        mended.unlink()
        return text


def _check_rows(rows: Iterable[tuple[str, Any]], name: str) -> None:
    for where, row in rows:
        if not isinstance(row, dict):
            raise UserError(
                "collection.json_shape", f"`{name}`, {where}, is {row!r:.60}, not an object.", hint=_SHAPE_HINT
            )


def _piece(rows: list[dict[str, Any]], name: str, notes: Notes) -> Piece:
    if not rows:
        raise UserError("collection.empty", f"`{name}` holds no rows.", hint="export it again")
    frame = json_frame(rows, notes)
    if not frame.columns:
        raise UserError("collection.empty", f"`{name}` holds objects without keys.", hint=_SHAPE_HINT)
    return Piece(table=frame.lazy(), names=tuple(frame.columns), n_rows=frame.height, about={})


def json_frame(rows: list[dict[str, Any]], notes: Notes) -> pl.DataFrame:
    """Objects of JSON as typed columns, flattened one level with dots; without columns where no object has a key."""
    import polars as pl

    columns: dict[str, list[Any]] = {}
    for index, row in enumerate(rows):
        for key, value in _flat(row):
            column = columns.setdefault(key, [])
            column.extend([None] * (index - len(column)))
            column.append(value)
    names, changes = tidy_names([_mended(key, notes) for key in columns])
    for before, after, why in changes:
        notes.repair("name", why=why, detail=[before, after])
    series = []
    for new, values in zip(names, columns.values(), strict=True):
        values.extend([None] * (len(rows) - len(values)))
        series.append(series_of(new, values, notes))
    return pl.DataFrame(series)


def _flat(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict) and value:
            for inner, deep in value.items():
                full = f"{key}.{inner}"
                yield full if full not in row else f"{full}_2", deep
        else:
            yield key, value


def _mended(text: str, notes: Notes) -> str:
    """The text without lone surrogates, which no encoding can hold."""
    mended = text.encode("utf-8", "replace").decode()
    if mended != text:
        notes.repair("surrogate", why="half a character, replaced by ?")
    return mended


def as_text(value: Any, notes: Notes) -> str | None:
    """A value as a cell's text: texts as they are, true and false, lists and objects as JSON."""
    if value is None or isinstance(value, str):
        return value if value is None else _mended(value, notes)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, (bool, list, dict)):
        return _mended(json.dumps(value, ensure_ascii=False), notes)
    return str(value)


def series_of(name: str, values: Sequence[Any], notes: Notes) -> pl.Series:
    """Python values as one column: Boolean, Int64, Float64 or String.

    Whole numbers beyond 64 bits, and beyond 2^53 among floats, stay exact as text.

    >>> notes = Notes("x")
    >>> series_of("a", [1, None, 2.5], notes).to_list(), series_of("b", [1, "x", True], notes).to_list()
    ([1.0, None, 2.5], ['1', 'x', 'true'])
    """
    import polars as pl

    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds in ({float}, {int, float}) and not any(
        type(value) is int and abs(value) > EXACT_INTEGER for value in values
    ):
        floats = [None if value is None else float(value) for value in values]
        return pl.Series(name, floats, dtype=pl.Float64)
    return pl.Series(name, [as_text(value, notes) for value in values], dtype=pl.String)
