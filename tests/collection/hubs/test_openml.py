"""`openml:` against a server on loopback that answers as OpenML does (the real one is not reached by any test)."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright import collect
from modelwright.cli import command
from modelwright.collection.base import CollectSpec
from modelwright.collection.gathering import gather
from modelwright.collection.hubs.arff import MOST_ATTRIBUTES, open_arff
from modelwright.collection.piece import Notes
from modelwright.collection.versions import open_version
from modelwright.collection.versions.ledger import trace
from modelwright.core.errors import UserError
from modelwright.core.store import Store
from tests.collection.hubs.openml_server import OpenML, openml

TEA = rb"""% comment
@RELATION tea
@attribute id integer
@attribute 'the grams' REAL
@attribute leaf {green, black, 'half dark', "it\'s"}
@attribute note string
@attribute class {yes,no}

@data
1, 2.5, green, 'a, b', yes
2, ?, 'half dark', "say \"so\"", no
3,-1e3,black,?,yes

% another
4, 7, "it's", plain, no
"""


@pytest.fixture(scope="module")
def server() -> Iterator[OpenML]:
    with openml() as known:
        yield known


@pytest.fixture(autouse=True)
def _base(server: OpenML, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRIGHT_OPENML", server.base)
    server.answers.clear()
    server.asked.clear()
    server.add(7, TEA)


def code_of(source: str, **settings: Any) -> str:
    with pytest.raises(UserError) as caught:
        collect(CollectSpec(sources={"source": source}, **settings))
    return f"{caught.value.code} {caught.value}"


def test_rows_kinds_and_origin() -> None:
    data = collect("openml:7")
    assert data.frame.drop("__row__").rows() == [
        (1.0, 2.5, "green", "a, b", "yes"), (2.0, None, "half dark", 'say "so"', "no"),
        (3.0, -1000.0, "black", None, "yes"), (4.0, 7.0, "it's", "plain", "no"),
    ]  # fmt: skip
    kinds = {column.name: (column.kind, column.role) for column in data.schema.columns}
    assert kinds == {
        "id": ("number", "id"), "the grams": ("number", "feature"), "leaf": ("category", "feature"),
        "note": ("raw", "feature"), "class": ("category", "feature"),
    }  # fmt: skip
    (source,) = data.origin["sources"]
    assert source["name"] == "openml:7 tea version 1"
    assert (source["licence"], source["citation"], source["target"]) == ("CC-BY 4.0", "A. Leaf (2020), On tea", "class")
    assert len(source["sha256"]) == 64


def test_names_take_the_oldest_active_version_and_tell_the_others(server: OpenML) -> None:
    server.add(9, TEA, version="3")
    server.name("tea", (9, 3), (7, 1))
    data = collect("openml:tea")
    assert data.origin["sources"][0]["id"] == "7"
    assert "has also 3" in data.origin["decisions"][0]["reason"]
    assert collect("openml:tea@3").origin["sources"][0]["id"] == "9"


def test_parquet_is_taken_where_it_is_asked_for_or_all_there_is(server: OpenML) -> None:
    held = io.BytesIO()
    pl.DataFrame({"id": [1], "leaf": pl.Series(["green"], dtype=pl.Categorical)}).write_parquet(held)
    server.put("/tea.pq", held.getvalue())
    features = [{"name": "id", "data_type": "numeric"}, {"name": "leaf", "data_type": "nominal"}]
    server.put("/api/v1/json/data/features/7", {"data_features": {"feature": features}})
    server.add(7, TEA, parquet_url=f"{server.base}/tea.pq")
    data = collect(CollectSpec(sources={"source": "openml:7", "format": "parquet"}))
    assert data.frame.rows() == [(0, 1, "green")]
    assert [column.kind for column in data.schema.columns] == ["number", "category"]
    assert collect("openml:7").n_rows == 4
    server.add(7, TEA, parquet_url=f"{server.base}/tea.pq", url=None)
    assert collect("openml:7").n_rows == 1


def test_a_version_is_made_once(tmp_path: Path, server: OpenML) -> None:
    store = Store.open(tmp_path)
    spec = CollectSpec(sources="openml:7")
    first = gather(spec, "tea", store=store, keep=tmp_path / "raw")
    assert first.version.label == "tea@1"
    told = trace(store, first.version).row(0, named=True)
    assert json.loads(told["where"])["licence"] == "CC-BY 4.0"
    assert (tmp_path / "raw" / told["sha256"]).read_bytes() == TEA
    server.asked.clear()
    again = gather(spec, "tea", store=store)
    assert not again.is_new
    assert server.asked == ["/api/v1/json/data/7"]  # the file is not fetched again
    server.add(7, TEA.replace(b"4, 7", b"4, 8"))
    newer = gather(spec, "tea", store=store)
    assert newer.version.label == "tea@2"
    assert open_version(store, "tea").frame["the grams"].to_list() == [2.5, None, -1000.0, 8.0]


def test_the_commands_know_its_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OpenML,
                                      capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert command(["collect", "openml:7", "--as", "tea"]) == 0
    assert "tea@1: 4 rows x 5 columns" in capsys.readouterr().out
    rows = "\n".join(f"{n},{n % 7},{'green' if n % 2 else 'black'},x,{'yes' if n % 3 else 'no'}" for n in range(90))
    server.add(7, TEA.partition(b"@data")[0] + f"@data\n{rows}\n".encode())
    assert command(["plan", "openml:7"]) == 0  # no --target
    assert "`class` has 2 distinct values" in capsys.readouterr().out
    server.add(7, TEA, default_target_attribute=None)
    assert command(["plan", "openml:7"]) == 2
    assert "cli.target" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("openml:8", "collection.hub "), ("openml:unknown", "collection.hub "), ("openml:", "collection.hub_name"),
        ("openml:a/b", "collection.hub_name"), ("openml:tea@x", "collection.hub_name"),
        ("openml:../../etc", "collection.hub_name"), ("openml:99999999999999", "collection.hub "),
        ("openml:7?x=1", "collection.hub_name"),
    ],
)  # fmt: skip
def test_what_is_not_there_or_no_name(source: str, code: str) -> None:
    assert code_of(source).startswith(code)


def test_hostile_answers(server: OpenML) -> None:
    server.add(7, TEA, md5_checksum="0" * 32)
    assert "md5" in code_of("openml:7")

    def for_ever(out: Any) -> None:
        while True:
            out.write(b"x" * 65536)

    server.put("/api/v1/json/data/7", for_ever)
    assert code_of("openml:7", max_bytes=10**6).startswith("collection.url_size")
    server.add(7, TEA)
    server.put("/data/v1/download/7/tea.arff", for_ever)
    assert code_of("openml:7", max_bytes=10**6).startswith("collection.url_size")
    for answer in (b"<html>", b"[]", b'{"data_set_description": 3}', b'{"data_set_description": {"id": "8"}}',
                   b"[" * 100_000):  # fmt: skip
        server.put("/api/v1/json/data/7", answer)
        assert code_of("openml:7").startswith("collection.hub ")
    server.add(7, TEA, url="file:///etc/passwd")
    assert code_of("openml:7").startswith("collection.hub ")
    server.add(7, TEA, url=None)
    assert "names no file" in code_of("openml:7")


@pytest.mark.parametrize("inside", ["http://127.0.0.1:9/", "http://169.254.169.254/latest", "http://[::1]:9/", "http://0x7f.1:9/",
                                    "http://localhost:9/"])  # fmt: skip
def test_it_leads_to_no_private_address(server: OpenML, inside: str) -> None:
    server.add(7, TEA, url=inside)  # told by the API
    assert code_of("openml:7").startswith("collection.url_private")
    server.add(7, TEA)
    server.put("/data/v1/download/7/tea.arff", b"", status=302, Location=inside)  # told by a redirect
    assert code_of("openml:7").startswith("collection.url_private")


def test_bombs(server: OpenML) -> None:
    zeros = TEA + b"5,1,green,x,yes\n" * 450_000
    packed = gzip.compress(zeros, 1)
    assert len(packed) < 50_000
    server.add(7, packed)
    assert code_of("openml:7", max_bytes=2_000_000).startswith("collection.archive_size")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../tea.arff", TEA)
    server.add(7, held.getvalue())
    assert code_of("openml:7").startswith("collection.archive_name")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TEA.replace(b"3,-1e3,black,?,yes", b"3,-1e3,black,?"), "line 12: 4 cells where the header has 5"),
        (TEA.replace(b"2.5,", b"two,"), "line 10: 'two' is no number"),
        (TEA.replace(b"'a, b'", b"'a, b"), "line 10: a quote"),
        (TEA.replace(b"note string", b"note thing"), "no type"),
        (TEA.replace(b"{yes,no}", b"{yes,no"), "do not end with"),
        (TEA.partition(b"@data")[0], "ends before `@data`"),
        (b"@data\n1,2\n", "before any `@attribute`"),
        (b"<html>no</html>", "no part of a header"),
        (b"", "ends before"),
        (TEA.partition(b"@data")[0] + b"@data\n{9 1}\n", "names none of the attributes"),
        (TEA.partition(b"@data")[0] + b"@data\n{0 1\n", "does not end with"),
        (b"@relation x\n" + b"@attribute a real\n" * 100_000 + b"@data\n", f"more than {MOST_ATTRIBUTES:,} attributes"),
    ],
)  # fmt: skip
def test_broken_arff_names_the_line(server: OpenML, text: bytes, words: str) -> None:
    server.add(7, text)
    told = code_of("openml:7")
    assert told.startswith("collection.arff")
    assert words in told


def test_sparse_rows_and_unknown_values(server: OpenML) -> None:
    header = TEA.partition(b"@data")[0]
    server.add(7, header + b"@data\n{0 5, 2 'half dark', 3 'a, b'}\n{}\n{1 ?,4 perhaps}\n")
    data = collect("openml:7")
    assert data.frame.drop("__row__").rows() == [
        (5.0, 0.0, "half dark", "a, b", "yes"), (0.0, 0.0, "green", "0", "yes"), (0.0, None, "green", "0", "perhaps"),
    ]  # fmt: skip
    assert data.origin["repairs"][0]["why"] == "values of `class` that the header does not name"


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12), min_size=1, max_size=5)
)
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    quoted = ["'" + cell.replace("\\", "\\\\").replace("'", "\\'") + "'" for cell in cells]
    path = tmp_path_factory.mktemp("arff") / "a.arff"
    path.write_text("@relation r\n@attribute a string\n@attribute b string\n@data\n"
                    + "".join(f"{cell},{cell}\n" for cell in quoted), encoding="utf-8")  # fmt: skip
    notes = Notes("a")
    (frame,) = open_arff(path, "a", notes).batches(notes)
    assert frame.rows() == [(cell, cell) for cell in cells]
