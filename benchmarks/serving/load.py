"""A server on one core, the load on the other: requests a second, processor time of the whole server tree for each."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE, LOAD_CORE = "0", "1"
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Running:
    """A server that answers. `start_cpu_s` is what it took until its first answer."""

    pid: int
    port: int
    start_cpu_s: float
    start_s: float


@dataclass(frozen=True)
class Load:
    """What a load gave: requests a second, processor microseconds a request, latencies in ms, answers not 2xx."""

    rps: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    n_failed: int
    n_requests: int


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += tree(int(child))
    return found


def cpu_s(pid: int) -> float:
    """Processor time of a tree, its ended children included."""
    total = 0.0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            cells = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(map(int, cells[11:15])) * TICK_S
    return total


def memory_mb(pid: int) -> float:
    """Proportional memory of a tree."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def peak_mb(pid: int, *, reset: bool = False) -> float:
    """The most resident memory that each process of a tree has had, together; `reset` counts from now on."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            if reset:
                Path(f"/proc/{one}/clear_refs").write_text("5")
            for line in Path(f"/proc/{one}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1])
    return total / 1024


@contextlib.contextmanager
def serving(
    command: Sequence[str], *, port: int, probe: tuple[str, bytes, dict[str, str]],
    environment: dict[str, str] | None = None, folder: Path | None = None, patience_s: float = 90.0,
) -> Iterator[Running]:  # fmt: skip
    """Start a server pinned to its core, wait for its first answer, end its whole tree afterwards."""
    log = tempfile.TemporaryFile()  # noqa: SIM115  closed below, after the server
    began = time.perf_counter()
    process = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, *command], stdout=log, stderr=log, cwd=folder, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
    )  # fmt: skip
    try:
        path, body, headers = probe
        while True:
            if process.poll() is not None or time.perf_counter() - began > patience_s:
                log.seek(0)
                raise SystemExit(f"{' '.join(command)} does not answer:\n{log.read().decode(errors='replace')[-3000:]}")
            try:
                if ask(port, path, body, headers, timeout_s=5)[0] == 200:
                    break
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)
        yield Running(process.pid, port, cpu_s(process.pid), time.perf_counter() - began)
    finally:
        for one in reversed(tree(process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        log.close()


def ask(port: int, path: str, body: bytes, headers: dict[str, str], *, timeout_s: float = 20) -> tuple[int, bytes]:
    """One request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def load(
    running: Running, path: str, body: bytes, headers: dict[str, str], *, connections: int, seconds: float
) -> Load:
    """Ask with so many connections for so long, by wrk on the other core."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "ask.lua"
        data = Path(folder) / "body"
        data.write_bytes(body)
        lines = ['wrk.method = "POST"', f'local f = io.open("{data}", "rb"); wrk.body = f:read("*a"); f:close()']
        lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
        lines.append(
            'done = function(s, l, r) io.write(string.format("N %d %d %d %d %d\\n", s.requests, '
            "s.errors.status + s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout, "
            "l:percentile(50), l:percentile(99), s.duration)) end"
        )
        script.write_text("\n".join(lines))
        before = cpu_s(running.pid)
        done = subprocess.run(
            ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s",
             "-s", str(script), f"http://127.0.0.1:{running.port}{path}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        spent = cpu_s(running.pid) - before
    numbers = re.search(r"^N (\d+) (\d+) (\d+) (\d+) (\d+)$", done.stdout, re.MULTILINE)
    assert numbers, done.stdout
    n, n_failed, p50_us, p99_us, duration_us = map(int, numbers.groups())
    return Load(
        rps=n / duration_us * 1e6, cpu_us=spent / max(1, n) * 1e6, p50_ms=p50_us / 1e3, p99_ms=p99_us / 1e3,
        n_failed=n_failed, n_requests=n,
    )  # fmt: skip
