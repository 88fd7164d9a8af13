"""Parquet and Arrow without pyarrow: what Polars refuses or would fall over, and tables given in memory."""

from __future__ import annotations

import datetime as dt
import io
import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from modelwright.collection import collect, columnar
from modelwright.collection.parquetfile import read_footer
from modelwright.collection.thrift import Reader, written
from modelwright.core.data import ROW_ID
from modelwright.core.errors import UserError
from modelwright.testing.collection import check_collected

MOMENT = dt.datetime(2020, 1, 1, 12)


def rows(source: Any) -> list[tuple[Any, ...]]:
    data = collect(source)
    check_collected(data)
    return data.frame.drop(ROW_ID).rows()


def write(table: pa.Table, form: str, folder: Path) -> Path:
    path = folder / (f"table.{form}" if form == "parquet" else f"{form}.arrow")
    if form == "parquet":
        parquet.write_table(table, path)
        return path
    make = pa.ipc.new_file if form == "arrow" else pa.ipc.new_stream
    with make(str(path), table.schema) as writer:
        writer.write_table(table)
    return path


@pytest.mark.parametrize("form", ["parquet", "arrow", "stream"])
def test_zones_without_a_name_and_names_that_stand_twice(form: str, tmp_path: Path) -> None:
    moments = [pa.array([MOMENT], pa.timestamp("us", tz=zone)) for zone in ("+05:30", "-02:15", "Europe/Oslo")]
    table = pa.table([*moments, pa.array([dt.timedelta(seconds=90)])], names=["a", "b", "c", "span"])
    assert rows(write(table, form, tmp_path)) == [(MOMENT, MOMENT, MOMENT, 90.0)]
    twice = pa.table([pa.array([1]), pa.array(["x"]), pa.array([{"x": 2}])], names=["a", "a", "a"])
    data = collect(write(twice, form, tmp_path))
    assert data.frame.drop(ROW_ID).rows() == [(1, "x", 2)]
    assert data.schema.names == ("a", "a_2", "a.x")


def test_a_large_parquet_file_is_scanned_after_a_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "SMALL_BYTES", 0)
    table = pa.table({"moment": pa.array([MOMENT] * 500, pa.timestamp("ns")), "text": [str(n) for n in range(500)]})
    path = tmp_path / "table.parquet"
    parquet.write_table(table, path, compression="none", use_dictionary=False, row_group_size=200)
    data = collect(path)
    assert "SCAN" in data.table.explain()
    assert data.n_rows == 500 and data.frame.row(499) == (499, MOMENT, "499")
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"450", b"\xff50", 1))  # no UTF-8, and far from the beginning
    with pytest.raises(UserError) as caught:
        collect(path)
    assert caught.value.code == "collection.parquet"


def test_a_page_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    table = pa.table({"a": [1001, 1002, 1003]})
    parquet.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)
    assert rows(path) == [(1001,), (1002,), (1003,)]
    raw = path.read_bytes()
    path.write_bytes(raw.replace((1002).to_bytes(8, "little"), (1012).to_bytes(8, "little"), 1))
    with pytest.raises(UserError, match="checksum") as caught:
        collect(path)
    assert caught.value.code == "collection.parquet"


def test_footers_are_written_as_they_were_read(tmp_path: Path) -> None:
    table = pa.table({f"c{n}": [{"x": [n], "y": Decimal("1.5")}] for n in range(20)})
    path = write(table, "parquet", tmp_path)
    footer = read_footer(path)
    assert written(footer.fields) == path.read_bytes()[footer.begin : -8]
    raw = written(footer.fields)
    assert Reader(raw, 0, len(raw)).struct() == footer.fields


def test_an_arrow_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.arrow"
    pl.DataFrame({"a": np.zeros(10 * 2**20)}).write_ipc(path, compression="zstd")
    assert path.stat().st_size < 2**18
    with pytest.raises(UserError) as caught:
        collect(path)
    assert caught.value.code == "collection.archive_size"


FLIPS = """
import random, sys
from pathlib import Path
from modelwright.collection import collect
from modelwright.core.errors import UserError
seeds, broken, refused = sorted(Path(sys.argv[1]).iterdir()), Path(sys.argv[2]), 0
rng = random.Random(5)
for number in range(400):
    seed = seeds[number % len(seeds)]
    raw = bytearray(seed.read_bytes())
    for _ in range(rng.choice([1, 2, 8])):
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    path = broken / f"{number}{seed.suffix}"
    path.write_bytes(raw)
    try:
        collect(path).frame
    except UserError as problem:
        assert problem.code.startswith("collection."), problem
        refused += 1
print(refused)
"""


