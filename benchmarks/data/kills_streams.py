"""kill -9 at 100 random moments of listening to each kind of stream, and of walks through a site."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.data.crawl import _kept
from benchmarks.data.killing import N_KILLS, N_MEASURED, Tally, Wright, moments
from benchmarks.data.kills import measured
from modelwright.collection.versions import newest, open_version, versions_of
from modelwright.collection.web import WebSpec
from modelwright.collection.web.rows import rows
from modelwright.core.store import Store
from tests.collection.servers import free_port, mosquitto
from tests.collection.test_streams import Device, publisher
from tests.collection.web import site

ABOUT_STREAMS = """

`wright collect` listens while a device sends without a pause; kills are spread evenly over its first two seconds
(connecting, some ten versions, batches that wait), and it listens on in a new process at once; `half-done work` counts
kills before which a version was made. In the end what was sent and is not there yet is listened to, and all rows are
counted. The brokers are mosquitto, with its sessions on the disk, and librdkafka's mock cluster; the sender of the line
socket goes on from the last line that was answered, and its lines carry an id.
"""
ABOUT_WALKS = """

The process that walks through a site is killed, again and again until one ends by itself; moments are spread evenly
over the length of a whole walk, reading of its pages included; `half-done work`: its memory was there. Then the walk
goes on to its end (or once more from its beginning), and its pages are counted: one that is missing is lost, one in
the table twice, or has two records of one round, is doubled.
"""
LISTENED_S = 2.0
LONGEST_S = 120.0
N_PAGES = 60


@contextmanager
def sending(send: Callable[[int], None]) -> Iterator[Callable[[], int]]:
    """Call `send` with 0, 1, 2, ... in a thread; the function that is given stops it and tells how many were sent."""
    stop, n_sent = threading.Event(), 0

    def run() -> None:
        nonlocal n_sent
        for number in itertools.count():
            if stop.is_set():
                return
            send(number)
            n_sent = number + 1

    thread = threading.Thread(target=run)
    thread.start()

    def stopped() -> int:
        stop.set()
        thread.join(LONGEST_S)
        return n_sent

    try:
        yield stopped
    finally:
        stopped()


def listened(store: Store, arguments: list[str], imported: str, seed: int, n_sent: Callable[[], int]) -> Tally:
    """Kill `wright collect` of a stream; then let it take the rest, and count."""
    tally, wright = Tally(length_s=LISTENED_S), Wright(imported=imported)
    command = ["collect", *arguments, "--as", "d", "--store", str(store.root)]
    for after_s in moments(N_KILLS, LISTENED_S, seed):
        n_before = newest(store, "d").number
        assert wright.killed_after(command, after_s)
        tally.n_kills += 1
        tally.n_begun += newest(store, "d").number > n_before
    wright.begin([*command, "--for", "10s"])
    n_rows = n_sent()
    assert wright.end() == 0
    end_s = time.monotonic() + LONGEST_S
    while newest(store, "d").n_rows < n_rows and time.monotonic() < end_s:
        wright.whole_s([*command, "--for", "3s"])
    wright.whole_s([*command, "--for", "2s"])  # what would come twice comes now
    wright.close()
    tally.n_ends = 1
    counts = Counter(int(number) for number in open_version(store, "d").frame["n"])
    for version in versions_of(store, "d"):
        assert open_version(store, version).frame.height == version.n_rows
    tally.n_lost = sum(number not in counts for number in range(n_rows))
    tally.n_doubled = sum(count - 1 for count in counts.values())
    if set(counts) - set(range(n_rows)):
        tally.odd.append("rows that nobody sent")
    return tally


def mqtt(folder: Path) -> Tally:
    """A broker to which a sensor publishes all the while."""
    store, port = Store.open(folder / "s"), free_port()
    arguments = [f"mqtt://127.0.0.1:{port}/plant/#", "--stream", "{every: 0.2, rows: 100}"]
    with mosquitto(folder / "broker", port):
        wright = Wright()
        wright.whole_s(["collect", *arguments, "--for", "1s", "--as", "d", "--store", str(store.root)])
        wright.close()  # the broker knows the session from here on
        client = publisher(port)

        def send(number: int) -> None:
            client.publish("plant/1/heat", json.dumps({"n": number}), qos=1).wait_for_publish(60)
            time.sleep(0.005)

        with sending(send) as n_sent:
            tally = listened(store, arguments, "paho.mqtt.client,modelwright.collection.streams.mqtt", 11, n_sent)
        client.loop_stop()
    return tally


def kafka(folder: Path) -> Tally:
    """A topic of four partitions."""
    from confluent_kafka import Producer

    store = Store.open(folder / "s")
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "linger.ms": 5})
    about = next(iter(producer.list_topics("heat", timeout=20).brokers.values()))

    def send(number: int) -> None:
        producer.produce("heat", json.dumps({"n": number}), partition=number % 4)
        producer.poll(0.005)

    arguments = [f"kafka://{about.host}:{about.port}/heat", "--stream", "{every: 0.2, rows: 100}"]
    with sending(send) as n_sent:

        def flushed() -> int:
            number = n_sent()
            producer.flush(LONGEST_S)
            return number

        return listened(store, arguments, "confluent_kafka,modelwright.collection.streams.kafka", 12, flushed)


class Sender(Device):
    """A device that sends without end, until it is told that it is over: then all that it sent is answered."""

    over = False

    def _send(self, one: socket.socket) -> None:
        begin, answers = self.n_kept, one.makefile("r")
        for number in itertools.count(begin):
            one.sendall(f'{{"n": {number}}}\n'.encode())
            if number % 20 == 19:
                while self.n_kept < number + 1:
                    line = answers.readline()
                    if not line:
                        raise OSError("the line was cut")
                    self.n_kept = begin + int(line.split()[1])
                if self.over:
                    self.n_rows = self.n_kept
                    return


def lines(folder: Path) -> Tally:
    """A device that sends lines to a socket, as fast as they are answered."""
    port = free_port()
    device = Sender(port, sys.maxsize)
    thread = threading.Thread(target=device.run, args=(lambda: False,))
    thread.start()

    def n_sent() -> int:
        device.over = True
        thread.join(LONGEST_S)
        return device.n_kept

    arguments = [f"tcp://127.0.0.1:{port}", "--stream", "{every: 0.2, rows: 500, id: n}"]
    return listened(Store.open(folder / "s"), arguments, "modelwright.collection.streams.lines", 13, n_sent)


_WALK = """
import os, sys
def other(arguments):
    from modelwright.collection.web import child
    reader, writer = os.pipe()
    os.write(writer, arguments[1].encode() + b"\\n")
    sys.stdin, sys.argv = os.fdopen(reader), ["child", arguments[0]]
    return child.main()
