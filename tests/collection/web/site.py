"""A local web site with traps, as a program: `python -m tests.collection.web.site PAGES DELAY_S LOG`.

It answers as a server and as a proxy (whole addresses in the request line), so that hosts have names that no name
server knows and everything that a crawler asks for is seen. It prints its port, and keeps each request in LOG as a
line of JSON. Page I of a host is at /p/I and leads to 3I+1, 3I+2 and 3I+3, in several spellings.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

WORDS = (  # noqa: SIM905
    "harbour lantern river copper orchard winter letter engine violin meadow station bridge silver "
    "garden island market candle forest window paper village mountain thunder bottle compass summer "
    "kitchen railway feather stone"
).split()
N_SLOW, N_SITEMAP, N_MOVED = 4, 10, 8
TRAPS = (
    '<a href="/calendar/2024/05">calendar</a> <a href="/next/1">next</a> <a href="/circle/a/b/">circle</a>'
    '<a href="/search?colour=red&size=1">search</a> <a href="javascript:alert(1)">x</a> <a href="data:,x">y</a>'
    '<a href="http://10.0.0.7/">inside</a> <a href="http://2130706433/">this machine</a> <a href="http://[::1]/">six</a>'
    '<a href="http://0177.0.0.1/">octal</a> <a href="https://elsewhere.test/">e</a> <a href="mailto:a@b.c">@</a>'
    '<a href="/private/secret">no</a> <a href="/private/open/page">yes</a> <a href="/old.tmp">no</a>'
    '<a href="/loop/1">loop</a> <a href="/far/0">far</a> <a href="/inside/1">moved inside</a> <a href="/inside/2">6</a>'
    '<a href="/quiet">noindex</a> <a href="/deadend">nofollow</a> <a href="/file.pdf">pdf</a> <a href="/gone">gone</a>'
    '<a href="/marked" rel="nofollow">marked</a> <a href="/busy">busy</a> <a href="/flaky">flaky</a>'
    '<a href="/twin/1">twin</a> <a href="/twin/2">twin</a> <a href="//user:pass@{host}/with-password">p</a>'
)


def expected(n_pages: int, host: str) -> set[str]:
    """Addresses that have to come, each once, besides what the caps let through of endless ones."""
    paths = [f"/p/{at}" for at in range(n_pages)] + [f"/slow/{at}" for at in range(N_SLOW)]
    paths += [f"/listed/{at}" for at in range(N_SITEMAP)]
    paths += ["/", "/private/open/page", "/busy", "/flaky", "/twin/1", "/twin/2", "/quiet", "/deadend", "/broken/once"]
    return {f"http://{host}{path}" for path in paths}


def prose(seed: str, n_words: int = 120) -> str:
    """Words that are the same each time, and unlike those of another seed."""
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) + str(draw.randrange(1000)) for _ in range(n_words))


class Site:
    """Answers by host and path; remembers what was asked."""

    def __init__(self, n_pages: int, delay_s: float, log: Path) -> None:
        self.n_pages, self.delay_s = n_pages, delay_s
        self.log = log.open("w", buffering=1)
        self.counts: dict[str, int] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection, one after the other."""
        try:
            while line := await reader.readline():
                headers = {}
                while (field := (await reader.readline()).strip()) != b"":
                    name, _, value = field.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                if not await self.answer(line.decode("latin-1").split()[1], headers, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, IndexError):
            pass
        finally:
            writer.close()

    async def answer(self, target: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        """One answer; whether the connection goes on."""
        parts = urlsplit(target if "://" in target else f"http://{headers.get('host', '')}{target}")
        host, path = parts.netloc, parts.path + (f"?{parts.query}" if parts.query else "")
        url = f"http://{host}{path}"
        self.counts[url] = self.counts.get(url, 0) + 1
        self.log.write(json.dumps({"at_s": time.time(), "host": host, "path": path, "headers": headers}) + "\n")
        if path.startswith("/slow/"):
            await asyncio.sleep(0.3)
        if path.startswith("/broken/") and (path != "/broken/once" or self.counts[url] == 1):
            return await self.broken(path, writer)
        status, more, body = self.page(host, path, self.counts[url])
        if status == 200 and path.startswith("/p/") and int(path.split("?")[0].split("/")[2]) % 2 == 0:
            more["ETag"] = f'"{path}"'
            if headers.get("if-none-match") == f'"{path}"':
                status, body = 304, b""
        head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in {"Content-Type": "text/html; charset=utf-8", **more}.items()]
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + (b"" if status == 304 else body))
        await writer.drain()
        return True

    async def broken(self, path: str, writer: asyncio.StreamWriter) -> bool:
        if path.endswith("short"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nContent-Type: text/html\r\n\r\n<p>half")
        elif path.endswith("noise"):
            writer.write(bytes(range(256)) * 4)
        await writer.drain()
        writer.transport.abort()
        return False

    def page(self, host: str, path: str, count: int) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one path, asked for the `count`-th time."""
        first, *rest = path.partition("?")[0].strip("/").split("/")
        number = int(rest[0]) if rest and rest[0].isdigit() else 0
        if first == "robots.txt":
            return 200, {"Content-Type": "text/plain"}, self.robots(host)
        if first in ("map.xml.gz", "one.xml", "two.xml"):
            return 200, {"Content-Type": "application/xml"}, self.sitemap(host, first)
        if first in ("moved", "far", "loop", "inside"):
            return 302 if number % 2 else 301, {"Location": self.target(first, number)}, b"moved"
        if first == "busy" and count == 1:
            return 429, {"Retry-After": "1"}, b"too many"
        if first == "flaky" and count == 1:
            return 503, {}, b"later"
        if first == "file.pdf":
            return 200, {"Content-Type": "application/pdf"}, b"%PDF-1.4 " * 50_000
        if first == "gone" or (first == "p" and number >= self.n_pages):
            return 404, {}, b"not here"
        return 200, {}, self.html(host, path, first, rest, number)

    def robots(self, host: str) -> bytes:
        lines = ["User-agent: *", "Disallow: /private/", "Disallow: /*.tmp$", "Allow: /private/open/"]
        lines += [f"Crawl-delay: {self.delay_s}", "", "User-agent: other", "Disallow: /", ""]
        return "\n".join([*lines, f"Sitemap: http://{host}/map.xml.gz"]).encode()

    def sitemap(self, host: str, name: str) -> bytes:
        if name == "map.xml.gz":
            inner = "".join(f"<sitemap><loc>http://{host}/{one}.xml</loc></sitemap>" for one in ("one", "two"))
            return gzip.compress(f"<sitemapindex>{inner}</sitemapindex>".encode())
        half = range(N_SITEMAP // 2) if name == "one.xml" else range(N_SITEMAP // 2, N_SITEMAP)
        return ("<urlset>" + "".join(f"<url><loc>/listed/{at}</loc></url>" for at in half) + "</urlset>").encode()

    def target(self, first: str, number: int) -> str:
        if first == "inside":
            return "http://169.254.169.254/latest/" if number == 1 else "http://[::ffff:10.0.0.1]/"
        if first == "loop":
            return f"/loop/{3 - number}"
        return f"/far/{number + 1}" if first == "far" else f"/p/{number}"

    def html(self, host: str, path: str, first: str, rest: list[str], number: int) -> bytes:
        """A page with words of its own and links of its kind."""
        links, head = "", ""
        if path == "/":
            links = '<a href="/p/0">pages</a>' + TRAPS.replace("{host}", host)
            links += "".join(f'<a href="/slow/{at}">s</a>' for at in range(N_SLOW))
            links += "".join(f'<a href="/moved/{at}">m</a>' for at in range(N_MOVED))
            links += "".join(f'<a href="/broken/{at}">b</a>' for at in ("reset", "short", "noise", "once"))
        elif first == "p":
            spellings = ("/p/{}#part", "./{}?utm_source=x", "/p/../p/{}", "HTTP://" + host.upper() + "/p/{}")
            inner = [at for at in range(3 * number + 1, 3 * number + 4) if at < self.n_pages]
            links = "".join(f'<a href="{one.format(at)}">{at}</a>' for at in inner for one in spellings)
        elif first == "calendar":
            year, month = number, int(rest[1])
            links = f'<a href="/calendar/{year + month // 12}/{month % 12 + 1:02d}">next</a>'
            links += "".join(f'<a href="/calendar/{year}/{month:02d}/{day}">d</a>' for day in range(1, 29))
        elif first == "next":
            links = f'<a href="/next/{number + 1}">on</a>'
        elif first == "circle":
            links = '<a href="a/b/">on</a>'
        elif first == "search":
            n_asked = sum(map(ord, path))
            links = "".join(f'<a href="/search?size={at}&colour={n_asked % 97}&page={at}">f</a>' for at in range(12))
        elif first == "quiet":
            head = '<meta name="robots" content="noindex">'
        elif first == "deadend":
            head, links = '<meta name="robots" content="nofollow">', '<a href="/hidden">hidden</a>'
        same = "the twins" if first == "twin" else f"{host}{path}"
        tail = f" {rest[0]}" if first == "twin" else ""
        text = "".join(f"<p>{prose(f'{same} {part}')}.</p>" for part in range(3)) + f"<p>Page{tail}</p>"
        title = f"<title>{path} <script>alert(1)</script></title>"
        return f"<html lang=en><head>{title}{head}</head><body><article>{text}</article>{links}</body></html>".encode()


@contextmanager
def running(folder: Path, n_pages: int, delay_s: float = 0.0) -> Iterator[tuple[int, Path]]:
    """The site in a process of its own: its port and its log."""
    log = folder / "asked.jsonl"
    command = [sys.executable, "-m", "tests.collection.web.site", str(n_pages), str(delay_s), str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), log
        finally:
            process.kill()


def asked(log: Path) -> list[dict[str, object]]:
    """Every request that came, in order."""
    return [json.loads(line) for line in log.read_text().splitlines()]


async def main() -> None:
    """Serve until killed."""
    site = Site(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
