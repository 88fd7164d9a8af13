"""kill -9 at 100 random moments of collecting from each kind of source: nothing lost, nothing doubled.

`wright collect` runs in a process of its own, forked from one that has imported what it needs; its work on a source
that has grown is measured three times, and kills are spread evenly over that length, children included. After a kill
the source grows again, and the next run goes on, to its end or (three times of ten) to the next kill. At every end all
rows are read: each has a number and a text made from it, so lost, changed and doubled ones are counted. In the end
every version that there is, is opened and read. Parts are cut at 8 kB in place of 96 MB: a run writes several.
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.common import bar
from benchmarks.data.killing import HEAD, Tally, Wright, kill_often
from modelwright.collection.versions import open_version, versions_of
from modelwright.core.store import Store
from tests.collection.servers import mariadb, postgres

N_FILES, N_ROWS, N_TIES = 12, 12_000, 7
PAGE_ROWS = 1_200
_SMALL_PARTS = """
import functools
import modelwright.collection.databases.tables as tables
tables.parts_of = functools.partial(tables.parts_of, part_bytes=8_000)
"""
_DATABASES = "modelwright.collection.databases.tables"


@dataclass
class Dataset:
    """The dataset `d` of a store, and how many rows it must have."""

    store: Store
    n_rows: int = 0

    def judge(self, tally: Tally) -> None:
        """Count what is lost, changed or doubled."""
        import polars as pl

        frame = open_version(self.store, "d").frame.select(pl.col("n").cast(pl.Int64), "text")
        whole = frame.filter(pl.col("text") == "x" + pl.col("n").cast(pl.String))
        n_distinct = whole["n"].n_unique()
        right = whole["n"].is_between(0, self.n_rows - 1).all()
        if n_distinct != self.n_rows or frame.height != self.n_rows or not right:
            tally.odd.append(f"{self.n_rows} expected, {frame.height} there, {n_distinct} different and whole")
        tally.n_lost += self.n_rows - n_distinct
        tally.n_doubled += frame.height - n_distinct

    def is_begun(self) -> bool:
        """Whether a collection that was broken off has left steps to go on from."""
        return any((self.store.root / "datasets" / "d" / "pending").glob("*/[0-9]*.json"))

    def check_versions(self) -> None:
        """Open and read every version that there is."""
        for version in versions_of(self.store, "d"):
            assert open_version(self.store, version).frame.height == version.n_rows

    def kill(self, source: list[str], grow: Callable[[int, int], None], seed: int, **how: str) -> Tally:
        """Kill collections of a source that grows by rows from one number up to another."""

        def more() -> None:
            grow(self.n_rows, self.n_rows + self.batch)
            self.n_rows += self.batch

        arguments = ["collect", *source, "--as", "d", "--store", str(self.store.root)]
        tally = kill_often(Wright(**how), arguments, more, self.judge, seed=seed, is_begun=self.is_begun)
        self.check_versions()
        return tally

    batch: int = N_ROWS


def files(folder: Path) -> Tally:
    """A folder into which files come."""
    source = folder / "in"
    source.mkdir()

    def grow(first: int, after: int) -> None:
        for number in range(first, after):
            aside = source / f".{number}"
            aside.write_text(f"n,text\n{number},x{number}\n")
            aside.rename(source / f"{number:05d}.csv")

    return Dataset(Store.open(folder / "s"), batch=N_FILES).kill([str(source)], grow, 1)


def sqlite(folder: Path) -> Tally:
    """A table of SQLite."""
    path = folder / "shop.db"
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE t (n INTEGER, moment INTEGER, text TEXT)")

    def grow(first: int, after: int) -> None:
        base.executemany("INSERT INTO t VALUES (?, ?, ?)", [(n, n // N_TIES, f"x{n}") for n in range(first, after)])
        base.commit()

    source = [f"sqlite:///{path}", "--table", "t", "--cursor", "moment"]
    imported = f"adbc_driver_sqlite.dbapi,{_DATABASES},modelwright.collection.databases.sqlite"
    return Dataset(Store.open(folder / "s")).kill(source, grow, 2, imported=imported, before=_SMALL_PARTS)


def postgresql(folder: Path) -> Tally:
    """A table of PostgreSQL."""
    import adbc_driver_postgresql.dbapi as dbapi

    with postgres() as address, dbapi.connect(address, autocommit=True) as base, base.cursor() as cursor:
        cursor.execute("CREATE TABLE t (n bigint, moment timestamptz, text text)")

        def grow(first: int, after: int) -> None:
            moment = f"timestamptz '2024-01-01' + (n / {N_TIES}) * interval '1 second'"
            rows = f"generate_series({first}, {after - 1}) AS n"
            cursor.execute(f"INSERT INTO t SELECT n, {moment}, 'x' || n FROM {rows}")

        source = [address, "--table", "t", "--cursor", "moment"]
        imported = f"adbc_driver_postgresql.dbapi,{_DATABASES},modelwright.collection.databases.postgres"
        return Dataset(Store.open(folder / "s")).kill(source, grow, 3, imported=imported, before=_SMALL_PARTS)


def maria(folder: Path) -> Tally:
    """A table of MariaDB."""
    import pymysql

    with mariadb() as address:
        where = urlsplit(address)
        base = pymysql.connect(host="127.0.0.1", port=where.port or 0, user="tester", password="open-sesame",
                               database="shop", autocommit=True)  # fmt: skip
        cursor = base.cursor()
        cursor.execute("CREATE TABLE t (n bigint, moment datetime, text varchar(20))")

        def grow(first: int, after: int) -> None:
            moment = f"TIMESTAMP('2024-01-01 00:00:00') + INTERVAL (seq DIV {N_TIES}) SECOND"
            cursor.execute(f"INSERT INTO t SELECT seq, {moment}, CONCAT('x', seq) FROM seq_{first}_to_{after - 1}")

        source = [address, "--table", "t", "--cursor", "moment"]
        imported = f"pymysql,{_DATABASES},modelwright.collection.databases.mariadb"
        return Dataset(Store.open(folder / "s")).kill(source, grow, 4, imported=imported, before=_SMALL_PARTS)


@contextmanager
def site(rows: Callable[[], int]) -> Iterator[str]:
    """A JSON API of rows that are numbered, page by page from a cursor on."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {name: int(values[0]) for name, values in parse_qs(urlsplit(self.path).query).items()}
            begin = asked.get("after", asked.get("since", 0) * N_TIES)
            after = min(begin + PAGE_ROWS, rows())
            items = [{"n": n, "moment": n // N_TIES, "text": f"x{n}"} for n in range(begin, after)]
            body = dumps({"items": items, "next": f"/?after={after}" if after < rows() else None}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def api(folder: Path) -> Tally:
    """A JSON API."""
    data = Dataset(Store.open(folder / "s"))
    with site(lambda: data.n_rows) as address:
        source = [address, "--api", "{rows: items, next: next, since_parameter: since}", "--cursor", "moment"]
        return data.kill(source, lambda first, after: None, 5, imported="modelwright.collection.databases.api")


def measure() -> tuple[list[str], list[str]]:
    """Files and an API."""
    kinds = {
        f"a folder with {N_FILES} new files": files,
        f"a JSON API by a cursor with ties, {N_ROWS // PAGE_ROWS} new pages": api,
    }
    return measured(kinds, str(__doc__), "collecting")


def measure_databases() -> tuple[list[str], list[str]]:
    """Tables of three databases."""
    kinds = {
        f"SQLite, a table by a cursor with ties, {N_ROWS:,} new rows": sqlite,
        f"PostgreSQL, the same with moments, {N_ROWS:,} new rows": postgresql,
        f"MariaDB, the same, {N_ROWS:,} new rows": maria,
    }
    return measured(kinds, "\n\nAs above, from databases.", "tables")


def measured(kinds: dict[str, Callable[[Path], Tally]], about: str, what: str) -> tuple[list[str], list[str]]:
    """Every kind of work, one after another: a line each, and three bars for all."""
    made, tallies = [about.partition("\n\n")[2].strip(), "", *HEAD], []
    for name, run in kinds.items():
        with tempfile.TemporaryDirectory(prefix="kills-") as folder:
            tallies.append(run(Path(folder)))
        made.append(tallies[-1].line(name))
        print(made[-1], flush=True)
    bars = [
        bar(f"{what}: kills in the work, least of a kind", min(one.n_kills for one in tallies), 100, at_least=True),
        bar(f"{what}: lost in {sum(one.n_kills for one in tallies)} kills", sum(one.n_lost for one in tallies), 0),
        bar(f"{what}: doubled", sum(one.n_doubled for one in tallies), 0),
    ]
    return made, bars
