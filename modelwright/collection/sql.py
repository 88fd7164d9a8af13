"""Tables and queries of SQLite and PostgreSQL, over a connection that may only read."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from modelwright.collection.frames import arrow_columns
from modelwright.collection.header import tidy_names
from modelwright.collection.piece import Notes, Piece
from modelwright.collection.plain import plain_piece
from modelwright.collection.records import series_of
from modelwright.collection.textfile import ONE_BYTE
from modelwright.core.errors import UserError, nearest
from modelwright.core.optional import need

if TYPE_CHECKING:
    from modelwright.collection.base import SourceSpec

_HINT_QUERY = "`table` names a table; `query` is one SELECT"


def read_database(source: SourceSpec) -> Piece:
    """The rows of a table or a query, in the order in which the database gives them, typed."""
    from dataclasses import replace

    if not (source.table or source.query):
        raise UserError(
            "collection.database",
            f"`{without_password(source.source)}` is a database; say which rows.",
            hint=_HINT_QUERY,
        )
    name = f"{without_password(source.source)} {source.table or 'query'}"
    notes = Notes(name)
    read = _read_sqlite if source.source.lower().startswith("sqlite") else _read_postgres
    piece = read(source, name, notes)
    about = {"name": name, "format": "sql", "table": source.table, "query": source.query, "n_rows": piece.n_rows}
    if source.columns:
        from modelwright.collection.reader import rename_columns

        piece = rename_columns(piece, source.columns, name)
    return replace(piece, about=about, repairs=notes.repairs(), decisions=tuple(notes.decisions))


def without_password(address: str) -> str:
    """An address that may be shown.

    >>> without_password("postgresql://ann:secret@host:5432/shop?password=x")
    'postgresql://ann@host:5432/shop'
    """
    plain = re.sub(r"://([^:/@]*):[^@/]*@", r"://\1@", address)
    return plain.partition("?")[0]


def sqlite_path(address: str) -> Path:
    """The file that an address of SQLite means.

    >>> sqlite_path("sqlite:///shop.db")
    PosixPath('shop.db')
    """
    return Path(unquote(urlsplit(address).path.removeprefix("/")))


def quoted(table: str) -> str:
    """A table's name as SQL, `schema.table` included.

    >>> quoted('shop.odd"name')
    '"shop"."odd""name"'
    """
    return ".".join('"' + part.replace('"', '""') + '"' for part in table.split("."))


def _sql_error(name: str, problem: object) -> UserError:
    return UserError(
        "collection.query",
        f"{name}: the database says: {' '.join(str(problem).split())[:300]}.",
        hint=_HINT_QUERY,
    )


def _no_table(name: str, table: str, known: list[str]) -> UserError:
    return UserError("collection.table", f"{name}: there is no table `{table}`.", hint=nearest(table, known))


def _read_sqlite(source: SourceSpec, name: str, notes: Notes) -> Piece:
    import polars as pl

    path = sqlite_path(source.source)
    if not path.is_file():
        raise UserError("collection.missing", f"there is no database `{path}`.", hint="check the path")
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    connection.text_factory = _text_reader(notes)
    try:
        known = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
        if source.table and source.table not in known:
            raise _no_table(name, source.table, known)
        identifier = '"' + source.table.replace('"', '""') + '"' if source.table else ""
        cursor = connection.execute(source.query or f"SELECT * FROM {identifier}")
        if cursor.description is None:
            raise _sql_error(name, "the query gives no rows")
        raw_names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError) as problem:  # a damaged name in SQLite's own message
        if "not a database" in str(problem):
            raise UserError(
                "collection.database",
                f"`{path}` is not an SQLite database.",
                hint="check the path; for a text table give the path alone",
            ) from problem
        raise _sql_error(name, problem) from problem
    finally:
        connection.close()
    names, changes = tidy_names(raw_names)
    for before, after, why in changes:
        notes.repair("name", why=why, detail=[before, after])
    if not rows:
        raise UserError("collection.no_rows", f"{name} gives no rows.", hint=_HINT_QUERY)
    columns = [series_of(label, values, notes) for label, values in zip(names, zip(*rows, strict=True), strict=True)]
    return Piece(table=pl.DataFrame(columns).lazy(), names=tuple(names), n_rows=len(rows), about={})


def _text_reader(notes: Notes) -> Callable[[bytes], str]:
    """SQLite does not check that texts are UTF-8; wrong bytes are read as Windows-1252 and told."""

    def read(raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            notes.repair("encoding", why="bytes that are not UTF-8, read as cp1252")
            return raw.decode("utf-8", ONE_BYTE)

    return read


def _read_postgres(source: SourceSpec, name: str, notes: Notes) -> Piece:
    need("pyarrow", extra="postgres", why="reading PostgreSQL")
    dbapi: Any = need("adbc_driver_postgresql.dbapi", extra="postgres", why="reading PostgreSQL")
    try:
        connection = dbapi.connect(source.source)
    except dbapi.Error as problem:
        raise UserError(
            "collection.database",
            f"{name}: no connection: {_without_secrets(problem, source.source)}.",
            hint="check host, port, user, password and database",
        ) from problem
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(source.query or f"SELECT * FROM {quoted(source.table or '')}")
            table = cursor.fetch_arrow_table()
    except (dbapi.Error, OSError) as problem:  # pyarrow tells a driver's error as an OSError
        if source.table and "does not exist" in str(problem):
            raise _no_table(name, source.table, _postgres_tables(dbapi, source.source)) from problem
        raise _sql_error(name, _without_secrets(problem, source.source)) from problem
    return plain_piece(arrow_columns(table), name, notes)


def _postgres_tables(dbapi: Any, address: str) -> list[str]:
    query = (
        "SELECT CASE table_schema WHEN 'public' THEN table_name ELSE table_schema || '.' || table_name END "
        "FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    try:
        with dbapi.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return [str(row[0]) for row in cursor.fetchall()]
    except dbapi.Error:
        return []


def _without_secrets(problem: object, address: str) -> str:
    text = " ".join(str(problem).split())[:300]
    secret = urlsplit(address).password
    return text.replace(secret, "***") if secret else text
