"""A live server under abuse: what its OpenAPI document allows and more, wrong tokens, tricks with paths and lengths, a
bounded soak, and that nothing leaves the machine by itself."""

# ruff: noqa: E501 (one trick, one line)

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import positive_data_acceptance

from modelwright.testing.packages import raw_rows, tiny_package
from modelwright_runtime.deployment import add_package, added, change
from tests.runtime.conftest import Server, start

TOKEN = "a-token-of-some-length"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
BODY = json.dumps(raw_rows(1)[0]).encode()
NAME = "tiny"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("abused")
    digest = add_package(folder / NAME, tiny_package(folder, name=NAME).path)
    change(folder / NAME, lambda state: added(state, digest), name=NAME)
    running = start(str(folder / NAME), "--timeout-s", "2", token=TOKEN)
    yield running
    running.process.terminate()
    assert running.process.wait(timeout=15) == 0


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host=False)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.read()


def raw(server: Server, data: bytes, *, wait_s: float = 5.0) -> bytes:
    """Send bytes and read until the server closes, or says no more for a while."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), timeout=wait_s)) as client:
        client.sendall(data)
        told = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while part := client.recv(65_536):
                told += part
        return told


def serves(server: Server) -> bool:
    return ask(server, "POST", "/predict", BODY, AUTH)[0] == 200


# The OpenAPI document ------------------------------------------------------------------------------------------------


def test_the_openapi_document_tells_the_truth(server: Server) -> None:
    """Every operation, asked what the document allows and what it does not: statuses, types and bodies as it says."""
    described = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json", headers=AUTH)
    n_operations = 0
    for found in described.get_all_operations():
        operation = found.ok()
        n_operations += 1
        for mode in schemathesis.GenerationMode:

            @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def asked(case: schemathesis.Case) -> None:
                # what texts and numbers a cell may hold (`1,234.50`, `yes`) is more than a schema can say: 422
                case.call_and_validate(headers=AUTH, excluded_checks=[positive_data_acceptance])

            with contextlib.suppress(Unsatisfiable):  # an operation without parameters has nothing to get wrong
                asked()
    assert n_operations >= 3


# Tokens and paths ----------------------------------------------------------------------------------------------------


def routes(server: Server) -> list[tuple[str, str]]:
    """Every route: those of the document, the protocol's, and the pages."""
    paths = json.loads(ask(server, "GET", "/openapi.json", headers=AUTH)[1])["paths"]
    listed = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    more = ("/", "/docs", "/openapi.json", "/metrics", "/status", "/example.json", "/v2", f"/v2/models/{NAME}")
    return [*listed, *(("GET", path) for path in more), ("POST", "/feedback"), ("POST", f"/v2/models/{NAME}/infer"),
            ("POST", f"/models/{NAME}/versions/1/predict"), ("GET", "/nothing"), ("POST", "/nothing")]  # fmt: skip


def test_no_route_but_health_answers_without_the_token(server: Server) -> None:
    known = routes(server)
    assert len(known) > 12
    for method, path in known:
        for wrong in ("", "Bearer", "Bearer ", f"bearer {TOKEN}", f"Bearer {TOKEN[:-1]}",
                      f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN):  # fmt: skip
            status, told = ask(server, method, path, BODY if method == "POST" else None, {"Authorization": wrong})
            is_open = path in ("/health", "/v2/health/live", "/v2/health/ready")
            if is_open:
                assert status != 401, (method, path, wrong)
            else:
                assert status == 401, (method, path, wrong)
                assert json.loads(told)["code"] == "request.token"


TRICKS = (
    "/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/./predict", "/predict/",
    "/predict%00", "/predict%2f", "/models/../predict", "/models/..%2ftiny/predict", "/models/%2e%2e/predict",
    "/models/tiny%00/predict", "/models//predict", "/models/tiny/versions/../predict", "/models/tiny/versions/01/predict",
    "/models/tiny/versions/1%00/predict", "/models/tiny/versions/-1/predict", "/models/tiny/versions/1e0/predict",
    "/models/tiny/versions/99999999999999999999/predict", "/v2/models/..%5c..%5c/infer", "/v2/models/%c0%ae%c0%ae/infer",
    "/models/%252e%252e/predict", "/PREDICT", "/predict;a=1", "/models/<script>alert(1)</script>/predict", "*",
    "/%ff", "/v2/models/tiny/versions/%31%30/infer", "/models/tiny%0d%0aX-Evil:%201/predict",
)  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
def test_tricks_with_paths_find_nothing(server: Server, path: str) -> None:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {TOKEN}", "Connection: close"]
    head = "\r\n".join([*lines, "Content-Type: application/json", f"Content-Length: {len(BODY)}", "", ""])
    told = raw(server, head.encode("latin-1") + BODY)
    assert re.match(rb"HTTP/1\.1 4\d\d ", told), (path, told[:200])
    told_head, _, body = told.partition(b"\r\n\r\n")
    assert b"root:" not in told
    assert b"x-evil:" not in told_head.lower()
    assert b"application/json" in told_head  # what is repeated of the path is no page
    assert json.loads(body)["code"].startswith("request.")


