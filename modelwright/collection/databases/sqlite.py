"""SQLite over ADBC, opened for reading only; a table of mixed types is read by the standard library instead.

SQLite gives each cell a type of its own. ADBC goes by the first rows and refuses a later cell of another type; what
is left is then read cell by cell, and mixed columns become text, as from a file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from modelwright.collection.databases.tables import BATCH_ROWS, Asked, Frames
from modelwright.collection.frames import arrow_columns
from modelwright.collection.header import tidy_names
from modelwright.collection.piece import Notes
from modelwright.collection.plain import plain_frame
from modelwright.collection.records import series_of
from modelwright.collection.sql import _no_table, _sql_error, _text_reader, sqlite_path
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.base import SourceSpec


def frames_of(source: SourceSpec) -> Frames:
    """What reads an SQLite database in batches."""
    path = sqlite_path(source.source)
    if not path.is_file():
        raise UserError("collection.missing", f"there is no database `{path}`.", hint="check the path")
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    name = f"{path} {source.table or 'query'}"
    _check_table(address, path, name, source.table)

    def frames(asked: Asked) -> Iterator[pl.DataFrame]:
        done = 0
        try:
            for frame in _by_arrow(address, asked, name):
                done += frame.height
                yield frame
        except _MixedTypesError:
            yield from _by_cells(address, replace(asked, skip=done), name)

    return frames


class _MixedTypesError(Exception):
    """ADBC is absent, or met a cell of another type than it took the column for."""


def _check_table(address: str, path: Path, name: str, table: str | None) -> None:
    connection = sqlite3.connect(address, uri=True)
    try:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
    except sqlite3.Error as problem:
        raise UserError(
            "collection.database", f"`{path}` is not an SQLite database.", hint="for a text table give the path alone"
        ) from problem
    finally:
        connection.close()
    known = [row[0] for row in found]
    if table and table not in known:
        raise _no_table(name, table, known)


def _by_arrow(address: str, asked: Asked, name: str) -> Iterator[pl.DataFrame]:
    try:
        import adbc_driver_sqlite.dbapi as dbapi
    except ModuleNotFoundError as missing:
        raise _MixedTypesError from missing
    notes = Notes(name)
    with dbapi.connect(address) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)})
        try:
            cursor.execute(asked.sql(_quoted, literal))
            for batch in cursor.fetch_record_batch():
                yield plain_frame(arrow_columns(batch), name, notes)
        except (dbapi.Error, OSError, UnicodeDecodeError) as problem:  # pyarrow tells a driver's error as an OSError
            if "ype mismatch" in str(problem) or "UTF" in str(problem) or isinstance(problem, UnicodeDecodeError):
                raise _MixedTypesError from problem
            raise _sql_error(name, problem) from problem


def _by_cells(address: str, asked: Asked, name: str) -> Iterator[pl.DataFrame]:
    """The rows from the standard library, `skip` of them passed over: it gives them in the same order."""
    import polars as pl

    notes = Notes(name)
    connection = sqlite3.connect(address, uri=True)
    connection.text_factory = _text_reader(notes)
    try:
        cursor = connection.execute(asked.sql(_quoted, literal))
        names, _ = tidy_names([column[0] for column in cursor.description or ()])
        left = asked.skip
        while rows := cursor.fetchmany(BATCH_ROWS):
            rows, left = rows[left:], max(0, left - len(rows))
            if rows:
                columns = zip(names, zip(*rows, strict=True), strict=True)
                yield pl.DataFrame([series_of(label, values, notes) for label, values in columns])
    except (sqlite3.Error, sqlite3.Warning) as problem:
        raise _sql_error(name, problem) from problem
    finally:
        connection.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: Any) -> str:
    """A value as SQL: SQLite compares numbers and texts by what they are written as.

    >>> literal("it's"), literal(7)
    ("'it''s'", '7')
    """
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value).replace("'", "''")
    return f"'{text}'"
