"""Versions of datasets: what was appended comes back, ids stay, many writers and a kill lose and double nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.collection import versions
from modelwright.collection.versions import (
    Arrival,
    Change,
    Gone,
    Origin,
    OvertakenError,
    Written,
    append,
    commit,
    diff,
    forget,
    ledger_of,
    newest,
    open_version,
    tag,
    trace,
    versions_of,
    write_parts,
)
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.errors import SystemFault, UserError
from modelwright.core.store import Store
from modelwright.lifecycle import collect_garbage


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / ".wright")


def rows_of(store: Store, label: str) -> list[tuple[object, ...]]:
    return open_version(store, label).frame.rows()


def test_what_was_appended_comes_back_with_ids_that_stay(store: Store) -> None:
    append(store, "tea", pl.DataFrame({"leaf": ["green", "black"]}))
    append(store, "tea", pl.DataFrame({"leaf": ["white"], "grams": [3]}))
    assert rows_of(store, "tea@1") == [(0, "green"), (1, "black")]
    assert rows_of(store, "dataset:tea") == [(0, "green", None), (1, "black", None), (2, "white", 3)]
    assert [version.label for version in versions_of(store, "tea")] == ["tea@1", "tea@2"]
    data = open_version(store, "tea")
    assert data.schema.names == ("leaf", "grams")
    assert data.take([2]).frame["leaf"].to_list() == ["white"]


def test_nothing_new_makes_no_version(store: Store) -> None:
    first = append(store, "tea", pl.DataFrame({"leaf": ["green"]}))
    assert append(store, "tea", pl.DataFrame({"leaf": []}, schema={"leaf": pl.String})) == first


def test_types_that_move_are_told_and_hold_all_values(store: Store) -> None:
    append(store, "a", pl.DataFrame({"n": [1, None], "s": ["x", "y"]}))
    append(store, "a", pl.DataFrame({"n": [2.5], "s": [7]}))
    last = append(store, "a", pl.DataFrame({"n": ["many"]}))
    assert rows_of(store, "a@2") == [(0, 1.0, "x"), (1, None, "y"), (2, 2.5, "7")]
    assert [row[1] for row in rows_of(store, "a")] == ["1", None, "2.5", "many"]
    assert any("was Float64 and comes as String" in line for line in last.changed["told"])
    assert rows_of(store, "a@1") == [(0, 1, "x"), (1, None, "y")], "an old version never changes"


def test_media_lie_in_arrow_and_tables_in_parquet(store: Store) -> None:
    table = append(store, "t", pl.DataFrame({"x": [1]}))
    media = append(store, "m", pl.DataFrame({"image": [b"\x00\xff", None], "label": ["a", "b"]}))
    assert (table.parts[0].form, media.parts[0].form) == ("parquet", "arrow")
    assert open_version(store, "m").frame["image"].to_list() == [b"\x00\xff", None]


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(-5, 5), max_size=5), min_size=1, max_size=40))
def test_many_small_appends_stay_few_parts(batches: list[list[int]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(folder)
        expected: list[int] = []
        for batch in batches:
            append(store, "s", pl.DataFrame({"x": pl.Series(batch, dtype=pl.Int64)}))
            expected += batch
        if expected:
            assert rows_of(store, "s") == list(enumerate(expected))
            last = newest(store, "s")
            assert len(last.parts) < 16
            assert len(last.ledger) < 16
            entered = ledger_of(store, last).collect()
            assert entered["n_rows"].sum() == len(expected)
            assert trace(store, last, [len(expected) - 1])["version"].to_list() == [last.number]


def arrival_of(source: str, name: str, written: Written) -> Arrival:
    return Arrival(source=source, origins=(Origin(name=name, n_rows=written.n_rows),), written=written)


def gone_of(line: dict[str, object]) -> Gone:
    return Gone(source=str(line["source"]), name=str(line["name"]), first_row=int(str(line["first_row"])),
                n_rows=int(str(line["n_rows"])))  # fmt: skip


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 99)), min_size=1, max_size=30))
def test_rows_leave_and_the_others_keep_their_ids(steps: list[tuple[int, int]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(folder)
        truth: dict[int, int] = {}
        arrivals: list[tuple[int, int]] = []
        next_row = 0
        for n_rows, pick in steps:
            base = newest(store, "g")
            frame = pl.DataFrame({"x": range(next_row, next_row + n_rows)})
            arrival = arrival_of("s", str(next_row), write_parts(store, [frame]))
            gone = [arrivals.pop(pick % len(arrivals))] if arrivals and pick % 3 == 0 else []
            leaving = tuple(Gone(source="s", name=str(first), first_row=first, n_rows=n) for first, n in gone)
            commit(store, Change(base=base, arrivals=(arrival,), gone=leaving))
            for first, n in gone:
                for row in range(first, first + n):
                    del truth[row]
            truth |= {row: row for row in range(next_row, next_row + n_rows)}
            arrivals.append((next_row, n_rows))
            next_row += n_rows
        assert rows_of(store, "g") == sorted(truth.items())
        last = newest(store, "g")
        assert (last.n_rows, last.next_row) == (len(truth), next_row)
        between = diff(store, "g@1", last)
        first_rows = set(range(steps[0][0]))
        assert between.added == len(set(truth) - first_rows)
        assert between.removed == len(first_rows - set(truth))


def test_kept_ids(store: Store) -> None:
    frame = pl.DataFrame({ROW_ID: pl.Series([3, 8, 9], dtype=pl.UInt64), "x": ["a", "b", "c"]})
    append(store, "clean", Dataset.from_frame(frame), keep_ids=True)
    assert rows_of(store, "clean") == [(3, "a"), (8, "b"), (9, "c")]
    append(store, "clean", pl.DataFrame({"x": ["d"]}))
    assert rows_of(store, "clean")[-1] == (10, "d")
    assert trace(store, newest(store, "clean"), [9, 10])["version"].to_list() == [1, 2]
    with pytest.raises(UserError, match="up to 10") as caught:
        append(store, "clean", frame, keep_ids=True)
    assert caught.value.code == "versions.ids"


def test_a_cursor_that_was_moved_meanwhile_is_refused(store: Store) -> None:
    base = newest(store, "d")
    written = write_parts(store, [pl.DataFrame({"x": [1]})])
    change = Change(base=base, arrivals=(arrival_of("s", "t", written),), cursors={"s": {"value": 1}})
    assert commit(store, change).cursors["s"] == {"version": 1, "state": {"value": 1}}
    with pytest.raises(OvertakenError):
        commit(store, change)
    assert newest(store, "d").n_rows == 1


def _append_many(root: str, word: str, n_times: int) -> None:
    store = Store.open(root)
    for number in range(n_times):
        append(store, "shared", pl.DataFrame({"who": [word], "n": [number]}))


def test_writers_at_once_lose_and_double_nothing(store: Store) -> None:
    workers = [
        multiprocessing.get_context("spawn").Process(target=_append_many, args=(str(store.root), word, 12))
        for word in "abc"
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    frame = open_version(store, "shared").frame
    assert sorted(frame.select("who", "n").rows()) == sorted((word, n) for word in "abc" for n in range(12))
    assert frame[ROW_ID].to_list() == list(range(36))
    assert [version.number for version in versions_of(store, "shared")] == list(range(1, 37))


def test_a_kill_at_any_moment_leaves_whole_versions(store: Store) -> None:
    code = textwrap.dedent(
        f"""
        import polars as pl
        from modelwright.core.store import Store
        from modelwright.collection.versions import append, newest
        store = Store.open({str(store.root)!r})
        while True:
            n = newest(store, "k").n_rows
            append(store, "k", pl.DataFrame({{"x": range(n, n + 10)}}))
        """
    )
    for pause_s in (0.1, 0.23):
        child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        before = newest(store, "k").number
        while newest(store, "k").number < before + 3:
            time.sleep(0.02)
        time.sleep(pause_s)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        n_rows = newest(store, "k").n_rows
        assert open_version(store, "k").frame["x"].to_list() == list(range(n_rows))


def test_find_names_what_there_is(store: Store) -> None:
    append(store, "homes", pl.DataFrame({"x": [1]}))
    for label, word in (("home", "homes"), ("homes@4", "its versions: 1"), ("homes@paper", "its versions: 1")):
        with pytest.raises(UserError, match=word):
            open_version(store, label)
    for name in ("a@b", "", "../x", "a/b", "x" * 200):
        with pytest.raises(UserError) as caught:
            append(store, name, pl.DataFrame({"x": [1]}))
        assert caught.value.code == "versions.name"


def test_forgetting_frees_what_no_other_version_needs(store: Store) -> None:
    append(store, "f", pl.DataFrame({"x": range(1000)}))
    line = ledger_of(store, newest(store, "f")).collect().row(0, named=True)
    written = write_parts(store, [pl.DataFrame({"x": range(5)})])
    base = newest(store, "f")
    commit(
        store,
        Change(base=base, arrivals=(arrival_of("memory", "m", written),), gone=(gone_of(line),)),
    )
    tag(store, "f@1", "paper")
    collect_garbage(store, grace_s=0.0)
    assert open_version(store, "f@paper").n_rows == 1000
    with pytest.raises(UserError, match="named 'paper'"):
        forget(store, "f@1")
    versions.untag(store, "f@paper")
    with pytest.raises(UserError, match="newest"):
        forget(store, "f@2")
    assert forget(store, "f@1") == [1]
    n_files, _ = collect_garbage(store, grace_s=0.0)
    assert n_files >= 1
    assert open_version(store, "f").frame["x"].to_list() == list(range(5))
    assert trace(store, newest(store, "f"), [3, 1002])["version"].to_list() == [1, 2], "the ledger remembers"
    assert forget(store, "f", whole=True) == [2]
    assert versions.names(store) == []


def test_damage_is_told(store: Store) -> None:
    version = append(store, "d", pl.DataFrame({"x": range(100)}))
    path = store.blob(version.parts[0].digest)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(SystemFault) as caught:
        open_version(store, "d")
    assert caught.value.code == "store.corrupt"
    manifest = store.root / "datasets" / "d" / "00000001.json"
    manifest.write_text("{")
    with pytest.raises(SystemFault):
        open_version(store, "d")


def test_diff_tells_columns_and_distributions(store: Store) -> None:
    n = 2000
    append(store, "d", pl.DataFrame({"x": [float(i % 100) for i in range(n)], "kind": ["a", "b"] * (n // 2),
                                     "told": [str(i % 50) for i in range(n)]}))  # fmt: skip
    append(store, "other", pl.DataFrame({"x": [float(i % 100) + 60 for i in range(n)], "kind": ["a", "c"] * (n // 2),
                                         "told": [str(i % 50) for i in range(n)], "new": [True] * n}))  # fmt: skip
    between = diff(store, "d", "other")
    assert between.columns_added == ("new",)
    moved = {shift.column: shift for shift in between.shifts}
    assert moved["x"].words == moved["kind"].words == "different"
    assert moved["x"].ks == pytest.approx(0.6, abs=0.02)
    assert moved["told"].words == "about the same"
    assert moved["told"].kind == "numbers"
    assert diff(store, "d", "d@1").shifts == ()


def test_a_run_takes_a_dataset_and_copies_no_part(store: Store) -> None:
    from modelwright.collection import collect
    from modelwright.core.codec import decode, encode

    append(store, "homes", pl.DataFrame({"x": [1, 2, 3]}))
    data = collect("dataset:homes@1", store=store)
    plain = encode(store, data)
    assert plain["parts"] == [newest(store, "homes").parts[0].digest]
    again = decode(store, plain)
    assert again.frame.equals(data.frame)
    assert again.digest == data.digest
    with pytest.raises(UserError) as caught:
        collect("dataset:homes@1")
    assert caught.value.code == "collection.store"
    both = collect(["dataset:homes", "dataset:homes@1"], store=store)
    assert both.frame["x"].to_list() == [1, 2, 3, 1, 2, 3]


CELLS = st.fixed_dictionaries(
    {
        "image": st.none() | st.binary(max_size=9),
        "text": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        "series": st.none() | st.lists(st.floats(-9, 9), max_size=4),
        "x": st.none() | st.floats(-9, 9),
        "n": st.integers(-9, 9),
    }
)
TYPES = {"image": pl.Binary, "text": pl.String, "series": pl.List(pl.Float64), "x": pl.Float64, "n": pl.Int64}


@settings(max_examples=40)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=6), min_size=1, max_size=4), st.booleans(), st.data())
def test_a_reader_gives_the_rows_that_the_table_has(
    batches: list[list[dict[str, object]]], late: bool, data: st.DataObject
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(folder)
        for index, batch in enumerate(batches):
            frame = pl.DataFrame(batch, schema=TYPES)  # type: ignore[arg-type]
            append(store, "r", frame.drop("image", "text") if late and not index else frame)
        table = open_version(store, "r").frame
        reader = versions.open_reader(store, "r")
        order = data.draw(st.permutations(range(table.height)))
        got = reader.take(pl.Series(order).to_numpy())
        for name in table.columns:
            values = [None if cell is None else getattr(cell, "tolist", lambda cell=cell: cell)() for cell in got[name]]
            assert values == table[name][order].to_list(), name


def test_an_epoch_has_every_row_once_and_is_repeatable(store: Store) -> None:
    append(store, "e", pl.DataFrame({"b": [bytes([i]) for i in range(200)]}))
    append(store, "e", pl.DataFrame({"b": [bytes([i]) for i in range(200, 250)]}))
    epochs = [
        [cell for batch in versions.shuffled(store, "e", batch_rows=32, epoch=epoch) for cell in batch["b"]]
        for epoch in (0, 0, 1)
    ]
    assert epochs[0] == epochs[1] != epochs[2]
    assert sorted(epochs[2]) == [bytes([i]) for i in range(250)]
    with pytest.raises(UserError, match="did you mean"):
        versions.open_reader(store, "e", columns=["bb"])
