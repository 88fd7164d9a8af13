"""The journal of a study in PostgreSQL: one table for all studies, for processes on any number of machines."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from modelwright.core.errors import SystemFault, UserError
from modelwright.core.optional import need
from modelwright.core.rng import stream_seed
from modelwright.tuning.journal import Event

TABLE = "modelwright_trials"


class PostgresJournal:
    """As `FileJournal`: advisory locks of the server take the place of file locks; it frees those of a lost connection.

    A password may be left to PGPASSWORD or ~/.pgpass. Raises `tune.database`.
    """

    def __init__(self, address: str, study: str) -> None:
        need("pyarrow", extra="postgres", why="a journal in PostgreSQL")
        self._dbapi: Any = need("adbc_driver_postgresql.dbapi", extra="postgres", why="a journal in PostgreSQL")
        self.study, self.worker = study, uuid.uuid4().hex
        self._name = f"the database at {urlsplit(address).hostname or 'this machine'}"
        self._n_read = 0
        try:
            self._connection: Any = self._dbapi.connect(address)
        except self._dbapi.Error as problem:
            told = " ".join(str(problem).split())[:300].replace(urlsplit(address).password or "\0", "***")
            raise UserError(
                "tune.database", f"no connection to {self._name}: {told}.",
                hint="check host, port, user, password and database",
            ) from problem  # fmt: skip
        with self._transaction() as ask:
            ask("SELECT pg_advisory_xact_lock($1)", _number("table", TABLE))  # two that make the table at once fail
            ask(f"CREATE TABLE IF NOT EXISTS {TABLE} (study text, number bigint, event text NOT NULL, "
                "PRIMARY KEY (study, number))")  # fmt: skip
            ask("SELECT pg_advisory_lock($1)", _number("worker", self.worker))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Any]:
        """Everything inside, or nothing of it; waits until the server has it."""
        try:
            with self._connection.cursor() as cursor:

                def ask(statement: str, *values: Any) -> list[Any]:
                    cursor.execute(statement, values or None)
                    return cursor.fetchall() if statement.startswith("SELECT") else []

                try:
                    yield ask
                except BaseException:
                    self._connection.rollback()
                    raise
                self._connection.commit()
        except (self._dbapi.Error, OSError) as problem:  # pyarrow tells a driver's error as an OSError
            raise SystemFault(
                "tune.database", f"{self._name} says: {' '.join(str(problem).split())[:300]}.",
                hint="the same command goes on from the trials that are there",
            ) from problem  # fmt: skip

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Wait for whoever writes to this study now."""
        with self._transaction() as ask:
            ask("SELECT pg_advisory_xact_lock($1)", _number("study", self.study))
            self._ask = ask
            yield

    def read(self) -> list[Event]:
        """The events that are new; only while locked."""
        rows = self._ask(
            f"SELECT event FROM {TABLE} WHERE study = $1 AND number >= $2 ORDER BY number", self.study, self._n_read
        )
        self._n_read += len(rows)
        return [json.loads(row[0]) for row in rows]

    def append(self, event: Event) -> None:
        """Add an event; it is safe when the lock is given back."""
        plain = json.dumps(event, sort_keys=True, allow_nan=False)
        (last,) = self._ask(f"SELECT coalesce(max(number), -1) FROM {TABLE} WHERE study = $1", self.study)
        self._ask(f"INSERT INTO {TABLE} VALUES ($1, $2, $3)", self.study, int(last[0]) + 1, plain)

    def is_alive(self, worker: str) -> bool:
        """Whether its connection is there."""
        if worker == self.worker:
            return True
        (free,) = self._ask("SELECT pg_try_advisory_lock($1)", _number("worker", worker))
        if free[0]:
            self._ask("SELECT pg_advisory_unlock($1)", _number("worker", worker))
        return not free[0]

    def close(self) -> None:
        """End the connection, and its locks with it."""
        self._connection.close()


def _number(kind: str, name: str) -> int:
    """Advisory locks go by number: 63 bits of a hash."""
    return stream_seed(0, "tuning", kind, name)
