"""PostgreSQL over ADBC: Arrow batches as they come off the wire, in a transaction that may only read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from modelwright.collection.databases.tables import Asked, Frames, lost
from modelwright.collection.frames import arrow_columns
from modelwright.collection.piece import Notes
from modelwright.collection.plain import plain_frame
from modelwright.collection.sql import (
    _no_table,
    _postgres_tables,
    _sql_error,
    _without_secrets,
    quoted,
    without_password,
)
from modelwright.core.errors import UserError
from modelwright.core.optional import need

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.base import SourceSpec

_SESSION = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", "SET LOCAL TIME ZONE 'UTC'")
_LOST = re.compile(
    "server closed the connection|terminating connection|connection (has been |was )?(closed|reset|lost)"
    "|connection not open|no connection to the server|could not receive data",
    re.IGNORECASE,
)


def frames_of(source: SourceSpec) -> Frames:
    """What reads a PostgreSQL database in batches."""
    need("pyarrow", extra="collect", why="reading PostgreSQL")
    dbapi: Any = need("adbc_driver_postgresql.dbapi", extra="collect", why="reading PostgreSQL")
    name = f"{without_password(source.source)} {source.table or 'query'}"

    def frames(asked: Asked) -> Iterator[pl.DataFrame]:
        try:
            connection = dbapi.connect(source.source)
        except dbapi.Error as problem:
            raise UserError(
                "collection.database", f"{name}: no connection: {_without_secrets(problem, source.source)}.",
                hint="check host, port, user, password and database",
            ) from problem  # fmt: skip
        notes = Notes(name)
        try:
            with connection, connection.cursor() as cursor:
                for line in _SESSION:
                    cursor.execute(line)
                cursor.execute(asked.sql(quoted, literal))
                for batch in cursor.fetch_record_batch():
                    yield plain_frame(arrow_columns(batch), name, notes)
        except (dbapi.Error, OSError) as problem:  # pyarrow tells a driver's error as an OSError
            told = _without_secrets(problem, source.source)
            if _LOST.search(told):
                raise lost(name, told) from problem
            if source.table and "does not exist" in told and "column" not in told:
                raise _no_table(name, source.table, _postgres_tables(dbapi, source.source)) from problem
            raise _sql_error(name, told) from problem

    return frames


def literal(value: Any) -> str:
    """A value as SQL; PostgreSQL reads it in the column's type.

    >>> literal("it's"), literal(7)
    ("'it''s'", "'7'")
    """
    text = str(value).replace("'", "''")
    return f"'{text}'"
