"""A real HTTP server on loopback, with every manner a server can have."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from modelwright.collection import CollectSpec, SourceSpec, collect, fetch
from modelwright.core.errors import UserError

TABLE = b"name,age\n" + b"".join(b"person %d,%d\n" % (i, i % 90) for i in range(20_000))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    asked: list[tuple[str, str | None]]
    n_cut: int


class _Manners(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        asked_range = self.headers.get("Range")
        self.server.asked.append((self.path, asked_range))
        manner = self.path.partition("?")[0].strip("/").partition(".")[0]
        getattr(self, f"manner_{manner}", self.manner_missing)()

    def answer(self, body: bytes, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def manner_plain(self) -> None:
        self.answer(TABLE)

    def manner_packed(self) -> None:
        self.answer(gzip.compress(TABLE))

    def manner_cut(self) -> None:
        """Cuts the line twice, then goes on from where it was asked to."""
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        headers = {"ETag": '"one"', "Content-Range": f"bytes {start}-{len(TABLE) - 1}/{len(TABLE)}"}
        rest = TABLE[start:]
        part = rest[: len(TABLE) // 3] if self.server.n_cut < 2 else rest
        self.server.n_cut += 1
        self.answer(part, 206 if start else 200, length=len(rest), **headers)
        self.close_connection = True

    def manner_changed(self) -> None:
        """Cuts once; then the file is another one, so it is sent whole."""
        self.server.n_cut += 1
        if self.server.n_cut == 1:
            self.answer(b"x" * 1000, length=5000, ETag='"old"')
            self.close_connection = True
        else:
            self.answer(TABLE, ETag='"new"')

    def manner_forgetful(self) -> None:
        """Cuts twice and knows neither ranges nor versions."""
        self.server.n_cut += 1
        self.answer(TABLE[:1000] if self.server.n_cut < 3 else TABLE, length=len(TABLE))
        self.close_connection = True

    def manner_short(self) -> None:
        self.answer(TABLE[:100], length=len(TABLE))
        self.close_connection = True

    def manner_chunked(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(TABLE), 50_000):
            part = TABLE[start : start + 50_000]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def manner_busy(self) -> None:
        self.server.n_cut += 1
        self.answer(b"busy", 503) if self.server.n_cut < 3 else self.answer(TABLE)

    def manner_broken(self) -> None:
        self.answer(b"oh", 500)

    def manner_missing(self) -> None:
        self.answer(b"not here", 404)

    def manner_silent(self) -> None:
        time.sleep(1.5)
        self.close_connection = True

    def manner_loop(self) -> None:
        self.answer(b"", 302, Location=self.path)

    def manner_there(self) -> None:
        self.answer(b"", 302, Location="/plain.csv")

    def manner_file(self) -> None:
        self.answer(b"", 302, Location="file:///etc/passwd")

    def manner_ftp(self) -> None:
        self.answer(b"", 302, Location="ftp://127.0.0.1/a.csv")

    def manner_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(100_000):
                self.wfile.write(b"1,2\n" * 1000)
        except OSError:
            self.close_connection = True

    def manner_page(self) -> None:
        self.answer(b"<!DOCTYPE html><html>please log in</html>")

    def manner_noise(self) -> None:
        self.wfile.write(b"hello, I speak no HTTP\r\n\r\n")
        self.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(fetch, "PAUSE_S", 0.0)
    made = _Server(("127.0.0.1", 0), _Manners)
    made.asked, made.n_cut = [], 0
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def url(server: _Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/{path}"


@pytest.mark.parametrize(
    "path", ["plain.csv", "packed.csv.gz", "there", "chunked.csv", "busy.csv", "changed.csv", "forgetful.csv"]
)
def test_the_whole_table_comes(path: str, server: _Server) -> None:
    data = collect(url(server, path))
    assert data.n_rows == 20_000
    assert data.column("name")[-1] == "person 19999"
    assert data.origin["sources"][0]["name"] == url(server, path)


def test_a_cut_download_goes_on_where_it_was_cut(server: _Server) -> None:
    heard: list[Any] = []
    spec = CollectSpec(sources=url(server, "cut.csv"))
    data = collect(spec, watch=heard.append)
    assert data.origin["sources"][0]["sha256"] == hashlib.sha256(TABLE).hexdigest()
    third = len(TABLE) // 3
    assert [asked for _, asked in server.asked] == [None, f"bytes={third}-", f"bytes={2 * third}-"]
    assert [event["bytes"] for event in heard if event["event"] == "retry"] == [third, 2 * third]


@pytest.mark.parametrize(
    ("path", "code", "word"),
    [
        ("none.csv", "url_status", "404"),
        ("broken.csv", "url_status", "500"),
        ("short.csv", "url_short", "cut short"),
        ("loop.csv", "url_redirect", "leads on"),
        ("file.csv", "url_redirect", "file:///etc/passwd"),
        ("ftp.csv", "url_redirect", "ftp:"),
        ("endless.csv", "url_size", "max_bytes"),
        ("plain.csv?large", "url_size", "max_bytes"),
        ("silent.csv", "url_timeout", "0.3 s"),
        ("page.csv", "binary", "web page"),
        ("noise.csv", "url", "could not be reached"),
    ],
)
def test_a_bad_server_gives_a_coded_error(path: str, code: str, word: str, server: _Server) -> None:
    most = 1000 if "large" in path else 10**7
    spec = CollectSpec(sources=url(server, path), max_bytes=most, timeout_s=0.3)
    with pytest.raises(UserError, match=word) as caught:
        collect(spec)
    assert caught.value.code == f"collection.{code}"


def test_a_client_error_is_asked_once_and_a_server_error_again(server: _Server) -> None:
    for path in ("none.csv", "broken.csv"):
        with pytest.raises(UserError):
            collect(url(server, path))
    assert [path for path, _ in server.asked] == ["/none.csv"] + ["/broken.csv"] * fetch.MAX_ATTEMPTS


def test_secrets_of_an_address_are_not_told(server: _Server) -> None:
    address = url(server, "none.csv?token=hush").replace("http://", "http://ann:secret@")
    with pytest.raises(UserError) as caught:
        collect(address)
    assert "hush" not in str(caught.value) and "secret" not in str(caught.value)


def test_a_checksum_is_checked(server: _Server) -> None:
    right = SourceSpec(source=url(server, "plain.csv"), sha256=hashlib.sha256(TABLE).hexdigest())
    assert collect(right).n_rows == 20_000
    with pytest.raises(UserError) as caught:
        collect(right.but(sha256="0" * 64))
    assert caught.value.code == "collection.checksum"


def test_from_https_down_to_http_is_not_followed() -> None:
    import urllib.request

    request = urllib.request.Request("https://example.org/a.csv")
    with pytest.raises(UserError) as caught:
        fetch._Redirects().redirect_request(request, None, 302, "", {}, "http://example.org/a.csv")  # type: ignore[arg-type]
    assert caught.value.code == "collection.url_redirect"
