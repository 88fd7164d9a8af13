"""Collecting again and again: only what is new comes, nothing comes twice, and a broken collection goes on."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import signal
import sqlite3
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.collection import CollectSpec, SourceSpec, gathering
from modelwright.collection.databases import api as api_pages
from modelwright.collection.databases import tables
from modelwright.collection.databases.spec import ApiSpec
from modelwright.collection.gathering import Gathered, Step, gather
from modelwright.collection.versions import newest, open_version, trace
from modelwright.core.errors import UserError
from modelwright.core.store import Store
from tests.collection.media_files import picture as png
from tests.collection.servers import (
    NotHereError,
    free_port,
    mariadb_folder,
    mariadb_in,
    postgres_folder,
    postgres_in,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / ".wright")


def again(store: Store, *sources: SourceSpec | str) -> Gathered:
    return gather(CollectSpec(sources=sources), "d", store=store, keep=store.root / "raw")


def rows(store: Store) -> list[tuple[Any, ...]]:
    return open_version(store, "d").frame.drop("__row__").rows()


# Files ---------------------------------------------------------------------------------


def test_new_changed_copied_and_absent_files(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "sales"
    folder.mkdir()
    (folder / "a.csv").write_text("n,who\n1,ann\n2,bo\n")
    (folder / "b.csv").write_text("n,who\n3,cy\n")
    assert again(store, str(folder)).version.label == "d@1"
    unchanged = again(store, str(folder))
    assert not unchanged.is_new
    assert unchanged.sources[0].skipped == {"known by their bytes": 2}
    (folder / "b.csv").write_text("n,who\n4,di\n")
    (folder / "copy.csv").write_text("n,who\n1,ann\n2,bo\n")
    (folder / "c.csv").write_text("n,who\n5,ed\n")
    (came,) = again(store, str(folder)).sources
    assert (came.n_added, came.n_removed) == (2, 1)
    assert came.skipped["the same bytes as a file that is there already"] == 1
    assert rows(store) == [("1", "ann"), ("2", "bo"), ("4", "di"), ("5", "ed")]
    (folder / "a.csv").unlink()
    (folder / "copy.csv").unlink()
    gone = again(store, str(folder))
    assert not gone.is_new
    assert "no longer there" in gone.sources[0].told[0]
    traced = trace(store, newest(store, "d"), [0, 3])
    assert traced["name"].to_list() == ["a.csv", "b.csv"]
    assert len(set(traced["sha256"])) == 2


def test_a_touched_file_is_known_by_its_bytes(store: Store, tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("n\n1\n")
    again(store, str(table))
    table.write_text("n\n1\n")
    assert not again(store, str(table)).is_new


def test_pictures_come_one_by_one(store: Store, tmp_path: Path) -> None:
    for name, shade in (("cat/1.png", 10), ("dog/1.png", 90)):
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / name).write_bytes(png(shade))
    again(store, str(tmp_path / "p"))
    (tmp_path / "p/dog/2.png").write_bytes(png(120))
    (tmp_path / "p/cat/1.png").write_bytes(png(200))
    (came,) = again(store, str(tmp_path / "p")).sources
    assert (came.n_added, came.n_removed, came.skipped) == (2, 1, {"known by their bytes": 1})
    data = open_version(store, "d")
    assert sorted(data.frame.select("file", "folder").rows()) == [
        ("cat/1.png", "cat"), ("dog/1.png", "dog"), ("dog/2.png", "dog"),
    ]  # fmt: skip
    by_name = dict(data.frame.select("file", "image").rows())
    assert by_name["cat/1.png"] == png(200)
    assert data.schema["file"].role == "id"
    assert newest(store, "d").parts[0].form == "arrow"


def test_a_collection_that_breaks_goes_on(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.csv").write_text(f"n\n{number}\n")
    keep, n_kept = gathering._Pending.keep, 0

    def breaking(self: Any, key: str, step: Step | None) -> None:
        nonlocal n_kept
        n_kept += 1
        if n_kept == 4:
            raise KeyboardInterrupt
        keep(self, key, step)

    monkeypatch.setattr(gathering._Pending, "keep", breaking)
    with pytest.raises(KeyboardInterrupt):
        again(store, str(folder))
    assert newest(store, "d").number == 0
    read: list[str] = []
    gathered = gather(
        CollectSpec(sources=str(folder)), "d", store=store,
        watch=lambda event: read.append(event["name"]) if event["event"] == "read" else None,
    )  # fmt: skip
    assert [Path(name).name for name in read] == ["3.csv", "4.csv", "5.csv"], "three were there already"
    assert gathered.version.label == "d@1"
    assert rows(store) == [(str(number),) for number in range(6)]
    assert list((store.root / "datasets/d/pending").glob("*/*.json")) == []


def test_what_came_after_a_source_was_read_to_its_end(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between its last step and the commit, and grown since: one collection brings both."""
    table = tmp_path / "many"
    table.mkdir()
    (table / "a.csv").write_text("n\n1\n")
    monkeypatch.setattr(gathering, "commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        again(store, str(table))
    monkeypatch.undo()
    (table / "b.csv").write_text("n\n2\n")
    gathered = again(store, str(table))
    assert rows(store) == [("1",), ("2",)]
    assert (gathered.version.label, gathered.is_new, gathered.sources[0].n_added) == ("d@2", True, 2)


def test_what_cannot_be_gathered(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n")
    path = str(tmp_path / "a.csv")
    for spec in (CollectSpec(sources=[path, path], combine="join", on=("n",)), CollectSpec(sources="dataset:x")):
        with pytest.raises(UserError) as caught:
            gather(spec, "d", store=store)
        assert caught.value.code == "collection.gather"


# SQLite ---------------------------------------------------------------------------------


def shop(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as base:
        for one in statements:
            base.execute(one)
        base.commit()


@settings(max_examples=12)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=6), min_size=1, max_size=6))
def test_ties_on_the_cursor_are_neither_lost_nor_doubled(batches: list[list[tuple[int, int]]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        store = Store.open(Path(place) / "s")
        path = Path(place) / "shop.db"
        shop(path, "CREATE TABLE t (moment integer, v integer)")
        source = SourceSpec(source=f"sqlite:///{path}", table="t", cursor="moment")
        expected: list[tuple[int, int]] = []
        least = 0
        for batch in batches:
            for step, value in sorted(batch):
                row = (least + step, value)
                shop(path, f"INSERT INTO t VALUES {row}")
                expected.append(row)
            least = max((row[0] for row in expected), default=0)
            again(store, source)
        if expected:
            assert sorted(rows(store)) == sorted(expected)
            assert not again(store, source).is_new


def test_a_table_whose_columns_change_is_told(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    shop(path, "CREATE TABLE t (id integer primary key, a text)", "INSERT INTO t (a) VALUES ('x'), ('y')")
    source = SourceSpec(source=f"sqlite:///{path}", table="t", cursor="id")
    again(store, source)
    shop(path, "ALTER TABLE t ADD COLUMN b real", "INSERT INTO t (a, b) VALUES ('z', 1.5)")
    told = " ".join(again(store, source).sources[0].told)
    assert "new column `b`" in told
    shop(path, "ALTER TABLE t DROP COLUMN a", "INSERT INTO t (b) VALUES (2.5)")
    told = " ".join(again(store, source).sources[0].told)
    assert "no column `a` any more" in told
    assert rows(store) == [(1, "x", None), (2, "y", None), (3, "z", 1.5), (4, None, 2.5)]


def test_mixed_types_of_sqlite_and_rows_without_a_cursor(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    values = ", ".join(f"({number}, {number})" for number in range(2000))
    shop(path, "CREATE TABLE t (k, v)", f"INSERT INTO t VALUES {values}", "INSERT INTO t VALUES (3000, 'many')",
         "INSERT INTO t VALUES (NULL, 7)", "INSERT INTO t VALUES (3001, x'ff00')")  # fmt: skip
    source = SourceSpec(source=f"sqlite:///{path}", table="t", cursor="k")
    told = again(store, source).sources[0].told
    assert any("no value of the cursor" in line for line in told)
    got = open_version(store, "d").frame
    assert got.height == 2003
    assert got["v"].to_list()[-2:] == ["many", "ff00"]
    assert not again(store, source).is_new


def test_rows_without_a_cursor_are_one_step(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off among them, they are read again from the first: they have no order to go on in."""
    path = tmp_path / "shop.db"
    values = ", ".join(f"(NULL, {number})" for number in range(500))
    shop(
        path, "CREATE TABLE t (k integer, v integer)", f"INSERT INTO t VALUES {values}", "INSERT INTO t VALUES (1, 500)"
    )
    source = SourceSpec(source=f"sqlite:///{path}", table="t", cursor="k")
    parts_of, n_parts = tables.parts_of, 0

    def breaking(*given: Any, **settings: Any) -> Any:
        nonlocal n_parts
        for one in parts_of(*given, **settings, part_bytes=1000):
            n_parts += 1
            if n_parts == 3:
                raise KeyboardInterrupt
            yield one

    monkeypatch.setattr(tables, "parts_of", breaking)
    with pytest.raises(KeyboardInterrupt):
        again(store, source)
    again(store, source)
    assert sorted(row[1] for row in rows(store)) == list(range(501))


def test_without_a_cursor_the_table_is_replaced_if_it_changed(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    shop(path, "CREATE TABLE t (a integer)", "INSERT INTO t VALUES (1), (2)")
    source = SourceSpec(source=f"sqlite:///{path}", query="SELECT a, a * 2 AS b FROM t")
    again(store, source)
    assert not again(store, source).is_new
    shop(path, "UPDATE t SET a = 5 WHERE a = 1")
    gathered = again(store, source)
    assert (gathered.sources[0].n_added, gathered.sources[0].n_removed) == (2, 2)
    assert rows(store) == [(5, 10), (2, 4)]
    with pytest.raises(UserError) as caught:
        again(store, SourceSpec(source=f"sqlite:///{path}", table="t", cursor="idd"))
    assert caught.value.code in ("collection.cursor", "collection.query")


# Servers ---------------------------------------------------------------------------------


def _check_server(store: Store, address: str, run: Callable[[str], None], moment: str, large: str) -> None:
    """The same table, in each server's SQL: read, grown, with ties, a later column, and a query."""
    run(f"CREATE TABLE orders (id bigint, at {moment}, price {large}, who varchar(20))")
    run("INSERT INTO orders VALUES (1, '2024-01-01 10:00:00', 1.5, 'ann'), (2, '2024-01-01 10:00:00', 2.5, NULL)")
    source = SourceSpec(source=address, table="orders", cursor="at")
    again(store, source)
    assert not again(store, source).is_new
    run("INSERT INTO orders VALUES (3, '2024-01-01 10:00:00', 3.5, 'o''hara'), (4, '2024-01-02 00:00:00.25', 4, 'é')")
    (came,) = again(store, source).sources
    assert came.n_added == 2
    run("ALTER TABLE orders ADD COLUMN note varchar(9)")
    run("INSERT INTO orders VALUES (5, '2024-01-03 00:00:00', 1e3, 'x', 'hi')")
    assert any("new column `note`" in line for line in again(store, source).sources[0].told)
    frame = open_version(store, "d").frame
    assert frame["id"].to_list() == [1, 2, 3, 4, 5]
    assert frame["at"][3] == dt.datetime(2024, 1, 2, 0, 0, 0, 250_000)
    assert frame["who"].to_list() == ["ann", None, "o'hara", "é", "x"]
    assert frame["note"].to_list() == [None] * 4 + ["hi"]
    for label in (repr(newest(store, "d")), *(path.read_text() for path in store.root.glob("datasets/d/*.json"))):
        assert "open-sesame" not in label
    text = SourceSpec(source=address, query="SELECT who, id FROM orders WHERE id < 9", cursor="who")
    gathered = gather(CollectSpec(sources=(text,)), "q", store=store)
    assert gathered.version.n_rows == 5
    assert not gather(CollectSpec(sources=(text,)), "q", store=store).is_new
    for wrong, code in (
        (SourceSpec(source=address, table="ordrs"), "collection.table"),
        (SourceSpec(source=address, query="SELEC 1"), "collection.query"),
        (SourceSpec(source=address, query="DELETE FROM orders"), "collection.query"),
        (SourceSpec(source=address.replace("/shop", "/none").replace("/postgres", "/none"), table="orders"), ""),
    ):
        with pytest.raises(UserError) as caught:
            again(store, wrong)
        assert not code or caught.value.code == code
        assert "open-sesame" not in str(caught.value)


def _check_goes_away(
    store: Store, run: Callable[[str], None], end: Callable[[], None], begin: Callable[[], str], rows_sql: str
) -> None:  # fmt: skip
    """A server that goes away while rows come is asked for what is left as soon as it is back; nothing comes twice."""
    source = SourceSpec(source=begin(), table="wide", cursor="n")
    run(f"CREATE TABLE wide AS SELECT n, repeat('x', 1000) AS text, n % 3 AS rest FROM {rows_sql}")
    events: list[str] = []

    def watch(event: Any) -> None:
        events.append(event["event"])
        if events.count("progress") == 1 and event["event"] == "progress":
            end()
        if event["event"] == "retry":
            begin()

    gather(CollectSpec(sources=(source,)), "wide", store=store, watch=watch)
    assert events.count("retry") == 1
    numbers = open_version(store, "wide").frame["n"]
    assert (numbers.len(), numbers.n_unique(), numbers.max()) == (40_000, 40_000, 40_000)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "parts_of", functools.partial(tables.parts_of, part_bytes=2_000_000))


def test_postgresql(store: Store, small_parts: None) -> None:
    dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi")
    port = free_port()
    try:
        with postgres_folder() as folder, ExitStack() as stack:

            def begin() -> str:
                return stack.enter_context(postgres_in(folder, port))

            def end() -> None:
                server = int((folder / "data/postmaster.pid").read_text().split()[0])
                os.kill(server, signal.SIGQUIT)
                while (folder / "data/postmaster.pid").exists():
                    time.sleep(0.01)

            def run(statement: str) -> None:
                with dbapi.connect(address, autocommit=True) as connection, connection.cursor() as cursor:
                    cursor.execute(statement)

            address = begin()
            _check_server(store, address, run, "timestamptz", "numeric(9,2)")
            stack.close()
            _check_goes_away(store, run, end, begin, "generate_series(1, 40000) AS n")
    except NotHereError as why:
        pytest.skip(str(why))


def test_mariadb(store: Store, small_parts: None) -> None:
    pymysql = pytest.importorskip("pymysql")
    port = free_port()
    try:
        with mariadb_folder() as folder, ExitStack() as stack:

            def begin() -> str:
                return stack.enter_context(mariadb_in(folder, port))

            def run(statement: str) -> None:
                with pymysql.connect(
                    host="127.0.0.1", port=port, user="tester", password="open-sesame", database="shop",
                    autocommit=True,
                ) as connection, connection.cursor() as cursor:  # fmt: skip
                    cursor.execute(statement)

            def end() -> None:
                os.kill(int((folder / "pid").read_text()), signal.SIGKILL)

            _check_server(store, begin(), run, "datetime(6)", "decimal(9,2)")
            run("CREATE TABLE words (word varchar(9), n int)")
            run("INSERT INTO words VALUES ('a', 1), ('B', 2), ('b', 3)")
            words = SourceSpec(source=f"mysql://tester:open-sesame@127.0.0.1:{port}/shop", table="words", cursor="word")
            gather(CollectSpec(sources=(words,)), "words", store=store)
            run("INSERT INTO words VALUES ('B', 4), ('b ', 5)")
            gathered = gather(CollectSpec(sources=(words,)), "words", store=store)
            assert gathered.sources[0].n_added == 2, "the database takes B and b for the same"
            assert sorted(open_version(store, "words").frame["n"]) == [1, 2, 3, 4, 5]
            stack.close()
            _check_goes_away(store, run, end, begin, "(SELECT seq AS n FROM seq_1_to_40000) AS numbers")
    except NotHereError as why:
        pytest.skip(str(why))


# APIs ---------------------------------------------------------------------------------


class Site:
    """A JSON API with rows that grow. `answer` takes a query and gives status, headers and body."""

    def __init__(self) -> None:
        self.rows = [{"id": number, "at": f"2024-01-{1 + number // 3:02d}"} for number in range(10)]
        self.asked: list[str] = []
        self.refusals: list[tuple[int, dict[str, str]]] = []
        self.way = "page"
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = site.answer(self.path, dict(self.headers))
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(raw)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/orders"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        self.asked.append(path)
        if self.refusals:
            status, more = self.refusals.pop(0)
            return status, more, {}
        if headers.get("Authorization") != "Bearer s3cret":
            return 401, {}, {}
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        rows = [row for row in self.rows if str(row["at"]) >= query.get("since", "")]
        start = {
            "page": 4 * (int(query.get("p", 1)) - 1), "offset": int(query.get("o", 0)), "next": int(query.get("o", 0)),
            "link": int(query.get("o", 0)), "token": int(query.get("t", 0)), "astray": 0, "round": 0,
        }[self.way]  # fmt: skip
        page, more = rows[start : start + 4], {}
        body: dict[str, Any] = {"data": {"items": page}, "total": len(rows)}
        after = f"{urlsplit(path).path}?o={start + 4}" if start + 4 < len(rows) else None
        if self.way == "next":
            body["next"] = after
        elif self.way == "link" and after:
            more = {"Link": f'<{after}>; rel="next"'}
        elif self.way == "token":
            body["then"] = start + 4 if after else None
        elif self.way == "astray":
            body["next"] = "http://example.org/evil"
        elif self.way == "round":
            body["next"] = path
        return 200, more, body


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("SHOP_TOKEN", "s3cret")
    one = Site()
    yield one
    one.server.shutdown()


WAYS: dict[str, dict[str, Any]] = {
    "page": {"page_parameter": "p"}, "offset": {"offset_parameter": "o"}, "next": {"next": "next"}, "link": {},
    "token": {"next_token": "then", "token_parameter": "t"},
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_the_next_page(way: str, site: Site, store: Store) -> None:
    site.way = way
    source = SourceSpec(source=site.address, api=ApiSpec(rows="data.items", token="SHOP_TOKEN", **WAYS[way]))
    again(store, source)
    assert [row[0] for row in rows(store)] == list(range(10))
    assert not again(store, source).is_new
    site.rows[0]["id"] = 77
    changed = again(store, source)
    assert (changed.sources[0].n_added, changed.sources[0].n_removed) == (10, 10)
    for path in store.root.rglob("*"):
        assert path.is_dir() or b"s3cret" not in path.read_bytes()


def test_an_api_is_read_from_its_cursor_on(site: Site, store: Store) -> None:
    spec = ApiSpec(rows="data.items", token="SHOP_TOKEN", page_parameter="p", since_parameter="since")
    source = SourceSpec(source=site.address, api=spec, cursor="at")
    again(store, source)
    site.asked.clear()
    assert not again(store, source).is_new
    assert "since=2024-01-04" in site.asked[0]
    site.rows += [{"id": 10, "at": "2024-01-04", "note": "late"}, {"id": 11, "at": "2024-02-01"}]
    (came,) = again(store, source).sources
    assert came.n_added == 2
    assert "new column `note`" in " ".join(came.told)
    assert [row[0] for row in rows(store)] == list(range(12))


def test_an_api_that_fails_and_cuts_its_answers(
    site: Site, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Errors, bodies cut short (with and without a length) and lines that are hung up: asked again, page by page."""
    monkeypatch.setattr(api_pages, "PAUSE_S", 0.001)
    spec = ApiSpec(rows="data.items", token="SHOP_TOKEN", page_parameter="p")
    source = SourceSpec(source=site.address, api=spec, cursor="id")
    answer, n_asked = site.answer, 0

    def faulty(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        nonlocal n_asked
        n_asked += 1
        status, more, body = answer(path, headers)
        whole = json.dumps(body).encode()
        return [
            (500, {}, {}), (429, {"Retry-After": "0"}, {}), (200, {"Content-Length": str(len(whole))}, whole[:30]),
            (200, {"Content-Length": str(len(whole) + 9)}, whole), (status, more, body),
        ][n_asked % 5]  # fmt: skip

    site.answer = faulty  # type: ignore[method-assign]
    again(store, source)
    assert [row[0] for row in rows(store)] == list(range(10))


def test_what_a_server_says_of_time_is_by_its_own_clock() -> None:
    """Its clock may be an hour off ours: `Retry-After` as a date counts from the `Date` of the same answer."""
    from email.message import Message

    headers = Message()
    headers["Date"] = "Wed, 21 Oct 2015 07:28:00 GMT"
    headers["Retry-After"] = "Wed, 21 Oct 2015 07:28:07 GMT"
    problem = urllib.error.HTTPError("http://a.test/", 503, "busy", headers, None)
    assert api_pages._wait_s(problem, 1) == 7.0


def test_a_busy_server_is_waited_for(site: Site, store: Store) -> None:
    site.refusals = [(429, {"Retry-After": "1"}), (503, {})]
    source = SourceSpec(source=site.address, api=ApiSpec(rows="data.items", token="SHOP_TOKEN", page_parameter="p"))
    began = time.monotonic()
    again(store, source)
    assert time.monotonic() - began >= 1.0 + 2 * 0.5
    assert newest(store, "d").n_rows == 10


def test_an_api_that_breaks_off_goes_on_from_its_page(site: Site, store: Store) -> None:
    spec = ApiSpec(rows="data.items", token="SHOP_TOKEN", page_parameter="p", since_parameter="since")
    source = SourceSpec(source=site.address, api=spec, cursor="at")
    answer = site.answer

    def broken(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        return (404, {}, {}) if "p=3" in path else answer(path, headers)

    site.answer = broken  # type: ignore[method-assign]
    with pytest.raises(UserError) as caught:
        again(store, source)
    assert caught.value.code == "collection.url_status"
    site.answer = answer  # type: ignore[method-assign]
    site.asked.clear()
    again(store, source)
    assert ["p=3" in path for path in site.asked][:2] == [True, False], "page 3 comes first"
    assert [row[0] for row in rows(store)] == list(range(10))


@pytest.mark.parametrize(
    ("settings", "way", "code"),
    [
        ({"rows": "data.itms"}, "page", "api"),
        ({"rows": ""}, "page", "api"),
        ({"next": "next"}, "astray", "api"),
        ({"next": "next"}, "round", "api"),
        ({"token": "NO_SUCH_TOKEN"}, "page", "api_token"),
        ({"token": None}, "page", "url_status"),
    ],
)
def test_odd_answers(settings: dict[str, Any], way: str, code: str, site: Site, store: Store) -> None:
    site.way = way
    spec = ApiSpec(**{"rows": "data.items", "token": "SHOP_TOKEN", **settings})
    with pytest.raises(UserError) as caught:
        again(store, SourceSpec(source=site.address, api=spec))
    assert caught.value.code == f"collection.{code}"
    assert "s3cret" not in str(caught.value)


def test_endless_answers_are_cut(site: Site, store: Store) -> None:
    site.answer = lambda path, headers: (200, {}, b"[" + b" " * 3_000_000)  # type: ignore[method-assign]
    source = SourceSpec(source=site.address, api=ApiSpec(token="SHOP_TOKEN"))
    with pytest.raises(UserError) as caught:
        gather(CollectSpec(sources=(source,), max_bytes=1_000_000), "d", store=store)
    assert caught.value.code == "collection.url_size"


def test_a_run_of_a_recipe_on_a_dataset(store: Store, tmp_path: Path) -> None:
    from modelwright.lifecycle import run
    from modelwright.recipe import Recipe

    table = tmp_path / "homes.csv"
    frame = pl.DataFrame({"area": [37 * n % 53 for n in range(60)], "price": [str(3 * n + n % 7) for n in range(60)]})
    frame.write_csv(table)
    gather(CollectSpec(sources=str(table)), "homes", store=store)
    recipe = Recipe.from_plain({"target": "price", "data": "dataset:homes", "train": {"budget": "quick"}})
    assert recipe.name == "homes"
    first = run(recipe, store=store)
    assert first.stages[0].value["parts"] == [part.digest for part in newest(store, "homes").parts]
    assert all(stage.cached for stage in run(recipe, store=store).stages)
    (tmp_path / "more.csv").write_text("area,price\n61,190\n")
    gather(CollectSpec(sources=[str(table), str(tmp_path / "more.csv")]), "homes", store=store)
    assert not run(recipe, store=store).stages[0].cached
