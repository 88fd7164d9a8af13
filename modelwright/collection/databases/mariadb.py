"""MariaDB and MySQL through PyMySQL, row by row from the server, in a transaction that may only read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from modelwright.collection.databases.tables import Asked, Frames, lost
from modelwright.collection.header import tidy_names
from modelwright.collection.piece import Notes
from modelwright.collection.records import as_text
from modelwright.collection.sql import _sql_error, without_password
from modelwright.core.errors import UserError, nearest
from modelwright.core.optional import need

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.base import SourceSpec

ROWS_AT_ONCE = 10_000
_SESSION = (
    "SET SESSION TRANSACTION READ ONLY",
    "SET time_zone = '+00:00'",
    "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_NO_TABLE = 1146
_LOST = (1053, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 2055)
"""Numbers of errors of a server that stops, and of a line that is cut."""


def frames_of(source: SourceSpec) -> Frames:
    """What reads a MariaDB or MySQL database in batches."""
    pymysql: Any = need("pymysql", extra="collect", why="reading MariaDB")
    name = f"{without_password(source.source)} {source.table or 'query'}"

    def frames(asked: Asked) -> Iterator[pl.DataFrame]:
        connection = _connected(pymysql, source.source, name)
        notes = Notes(name)
        cursor = connection.cursor(pymysql.cursors.SSCursor)
        try:
            for line in _SESSION:
                cursor.execute(line)
            cursor.execute(asked.sql(_quoted, _literal(connection)))
            names, _ = tidy_names([column[0] for column in cursor.description or ()])
            kinds = [_kind(pymysql, column[1]) for column in cursor.description or ()]
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                yield _frame(names, kinds, rows, notes)
            cursor.close()
        except pymysql.Error as problem:
            if problem.args and problem.args[0] in _LOST:
                raise lost(name, problem.args[-1]) from problem
            if source.table and problem.args and problem.args[0] == _NO_TABLE:
                raise UserError(
                    "collection.table", f"{name}: there is no table `{source.table}`.",
                    hint=nearest(source.table, _tables(pymysql, source.source, name)),
                ) from problem  # fmt: skip
            raise _sql_error(name, problem.args[-1] if problem.args else problem) from problem
        finally:
            _leave(connection, cursor)

    return frames


def _leave(connection: Any, cursor: Any) -> None:
    """Close a connection; PyMySQL would read what is left of a result, and trip over a connection that is lost."""
    cursor.connection = None
    if connection._result is not None:
        connection._result.unbuffered_active = False
    if connection.open:
        connection.close()


def _connected(pymysql: Any, address: str, name: str) -> Any:
    where = urlsplit(address)
    options = {key: values[-1] for key, values in parse_qs(where.query).items()}
    socket = {"unix_socket": options["unix_socket"]} if "unix_socket" in options else {}
    secure = {"ssl_ca": options["ssl_ca"], "ssl_verify_identity": True} if "ssl_ca" in options else {}
    try:
        return pymysql.connect(
            host=where.hostname or "127.0.0.1", port=where.port or 3306, user=unquote(where.username or ""),
            password=unquote(where.password or ""), database=unquote(where.path.strip("/")) or None,
            charset="utf8mb4", connect_timeout=20, **socket, **secure,
        )  # fmt: skip
    except (pymysql.Error, OSError) as problem:
        told = str(problem.args[-1] if problem.args else problem)
        told = told.replace(unquote(where.password), "***") if where.password else told
        raise UserError(
            "collection.database", f"{name}: no connection: {told}.",
            hint="check host, port, user, password and database",
        ) from problem  # fmt: skip


def _tables(pymysql: Any, address: str, name: str) -> list[str]:
    connection = _connected(pymysql, address, name)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW TABLES")
            return [str(row[0]) for row in cursor.fetchall()]
    except pymysql.Error:
        return []
    finally:
        connection.close()


def _quoted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def _literal(connection: Any) -> Any:
    return lambda value: connection.escape(value)


def _kind(pymysql: Any, code: int) -> Any:
    """The type that a column of the server becomes."""
    import polars as pl

    kinds = pymysql.constants.FIELD_TYPE
    whole = (kinds.TINY, kinds.SHORT, kinds.LONG, kinds.LONGLONG, kinds.INT24, kinds.YEAR)
    if code in whole:
        return pl.Int64
    if code in (kinds.FLOAT, kinds.DOUBLE, kinds.DECIMAL, kinds.NEWDECIMAL):
        return pl.Float64
    if code in (kinds.DATE, kinds.NEWDATE):
        return pl.Date
    return pl.Datetime("us") if code in (kinds.DATETIME, kinds.TIMESTAMP) else pl.String


def _frame(names: Sequence[str], kinds: Sequence[Any], rows: Sequence[Sequence[Any]], notes: Notes) -> pl.DataFrame:
    import polars as pl

    columns = []
    for name, kind, cells in zip(names, kinds, zip(*rows, strict=True), strict=True):
        values: Sequence[Any] = cells
        if kind == pl.String:
            values = [as_text(value, notes) for value in values]
        elif kind == pl.Float64:
            values = [None if value is None else float(value) for value in values]
        elif any(isinstance(value, str) or (kind == pl.Int64 and (value or 0) >= 2**63) for value in values):
            kind, values = pl.String, [as_text(value, notes) for value in values]  # dates such as 0000-00-00
        columns.append(pl.Series(name, values, dtype=kind))
    return pl.DataFrame(columns)
