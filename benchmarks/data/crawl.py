"""A site of 2,000 pages on four hosts with traps, redirects, loops, slow and broken answers, walked through a proxy
that sees every request; then the same kind of site without delays, beside plain Scrapy; then kills."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.common import bar
from modelwright.collection.web import Crawled, WebSpec, crawl
from tests.collection.web import site

HOSTS = ("a.test", "b.test", "c.test", "d.test")
N_PAGES = 500
DELAY_S = 0.05
N_KILLS = 30
AGAIN = {"busy", "flaky", "broken"}
PLAIN = """
import sys, scrapy
from scrapy.crawler import CrawlerProcess
class Plain(scrapy.Spider):
    name = "plain"
    start_urls = ["http://a.test/p/0"]
    def start_requests(self):
        for url in self.start_urls:
            yield scrapy.Request(url, meta={"proxy": sys.argv[1]})
    async def start(self):
        for request in self.start_requests():
            yield request
    def parse(self, response):
        yield {"url": response.url, "text": "".join(response.css("article ::text").getall())}
        for link in response.css("a::attr(href)").getall():
            if link.startswith("/p/") or link.startswith("."):
                yield response.follow(link.partition("?")[0], self.parse, meta={"proxy": sys.argv[1]})
process = CrawlerProcess({"LOG_ENABLED": False, "ROBOTSTXT_OBEY": False, "CONCURRENT_REQUESTS_PER_DOMAIN": 8,
    "DOWNLOAD_DELAY": 0, "FEEDS": {sys.argv[2]: {"format": "jsonl"}}, "TELNETCONSOLE_ENABLED": False})
process.crawl(Plain)
process.start()
"""


def measure() -> tuple[list[str], list[str]]:
    """The table and its bars."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, whole_bars = _whole(folder)
        speed = _speed(folder)
        killed, killed_bars = _killed(folder)
    return [*whole, "", *speed, "", *killed], whole_bars + killed_bars


def _whole(folder: Path) -> tuple[list[str], list[str]]:
    with site.running(folder, N_PAGES, DELAY_S) as (port, log):
        spec = WebSpec(
            start=tuple(f"http://{host}/" for host in HOSTS),
            proxies=f"http://127.0.0.1:{port}",
            delay_s=0,
            max_pages=100_000,
        )
        began_s = time.monotonic()
        found = crawl(spec, folder / "whole")
        took_s = time.monotonic() - began_s
        asked = site.asked(log)
        once = _counts(asked)
        missing = sum(len(site.expected(N_PAGES, host) - set(once)) for host in HOSTS)
        words = ("secret", ".tmp", "hidden", "marked", "password")
        forbidden = sum(any(word in url for word in words) for url in once)
        strangers = sum(one["host"] not in HOSTS for one in asked)
        twice = sum(n - 1 for url, n in once.items() if url.split("/")[3] not in AGAIN)
        shortest_s = min(min(_gaps(asked, host)) for host in HOSTS)
        crawl(spec, folder / "whole")
        later = site.asked(log)[len(asked) :]
    unchanged = sum("if-none-match" in one["headers"] for one in later)
    table = [
        f"{len(once)} addresses, {found.pages.height} rows in {took_s:.0f} s with a crawl-delay of {DELAY_S} s on each "
        f"of {len(HOSTS)} hosts. Left out, by links: {_reasons(found)}. Walked again: {len(later)} requests, "
        f"{unchanged} of them conditional.",
        "",
        "| in scope, missing | asked twice | disallowed, asked | other and private hosts asked | shortest gap, s |",
        "|---|---|---|---|---|",
        f"| {missing} | {twice} | {forbidden} | {strangers} | {shortest_s:.4f} |",
    ]
    bars = [
        bar("crawl.missing", missing, 0),
        bar("crawl.twice", twice, 0),
        bar("crawl.disallowed_asked", forbidden, 0),
        bar("crawl.private_or_other_asked", strangers, 0),
        bar("crawl.shortest_gap_s", shortest_s, DELAY_S, at_least=True),
    ]
    return table, bars


