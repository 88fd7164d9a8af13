"""A real PostgreSQL server on loopback, made for the test and gone after it; SQLite is in the corpus."""

from __future__ import annotations

import datetime as dt
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelwright.collection import CollectSpec, SourceSpec, collect
from modelwright.core.errors import UserError
from modelwright.testing.collection import check_collected

pytest.importorskip("adbc_driver_postgresql")


def _program(name: str) -> str | None:
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((str(home / name) for home in homes if (home / name).exists()), None) or shutil.which(name)


def _someone() -> str | None:
    """PostgreSQL refuses to run as root; the first of these that this machine has will do."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name for user in pwd.getpwall()}
    found = next((name for name in ("postgres", "nobody") if name in known), None)
    return found or pytest.skip("PostgreSQL does not run as root, and there is no other user")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    initdb, postgres = _program("initdb"), _program("postgres")
    if not initdb or not postgres:
        pytest.skip("PostgreSQL is not installed: no `initdb` or `postgres`")
    user = _someone()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if user:
        shutil.chown(folder, user)
    extra: dict[str, Any] = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    made = subprocess.run(
        [initdb, "-D", folder / "data", "-A", "trust", "-U", "tester", "--no-sync", "--locale=C", "-E", "UTF8"],
        check=False,
        **extra,
    )
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL cannot be started here: {made.stderr.decode()[-300:]}")
    port = _free_port()
    extra["stderr"] = subprocess.DEVNULL
    server = subprocess.Popen(
        [postgres, "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"], **extra
    )
    place = f"postgresql://tester:open-sesame@127.0.0.1:{port}/postgres"
    try:
        _fill(place)
        yield place
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


def _fill(place: str) -> None:
    import adbc_driver_postgresql.dbapi as dbapi

    for attempt in range(100):
        try:
            with dbapi.connect(place, autocommit=True) as connection, connection.cursor() as cursor:
                for line in _STATEMENTS:
                    cursor.execute(line)
                return
        except dbapi.Error:
            if attempt == 99:
                raise
            time.sleep(0.1)


_STATEMENTS = (
    "CREATE TABLE people (id bigint, name text, weight double precision, money numeric(8,2), member boolean, "
    "born date, seen timestamptz, tags text[])",
    "INSERT INTO people VALUES (1, 'ann', 61.5, 12.50, true, '1990-01-02', '2020-01-01 12:00+02', '{a,b}'), "
    "(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    'CREATE TABLE "Odd ""Name" (a int)',
    'INSERT INTO "Odd ""Name" VALUES (7)',
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.orders (n int)",
    "INSERT INTO shop.orders SELECT * FROM generate_series(1, 1000)",
    "CREATE TABLE hollow (a int)",
)


def test_a_table_with_its_types(address: str) -> None:
    data = collect(SourceSpec(source=address, table="people"))
    check_collected(data)
    first, second = data.frame.rows(named=True)
    assert (first["id"], first["name"], first["weight"], first["member"]) == (1, "ann", 61.5, True)
    assert float(first["money"]) == 12.5
    assert first["born"] == dt.date(1990, 1, 2)
    assert first["seen"] == dt.datetime(2020, 1, 1, 10)
    assert first["tags"] == '["a", "b"]'
    assert [value for name, value in second.items() if name not in ("__row__", "id")] == [None] * 7


def test_odd_names_schemas_and_queries(address: str) -> None:
    assert collect(SourceSpec(source=address, table='Odd "Name')).frame["a"].to_list() == [7]
    assert collect(SourceSpec(source=address, table="shop.orders")).n_rows == 1000
    query = SourceSpec(source=address, query="SELECT n AS a, n * 2 AS a FROM shop.orders WHERE n < 4 ORDER BY n")
    assert collect(query).frame.rows() == [(0, 1, 2), (1, 2, 4), (2, 3, 6)]


@pytest.mark.parametrize(
    ("settings", "code", "word"),
    [
        ({"table": "peeple"}, "table", "people"),
        ({"table": "orders"}, "table", "shop.orders"),
        ({"table": "hollow"}, "no_rows", "no rows"),
        ({"query": "SELEC 1"}, "query", "syntax"),
        ({"query": "SELECT nope FROM people"}, "query", "nope"),
        ({"query": "DELETE FROM people"}, "query", "read-only"),
        ({"query": "SELECT 1 / 0"}, "query", "zero"),
        ({}, "database", "which rows"),
    ],
)
def test_what_cannot_be_read(settings: dict[str, str], code: str, word: str, address: str) -> None:
    with pytest.raises(UserError, match=word) as caught:
        collect(SourceSpec(source=address, **settings))
    assert caught.value.code == f"collection.{code}"
    assert "open-sesame" not in str(caught.value)
    assert collect(SourceSpec(source=address, table="people")).n_rows == 2


def test_passwords_are_not_kept(address: str) -> None:
    data = collect(SourceSpec(source=address, table="people"))
    assert "open-sesame" not in repr(data.origin)


def test_no_server_and_no_such_database(address: str) -> None:
    for place in (f"postgresql://tester:open-sesame@127.0.0.1:{_free_port()}/x", address.replace("/postgres", "/none")):
        with pytest.raises(UserError) as caught:
            collect(CollectSpec(sources=(SourceSpec(source=place, table="x"),)))
        assert caught.value.code == "collection.database"
        assert "open-sesame" not in str(caught.value)
