"""Streams from a real broker, librdkafka's mock cluster, sockets and folders: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.collection import CollectSpec, SourceSpec
from modelwright.collection.gathering import Gathered
from modelwright.collection.streams.decoding import rows_of
from modelwright.collection.streams.listening import listen
from modelwright.collection.streams.message import Message
from modelwright.collection.streams.spec import StreamSpec
from modelwright.collection.streams.spool import Spool
from modelwright.collection.versions import newest, open_version, trace, versions_of
from modelwright.core.errors import UserError
from modelwright.core.store import Store
from tests.collection.servers import NotHereError, free_port, mosquitto


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / ".wright")


def heard(store: Store, source: str, stream: dict[str, Any] | None = None, **bounds: Any) -> Gathered:
    spec = CollectSpec(sources=(SourceSpec(source=source, stream=StreamSpec(**(stream or {}))),))
    return listen(spec, "plant", store=store, **bounds)


def column(store: Store, name: str) -> list[Any]:
    return open_version(store, "plant").frame[name].to_list()


# Messages and the spool -------------------------------------------------------------------------------------


def message(payload: str | bytes, mark: str = "") -> Message:
    return Message("t", payload if isinstance(payload, bytes) else payload.encode(), 1_000_000, mark)


def test_what_messages_hold() -> None:
    spec = StreamSpec(max_message_bytes=50)
    got = rows_of([message('{"a": 1, "b": {"c": "x"}}'), message("21.5"), message("plain words"), message('{"a": '),
                   message(b"\xff\xfe"), message("x" * 51), message('{"topic": "mine"}')], spec, None)  # fmt: skip
    frame = got.frame
    assert got.n_unreadable == 3
    assert frame["a"].to_list() == [1, None, None, None, None, None, None]
    assert frame["b.c"][0] == "x"
    assert frame["value"].to_list()[1:3] == ["21.5", "plain words"]
    assert frame["unreadable"].to_list()[3:6] == ['{"a": ', "fffe", "51 bytes, more than `max_message_bytes`"]
    assert frame["topic_2"][6] == "mine"
    assert frame["topic"].to_list() == ["t"] * 7
    lines = rows_of([message("1,x"), message("1,x,y")], StreamSpec(columns=("n", "w")), None)
    assert lines.frame["n"].to_list() == ["1", None]
    assert lines.n_unreadable == 1


def test_late_and_out_of_order_readings_are_told() -> None:
    spec = StreamSpec(time="at", lateness="10s")
    moments = [100, 105, 103, 80, 106, None]
    batch = [message(json.dumps({"at": 1_700_000_000 + at} if at else {"x": 1})) for at in moments]
    got = rows_of(batch, spec, None)
    assert (got.n_late, got.n_out_of_order) == (1, 1)
    assert [None if at is None else at - 1_700_000_000 for at in got.frame["at"]] == [80, 100, 103, 105, 106, None]
    assert got.frame["late"].to_list() == [True, False, False, False, False, False]
    later = rows_of([message('{"at": 1700000095}')], spec, got.newest_us)
    assert later.n_late == 1


@settings(max_examples=40)
@given(st.lists(st.lists(st.binary(max_size=12), max_size=4), max_size=6), st.integers(0, 400), st.booleans())
def test_the_spool_gives_back_what_was_written_up_to_a_tear(
    batches: list[list[bytes]], cut: int, committed: bool
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        spool = Spool(Path(name))
        assert spool.open() == []
        written: list[bytes] = []
        at = 0
        for index, batch in enumerate(batches):
            spool.write([Message("t", one, 1, f"{index}:{one.hex()}") for one in batch])
            if committed and index == 1:
                at = spool.after()["at"]
                written = []
            else:
                written += batch
        path = Path(name) / "00000000.spool"
        if path.exists() and at < path.stat().st_size:
            torn = max(at, path.stat().st_size - cut)
            os.truncate(path, torn)
        again = Spool(Path(name), 0, at)
        waiting = [one.payload for one in again.open()]
        assert waiting == written[: len(waiting)]
        assert cut or waiting == written
        again.write([Message("t", b"after", 1)])
        assert [one.payload for one in Spool(Path(name), 0, at).open()] == [*waiting, b"after"]


def test_a_long_spool_is_begun_anew_and_keeps_its_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwright.collection.streams.spool.ROTATED_BYTES", 100)
    spool = Spool(tmp_path)
    spool.open()
    spool.write([Message("t", b"x" * 200, 1, "7:abc")])
    cursor = spool.after()
    assert cursor["spool"] == 1
    spool.settle(cursor)
    spool.write([Message("t", b"new", 2)])
    again = Spool(tmp_path, cursor["spool"], cursor["at"])
    assert [one.payload for one in again.open()] == [b"new"]
    assert "7:abc" in again.marks


# MQTT -------------------------------------------------------------------------------------------------------


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    pytest.importorskip("paho.mqtt.client")
    port = free_port()
    try:
        with mosquitto(tmp_path / "broker", port):
            yield port
    except NotHereError as why:
        pytest.skip(str(why))


def publisher(port: int) -> Any:
    import paho.mqtt.client as mqtt

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="sensor", clean_session=False)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


def publish(client: Any, numbers: range, pause_s: float = 0.0) -> None:
    for number in numbers:
        client.publish("plant/1/heat", json.dumps({"n": number, "celsius": 20}), qos=1).wait_for_publish(20)
        time.sleep(pause_s)


def test_mqtt_at_least_once_while_nobody_listens(broker: int, store: Store) -> None:
    source = f"mqtt://127.0.0.1:{broker}/plant/+/heat"
    heard(store, source, seconds=1.0)
    client = publisher(broker)
    publish(client, range(30))
    assert newest(store, "plant").number == 0
    gathered = heard(store, source, {"every": "300ms"}, rows=30, seconds=20.0)
    assert column(store, "n") == list(range(30)), "the broker kept what came while nobody listened"
    assert column(store, "topic") == ["plant/1/heat"] * 30
    publish(client, range(30, 40))
    heard(store, source, {"rows": 5}, rows=10, seconds=20.0)
    assert column(store, "n") == list(range(40))
    assert sum(version.changed["added"] for version in versions_of(store, "plant")) == 40
    assert "received_us" in trace(store, newest(store, "plant"))["where"][0]
    assert gathered.sources[0].n_added == 30
    client.loop_stop()


def test_a_broker_that_goes_away_is_waited_for(tmp_path: Path, store: Store) -> None:
    pytest.importorskip("paho.mqtt.client")
    port = free_port()
    told: list[str] = []
    spec = CollectSpec(sources=(SourceSpec(source=f"mqtt://127.0.0.1:{port}/a", stream=StreamSpec(every=0.3)),))

    def watch(event: Any) -> None:
        told.append(event.get("text", ""))

    listening = threading.Thread(
        target=listen, args=(spec, "plant"), kwargs={"store": store, "rows": 2, "seconds": 40.0, "watch": watch}
    )
    listening.start()
    try:
        for number in range(2):
            time.sleep(1.0)
            with mosquitto(tmp_path / "broker", port):
                n_connected = sum("connected" in line for line in told)
                while sum("connected" in line for line in told) == n_connected:
                    time.sleep(0.05)
                client = publisher(port)
                client.publish("a", f'{{"n": {number}}}', qos=1).wait_for_publish(20)
                while not listening.is_alive() or newest(store, "plant").n_rows <= number:
                    time.sleep(0.05)
                    if not listening.is_alive():
                        break
                client.loop_stop()
    except NotHereError as why:
        pytest.skip(str(why))
    finally:
        listening.join(60)
    assert column(store, "n") == [0, 1]
    assert any("cannot be reached" in line for line in told)
    assert any("went away" in line for line in told)


def test_what_the_broker_sends_again_is_known() -> None:
    from modelwright.collection.streams.mqtt import MqttReceiver

    again = Message("t", b"x", 1, "5:abc", token=(5, 1, True))
    first = Message("t", b"x", 1, "5:abc", token=(5, 1, False))
    known = MqttReceiver.is_known
    assert known(None, again, {"5:abc": 1})  # type: ignore[arg-type]
    assert not known(None, again, {"6:abc": 1})  # type: ignore[arg-type]
    assert not known(None, first, {"5:abc": 1})  # type: ignore[arg-type]


# Kafka ------------------------------------------------------------------------------------------------------


def test_kafka_from_the_offsets_of_the_last_version(store: Store) -> None:
    kafka = pytest.importorskip("confluent_kafka")
    producer = kafka.Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    about = next(iter(producer.list_topics("heat", timeout=20).brokers.values()))
    source = f"kafka://{about.host}:{about.port}/heat"

    def produce(numbers: range) -> None:
        for number in numbers:
            producer.produce("heat", json.dumps({"n": number}), partition=number % 3)
        producer.flush(20)

    produce(range(30))
    heard(store, source, rows=30, seconds=40.0)
    produce(range(30, 50))
    heard(store, source, rows=20, seconds=40.0)
    assert sorted(column(store, "n")) == list(range(50))
    state = next(iter(newest(store, "plant").cursors.values()))["state"]
    assert sum(state["offsets"].values()) == 50
    where = json.loads(trace(store, newest(store, "plant"))["where"][-1])
    assert where["offsets"]["0"] == [10, 16]


# A line socket ----------------------------------------------------------------------------------------------


class Device:
    """Sends numbered lines and goes on from what was not answered, whatever happens to the other side."""

    def __init__(self, port: int, n_rows: int) -> None:
        self.port, self.n_rows, self.n_kept = port, n_rows, 0

    def run(self, until: Callable[[], bool]) -> None:
        while self.n_kept < self.n_rows and not until():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=2) as one:
                    self._send(one)
            except OSError:
                time.sleep(0.05)

    def _send(self, one: socket.socket) -> None:
        begin = self.n_kept
        answers = one.makefile("r")
        for number in range(begin, self.n_rows):
            one.sendall(f'{{"n": {number}}}\n'.encode())
            if number % 20 == 19 or number == self.n_rows - 1:
                while self.n_kept < number + 1:
                    line = answers.readline()
                    if not line:
                        raise OSError("the line was cut")
                    self.n_kept = begin + int(line.split()[1])


def test_lines_are_answered_when_they_are_kept(store: Store) -> None:
    port = free_port()
    device = Device(port, 100)
    stop = threading.Event()
    sending = threading.Thread(target=device.run, args=(stop.is_set,))
    sending.start()
    heard(store, f"tcp://127.0.0.1:{port}", {"id": "n"}, rows=100, seconds=30.0)
    stop.set()
    sending.join(10)
    assert column(store, "n") == list(range(100))


def test_a_line_without_an_end_and_a_stranger(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICE_TOKEN", "pear")
    port = free_port()

    def send(*chunks: bytes) -> None:
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
                    for chunk in chunks:
                        one.sendall(chunk)
                    one.recv(100)
                return
            except OSError:
                time.sleep(0.05)

    threads = [
        threading.Thread(target=send, args=(b"apple\n", b'{"n": 666}\n')),
        threading.Thread(target=send, args=(b"pear\n", b"x" * 40_000)),
        threading.Thread(target=send, args=(b"pear\n", b'{"n": 1}\n')),
    ]
    for one in threads:
        one.start()
    stream = {"password": "DEVICE_TOKEN", "max_message_bytes": 10_000}
    gathered = heard(store, f"tcp://127.0.0.1:{port}", stream, seconds=3.0)
    for one in threads:
        one.join(10)
    assert column(store, "n") == [1]
    told = " ".join(gathered.sources[0].told)
    assert "did not send the token" in told
    assert "more than 10,000 bytes" in told
    with pytest.raises(UserError) as caught:
        heard(store, "tcp://0.0.0.0:1")
    assert caught.value.code == "collection.broker"


# A watched folder -------------------------------------------------------------------------------------------


def test_a_watched_folder(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "a.csv").write_text("n\n1\n")

    def later() -> None:
        time.sleep(1.0)
        (folder / "b.csv").write_text("n\n2\n")

    threading.Thread(target=later).start()
    heard(store, f"watch:{folder}", {"every": "200ms"}, rows=2, seconds=20.0)
    assert column(store, "n") == ["1", "2"]


# Refusals ---------------------------------------------------------------------------------------------------


def test_passwords_do_not_stand_in_addresses(store: Store) -> None:
    with pytest.raises(UserError) as caught:
        heard(store, "mqtt://ann:s3cret@127.0.0.1/x", seconds=0.1)
    assert "s3cret" not in str(caught.value)
    from modelwright.collection import collect

    with pytest.raises(UserError) as caught:
        collect("mqtt://127.0.0.1/x")
    assert caught.value.code == "collection.gather"


def test_a_wrong_certificate_is_refused(tmp_path: Path, store: Store) -> None:
    """An https source whose certificate nobody vouches for gives an error that says so, and no row."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "1",
         "-subj", "/CN=localhost"], capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("no openssl to make a certificate")
    from http.server import BaseHTTPRequestHandler, HTTPServer

    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    from modelwright.collection.databases.spec import ApiSpec
    from modelwright.collection.gathering import gather

    address = f"https://localhost:{server.server_port}/a.csv"
    for source in (SourceSpec(source=address), SourceSpec(source=address, api=ApiSpec())):
        with pytest.raises(UserError, match="(?i)certificate") as caught:
            gather(CollectSpec(sources=(source,)), "d", store=store)
        assert caught.value.code == "collection.url"
    server.shutdown()


