"""How the server can be run: behind TLS, with a line for each request, with spans for a collector."""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelwright.testing.packages import raw_rows
from modelwright_runtime.errors import UserError
from modelwright_runtime.server import Setup, serve


def served(package: Path, *options: str) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-m", "modelwright_runtime", "serve", str(package), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline().split("127.0.0.1:")[1].split()[0])


def ended(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    return errors


def ask(connection: http.client.HTTPConnection, **headers: str) -> int:
    given = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    connection.request("POST", "/predict", json.dumps(raw_rows(1)), given)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def test_https_with_a_certificate_of_ones_own(packages: dict[str, Path], tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True, capture_output=True,
    )  # fmt: skip
    process, port = served(packages["binary"], "--tls-cert", str(certificate), "--tls-key", str(key))
    context = ssl.create_default_context(cafile=str(certificate))
    assert ask(http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)) == 200
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(http.client.HTTPConnection("127.0.0.1", port, timeout=20))
    assert ask(http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)) == 200
    ended(process)


def test_wrong_certificates_and_numbers_of_workers_are_refused(packages: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(UserError, match="no certificate and key"):
        serve(packages["binary"], setup=Setup(tls=(tmp_path / "none.pem", tmp_path / "none.pem")))
    with pytest.raises(UserError, match="`workers` must be 1 or more"):
        serve(packages["binary"], setup=Setup(workers=0))
    done = subprocess.run(
        [sys.executable, "-m", "modelwright_runtime", "serve", str(packages["binary"]), "--tls-cert", "x"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "go together" in done.stderr


def test_a_line_of_json_for_each_request(packages: dict[str, Path]) -> None:
    process, port = served(packages["binary"], "--log-requests")
    assert ask(http.client.HTTPConnection("127.0.0.1", port, timeout=20), x_request_id="mine") == 200
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/nothing?a=1")
    assert connection.getresponse().status == 404
    connection.close()
    first, second = (json.loads(line) for line in ended(process).splitlines())
    assert (first["method"], first["path"], first["status"], first["request_id"]) == ("POST", "/predict", 200, "mine")
    assert 0 < first["ms"] < 5_000
    assert (second["path"], second["status"]) == ("/nothing?a=1", 404)


@pytest.fixture
def collector() -> Any:
    """A collector of spans: what it got, as protocol buffers."""
    got: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, got
    server.shutdown()
    thread.join()


def test_spans_reach_a_collector_with_their_parent(
    packages: dict[str, Path], collector: tuple[int, list[bytes]]
) -> None:
    proto: Any = pytest.importorskip(
        "opentelemetry.proto.collector.trace.v1.trace_service_pb2"
    ).ExportTraceServiceRequest
    collector_port, got = collector
    process, port = served(packages["binary"], "--traces", f"http://127.0.0.1:{collector_port}")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert ask(http.client.HTTPConnection("127.0.0.1", port, timeout=20), traceparent=parent) == 200
    ended(process)
    spans = [span for body in got for resource in proto.FromString(body).resource_spans
             for scope in resource.scope_spans for span in scope.spans]  # fmt: skip
    (span,) = [span for span in spans if span.name == "POST /predict"]
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert span.parent_span_id.hex() == "b7ad6b7169203331"
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 5e9