"""


def walks(folder: Path) -> Tally:
    """Walks through a site, killed again and again until one ends by itself."""
    tally, draw = Tally(), np.random.default_rng(14)
    wright = Wright(imported="modelwright.collection.web.child,modelwright.collection.web.text", before=_WALK)
    with site.running(folder, N_PAGES) as (port, _):
        spec = WebSpec(start="http://a.test/p/0", include="/p/", proxies=f"http://127.0.0.1:{port}", delay_s=0.005)
        plain = json.dumps(spec.to_plain())
        tally.length_s = median(wright.whole_s([str(folder / f"whole{one}"), plain]) for one in range(N_MEASURED))
        wanted = {f"http://a.test/p/{number}" for number in range(N_PAGES)}
        left = moments(N_KILLS, tally.length_s, 14)
        for number in itertools.count():
            command = [str(folder / f"walk{number}"), plain]
            while left and wright.killed_after(command, left[-1]):
                left.pop()
                tally.n_kills += 1
                tally.n_begun += (folder / f"walk{number}" / "walk.db").exists()
            if left:
                tally.n_late += 1
                left[-1] = float(draw.uniform(0, tally.length_s))
            wright.whole_s(command)
            judge_walk(folder / f"walk{number}", wanted, tally)
            if not left:
                break
    wright.close()
    return tally


def judge_walk(folder: Path, wanted: set[str], tally: Tally) -> None:
    """Count the pages of a walk that are not there, or there twice."""
    pages = list(rows(folder, {}, keep_near_duplicates=True).pages["url"])
    with contextlib.closing(sqlite3.connect(folder / "walk.db")) as memory:
        n_rounds = int(memory.execute("SELECT value FROM facts WHERE name = 'round'").fetchone()[0])
    lost = sorted(wanted - set(pages))
    n_doubled = len(pages) - len(set(pages)) + sum(max(0, n - n_rounds) for n in _kept(folder).values())
    if lost or n_doubled or set(pages) - wanted:
        tally.odd.append(f"{folder.name}: lost {lost[:5]}, doubled {n_doubled}, {sorted(set(pages) - wanted)[:5]}")
    tally.n_ends += 1
    tally.n_lost += len(lost)
    tally.n_doubled += n_doubled


def measure() -> tuple[list[str], list[str]]:
    """Streams."""
    kinds = {
        "MQTT, a reading each 5 ms": mqtt,
        "Kafka, a reading each 5 ms, four partitions": kafka,
        "a line socket, as fast as lines are answered": lines,
    }
    return measured(kinds, ABOUT_STREAMS, "streams")


def measure_walks() -> tuple[list[str], list[str]]:
    """Walks through a site."""
    return measured({f"a site of {N_PAGES} pages": walks}, ABOUT_WALKS, "walks")
