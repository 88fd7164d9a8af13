"""The store keeps its promises: verified bytes, whole files or none, many processes, nothing lost at a kill."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.errors import SystemFault, UserError
from modelwright.core.store import Store, canonical, digest_of, digests_in, write_atomically

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / ".wright")


def test_bytes_come_back(store: Store) -> None:
    digest = store.put(b"one")
    assert store.get(digest) == b"one"
    assert store.put(b"one") == digest


def test_a_flipped_bit_is_noticed_and_set_aside(store: Store) -> None:
    digest = store.put(b"golden bytes")
    path = store.blob(digest)
    damaged = bytearray(path.read_bytes())
    damaged[3] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(SystemFault, match="does not have the bytes") as caught:
        store.get(digest)
    assert caught.value.code == "store.corrupt"
    with pytest.raises(SystemFault, match="is gone"):
        store.get(digest)
    assert store.get(store.put(b"golden bytes")) == b"golden bytes"


@settings(max_examples=60, deadline=None)
@given(PLAIN)
def test_canonical_bytes_survive_a_round_trip(value: object) -> None:
    import json

    assert canonical(json.loads(canonical(value))) == canonical(value)


def test_a_key_whose_bytes_are_gone_is_unknown(store: Store) -> None:
    digest = store.put(b"table")
    store.file("a" * 64, {"table": digest}, facts={})
    assert store.find("a" * 64) is not None
    store.blob(digest).unlink()
    assert store.find("a" * 64) is None


def test_an_altered_entry_is_unknown(store: Store) -> None:
    store.file("a" * 64, {"n": 1}, facts={})
    path = store.root / "keys" / "aa" / f"{'a' * 64}.json"
    path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":2'))
    assert store.find("a" * 64) is None


def test_the_same_key_with_other_bytes_is_told(store: Store) -> None:
    store.file("a" * 64, {"n": 1}, facts={})
    assert store.file("a" * 64, {"n": 2}, facts={})["differs_from"] == digest_of({"n": 1})


def test_garbage_goes_and_named_things_stay(store: Store) -> None:
    kept, named, lost = store.put(b"kept"), store.put(b"named"), store.put(b"lost")
    store.file("a" * 64, {"table": kept}, facts={})
    store.file("b" * 64, {"table": lost}, facts={})
    n_files, n_bytes = store.collect_garbage({"a" * 64}, {named}, grace_s=-1)
    assert store.get(kept) == b"kept" and store.get(named) == b"named"
    assert store.find("b" * 64) is None and not store.blob(lost).exists()
    assert n_files == 2 and n_bytes > 0


def test_garbage_collection_spares_what_is_young(store: Store) -> None:
    digest = store.put(b"being made by another process")
    assert store.collect_garbage(set(), set(), grace_s=3600) == (0, 0)
    assert store.get(digest)


def test_seen_files_are_read_again_when_they_change(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a\n1\n")
    os.utime(path, ns=(1_000_000_000, 1_000_000_000))
    first = store.seen(path)
    assert store.seen(path) == first
    path.write_text("a\n2\n")
    assert store.seen(path) != first


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "x" * 200])
def test_bad_names_are_refused(store: Store, name: str) -> None:
    with pytest.raises(UserError) as caught:
        store.point("runs", name, {})
    assert caught.value.code == "store.name"


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "format.json").write_text('{"store": 99}')
    with pytest.raises(UserError, match="format 99"):
        Store.open(tmp_path)


def test_a_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError) as caught:
        Store.open(tmp_path / "taken")
    assert caught.value.code == "store.unwritable"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """A real full disk: a file system of 200 kB, where one may be mounted; else the device that is always full."""
    from modelwright.core.store import disk_faults

    with pytest.raises(SystemFault) as caught, disk_faults(Path("/dev/full")), Path("/dev/full").open("wb", 0) as full:
        full.write(b"x")
    assert caught.value.code == "store.full"


def _write_many(root: str, worker: int) -> None:
    store = Store.open(root)
    for number in range(60):
        digest = store.put(f"value {number}".encode())
        store.file(f"{number:064x}", {"blob": digest}, facts={})
        store.point("runs", "latest", {"worker": worker, "number": number})


def test_many_processes_share_a_store(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(str(tmp_path), worker)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    store = Store.open(tmp_path)
    for number in range(60):
        entry = store.find(f"{number:064x}")
        assert entry is not None and "differs_from" not in entry
        assert store.get(entry["value"]["blob"]) == f"value {number}".encode()
    assert store.named("runs", "latest") is not None


def test_a_kill_while_replacing_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """kill -9 at many moments of an endless replacing: the file is always one of the whole versions."""
    path = tmp_path / "pointer"
    write_atomically(path, b"a" * 200_000)
    script = textwrap.dedent(f"""
        from pathlib import Path
        from modelwright.core.store import write_atomically
        print("ready", flush=True)
        while True:
            write_atomically(Path({str(path)!r}), b"b" * 200_000)
            write_atomically(Path({str(path)!r}), b"a" * 200_000)
    """)
    for attempt in range(8):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(0.003 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert set(path.read_bytes()) in ({ord("a")}, {ord("b")}) and path.stat().st_size == 200_000


def test_digests_are_found_however_deep() -> None:
    first, second = "0" * 64, "f" * 64
    assert digests_in({"a": [{"b": first}], "c": second, "d": "no"}) == {first, second}
