"""What each server does with requests that must be refused: an honest 4xx, and how it is afterwards."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.common import bar
from benchmarks.serving.bad_requests import Bad, cases
from benchmarks.serving.load import Running, ask, peak_mb
from benchmarks.serving.servers import Server, deployed, ours, peers, work_folder

PATIENCE_S, PORT, N_SLOW = 25.0, 18_091, 50


@dataclass
class Tally:
    """What came of the requests to one server."""

    n: int = 0
    n_honest: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    grown_mb: float = 0.0
    serves: bool = True
    serves_beside_slow: bool = False


def measure() -> tuple[list[str], list[str]]:
    """All servers, the same requests."""
    found: dict[str, Tally] = {}
    with work_folder() as work:
        place = deployed(work)
        for server in [ours(place), ours(place, tensors=True), *peers(work)]:
            with server.running(PORT) as running:
                found[server.name] = _tally(server, running)
            print(server.name, found[server.name], flush=True)
    lines = [
        "Requests that must be answered 4xx: JSON that is none, rows that do not fit, HTTP that is none; 25 s each at "
        "most. Memory: its peak during all of them above what it was before.", "",
        "| server | honest 4xx | what else | memory grew MB | still serving | serves beside 50 slow clients |",
        "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for name, tally in found.items():
        other = ", ".join(f"{count} x {what}" for what, count in tally.wrong.most_common()) or "nothing"
        lines.append(
            f"| {name} | {tally.n_honest} of {tally.n} | {other} | {tally.grown_mb:.0f} | "
            f"{'yes' if tally.serves else 'no'} | {'yes' if tally.serves_beside_slow else 'no'} |"
        )
    own = [tally for name, tally in found.items() if name.startswith("ours")]
    return lines, [
        bar("share of bad requests with an honest 4xx", min(one.n_honest / one.n for one in own), 1.0, at_least=True),
        bar("requests asked of each form", min(one.n for one in own), 200, at_least=True),
        bar("MB that memory grew by", max(one.grown_mb for one in own), 64),
        bar("still serving, also beside slow clients", min(one.serves and one.serves_beside_slow for one in own), 1,
            at_least=True),
    ]  # fmt: skip


def _tally(server: Server, running: Running) -> Tally:
    tally = Tally()
    for _ in range(20):
        ask(running.port, server.path, server.one, server.headers)
    before = peak_mb(running.pid, reset=True)
    for case in cases(server.path, server.one, f"127.0.0.1:{running.port}"):
        tally.n += 1
        if not tally.serves:  # one hang is enough: what is left counts as not answered
            tally.wrong["not reached"] += 1
            continue
        told = told_of(server, running, case)
        if told.isdigit() and 400 <= int(told) < 500:
            tally.n_honest += 1
        else:
            tally.wrong[told] += 1
            tally.examples.append(f"{case.name}: {told}")
        if told == "no answer" or tally.n % 20 == 0:
            tally.serves = _serves(server, running)
    tally.serves = _serves(server, running)
    tally.grown_mb = peak_mb(running.pid) - before
    tally.serves_beside_slow = tally.serves and _serves_beside_slow(server, running)
    return tally


def told_of(server: Server, running: Running, case: Bad) -> str:
    """The status, or what came in its place."""
    if not case.raw:
        try:
            return str(ask(running.port, server.path, case.body, server.headers, timeout_s=PATIENCE_S)[0])
        except TimeoutError:
            return "no answer"
        except (OSError, http.client.HTTPException):
            return "cut off"
    raw = case.raw
    if token := server.headers.get("Authorization"):
        raw = raw.replace(b"\r\n", f"\r\nAuthorization: {token}\r\n".encode(), 1)
    with contextlib.closing(socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_S)) as client:
        try:
            client.sendall(raw)
            if case.half_open:
                client.shutdown(socket.SHUT_WR)
            head = client.recv(4096)
        except TimeoutError:
            return "no answer"
        except OSError:
            return "cut off"
    return head.split()[1].decode() if head.startswith(b"HTTP/1.") else "closed without a word"


def _serves(server: Server, running: Running) -> bool:
    try:
        return ask(running.port, server.path, server.one, server.headers, timeout_s=PATIENCE_S)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _serves_beside_slow(server: Server, running: Running) -> bool:
    """50 clients that send a byte now and then; a request of another is answered within 5 s all the while."""
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", running.port))) for _ in range(N_SLOW)]
        for client in slow:
            client.sendall(f"POST {server.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n".encode())
        for _ in range(5):
            began = time.perf_counter()
            if not _serves(server, running) or time.perf_counter() - began > 5.0:
                return False
            for client in slow:
                with contextlib.suppress(OSError):
                    client.sendall(b"X")
            time.sleep(0.5)
    return True