def test_flipped_bits_end_in_rows_or_a_coded_error_and_a_quiet_terminal(tmp_path: Path) -> None:
    seeds, broken = tmp_path / "seeds", tmp_path / "broken"
    seeds.mkdir()
    broken.mkdir()
    rng = random.Random(2)
    frame = pl.DataFrame(
        {
            "n": [rng.randrange(999) if rng.random() > 0.1 else None for _ in range(60)],
            "kind": [rng.choice("abc") for _ in range(60)],
            "deep": [{"x": n, "y": [n, n]} for n in range(60)],
        }
    )
    for packing in ("uncompressed", "zstd", "lz4"):
        frame.write_parquet(seeds / f"{packing}.parquet", compression=packing)
        frame.write_ipc(seeds / f"{packing}.arrow", compression=packing)
    write(frame.to_arrow(compat_level=pl.CompatLevel.oldest()), "stream", seeds)
    done = subprocess.run(
        [sys.executable, "-c", FLIPS, str(seeds), str(broken)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert 200 < int(done.stdout) < 400


def test_pandas_columns_of_every_kind() -> None:
    zoned = pd.Series(pd.to_datetime(["2020-01-01 12:00", None])).dt.tz_localize("Europe/Oslo")
    frame = pd.DataFrame(
        {
            "whole": pd.Series([1, None], dtype="Int64"),
            "flag": pd.Series([True, None], dtype="boolean"),
            "single": pd.Series([1.5, None], dtype="Float32"),
            "text": pd.Series(["x", None], dtype="string"),
            "kind": pd.Series(["x", None], dtype="category"),
            "rank": pd.Series([3, None], dtype="category"),
            "zoned": zoned,
            "naive": pd.Series([MOMENT, pd.NaT], dtype="datetime64[ns]"),
            "seconds": pd.Series([MOMENT, pd.NaT], dtype="datetime64[s]"),
            "span": pd.to_timedelta(pd.Series([90, None]), unit="s"),
            "half": pd.Series([1.5, None], dtype="float16"),
            "day": pd.Series([dt.date(2020, 1, 1), None], dtype="object"),
            "money": pd.Series([Decimal("1.50"), None], dtype="object"),
            "lists": pd.Series([[1, 2], None], dtype="object"),
            "odd": pd.Series([{1}, None], dtype="object"),
            "numbers": pd.Series([np.int64(3), None], dtype="object"),
            "arrow": pd.Series([3, None], dtype="int64[pyarrow]"),
            "period": pd.Series(pd.PeriodIndex(["2020-01", "NaT"], freq="M")),
        }
    )
    first, second = rows(frame)
    assert first[:6] == (1, True, 1.5, "x", "x", 3.0)
    assert first[6:11] == (dt.datetime(2020, 1, 1, 11), MOMENT, MOMENT, 90.0, 1.5)
    assert first[11:] == (dt.date(2020, 1, 1), 1.5, "[1, 2]", "{1}", 3, 3, "2020-01")
    assert second == (None,) * 18
    unsigned = pd.DataFrame({"a": np.array([1, 2], dtype=np.uint8), "b": [1, 2]}, index=[5, 5])
    unsigned.columns = ["a", "a"]
    assert collect(unsigned).schema.names == ("a", "a_2")


def test_times_keep_their_fractions(tmp_path: Path) -> None:
    table = pa.table({"t": pa.array([dt.time(1, 2, 3), dt.time(1, 2, 3, 500_000)])})
    assert rows(table) == rows(write(table, "parquet", tmp_path)) == [("01:02:03",), ("01:02:03.500",)]


WITHOUT_PYARROW = """
import sys
sys.modules["pyarrow"] = None
from modelwright.collection import collect
for path in sys.argv[1:]:
    print(collect(path).n_rows)
import pandas
print(collect(pandas.DataFrame({"a": [1, 2, 3], "b": pandas.Series(["x", None, "z"], dtype="category")})).n_rows)
"""


def test_nothing_needs_pyarrow(tmp_path: Path) -> None:
    from backports import zstd

    from modelwright.testing.collection import write_workbook

    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ipc(tmp_path / "a.arrow")
    frame.write_ipc_stream(tmp_path / "b.arrow")
    write_workbook(tmp_path / "a.xlsx", {"s": [frame.columns, *frame.rows()]})
    text = io.BytesIO()
    frame.write_csv(text)
    (tmp_path / "a.csv.zst").write_bytes(zstd.compress(text.getvalue()))
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    done = subprocess.run([sys.executable, "-c", WITHOUT_PYARROW, *paths], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["3"] * 6, done.stderr
