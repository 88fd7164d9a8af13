"""A real PostgreSQL server on loopback, made for the test and gone after it; SQLite is in the corpus."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from modelwright.collection import CollectSpec, SourceSpec, collect
from modelwright.core.errors import UserError
from modelwright.testing.collection import check_collected
from tests.collection.servers import NotHereError, free_port, postgres

pytest.importorskip("adbc_driver_postgresql")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    try:
        with postgres() as place:
            _fill(place)
            yield place
    except NotHereError as why:
        pytest.skip(str(why))


def _fill(place: str) -> None:
    import adbc_driver_postgresql.dbapi as dbapi

    with dbapi.connect(place, autocommit=True) as connection, connection.cursor() as cursor:
        for line in _STATEMENTS:
            cursor.execute(line)


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
    for place in (f"postgresql://tester:open-sesame@127.0.0.1:{free_port()}/x", address.replace("/postgres", "/none")):
        with pytest.raises(UserError) as caught:
            collect(CollectSpec(sources=(SourceSpec(source=place, table="x"),)))
        assert caught.value.code == "collection.database"
        assert "open-sesame" not in str(caught.value)
