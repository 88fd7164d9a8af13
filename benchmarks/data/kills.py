"""kill -9 at 100 random moments of collecting and streaming: nothing lost, nothing doubled.

`wright collect` runs in a process of its own while its source grows, and is killed with all its children between 0.3
and 4 seconds after it began (25 times for each kind of source); then it runs to the end, undisturbed. Every row has a
number: lost and doubled ones are counted in the newest version. All versions that the kills left are opened and read.
The broker is mosquitto, with its sessions on the disk; the line socket's sender goes on from the last line that was
answered, and lines carry an id.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import bar
from modelwright.collection.versions import newest, open_version, versions_of
from modelwright.core.store import Store
from tests.collection.servers import free_port, mosquitto
from tests.collection.test_streams import Device, publish, publisher

N_KILLS = 25
EARLIEST_S, LATEST_S = 0.3, 4.0
LONGEST_S = 300.0
_CODE = "import sys; from modelwright.cli import main; main(sys.argv[1:])"

Found = tuple[int, int, int, int]


def begin(store: Store, *arguments: str) -> subprocess.Popen[bytes]:
    """`wright collect` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", _CODE, "collect", *arguments, "--as", "d", "--store", str(store.root)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def killed(store: Store, arguments: list[str], grow: Callable[[int], None], seed: int) -> int:
    """Kill it again and again while the source grows, so many times that it was still running."""
    rng, n_killed = np.random.default_rng(seed), 0
    while n_killed < N_KILLS:  # one that was done before its moment does not count
        grow(n_killed)
        child = begin(store, *arguments)
        end_s = time.monotonic() + rng.uniform(EARLIEST_S, LATEST_S)
        while time.monotonic() < end_s and child.poll() is None:
            time.sleep(0.005)
        n_killed += child.poll() is None
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return n_killed


def judged(store: Store, n_rows: int, n_killed: int) -> Found:
    """Kills, whole versions, rows lost, rows doubled."""
    counts = Counter(int(number) for number in open_version(store, "d").frame["n"])
    for version in versions_of(store, "d"):
        assert open_version(store, version).frame.height == version.n_rows
    lost = sum(number not in counts for number in range(n_rows))
    doubled = sum(count - 1 for count in counts.values())
    return n_killed, len(versions_of(store, "d")), lost, doubled


def files(folder: Path) -> Found:
    """A folder into which files come."""
    store, source, n_files = Store.open(folder / "s"), folder / "in", 0
    source.mkdir()

    def grow(number: int) -> None:
        nonlocal n_files
        for _ in range(20):
            aside = source / f".{n_files}"
            aside.write_text(f"n,text\n{n_files},{'x' * 40}\n")
            aside.rename(source / f"{n_files:05d}.csv")
            n_files += 1

    n_killed = killed(store, [str(source)], grow, 1)
    assert begin(store, str(source)).wait(LONGEST_S) == 0
    return judged(store, n_files, n_killed)


def table(folder: Path) -> Found:
    """A table of SQLite that grows, read by its key."""
    store, path, n_rows = Store.open(folder / "s"), folder / "shop.db", 0
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE t (n INTEGER, moment INTEGER, text TEXT)")

    def grow(number: int) -> None:
        nonlocal n_rows
        rows = [(n, n // 7, "x" * 30) for n in range(n_rows, n_rows + 40_000)]
        base.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        base.commit()
        n_rows += len(rows)

    arguments = [f"sqlite:///{path}", "--table", "t", "--cursor", "moment"]
    n_killed = killed(store, arguments, grow, 2)
    assert begin(store, *arguments).wait(LONGEST_S) == 0
    return judged(store, n_rows, n_killed)


def mqtt(folder: Path) -> Found:
    """A broker to which a sensor publishes all the while."""
    store, port, n_rows = Store.open(folder / "s"), free_port(), 6000
    source = f"mqtt://127.0.0.1:{port}/plant/#"
    stream = ["--stream", "{every: 0.3, rows: 100}"]
    with mosquitto(folder / "broker", port):
        assert begin(store, source, "--for", "1s").wait(LONGEST_S) == 0  # the broker knows the session from here on
        client = publisher(port)
        publishing = threading.Thread(target=publish, args=(client, range(n_rows), 0.008))
        publishing.start()
        n_killed = killed(store, [source, *stream], lambda number: None, 3)
        publishing.join(LONGEST_S)
        assert begin(store, source, *stream, "--for", "15s").wait(LONGEST_S) == 0
        client.loop_stop()
    return judged(store, n_rows, n_killed)


def lines(folder: Path) -> Found:
    """A device that sends lines to a socket."""
    store, port, n_rows = Store.open(folder / "s"), free_port(), 60_000
    arguments = [f"tcp://127.0.0.1:{port}", "--stream", "{every: 0.3, rows: 500, id: n}"]
    device = Device(port, n_rows)
    sending = threading.Thread(target=device.run, args=(lambda: False,))
    sending.start()
    n_killed = killed(store, arguments, lambda number: None, 4)
    last = begin(store, *arguments)
    sending.join(LONGEST_S)
    time.sleep(5.0)
    last.send_signal(signal.SIGINT)
    last.wait(LONGEST_S)
    return judged(store, n_rows, n_killed)


KINDS: dict[str, Callable[[Path], Found]] = {
    "a folder, 20 new files before each kill": files,
    "a SQLite table by a cursor with ties, 40,000 new rows before each kill": table,
    "MQTT, a reading each 8 ms": mqtt,
    "a line socket, as fast as lines are answered": lines,
}


def measure() -> tuple[list[str], list[str]]:
    made: list[Any] = [__doc__.partition("\n\n")[2].strip(), ""]
    made += ["| source | killed while running | versions, all whole | lost | doubled |", "|---|---|---|---|---|"]
    n_killed = n_wrong = 0
    for what, run in KINDS.items():
        with tempfile.TemporaryDirectory(prefix="kills-") as name:
            found = run(Path(name))
            rows = newest(Store.open(Path(name) / "s"), "d").n_rows
        made.append(f"| {what} | {found[0]} times | {found[1]} | {found[2]} of {rows:,} | {found[3]} |")
        n_killed, n_wrong = n_killed + found[0], n_wrong + found[2] + found[3]
        print(made[-1], flush=True)
    return made, [bar(f"rows lost or doubled in {n_killed} kills", n_wrong, 0)]
