"""The labelling server: 50,000 tasks, ten annotators at once, no pause between their answers; export; import.

The server is a process of its own (`wright label`), each annotator a real HTTP client with one connection that is kept.
An annotator holds two tasks: while one is answered, the next is there; what is timed is answer and next task in one.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import polars as pl

from benchmarks.common import bar

N_TASKS, N_PEOPLE, N_IMPORTED = 50_000, 10, 200_000
N_PACED, PACE_S = 150, 0.2
"""So many answers of each annotator come five a second, faster than anybody's; the rest as fast as it goes."""
CLASSES = ("praise", "complaint", "question", "other")
WRIGHT = [sys.executable, "-m", "modelwright"]


def texts(folder: Path) -> Path:
    """50,000 texts of about 400 letters."""
    words = ("the parcel came late", "but what was in it", "works well", "and I am glad", "of it", "so far")
    rows = [" ".join(words[(row * 7 + k * (row % 5 + 1)) % 6] for k in range(30)) for row in range(N_TASKS)]
    path = folder / "texts.csv"
    pl.DataFrame({"id": range(N_TASKS), "text": [f"{row} {text}" for row, text in enumerate(rows)]}).write_csv(path)
    return path


def wright(folder: Path, *arguments: str) -> float:
    """One command; its wall time in seconds."""
    began = time.perf_counter()
    subprocess.run([*WRIGHT, *arguments], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


class Annotator(threading.Thread):
    """One client that labels until nothing is left."""

    def __init__(self, address: str) -> None:
        super().__init__()
        where, _, token = address.partition("/#")
        self.port = int(re.findall(r":(\d+)", where)[-1])
        self.head = {"authorization": f"Bearer {unquote(token)}", "content-type": "application/json"}
        self.given: list[int] = []
        self.kept: dict[int, str] = {}
        self.times_s: list[float] = []

    def ask(self, path: str, plain: dict[str, object]) -> dict[str, object]:
        self.connection.request("POST", path, json.dumps(plain), self.head)
        response = self.connection.getresponse()
        told = json.loads(response.read())
        assert response.status == 200, told
        return dict(told)

    def run(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)
        queue = self.ask("/api/next", {"n": 2})["tasks"]
        self.given += [task["row"] for task in queue]  # type: ignore[attr-defined]
        while queue:
            row = queue.pop(0)["row"]  # type: ignore[attr-defined]
            value = CLASSES[row % len(CLASSES)]
            plain = {"row": row, "value": value, "key": f"answer-{row}", "took_s": 1.0, "n": 1,
                     "has": [task["row"] for task in queue]}  # type: ignore[attr-defined]  # fmt: skip
            began = time.perf_counter()
            tasks = self.ask("/api/label", plain)["tasks"]
            self.times_s.append(time.perf_counter() - began)
            self.kept[row] = value
            if len(self.times_s) <= N_PACED:
                time.sleep(PACE_S * random.uniform(0.5, 1.5))
            self.given += [task["row"] for task in tasks]  # type: ignore[attr-defined]
            queue += tasks  # type: ignore[operator]


def cpu_of(process: int) -> float:
    """Seconds that a process has been on a CPU."""
    parts = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / 100


def served(folder: Path) -> tuple[list[Annotator], float, float, int, tuple[float, float]]:
    """Ten annotators do all tasks: the clients, seconds of it, seconds and bytes of the export, the server's CPU for
    both."""
    names = [f"p{number}: annotator\n" for number in range(N_PEOPLE)]
    (folder / "team.yaml").write_text("".join([*names, "head: owner\n"]))
    command = [*WRIGHT, "label", "texts", "--team", "team.yaml", "--json"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        opened = json.loads(server.stdout.readline())["people"]
        people = [Annotator(one["address"]) for one in opened if one["role"] == "annotator"]
        began = time.perf_counter()
        for one in people:
            one.start()
        for one in people:
            one.join()
        labelled_s = time.perf_counter() - began
        cpu_s = cpu_of(server.pid)
        head = Annotator(opened[-1]["address"])
        connection = http.client.HTTPConnection("127.0.0.1", head.port)
        began = time.perf_counter()
        connection.request("GET", "/api/export?format=csv", headers=head.head)
        response = connection.getresponse()
        body = response.read()
        export_s = time.perf_counter() - began
        assert response.status == 200 and body.count(b"\n") == N_TASKS + 1, body[:300]
        return people, labelled_s, export_s, len(body), (cpu_s, cpu_of(server.pid) - cpu_s)
    finally:
        server.terminate()
        server.wait(timeout=30)


def measure() -> tuple[list[str], list[str]]:
    """The table and the bars."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        texts(folder)
        common = ("label", "texts.csv", "--as", "text", "--classes", ",".join(CLASSES))
        begin_s = wright(folder, *common, "--status")
        people, labelled_s, export_s, n_bytes, cpu_s = served(folder)
        paced = sorted(second for one in people for second in one.times_s[:N_PACED])
        times = sorted(second for one in people for second in one.times_s[N_PACED:])
        given = [row for one in people for row in one.given]
        kept = {row: value for one in people for row, value in one.kept.items()}
        wright(folder, "label", "texts", "--export", "history.jsonl", "--format", "history")
        on_disk = {(one["row"], one["value"]) for one in map(json.loads, (folder / "history.jsonl").open())}
        n_twice, n_lost = len(given) - len(set(given)), len(set(kept.items()) - on_disk)
        export_cli_s = wright(folder, "label", "texts", "--export", "ls.json")
        rows = [row % N_TASKS for row in range(N_IMPORTED)]
        who = [f"q{place // N_TASKS}" for place in range(N_IMPORTED)]
        values = [CLASSES[row % 4] for row in rows]
        pl.DataFrame({"row": rows, "label": values, "who": who}).write_csv(folder / "in.csv")
        import_s = wright(folder, "label", "texts", "--import", "in.csv")
    p50, p95, p99 = (1000 * times[int(share * len(times))] for share in (0.5, 0.95, 0.99))
    paced_p50, paced_p95, paced_p99 = (1000 * paced[int(share * len(paced))] for share in (0.5, 0.95, 0.99))
    table = [
        "| what | figure |", "|---|---|",
        f"| answer kept and next task given, {N_PEOPLE} annotators, five answers a second each: p50, p95, p99 | "
        f"{paced_p50:.1f}, {paced_p95:.1f}, {paced_p99:.1f} ms |",
        f"| the same without a pause | "
        f"{p50:.1f}, {p95:.1f}, {p99:.1f} ms |",
        f"| {len(kept):,} labels, each synced to the disk before it was answered | {labelled_s:.1f} s, "
        f"{1000 * cpu_s[0] / len(kept):.2f} ms of the server's CPU each |",
        f"| tasks given twice, labels lost | {n_twice}, {n_lost} |",
        f"| export of {N_TASKS:,} labels over HTTP (CSV, {n_bytes / 1e6:.1f} MB) | {export_s:.2f} s, "
        f"{cpu_s[1]:.2f} s of CPU |",
        f"| the same as Label Studio JSON with all texts, by command, start included | {export_cli_s:.2f} s |",
        f"| import of {N_IMPORTED:,} labels by command, start included | {import_s:.1f} s |",
        f"| a project of {N_TASKS:,} texts begun, start included | {begin_s:.1f} s |",
    ]  # fmt: skip
    bars = [
        bar("next task p95, ms", paced_p95, 30), bar("the same without a pause, ms", p95, 30),
        bar("export of 50,000, s", export_s, 5), bar("tasks given twice", n_twice, 0),
        bar("labels lost", n_lost, 0), bar("import of 200,000, s", import_s, 60),
    ]  # fmt: skip
    return table, bars
