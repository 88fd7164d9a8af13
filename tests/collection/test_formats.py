"""Every format, every packing, there and back; and any table of texts in any dialect, cell for cell."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwright.collection import CollectSpec, SourceSpec, collect, delimited, repair
from modelwright.core.data import ROW_ID
from modelwright.core.errors import UserError
from modelwright.testing.collection import check_collected, write_workbook

FRAME = pl.DataFrame(
    {
        "name": ["ann", "bob, jr", 'c "x" d', "eve\nline", "zoé"],
        "age": [31, 45, 27, 60, 18],
        "weight": [61.5, 80.25, 55.0, 70.125, 49.5],
    }
)


def _bytes(form: str, folder: Path) -> bytes:
    if form == "xlsx":
        write_workbook(folder / "x.xlsx", {"s": [FRAME.columns, *FRAME.rows()]})
        return (folder / "x.xlsx").read_bytes()
    out = io.BytesIO()
    if form == "csv":
        FRAME.write_csv(out)
    elif form == "tsv":
        FRAME.write_csv(out, separator="\t")
    elif form == "json":
        FRAME.write_json(out)
    elif form == "jsonl":
        FRAME.write_ndjson(out)
    elif form == "parquet":
        FRAME.write_parquet(out)
    else:
        FRAME.write_ipc(out)
    return out.getvalue()


def _packed(raw: bytes, packing: str, name: str) -> bytes:
    if packing == ".gz":
        return gzip.compress(raw)
    if packing == ".zst":
        return bytes(pa.Codec("zstd").compress(raw, asbytes=True))
    if packing == ".zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, raw)
        return out.getvalue()
    return raw


@pytest.mark.parametrize("packing", ["", ".gz", ".zip", ".zst"])
@pytest.mark.parametrize("form", ["csv", "tsv", "json", "jsonl", "parquet", "arrow", "xlsx"])
def test_format_and_packing_round_trip(form: str, packing: str, tmp_path: Path) -> None:
    name = f"people.{form}"
    path = tmp_path / (name + packing)
    path.write_bytes(_packed(_bytes(form, tmp_path), packing, name))
    data = collect(path, keep=tmp_path / "kept")
    check_collected(data)
    found = data.frame.drop(ROW_ID)
    expected = FRAME.cast(pl.String) if form in ("csv", "tsv") else FRAME
    if form == "xlsx":
        expected = FRAME.cast({"age": pl.Float64})
        found = found.cast({"age": pl.Float64})
    if form in ("csv", "tsv"):  # the text as written, not as Polars would write the number again
        expected = expected.with_columns(FRAME["weight"].cast(pl.String))
    assert found.equals(expected)
    (about,) = data.origin["sources"]
    assert about["compression"] == {"": "", ".gz": "gzip", ".zip": "zip", ".zst": "zstd"}[packing]
    assert about["bytes"] == path.stat().st_size
    assert (tmp_path / "kept" / about["sha256"]).read_bytes() == path.read_bytes()
    assert [kept.name for kept in (tmp_path / "kept").iterdir()] == [about["sha256"]]


# NUL bytes and half characters cannot stand in a text file; their repair is tested with the corpus.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\x1e\x1f"), max_size=6) | st.sampled_from(
    ["", " ", '"', '""', ",", ";", "\n", "\r", "\r\n", "a", "1", "1,5", "'", "'x'", "\ufeff", "\t", "|", "#", "\\"]
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(1, 4))
    names = [f"name {chr(97 + index)}" for index in range(width)]
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8))
    return [names, *rows]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=tables(),
    delimiter=st.sampled_from([",", ";", "\t", "|", ":", "~"]),
    quote=st.sampled_from(['"', "'"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    is_lazy=st.booleans(),
)
def test_any_table_in_any_dialect_comes_back(
    table: list[list[str]],
    delimiter: str,
    quote: str,
    quoting: Any,
    newline: str,
    encoding: str,
    is_lazy: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if any("\r" in cell or "\n" in cell for row in table for cell in row):
        quoting = csv.QUOTE_ALL  # Python 3.11 leaves a lone line end of the other kind unquoted: no way back
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quotechar=quote, quoting=quoting, lineterminator=newline).writerows(table)
    path = tmp_path / "table.csv"
    path.write_bytes(out.getvalue().encode(encoding))
    with monkeypatch.context() as patch:
        if is_lazy:  # the ways of files beyond memory, for a file of a few bytes
            patch.setattr(delimited, "SMALL_BYTES", 0)
            patch.setattr(repair, "SMALL_BYTES", 0)
        spec = SourceSpec(source=str(path), delimiter=delimiter, quote=quote, header="yes", encoding=encoding)
        data = collect(spec)
        check_collected(data)
    assert data.schema.names == tuple(table[0])
    assert [list(row) for row in data.frame.drop(ROW_ID).rows()] == table[1:]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(
        st.tuples(st.integers(-99, 99), st.sampled_from(["red", "blue", "x, y", 'q"q'])), min_size=3, max_size=9
    ),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
)
def test_the_dialect_is_found(numbers: list[tuple[int, str]], delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([("count", "colour"), *numbers])
    data = collect(path)
    assert data.origin["sources"][0]["delimiter"] == delimiter
    assert data.schema.names == ("count", "colour")
    assert data.frame.drop(ROW_ID).rows() == [(str(number), colour) for number, colour in numbers]


def test_the_fast_and_the_patient_reader_agree(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'a,b\n1,"x\ny"\n"2",""\n3,\n')
    fast = collect(path).frame
    path.write_bytes(b'a,b\n1,"x\ny"\n\n"2",""\n3,\n')  # the blank line sends it the other way
    patient = collect(path)
    assert patient.origin["repairs"][0]["what"] == "blank_line"
    assert fast.equals(patient.frame)


def test_a_large_regular_file_is_scanned_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    line = b"12.5,red,some words here," + b"x" * 100 + b"\n"
    n_rows = delimited.SMALL_BYTES // len(line) + 1000
    with path.open("wb") as file:
        file.write(b"number,colour,words,letters\n")
        for _ in range(n_rows // 1000):
            file.write(line * 1000)
        file.write(line * (n_rows % 1000))
    data = collect(path)
    assert data.n_rows == n_rows
    assert "SCAN" in data.table.explain()
    ids = data.row_ids
    assert ids[0] == 0 and ids[-1] == n_rows - 1 and len(ids) == n_rows


def test_a_kept_file_is_what_the_table_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "SMALL_BYTES", 0)
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n1,2\n3,4\n")
    data = collect(path, keep=tmp_path / "kept")
    path.write_bytes(b"a,b\n9,9\n9,9\n")
    assert data.column("a").to_list() == ["1", "3"]


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "arrow", "batch"])
def test_frames_in_memory(kind: str) -> None:
    frame: Any = {
        "polars": lambda: FRAME,
        "lazy": FRAME.lazy,
        "pandas": lambda: pd.DataFrame(FRAME.to_dict(as_series=False)),
        "arrow": FRAME.to_arrow,
        "batch": lambda: FRAME.to_arrow().to_batches()[0],
    }[kind]()
    data = collect(frame)
    check_collected(data)
    assert data.frame.drop(ROW_ID).equals(FRAME)


def test_pandas_columns_of_several_types_and_missing_values() -> None:
    frame = pd.DataFrame({"a": [1, "x", None], "b": [1.5, float("nan"), 2.0], 3: [True, False, True]})
    data = collect(frame)
    assert data.schema.names == ("a", "b", "3")
    assert data.frame["a"].to_list() == ["1", "x", None]
    assert data.frame["b"].to_list()[1] is None or data.frame["b"].is_nan()[1]


def test_typed_columns_are_brought_to_plain_types() -> None:
    import datetime as dt
    from decimal import Decimal

    zone = dt.timezone(dt.timedelta(hours=2))
    table = pa.table(
        {
            "moment": pa.array([dt.datetime(2020, 1, 1, 12, tzinfo=zone)], pa.timestamp("ns", tz="Europe/Oslo")),
            "odd_zone": pa.array([dt.datetime(2020, 1, 1, 12)], pa.timestamp("us", tz="-02:15")),
            "day": pa.array([dt.date(2020, 1, 1)]),
            "time": pa.array([dt.time(1, 2, 3)]),
            "span": pa.array([dt.timedelta(seconds=90)]),
            "money": pa.array([Decimal("1.50")]),
            "kind": pa.array(["x"]).dictionary_encode(),
            "nothing": pa.nulls(1),
            "bytes": pa.array([b"\xff"]),
        }
    )
    data = collect(table)
    check_collected(data)
    row = data.frame.row(0, named=True)
    assert row["moment"] == dt.datetime(2020, 1, 1, 10)
    assert (row["span"], row["money"], row["kind"], row["bytes"], row["nothing"]) == (90.0, 1.5, "x", "ff", None)


def test_stacking_by_name_and_with_an_absent_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y,z\n1,2,3\n")
    (tmp_path / "b.csv").write_text("y,x,z\n4,5,6\n")
    (tmp_path / "c.jsonl").write_text('{"x": 7, "y": 8}\n')
    data = collect(CollectSpec(sources=[str(tmp_path / name) for name in ("a.csv", "b.csv", "c.jsonl")]))
    check_collected(data)
    assert data.frame.rows() == [(0, "1", "2", "3"), (1, "5", "4", "6"), (2, "7", "8", None)]
    assert [source["first_row"] for source in data.origin["sources"]] == [0, 1, 2]
    assert {"column_absent", "type"} <= {repair["what"] for repair in data.origin["repairs"]}


def test_joining_by_key(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,name,age\n1,ann,31\n2,bob,45\n3,cid,27\n")
    (tmp_path / "towns.jsonl").write_text('{"id": 1, "town": "Oslo", "age": 0}\n{"id": 2, "town": "Rome"}\n')
    sources = (str(tmp_path / "people.csv"), str(tmp_path / "towns.jsonl"))
    data = collect(CollectSpec(sources=sources, combine="join", on=("id",)))
    check_collected(data)
    assert data.schema.names == ("id", "name", "age", "town", "age_2")
    assert data.frame["town"].to_list() == ["Oslo", "Rome", None]
    inner = collect(CollectSpec(sources=sources, combine="join", on=("id",), how="inner"))
    assert inner.n_rows == 2
    (tmp_path / "towns.jsonl").write_text('{"id": 1, "town": "Oslo"}\n{"id": 1, "town": "Rome"}\n')
    with pytest.raises(UserError) as caught:
        collect(CollectSpec(sources=sources, combine="join", on=("id",)))
    assert caught.value.code == "collection.join_keys"
    with pytest.raises(UserError) as caught:
        collect(CollectSpec(sources=sources, combine="join", on=("nid",)))
    assert caught.value.code == "collection.join_column" and "id" in caught.value.hint


def test_specs_refuse_what_cannot_be(tmp_path: Path) -> None:
    for wrong, word in (
        ({"sources": "a.csv", "combine": "join"}, "on"),
        ({"sources": ({"source": "a.csv", "table": "t", "query": "q"},)}, "not both"),
        ({"sources": ({"source": "a.csv", "encoding": "klingon"},)}, "klingon"),
        ({"sources": ({"source": "a.csv", "delimiter": ",,"},)}, "at most 1 character"),
        ({"sources": ()}, "sources"),
        ({"sources": ({"source": "a.csv", "delimeter": ";"},)}, "delimeter"),
    ):
        with pytest.raises(UserError, match=word):
            CollectSpec(**wrong)  # type: ignore[arg-type]


def test_settings_as_yaml_and_shells_give_them() -> None:
    spec = SourceSpec(source="a.csv", header=False, delimiter="\\t", sheet=2020)  # type: ignore[arg-type]
    assert (spec.header, spec.delimiter, spec.sheet) == ("no", "\t", "2020")
    assert SourceSpec.parse({"source": "a.csv", "header": True}, where="data").header == "yes"
    with pytest.raises(UserError, match=r"sources\.0.*delimeter") as caught:
        CollectSpec.parse({"sources": [{"source": "a.csv", "delimeter": ";"}]}, where="data")
    assert "did you mean `delimiter`?" in caught.value.hint


def test_the_same_bytes_give_the_same_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3,\n")
    assert collect(tmp_path / "a.csv").digest == collect(tmp_path / "a.csv").digest


def test_watchers_hear_of_each_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    heard: list[Any] = []
    collect(tmp_path / "a.csv", watch=heard.append)
    assert heard == [{"stage": "collection", "event": "read", "name": str(tmp_path / "a.csv")}]
    json.dumps(heard)