def _speed(folder: Path) -> list[str]:
    """2,000 pages of one host, no delay, eight at once: ours does robots, memory, WARC and main text besides."""
    table = ["| 2,000 pages, no delay | wall s | pages/s | CPU s |", "|---|---|---|---|"]
    with site.running(folder, 2000) as (port, _):
        proxy = f"http://127.0.0.1:{port}"
        spec = WebSpec(start="http://a.test/p/0", include="/p/", proxies=proxy, delay_s=0, per_host=8, max_pages=9999)
        before_s, began_s = _spent_s(), time.monotonic()
        found = crawl(spec, folder / "speed")
        table.append(_line("modelwright", found.pages.height, time.monotonic() - began_s, _spent_s() - before_s))
        out, program = folder / "plain.jsonl", folder / "plain.py"
        program.write_text(PLAIN)
        before_s, began_s = _spent_s(), time.monotonic()
        subprocess.run([sys.executable, str(program), proxy, str(out)], check=True)
        pages = {json.loads(line)["url"] for line in out.read_text().splitlines()}
        table.append(_line("plain Scrapy", len(pages), time.monotonic() - began_s, _spent_s() - before_s))
    return table


def _killed(folder: Path) -> tuple[list[str], list[str]]:
    draw = random.Random(9)
    with site.running(folder, 600) as (port, log):
        spec = WebSpec(start="http://a.test/", proxies=f"http://127.0.0.1:{port}", delay_s=0.01, max_pages=9999)
        for _ in range(N_KILLS):
            _kill_one(spec, folder / "killed", draw.uniform(0.05, 1.5))
        crawl(spec, folder / "killed")
        once = _counts(site.asked(log))
    missing = len(site.expected(600, "a.test") - set(once))
    twice = sum(n - 1 for url, n in once.items() if url.split("/")[3] not in AGAIN)
    doubled = sum(n - 1 for n in _kept(folder / "killed").values())
    table = [
        f"| kill -9, {N_KILLS} times | pages lost | asked again (in flight) | doubled in the result |",
        "|---|---|---|---|",
        f"| | {missing} | {twice} | {doubled} |",
    ]
    bars = [
        bar("crawl.kills_lost", missing, 0),
        bar("crawl.kills_doubled", doubled, 0),
        bar("crawl.kills_asked_again", twice, N_KILLS),
    ]
    return table, bars


def _kill_one(spec: WebSpec, folder: Path, after_s: float) -> None:
    command = [sys.executable, "-m", "modelwright.collection.web.child", str(folder)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin and child.stdout
    child.stdin.write(json.dumps(spec.to_plain()).encode() + b"\n")
    child.stdin.flush()
    child.stdout.readline()
    time.sleep(after_s)
    child.kill()
    child.communicate()


def _kept(folder: Path) -> Counter[str]:
    import gzip
    import re

    content = b"".join(gzip.decompress(file.read_bytes()) for file in folder.glob("*.warc.gz"))
    heads = re.findall(rb"WARC-Type: response\r\n(?:[^\r]*\r\n)*?WARC-Target-URI: ([^\r]*)\r\n", content)
    return Counter(one.decode() for one in heads)


def _counts(asked: list[dict[str, Any]]) -> Counter[str]:
    return Counter(f"http://{one['host']}{one['path']}" for one in asked)


def _gaps(asked: list[dict[str, Any]], host: str) -> list[float]:
    times = [one["at_s"] for one in asked if one["host"] == host]
    return [later - earlier for earlier, later in zip(times, times[1:], strict=False)]


def _reasons(found: Crawled) -> str:
    return ", ".join(f"{reason} {told['links']}" for reason, told in sorted(found.told["not_followed"].items()))


def _spent_s() -> float:
    of = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    return of.ru_utime + of.ru_stime + own.ru_utime + own.ru_stime


def _line(name: str, n_pages: int, wall_s: float, cpu_s: float) -> str:
    return f"| {name}, {n_pages} pages | {wall_s:.1f} | {n_pages / wall_s:.0f} | {cpu_s:.1f} |"