# Kills ------------------------------------------------------------------------------------------------------


def collecting(store: Store, *arguments: str) -> subprocess.Popen[bytes]:
    """`wright collect` in a process of its own."""
    code = "import sys; from modelwright.cli import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, "collect", *arguments, "--as", "plant", "--store", str(store.root)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def test_kills_while_listening_lose_and_double_nothing(broker: int, store: Store) -> None:
    source = f"mqtt://127.0.0.1:{broker}/plant/+/heat"
    heard(store, source, seconds=1.0)
    client = publisher(broker)
    n_rows = 120
    publishing = threading.Thread(target=publish, args=(client, range(n_rows), 0.02))
    publishing.start()
    for kill in range(2):  # a hundred kills, of every source: benchmarks/data/kills*.py
        child = collecting(store, source, "--stream", "{every: 0.15, rows: 40}")
        before, deadline = newest(store, "plant").number, time.monotonic() + 30
        while newest(store, "plant").number == before and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.05 * kill)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    publishing.join(60)
    heard(store, source, {"every": "200ms"}, seconds=1.5)
    assert sorted(column(store, "n")) == list(range(n_rows))
    client.loop_stop()


def test_kills_while_collecting_lose_and_double_nothing(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    n_files = 0
    for kill in range(1, 3):
        for _ in range(15):
            (folder / f"{n_files:04d}.csv").write_text(f"n,text\n{n_files},{'x' * 50}\n")
            n_files += 1
        child = collecting(store, str(folder))
        deadline = time.monotonic() + 60
        while child.poll() is None and time.monotonic() < deadline:
            done = len(list((store.root / "datasets/plant/pending").glob("*/[0-9]*.json")))
            if done > 3 * kill:
                break
            time.sleep(0.005)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    child = collecting(store, str(folder))
    assert child.wait(120) == 0
    assert sorted(map(int, column(store, "n"))) == list(range(n_files))
