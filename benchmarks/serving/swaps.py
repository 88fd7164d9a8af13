"""Hot swaps under load, and what a challenger in shadow costs the caller."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.common import bar
from benchmarks.serving.load import LOAD_CORE
from benchmarks.serving.servers import OWN, deployed, ours, work_folder
from modelwright_runtime.deployment import Deployment, challenged, change, promoted, read, unchallenged

PORT, N_SWAPS, N_REQUESTS, N_CLIENTS = 18_092, 100, 100_000, 16
RATE, BLOCK_S, N_BLOCKS = 150, 5.0, 10
_ANSWER = re.compile(rb'"version":(\d+).*"probability_1":([0-9.e-]+)')


@dataclass
class Seen:
    """What the clients were answered."""

    n: int = 0
    n_failed: int = 0
    answers: Counter[tuple[int, float]] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)


async def asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, seen: Seen, due_s: float | None = None
) -> None:
    """One request; its latency from when it was due."""
    began = time.perf_counter() if due_s is None else due_s
    seen.n += 1
    try:
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        found = re.search(rb"Content-Length: (\d+)", head)
        body = await asyncio.wait_for(reader.readexactly(int(found.group(1)) if found else 0), 20)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        seen.n_failed += 1
        return
    seen.latencies_s.append(time.perf_counter() - began)
    if head[9:12] == b"200" and (told := _ANSWER.search(body)):
        seen.answers[int(told.group(1)), round(float(told.group(2)), 6)] += 1
    else:
        seen.n_failed += 1


def request_of(path: str, body: bytes) -> bytes:
    """The bytes of one request."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in OWN.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def measure() -> tuple[list[str], list[str]]:
    """100 swaps while 100,000 requests are asked: none fails, each is answered by one version alone."""
    with work_folder() as work:
        place = deployed(work, ("higgs", "other"))
        server = ours(place)
        with server.running(PORT):
            os.sched_setaffinity(0, {int(LOAD_CORE)})
            seen, n_swaps = asyncio.run(_swapped(place, request_of(server.path, server.one)))
    by_version: dict[int, set[float]] = {}
    for version, value in seen.answers:
        by_version.setdefault(version, set()).add(value)
    n_mixed = sum(len(values) - 1 for values in by_version.values()) + (len(set.union(*by_version.values())) < 2)
    ordered = sorted(seen.latencies_s)
    lines = [
        f"{n_swaps} swaps of the champion while {seen.n:,} requests were asked by {N_CLIENTS} clients: "
        f"{seen.n_failed} failed; answers by version: {_told(seen)}. "
        f"p50 {median(ordered) * 1e3:.1f} ms, p99 {ordered[int(0.99 * len(ordered))] * 1e3:.1f} ms, "
        f"longest {ordered[-1] * 1e3:.0f} ms."
    ]
    return lines, [
        bar("hot swaps", n_swaps, N_SWAPS, at_least=True),
        bar("requests asked during them", seen.n, N_REQUESTS, at_least=True),
        bar("requests failed", seen.n_failed, 0),
        bar("answers by a mixture of versions", n_mixed, 0),
    ]


def _told(seen: Seen) -> str:
    return ", ".join(
        f"version {version} said {value} {n:,} times" for (version, value), n in sorted(seen.answers.items())
    )


async def _swapped(place: Path, request: bytes) -> tuple[Seen, int]:
    """A swap is done when an answer came from the version that it brought in."""
    seen, n_swaps, over = Seen(), 0, False

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        while not over:
            await asked(reader, writer, request, seen)
        writer.close()

    clients = [asyncio.create_task(client()) for _ in range(N_CLIENTS)]
    while n_swaps < N_SWAPS or seen.n < N_REQUESTS:
        version = 3 - read(place).champion
        before = {key: n for key, n in seen.answers.items() if key[0] == version}

        def swap(state: Deployment, version: int = version) -> Deployment:
            return promoted(state, version)

        change(place, swap)
        while before == {key: n for key, n in seen.answers.items() if key[0] == version}:
            await asyncio.sleep(0.05)
        n_swaps += 1
        await asyncio.sleep(0.2 if n_swaps < N_SWAPS else 1.0)
    over = True
    await asyncio.gather(*clients)
    return seen, n_swaps


def shadow() -> tuple[list[str], list[str]]:
    """The same steady rate with and without a challenger in shadow, in turns."""
    by_state: dict[bool, list[float]] = {False: [], True: []}
    with work_folder() as work:
        place = deployed(work, ("higgs", "other"))
        server = ours(place)
        with server.running(PORT):
            os.sched_setaffinity(0, {int(LOAD_CORE)})
            request = request_of(server.path, server.one)
            for block in range(2 * N_BLOCKS):
                on = block % 4 in (1, 2)  # off, on, on, off: a trend meets both alike
                change(place, (lambda state: challenged(state, 2)) if on else unchallenged)
                _wait_for_arms(2 if on else 1)
                by_state[on] += asyncio.run(_steady(request)).latencies_s
    found = {on: sorted(values) for on, values in by_state.items()}
    p99 = {on: values[int(0.99 * len(values))] * 1e3 for on, values in found.items()}
    p50 = {on: median(values) * 1e3 for on, values in found.items()}
    lines = [
        f"{RATE} requests a second, {N_BLOCKS} blocks of {BLOCK_S:g} s each, in turns; latency from when a request was "
        "due.", "", "| challenger | requests | p50 ms | p99 ms |", "| --- | --- | --- | --- |",
        *(f"| {'in shadow' if on else 'none'} | {len(found[on]):,} | {p50[on]:.3f} | {p99[on]:.3f} |" for on in found),
    ]  # fmt: skip
    return lines, [bar("p99 with a shadow against without", p99[True] / p99[False], 1.05)]


def _wait_for_arms(n: int) -> None:
    """Until so many versions are loaded, and a moment more."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
        connection.request("GET", "/status", headers=OWN)
        told = json.loads(connection.getresponse().read())
        connection.close()
        if len(told["models"][0]["arms"]) == n:
            break
        time.sleep(0.1)
    time.sleep(1.5)


async def _steady(request: bytes) -> Seen:
    """Requests at their due times, on connections that take turns."""
    seen, first, n_connections = Seen(), time.perf_counter() + 0.2, 16

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        for index in range(number, int(RATE * BLOCK_S), n_connections):
            due = first + index / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await asked(reader, writer, request, seen, due)
        writer.close()

    await asyncio.gather(*map(client, range(n_connections)))
    return seen
