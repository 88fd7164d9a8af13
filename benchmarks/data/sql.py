"""A SQL table of 2 million rows x 7 columns to a dataset version, with cursor, schema and row lineage.

Beside it, in turn in one run: bare ADBC to one Parquet file (no cursor, no version), and dlt (its Arrow back end, with
an incremental cursor, to Parquet files). Each run is a process of its own; imports are counted for none. Rows/s are
given by wall time and by CPU time (user and system of all threads): on a machine that is shared only the second says
much, though it hides that ours writes one part while the next is fetched. The bar is the ratio 600,000 / 790,000 to
bare ADBC in the same run, by wall time and by CPU time; the peer lies in benchmarks/.peers/data-dlt.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.common import ROOT, bar, process

PEER = ROOT / "benchmarks" / ".peers" / "data-dlt" / "bin" / "python"
N_ROWS = 2_000_000
N_TIMES = 3
LEAST = 600_000 / 790_000

_TIMED = """
import json, os, resource, sys, time
from pathlib import Path
address, folder = sys.argv[1:3]
def used():
    return sum(os.times()[:2])
"""
_REPORT = """
print(json.dumps({"wall_s": time.perf_counter() - wall, "cpu_s": used() - cpu,
                  "rows": rows, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""
BARE = (
    _TIMED
    + """
import pyarrow.parquet as pq
import adbc_driver_sqlite.dbapi, adbc_driver_postgresql.dbapi
kind = adbc_driver_sqlite if address.startswith("sqlite") else adbc_driver_postgresql
place = address.removeprefix("sqlite:///") if address.startswith("sqlite") else address
wall, cpu, rows = time.perf_counter(), used(), 0
with kind.dbapi.connect(place) as connection, connection.cursor() as cursor:
    if address.startswith("sqlite"):
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": "65536"})
    cursor.execute("SELECT * FROM orders")
    reader = cursor.fetch_record_batch()
    with pq.ParquetWriter(Path(folder) / "bare.parquet", reader.schema, compression="lz4") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
"""
    + _REPORT
)
OURS = (
    _TIMED
    + """
import polars, pyarrow
import adbc_driver_sqlite.dbapi, adbc_driver_postgresql.dbapi
from modelwright.collection import CollectSpec, SourceSpec
from modelwright.collection.gathering import gather
from modelwright.collection.databases import read_new_rows
from modelwright.core.store import Store
wall, cpu = time.perf_counter(), used()
source = SourceSpec(source=address, table="orders", cursor="id")
rows = gather(CollectSpec(sources=(source,)), "orders", store=Store.open(folder)).version.n_rows
"""
    + _REPORT
)
DLT = (
    _TIMED
    + """
os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID"] = "true"
import dlt
from dlt.sources.sql_database import sql_table
place = address.replace("postgresql://", "postgresql+psycopg2://")
wall, cpu = time.perf_counter(), used()
orders = sql_table(credentials=place, table="orders", backend="pyarrow", chunk_size=65536,
                   incremental=dlt.sources.incremental("id"))
line = dlt.pipeline("orders", destination=dlt.destinations.filesystem(Path(folder).as_uri()), dataset_name="d",
                    pipelines_dir=folder + "/state")
line.run(orders, loader_file_format="parquet")
rows = line.last_trace.last_normalize_info.row_counts["orders"]
"""
    + _REPORT
)


def fill_sqlite(path: Path) -> None:
    """2 million rows of keys, times, names and figures."""
    base = sqlite3.connect(path)
    columns = "id INTEGER PRIMARY KEY, at TEXT, person INTEGER, city TEXT, price REAL, n INTEGER, note TEXT"
    base.execute(f"CREATE TABLE orders ({columns})")
    base.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)", _rows())
    base.commit()
    base.close()


def _rows() -> Iterator[tuple[object, ...]]:
    rng = np.random.default_rng(0)
    cities = [f"city {number}" for number in range(500)]
    for start in range(0, N_ROWS, 100_000):
        person, city, price = rng.integers(0, 10**6, 100_000), rng.integers(0, 500, 100_000), rng.random(100_000)
        for k in range(100_000):
            row = start + k
            yield (row, f"2024-01-{1 + row * 28 // N_ROWS:02d} {row % 24:02d}:{row % 60:02d}:00", int(person[k]),
                   cities[city[k]], float(price[k]) * 1000, row % 7, f"order {row % 1000}")  # fmt: skip


def fill_postgres(address: str, sqlite_path: Path) -> None:
    import adbc_driver_postgresql.dbapi as to
    import adbc_driver_sqlite.dbapi as of

    with of.connect(str(sqlite_path)) as there, there.cursor() as read, to.connect(address) as here:
        read.execute("SELECT * FROM orders")
        with here.cursor() as write:
            write.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, at TEXT, person BIGINT, city TEXT,"
                          " price DOUBLE PRECISION, n BIGINT, note TEXT)")  # fmt: skip
            write.adbc_ingest("orders", read.fetch_record_batch(), mode="append")
            write.execute("ANALYZE orders")
        here.commit()


def once(how: str, address: str) -> dict[str, float]:
    """One run of bare ADBC, ours or dlt; its figures."""
    python, code = {"bare": (sys.executable, BARE), "ours": (sys.executable, OURS), "dlt": (str(PEER), DLT)}[how]
    with tempfile.TemporaryDirectory(prefix="sql-") as folder:
        done = process([python, "-c", code, address, folder], folder=ROOT)
    found: dict[str, float] = json.loads(done.output.strip().splitlines()[-1])
    assert found["rows"] == N_ROWS, found
    return found


def measure() -> tuple[list[str], list[str]]:
    from tests.collection.servers import NotHereError, postgres

    table = [__doc__.partition("\n\n")[2].strip(), ""]
    table += ["| database | reader | rows/s (wall) | rows/s (CPU) | of bare (wall) | of bare (CPU) | peak memory |"]
    table += ["|---|---|---|---|---|---|---|"]
    bars: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sql-") as folder, contextlib.ExitStack() as stack:
        path = Path(folder) / "orders.db"
        fill_sqlite(path)
        addresses = {"SQLite": f"sqlite:///{path}"}
        with contextlib.suppress(NotHereError):
            addresses["PostgreSQL"] = stack.enter_context(postgres())
            fill_postgres(addresses["PostgreSQL"], path)
        for database, address in addresses.items():
            lines, ratios = _measured(database, address)
            table += lines
            bars += [bar(f"{database}: rows/s of bare ADBC's ({how})", ratio, LEAST, at_least=True)
                     for how, ratio in ratios.items()]  # fmt: skip
    return table, bars


def _measured(database: str, address: str) -> tuple[list[str], dict[str, float]]:
    readers = ("bare", "ours", "dlt") if PEER.exists() else ("bare", "ours")
    runs: dict[str, list[dict[str, float]]] = {how: [] for how in readers}
    for turn in range(N_TIMES):
        for how in readers if turn == 0 else readers[:2]:
            runs[how].append(once(how, address))
    names = {"bare": "bare ADBC to Parquet", "ours": "a dataset version", "dlt": "dlt"}
    lines, ratios = [], {}
    for how, many in runs.items():
        pairs = list(zip(many, runs["bare"], strict=False))
        found = {key: median(one[key] for one in many) for key in ("wall_s", "cpu_s", "peak")}
        ratio = {key: median(bare[f"{key}_s"] / one[f"{key}_s"] for one, bare in pairs) for key in ("wall", "cpu")}
        lines.append(
            f"| {database} | {names[how]} | {N_ROWS / found['wall_s']:,.0f} | {N_ROWS / found['cpu_s']:,.0f} | "
            f"{ratio['wall']:.2f} | {ratio['cpu']:.2f} | {found['peak'] / 2**20:,.0f} MiB |"
        )
        if how == "ours":
            ratios = ratio
    return lines, ratios
