"""The crawler against real servers of this machine: a site with traps, hostile answers, kills."""

from __future__ import annotations

import gzip
import http.server
import json
import random
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from modelwright.collection.web import WebSpec, crawl
from modelwright.core.errors import UserError
from modelwright.terminal import Terminal
from tests.collection.web import site

QUICK: dict[str, Any] = {"delay_s": 0, "timeout_s": 3, "retries": 1, "allow_private": True}
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def serving(answers: dict[str, Answer | bytes], *, secure: Path | None = None) -> Iterator[tuple[str, list[str]]]:
    """A server of given answers; pages without one are 404. Its address, and the paths that were asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            asked.append(self.path)
            answer = answers.get(self.path)
            if callable(answer):
                self.close_connection = True
                answer(self)
                return
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(answer or b"")))
            self.end_headers()
            self.wfile.write(answer or b"")

        def log_message(self, *_: Any) -> None:
            pass

        def handle(self) -> None:
            with suppress(OSError):
                super().handle()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if secure is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(secure)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http{'s' if secure else ''}://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()


def page(text: str, *links: str) -> bytes:
    body = "".join(f'<a href="{link}">{link}</a> ' for link in links)
    return f"<html><title>T</title><body><p>{site.prose(text)}</p>{body}</body></html>".encode()


def test_a_site_with_traps_comes_whole_and_once(tmp_path: Path) -> None:
    with site.running(tmp_path, 120) as (port, log):
        spec = WebSpec(start="http://a.test/", proxies=f"http://127.0.0.1:{port}", delay_s=0.005, max_pages=5000)
        found = crawl(spec, tmp_path / "walk")
        asked = site.asked(log)
        urls = Counter(f"http://{one['host']}{one['path']}" for one in asked)
        assert site.expected(120, "a.test") <= set(urls)
        assert not [url for url in urls if any(word in url for word in ("secret", ".tmp", "hidden", "marked", "pass"))]
        assert {one["host"] for one in asked} == {"a.test"}, "no private address, no other host"
        again = {"busy", "flaky", "broken"}
        assert [url for url, n in urls.items() if n > 1 and url.split("/")[3] not in again] == []
        assert len(urls) < 700, "endless parts are capped"
        gaps = [b["at_s"] - a["at_s"] for a, b in zip(asked, asked[1:], strict=False)]  # type: ignore[operator]
        assert min(gaps) >= 0.004
        rows = found.pages
        assert rows["url"].is_unique().all() and rows["digest"].is_unique().all()
        kept, dropped = set(rows["url"]), {(row[0], row[1]) for row in found.dropped.rows()}
        assert {f"http://a.test/p/{at}" for at in range(120)} <= kept
        assert ("http://a.test/quiet", "noindex") in dropped and ("http://a.test/twin/2", "near_duplicate") in dropped
        first = rows.filter(rows["url"] == "http://a.test/p/5").row(0, named=True)
        assert first["text"].startswith(site.prose("a.test/p/5 0")) and first["status"] == 200
        assert first["title"] == "/p/5 <script>alert(1)</script>"
        again_found = crawl(spec, tmp_path / "walk")
        asked_again = site.asked(log)[len(asked) :]
        conditional = [one for one in asked_again if "if-none-match" in one["headers"]]  # type: ignore[operator]
        assert len(conditional) == 60, "every page with an ETag is asked by it"
        assert again_found.pages["text"].to_list() == rows["text"].to_list()
        assert again_found.told["round"] == 2
    records = list(warc_records(tmp_path / "walk"))
    assert [kind for kind, _, _ in records].count("revisit") == 60
    bodies = {url: body for kind, url, body in records if kind == "response"}
    assert b"<title>/p/5 " in bodies["http://a.test/p/5"]


def warc_records(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """Records as any reader of the standard sees them: gzip members, headers, a block of the told length."""
    for file in sorted(folder.glob("*.warc.gz")):
        content = gzip.decompress(file.read_bytes())
        while content:
            head, _, rest = content.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            assert first == "WARC/1.1"
            fields = dict(line.split(": ", 1) for line in lines)
            length = int(fields["Content-Length"])
            block, content = rest[:length], rest[length + 4 :]
            assert rest[length : length + 4] == b"\r\n\r\n"
            yield fields["WARC-Type"], fields.get("WARC-Target-URI", ""), block.partition(b"\r\n\r\n")[2]


def test_kills_lose_and_double_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    n_kills, draw = 2, random.Random(5)
    with site.running(tmp_path, 60) as (port, log):
        spec = WebSpec(start="http://a.test/p/0", include="/p/", proxies=f"http://127.0.0.1:{port}", delay_s=0.005)
        for _ in range(n_kills):
            child = subprocess.Popen(
                [sys.executable, "-m", "modelwright.collection.web.child", str(tmp_path / "walk")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert child.stdin and child.stdout
            child.stdin.write(json.dumps(spec.to_plain()).encode() + b"\n")
            child.stdin.flush()
            child.stdout.readline()
            time.sleep(draw.uniform(0.05, 0.3))
            child.kill()
            child.communicate()
        found = crawl(spec, tmp_path / "walk", watch=Terminal(as_json=False).watch)
        urls = Counter(f"http://{one['host']}{one['path']}" for one in site.asked(log))
    assert {f"http://a.test/p/{number}" for number in range(60)} <= set(urls)
    assert found.told["round"] == 1, "one walk, gone on with"
    assert "going on with a walk that was broken off" in capsys.readouterr().out
    assert sum(n - 1 for n in urls.values()) <= n_kills, "what was under way is asked for again"
    kept = Counter(url for kind, url, _ in warc_records(tmp_path / "walk") if kind == "response")
    assert set(kept.values()) == {1} and set(found.pages["url"]) <= set(kept)


def test_hostile_answers_end_their_own_request_only(tmp_path: Path) -> None:
    def endless(to: http.server.BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while True:
            to.wfile.write(b"<p>more and more</p>" * 1000)

    def headers(to: http.server.BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            to.wfile.write(b"X-More: and more\r\n" * 1000)

    def continues(to: http.server.BaseHTTPRequestHandler) -> None:
        while True:
            to.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    def drip(to: http.server.BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            to.wfile.write(b"x")
            to.wfile.flush()
            time.sleep(0.2)

    def bomb(to: http.server.BaseHTTPRequestHandler) -> None:
        body = gzip.compress(bytes(50 * 2**20))
        to.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n")
        to.wfile.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def damaged(to: http.server.BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n")
        to.wfile.write(b"Content-Length: 9\r\n\r\n\x1f\x8b\x08damage")

    def self_refresh(to: http.server.BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: /self\r\nContent-Length: 0\r\n\r\n")

    def odd_encoding(to: http.server.BaseHTTPRequestHandler) -> None:
        body = b"<p>" + "Grüße aus Österreich. ".encode("cp1252") * 20 + b"\xff\xfe\x00<p>"
        to.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=klingon\r\n")
        to.wfile.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    hostile: dict[str, Answer | bytes] = {
        "/endless": endless,
        "/headers": headers,
        "/continues": continues,
        "/drip": drip,
        "/bomb": bomb,
        "/damaged": damaged,
        "/self": self_refresh,
        "/odd": odd_encoding,
        "/nested": b"<div>" * 100_000 + b"deep",
        "/nul": b"\x00" * 1000 + page("nul"),
        "/empty": b"",
        "/many": b"".join(b'<a href="/gone%d?x=1">' % at for at in range(200)),
    }
    links = [*hostile, "javascript:alert(1)", "data:text/html,<p>x", "http://[bad", "http://:80/", "/%zz", "/ok"]
    robots = b"user-agent: *\n" + b"disallow: /nothing-like-this\n" * 350_000
    answers = {"/": page("start", *links), "/ok": page("ok"), "/robots.txt": robots, **hostile}
    with serving(answers) as (address, _):
        spec = WebSpec(start=address, max_bytes=2**20, **{**QUICK, "retries": 0, "timeout_s": 2})
        began_s = time.monotonic()
        found = crawl(spec, tmp_path / "walk")
        assert time.monotonic() - began_s < 60
    kept = {url.removeprefix(address) for url in found.pages["url"]}
    assert {"/", "/ok", "/odd"} <= kept
    assert found.told["outcomes"]["failed: too_large"] == 2, found.told  # endless, bomb
    assert found.told["outcomes"]["failed: timeout"] >= 1
    odd = found.pages.filter(found.pages["url"] == f"{address}/odd")
    assert odd["language"].item() == "de"


def test_robots_that_fail_close_and_robots_that_are_absent_open(tmp_path: Path) -> None:
    def fails(to: http.server.BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    with serving({"/": page("a"), "/robots.txt": fails}) as (address, asked):
        found = crawl(WebSpec(start=address, **QUICK), tmp_path / "closed")
        assert set(asked) == {"/robots.txt"}
        assert found.told["outcomes"] == {"refused: robots_unreachable": 1} and found.pages.height == 0
    with serving({"/": page("a")}) as (address, asked):
        assert crawl(WebSpec(start=address, **QUICK), tmp_path / "open").pages.height == 1
        assert asked == ["/robots.txt", "/"]


def test_a_wrong_certificate_is_refused(tmp_path: Path) -> None:
    pair = tmp_path / "pair.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=elsewhere", "-days", "1"]
    subprocess.run([*command, "-keyout", str(pair), "-out", str(tmp_path / "c.pem")], check=True, capture_output=True)
    pair.write_text(pair.read_text() + (tmp_path / "c.pem").read_text())
    with serving({"/": page("a")}, secure=pair) as (address, asked):
        found = crawl(WebSpec(start=address, **{**QUICK, "retries": 0}), tmp_path / "walk")
    assert asked == [] and found.pages.height == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "[::ffff:7f00:1]"]
)
def test_private_addresses_are_never_connected_to(host: str, tmp_path: Path) -> None:
    with serving({"/": page("a")}) as (address, asked):
        port = address.rpartition(":")[2]
        spec = WebSpec(start=f"http://{host}:{port}/", delay_s=0, timeout_s=3, retries=0)
        found = crawl(spec, tmp_path / "walk")
        assert asked == [] and found.pages.height == 0
    assert "private_address" in json.dumps(found.told) or "robots_unreachable" in json.dumps(found.told)


def test_a_name_that_changes_its_address_is_checked_where_it_is_connected_to(tmp_path: Path) -> None:
    """The resolver of the process says a public address first and this machine ever after."""
    program = tmp_path / "changing.py"
    program.write_text(
        "import socket, sys\n"
        "real, calls = socket.getaddrinfo, []\n"
        "def changing(host, port, *rest, **more):\n"
        "    if host != 'changing.test':\n"
        "        return real(host, port, *rest, **more)\n"
        "    calls.append(host)\n"
        "    address = '192.0.2.1' if len(calls) < 1 else '127.0.0.1'\n"
        "    return [(socket.AF_INET, socket.SOCK_STREAM, 6, '', (address, port or 0))]\n"
        "socket.getaddrinfo = changing\n"
        "from modelwright.collection.web.child import main\n"
        "sys.exit(main())\n"
    )
    with serving({"/": page("a")}) as (address, asked):
        spec = WebSpec(start=f"http://changing.test:{address.rpartition(':')[2]}/", delay_s=0, timeout_s=3, retries=0)
        line = json.dumps(spec.to_plain()) + "\n"
        command = [sys.executable, str(program), str(tmp_path / "walk")]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        assert child.stdin and child.stdout
        child.stdin.write(line)
        child.stdin.flush()
        told = child.stdout.read()
        child.communicate()
        assert asked == [] and '"read"' in told
        allowed = spec.but(allow_private=True).to_plain()
        child = subprocess.Popen(
            [*command[:2], str(tmp_path / "other")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert child.stdin and child.stdout
        child.stdin.write(json.dumps(allowed) + "\n")
        child.stdin.flush()
        child.stdout.read()
        child.communicate()
        assert asked == ["/robots.txt", "/"], "the same name is reached where it is allowed"


def test_proxies_carry_requests_and_their_secrets_stay_out_of_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.running(tmp_path, 5) as (port, log):
        monkeypatch.setenv("OUR_PROXY", f"http://ann:hush-hush@127.0.0.1:{port}")
        spec = WebSpec(start="http://a.test/p/0", proxies="OUR_PROXY", delay_s=0, include="/p/")
        events: list[Any] = []
        found = crawl(spec, tmp_path / "walk", watch=events.append)
        asked = site.asked(log)
    assert found.pages.height == 5 and asked[0]["path"] == "/robots.txt", "a proxy does not lift robots.txt"
    assert all(one["headers"]["proxy-authorization"] == "Basic YW5uOmh1c2gtaHVzaA==" for one in asked)  # type: ignore[index]
    secrets = (b"hush-hush", b"YW5uOmh1c2gtaHVzaA")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "walk").iterdir())
    kept += b"".join(gzip.decompress(path.read_bytes()) for path in (tmp_path / "walk").glob("*.gz"))
    kept += repr(events).encode() + repr(found).encode() + json.dumps(spec.to_plain()).encode()
    assert not any(secret in kept for secret in secrets)


def test_a_dead_proxy_and_a_variable_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEAD_PROXY", "http://ann:hush-hush@127.0.0.1:9")
    spec = WebSpec(start="http://a.test/", proxies="DEAD_PROXY", delay_s=0, retries=0)
    found = crawl(spec, tmp_path / "dead")
    assert found.pages.height == 0 and "hush" not in repr(found.told)
    with pytest.raises(UserError) as caught:
        crawl(spec.but(proxies=("NO_SUCH",)), tmp_path / "none")
    assert caught.value.code == "crawl.proxy"
    with pytest.raises(UserError, match="environment variable"):
        WebSpec(start="http://a.test/", proxies="http://ann:hush@proxy:1")


def test_limits_of_depth_pages_paths_and_hosts(tmp_path: Path) -> None:
    answers = {f"/{at}": page(str(at), f"/{at + 1}", f"/no/{at}") for at in range(10)} | {"/": page("s", "/0")}
    with serving(answers) as (address, asked):
        shallow = crawl(WebSpec(start=address, max_depth=3, exclude="/no/", **QUICK), tmp_path / "a")
        assert shallow.pages["url"].to_list() == [f"{address}{path}" for path in ("/", "/0", "/1", "/2")]
        assert not [path for path in asked if path.startswith("/no/")]
        few = crawl(WebSpec(start=address, max_pages=2, **QUICK), tmp_path / "b")
        assert few.pages.height == 2


def test_a_host_that_asks_to_wait_is_waited_for_or_left(tmp_path: Path) -> None:
    times: list[float] = []

    def busy(to: http.server.BaseHTTPRequestHandler) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            to.wfile.write(b"HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n")
        else:
            body = page("busy")
            to.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )

    with serving({"/": busy}) as (address, _):
        found = crawl(WebSpec(start=address, **QUICK), tmp_path / "a")
        assert found.pages.height == 1 and times[1] - times[0] >= 2
        times.clear()
        left = crawl(WebSpec(start=address, max_wait_s=1, **QUICK), tmp_path / "b")
        assert left.told["outcomes"] == {"failed: asked_to_wait": 1} and len(times) == 1


def test_two_crawls_in_one_folder(tmp_path: Path) -> None:
    import sqlite3

    (tmp_path / "walk").mkdir()
    other = sqlite3.connect(tmp_path / "walk" / "walk.db")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError) as caught:
        crawl(WebSpec(start="http://a.test/"), tmp_path / "walk")
    assert caught.value.code == "crawl.busy"
