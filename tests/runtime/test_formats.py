"""Rows as JSON lines, CSV and Arrow, and answers in the same; ids of the caller's own."""

from __future__ import annotations

import csv
import http.client
import io
import json
from pathlib import Path
from typing import Any

import pytest

from modelwright.testing.packages import raw_rows
from modelwright_runtime.model import load
from tests.runtime.conftest import Server

ROWS = raw_rows(20)


def post(server: Server, body: bytes, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", "/predict", body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    told = response.read()
    found = {name.lower(): value for name, value in response.getheaders()}
    connection.close()
    return response.status, told, found


def as_csv() -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(ROWS[0]))
    writer.writeheader()
    writer.writerows(ROWS)
    return file.getvalue().encode()


def expected(packages: dict[str, Path]) -> list[dict[str, Any]]:
    return load(packages["binary"]).predict(ROWS).rows()


def test_json_lines(server: Server, packages: dict[str, Path]) -> None:
    body = b"\n".join(json.dumps(row).encode() for row in ROWS) + b"\n\n"
    status, told, headers = post(server, body, content_type="application/x-ndjson", x_request_id="mine")
    assert (status, headers["content-type"], headers["x-request-id"]) == (200, "application/x-ndjson", "mine")
    rows = [json.loads(line) for line in told.splitlines()]
    assert [row.pop("id") for row in rows] == [f"mine.{index}" for index in range(len(ROWS))]
    assert rows == expected(packages)


def test_csv_in_and_out_and_csv_in_json_out(server: Server, packages: dict[str, Path]) -> None:
    status, told, _ = post(server, as_csv(), content_type="text/csv")
    assert status == 200
    rows = list(csv.DictReader(io.StringIO(told.decode())))
    assert [row["prediction"] for row in rows] == [row["prediction"] for row in expected(packages)]
    status, told, _ = post(server, as_csv(), content_type="text/csv; charset=utf-8", accept="application/json")
    assert json.loads(told)["predictions"] == expected(packages)


def test_arrow_in_and_out(server: Server, packages: dict[str, Path]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    kind = "application/vnd.apache.arrow.stream"
    table = pyarrow.Table.from_pylist(ROWS)
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    status, told, headers = post(server, sink.getvalue(), content_type=kind)
    assert (status, headers["content-type"]) == (200, kind)
    rows = pyarrow.ipc.open_stream(told).read_all().to_pylist()
    assert [row["prediction"] for row in rows] == [row["prediction"] for row in expected(packages)]
    for cut in (0, 10, len(sink.getvalue()) // 2):
        assert post(server, sink.getvalue()[:cut], content_type=kind)[0] == 400


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "text/csv", 400), (b"\n\n", "text/csv", 400), (b"age,age\n1,2\n", "text/csv", 422),
        (b"age,price\n1\n", "text/csv", 422), (b"\xff\xfe", "text/csv", 400), (b"age\n\x00\n", "text/csv", 400),
        (b'age\n"1\n', "text/csv", 400), (b"", "application/x-ndjson", 400), (b"[1\n", "application/x-ndjson", 400),
        (b"1\n", "application/x-ndjson", 422), (b"[" * 100_000, "application/x-ndjson", 400),
        (b"{}", "application/xml", 415), (b"{}", "multipart/form-data", 415),
    ],
)  # fmt: skip
def test_bodies_that_are_wrong(server: Server, body: bytes, kind: str, status: int) -> None:
    given, told, _ = post(server, body, content_type=kind)
    assert given == status, told
    assert json.loads(told)["error"]


@pytest.mark.parametrize("own", ["a" * 201, "caf\u00e9", "tab\there"])
def test_ids_that_are_no_ids(server: Server, own: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", "/predict", json.dumps(ROWS[:1]), {"X-Request-Id": own.encode("latin-1")})
    assert connection.getresponse().status == 400
    connection.close()
