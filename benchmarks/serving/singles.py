"""One row a request and 1,000 rows a request: processor time, latency, cold start and memory of each server."""

from __future__ import annotations

import json
from statistics import median
from typing import Any

import numpy as np

from benchmarks.common import bar
from benchmarks.serving.load import Load, Running, load, memory_mb
from benchmarks.serving.servers import (
    MODELS,
    NEEDED,
    Server,
    binary,
    deployed,
    ours,
    peers,
    rows,
    versions,
    work_folder,
)

N_RUNS, PORT = 3, 18_090
TIMES = {"FastAPI + Pydantic": 10, "MLServer": 30, "mlflow": 40, "BentoML": 40, "LitServe": 40}
Row = dict[str, Any]


def measure() -> tuple[list[str], list[str]]:
    """Single rows: three runs of all servers, one after the other, so that the machine's moods meet all of them."""
    runs: dict[str, list[Row]] = {}
    with work_folder() as work:
        place = deployed(work)
        servers = [ours(place), ours(place, tensors=True), *peers(work)]
        for _ in range(N_RUNS):
            for server in servers:
                with server.running(PORT) as running:
                    runs.setdefault(server.name, []).append(_singles(server, running))
                print(server.name, runs[server.name][-1], flush=True)
    middle = {name: {key: median(run[key] for run in of) for key in of[0]} for name, of in runs.items()}
    return _table(middle, runs), _bars(middle)


def _singles(server: Server, running: Running) -> Row:
    cold = memory_mb(running.pid)
    _load(server, running, connections=4, seconds=1)  # every path has been walked once
    alone = _load(server, running, connections=1, seconds=2)
    many = _load(server, running, connections=32, seconds=4)
    return {
        "cpu_us": many.cpu_us, "rps": many.rps, "p99_ms": many.p99_ms, "alone_us": alone.cpu_us,
        "p50_ms": alone.p50_ms, "start_cpu_s": running.start_cpu_s, "memory_mb": max(cold, memory_mb(running.pid)),
        "n_failed": many.n_failed + alone.n_failed,
    }  # fmt: skip


def _load(server: Server, running: Running, *, connections: int, seconds: float) -> Load:
    return load(running, server.path, server.one, server.headers, connections=connections, seconds=seconds)


def _table(middle: dict[str, Row], runs: dict[str, list[Row]]) -> list[str]:
    head = ["server", "CPU us, 32 connections", "requests/s", "p99 ms", "CPU us, 1 connection", "p50 ms, 1 connection",
            "start, CPU s", "memory MB", "failed"]  # fmt: skip
    lines = ["Processor time of the whole tree for each request; medians of three runs (lowest to highest).", "",
             f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]  # fmt: skip
    for name, row in middle.items():
        spread = sorted(run["cpu_us"] for run in runs[name])
        lines.append(
            f"| {name} | {row['cpu_us']:.0f} ({spread[0]:.0f} to {spread[-1]:.0f}) | {row['rps']:,.0f} | "
            f"{row['p99_ms']:.1f} | {row['alone_us']:.0f} | {row['p50_ms']:.2f} | {row['start_cpu_s']:.2f} | "
            f"{row['memory_mb']:.0f} | {row['n_failed']:.0f} |"
        )
    return [*lines, "", "Versions: " + "; ".join(versions(name) for name in NEEDED) + "."]


def _best(middle: dict[str, Row], first: str, key: str) -> float:
    """The lowest figure of the servers of that name, which is the peers' best."""
    return float(min(row[key] for name, row in middle.items() if name.startswith(first)))


def _bars(middle: dict[str, Row]) -> list[str]:
    own, tensors = middle["ours, rows by name"], middle["ours, Open Inference Protocol"]
    found = [bar("CPU us per single-row request, rows by name", own["cpu_us"], 60),
             bar("CPU us per single-row request, Open Inference Protocol", tensors["cpu_us"], 60)]  # fmt: skip
    found += [
        bar(f"times less CPU than {name}", _best(middle, name, "cpu_us") / own["cpu_us"], limit, at_least=True)
        for name, limit in TIMES.items()
    ]
    return [
        *found,
        bar("p50 ms at one connection", own["p50_ms"], 0.25),
        bar("p50 against mlflow", own["p50_ms"] / _best(middle, "mlflow", "p50_ms"), 0.1),
        bar("CPU s to the first answer", own["start_cpu_s"], 0.5),
        bar("memory against mlflow", own["memory_mb"] / _best(middle, "mlflow", "memory_mb"), 0.25),
    ]


def tables() -> tuple[list[str], list[str]]:
    """1,000 rows a request on four connections, and the same graph asked in a loop without a server."""
    x, found = rows(), dict[str, list[float]]()
    with work_folder() as work:
        place = deployed(work)
        own = ours(place)
        asked = [(server, server.many, server.headers) for server in [own, *peers(work)]]
        infer = ours(place, tensors=True)
        body, headers = binary(x)
        asked[:0] = [(infer, body, headers)]
        for _ in range(N_RUNS):
            found.setdefault("onnxruntime in a loop", []).append(_raw(x))
            for server, many, own_headers in asked:
                with server.running(PORT) as running:
                    for seconds in (1.0, 4.0):
                        done = load(running, server.path, many, own_headers, connections=4, seconds=seconds)
                name = "ours, binary tensors" if server is infer else server.name
                failed = done.n_failed and done.n_failed / max(1, done.n_requests)
                found.setdefault(name, []).append(0.0 if failed else 1e9 / done.cpu_us)
                print(name, done, flush=True)
    middle = {name: median(values) for name, values in found.items()}
    lines = ["1,000 rows of 28 numbers a request: rows answered in a second of processor time, medians of three runs "
             "(lowest to highest).", "", "| server | rows per CPU second |", "| --- | --- |"]  # fmt: skip
    lines += [f"| {name} | {middle[name]:,.0f} ({min(of):,.0f} to {max(of):,.0f}) |" for name, of in found.items()]
    best = max(value for name, value in middle.items() if not name.startswith(("ours", "onnxruntime")))
    return lines, [
        bar("rows per CPU second, binary, against the best JSON server",
            middle["ours, binary tensors"] / best, 5, at_least=True),
        bar("rows per CPU second, binary, against raw onnxruntime",
            middle["ours, binary tensors"] / middle["onnxruntime in a loop"], 0.9, at_least=True),
    ]  # fmt: skip


def _raw(x: np.ndarray) -> float:
    """Rows a processor second of the graph alone, in one thread, in a process and on the core of the servers."""
    import subprocess
    import sys

    code = (
        "import sys, time, json, numpy as np, onnxruntime as o\n"
        "s = o.SessionOptions(); s.intra_op_num_threads = 1\n"
        "m = o.InferenceSession(sys.argv[1], s); x = np.load(sys.argv[2]).astype(np.float64); n = 0\n"
        "for _ in range(20): m.run(None, {'numbers': x})\n"
        "b = time.process_time()\n"
        "while time.process_time() - b < 4: m.run(None, {'numbers': x}); n += len(x)\n"
        "print(json.dumps(n / (time.process_time() - b)))"
    )
    done = subprocess.run(
        ["taskset", "-c", "0", sys.executable, "-c", code, MODELS / "model.onnx", MODELS / "rows.npy"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(json.loads(done.stdout))