def test_an_absolute_address_is_no_way_round_the_token(server: Server) -> None:
    for target in (f"http://127.0.0.1:{server.port}/predict", "http://elsewhere/predict", "https://x/health"):
        told = raw(server, f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        assert re.match(rb"HTTP/1\.1 4\d\d ", told), told[:200]


# Smuggling -----------------------------------------------------------------------------------------------------------

HIDDEN = f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + (
    f"Authorization: Bearer {TOKEN}\r\n".encode()
)
PAIRS = {
    "length, then chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks, then length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}" + HIDDEN,
    "a list of lengths": HEAD + b"Content-Length: 2, 40\r\n\r\n{}" + HIDDEN,
    "a length with a plus": HEAD + b"Content-Length: +2\r\n\r\n{}" + HIDDEN,
    "a length in hexadecimal": HEAD + b"Content-Length: 0x2\r\n\r\n{}" + HIDDEN,
    "a space before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a folded coding": HEAD + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "a coding with a tab": HEAD + b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "an unknown coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked is not last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a bare carriage return": HEAD + b"X: a\rTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "a chunk longer than told": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}extra\r\n0\r\n\r\n" + HIDDEN,
    "a chunk's size that overflows": HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk's size below nothing": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_no_request_is_smuggled_behind_another(server: Server, name: str) -> None:
    told = raw(server, PAIRS[name], wait_s=4.0)
    assert re.match(rb"HTTP/1\.1 4\d\d ", told), told[:200]
    assert b"process_cpu_seconds_total" not in told  # what was hidden is not answered
    assert serves(server)


def test_slow_and_half_open_clients_are_told_and_others_served(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10)) for _ in range(100)
        ]
        for client in slow:
            client.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
        began = time.perf_counter()
        assert serves(server)
        assert time.perf_counter() - began < 2
        assert slow[0].recv(12) == b"HTTP/1.1 408"
        half = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        half.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
        half.shutdown(socket.SHUT_WR)
        assert half.recv(12) == b"HTTP/1.1 400"


# Soak ----------------------------------------------------------------------------------------------------------------


def memory_mb(server: Server) -> float:
    text = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
    return int(re.search(r"Pss:\s+(\d+)", text).group(1)) / 1024  # type: ignore[union-attr]


def test_memory_does_not_grow_in_a_soak(server: Server) -> None:
    many = json.dumps(raw_rows(50)).encode()
    bodies = [BODY, many, b"{", b'{"x": NaN}', b"[]", b'{"rows": [1]}', b"\xff", BODY[:-3], b'{"never_seen": 1}']

    def soak(seconds: float) -> int:
        end, n = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            for body in bodies * 3:
                connection.request("POST", "/predict", body, {**AUTH, "Content-Type": "application/json"})
                connection.getresponse().read()
                n += 1
            connection.close()
        return n

    soak(4.0)  # caches fill, the allocator takes what it needs
    before = memory_mb(server)
    n = soak(8.0)
    assert n > 500
    assert memory_mb(server) - before < 8


# Nothing leaves ------------------------------------------------------------------------------------------------------

WATCHED = """
import sys, threading, time, urllib.request
from pathlib import Path
seen = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"):
        seen.append((event, str(arguments[1:] if event.startswith("socket.c") else arguments)))
sys.addaudithook(watch)
import modelwright, modelwright_runtime
from modelwright_runtime import server
model = modelwright_runtime.load(sys.argv[1])
model.predict(__import__("json").loads(sys.argv[2]))
def ready(address):
    def ask():
        urllib.request.urlopen(address + "/health").read()
        time.sleep(1.0)
        import os, signal
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=ask).start()
server.serve(sys.argv[3], ready=ready)
outside = [one for one in seen if "127.0.0.1" not in one[1]]
assert any("127.0.0.1" in one[1] for one in seen), seen  # the hook does hear
print("OUTSIDE", outside)
"""


def test_nothing_leaves_the_machine_by_itself(tmp_path: Path) -> None:
    package = tiny_package(tmp_path, name=NAME).path
    digest = add_package(tmp_path / NAME, package)
    change(tmp_path / NAME, lambda state: added(state, digest), name=NAME)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WATCHED), str(package), BODY.decode(), str(tmp_path / NAME)],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "WRIGHT_TOKEN": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "OUTSIDE []" in done.stdout
