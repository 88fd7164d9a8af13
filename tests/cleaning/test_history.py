"""The log: every change can be taken back and put again, in any order, and all of them back give the same bytes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.cleaning import MendSpec, mend
from modelwright.cleaning.findings import Findings
from modelwright.cleaning.history import History
from modelwright.cleaning.keeping import keep, keep_state, named, point, read
from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.core.errors import SystemFault, UserError
from modelwright.core.store import Store

COLUMNS = ("a", "b", "n")


def table(n_rows: int) -> Dataset:
    """Texts with empty and null cells, and a column of numbers."""
    cells = [None if row % 7 == 3 else "" if row % 5 == 1 else f"v{row % 4}" for row in range(n_rows)]
    return Dataset.from_frame(
        pl.DataFrame({"a": cells, "b": [f"w{row}" for row in range(n_rows)], "n": [row * 0.5 for row in range(n_rows)]})
    )


def text_of(data: Dataset, row: int, column: str) -> str | None:
    cell = data.frame[column][row]
    return None if cell is None else str(cell).removesuffix(".0")


@st.composite
def proposals(draw: st.DrawFn, n_rows: int) -> Findings:
    """Changes of cells and removals of rows, one for each cell and row, sure ones and others."""
    data = table(n_rows)
    places = draw(st.sets(st.tuples(st.integers(0, n_rows - 1), st.sampled_from(COLUMNS)), max_size=20))
    cells = []
    for row, column in sorted(places):
        after = draw(st.sampled_from(["1", "2.5", None, *([""] if column != "n" else [])]))
        method, reason = draw(st.sampled_from("mk")), draw(st.sampled_from(["r", "'x' is 3", "s"]))
        confidence = draw(st.sampled_from([0.5, 0.96, 1.0]))
        cells.append((row, column, text_of(data, row, column), after, method, reason, confidence))
    gone = draw(st.sets(st.integers(0, n_rows - 1), max_size=4))
    rows = [(row, None, "k", "repeats", draw(st.sampled_from([0.6, 1.0]))) for row in sorted(gone)]
    return Findings.of(
        cells=pl.DataFrame(cells, schema=[ROW_ID, "column", "before", "after", "method", "reason", "confidence"],
                           orient="row", infer_schema_length=None),
        rows=pl.DataFrame(rows, schema=[ROW_ID, "twin_of", "method", "reason", "confidence"], orient="row"),
    )  # fmt: skip


def histories(n_rows: int = 12) -> st.SearchStrategy[History]:
    """Two layers of changes, so that later ones lie over earlier ones."""
    return st.tuples(proposals(n_rows), proposals(n_rows), st.sampled_from([0.5, 0.95])).map(
        lambda given: (
            History(table(n_rows)).adding(given[0], sure=given[2], rows=True).adding(given[1], sure=given[2], rows=True)
        )
    )


def by_hand(history: History) -> list[tuple[object, ...]]:
    """The mended table cell by cell, as the rule says it: the last change in force has the word."""
    cells = {(row, name): history.raw.frame[name][row] for row in range(history.raw.n_rows) for name in COLUMNS}
    gone = set()
    place = 0
    for group in history.groups:
        for row, after in history.changes[place : place + group.n].select(ROW_ID, "after").iter_rows():
            if history.bits[place]:
                if group.kind == "rows":
                    gone.add(row)
                else:
                    as_number = group.column == "n" and after is not None
                    cells[row, str(group.column)] = float(after) if as_number else after
            place += 1
    kept = [row for row in range(history.raw.n_rows) if row not in gone]
    return [(row, *(cells[row, name] for name in COLUMNS)) for row in kept]


def digest(data: Dataset) -> str:
    return Dataset(data.table, data.schema, data.n_rows).digest


@given(history=histories(), moves=st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=8))
@settings(max_examples=60)
def test_the_table_is_what_the_changes_in_force_say(history: History, moves: list[tuple[bool, int]]) -> None:
    for undo, number in moves:
        if number <= len(history.groups):
            history = history.undo(number) if undo else history.redo(number)
    assert history.data.frame.rows() == by_hand(history)
    assert history.data.n_rows == history.data.frame.height


@given(history=histories(), data=st.data())
@settings(max_examples=60)
def test_undo_in_any_order_restores_the_same_bytes(history: History, data: st.DataObject) -> None:
    numbers = [group.number for group in history.groups]
    first = data.draw(st.permutations(numbers))
    one, other = history, history
    for number in first:
        one = one.undo(number)
    for number in numbers:
        other = other.undo(number)
    raw = digest(history.raw)
    assert digest(one.data) == digest(other.data) == digest(history.undo_all().data) == raw
    assert digest(one.redo(*(g.number for g in history.groups if g.applied)).data) == digest(history.data)


@given(history=histories(), data=st.data())
@settings(max_examples=60)
def test_taking_back_a_and_b_is_taking_back_b_and_a(history: History, data: st.DataObject) -> None:
    numbers = [group.number for group in history.groups]
    if not numbers:
        return
    one, two = data.draw(st.sampled_from(numbers)), data.draw(st.sampled_from(numbers))
    cell = (data.draw(st.integers(0, 11)), data.draw(st.sampled_from(COLUMNS)))
    straight, crossed = history.undo(one).undo(two).undo(cells=[cell]), history.undo(cells=[cell]).undo(two).undo(one)
    assert digest(straight.data) == digest(crossed.data)
    assert straight.bits.tolist() == crossed.bits.tolist()


@given(history=histories(), data=st.data())
@settings(max_examples=20)
def test_the_store_gives_it_back(
    history: History, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Store.open(tmp_path_factory.mktemp("store"))
    if history.groups:
        history = history.undo(data.draw(st.sampled_from([group.number for group in history.groups])))
    again = read(store, keep(store, history))
    assert again.changes.equals(history.changes)
    assert again.groups == history.groups
    assert again.data.frame.equals(history.data.frame)
    assert again.undo_all().data.frame.equals(history.raw.frame)


def test_a_table_larger_than_memory_is_changed_as_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n_rows = 50_000
    frame = pl.DataFrame({"x": [f"v{row % 9}" for row in range(n_rows)]}).with_row_index(ROW_ID)
    frame.with_columns(pl.col(ROW_ID).cast(pl.UInt64)).write_parquet(tmp_path / "t.parquet", row_group_size=1000)
    raw = Dataset(pl.scan_parquet(tmp_path / "t.parquet"), Schema((Column("x"),)), n_rows)
    monkeypatch.setattr("modelwright.cleaning.survey.IN_MEMORY_CELLS", 10)
    rows = list(range(3, n_rows, 11))
    cells = pl.DataFrame({ROW_ID: rows, "column": "x", "before": [f"v{row % 9}" for row in rows], "after": "new",
                          "method": "m", "reason": "r", "confidence": 1.0})  # fmt: skip
    history = History(raw).adding(Findings.of(cells=cells), sure=0.9)
    lazy = history.data.table.select("x").collect(engine="streaming")["x"]
    assert (lazy == "new").arg_true().to_list() == rows
    assert lazy.gather(rows[0] + 1).to_list() == [f"v{(rows[0] + 1) % 9}"]


def test_rows_in_any_order_are_found_by_their_ids() -> None:
    shuffled = Dataset.from_frame(table(30).frame.sample(fraction=1, shuffle=True, seed=3))
    place = shuffled.frame[ROW_ID].to_list().index(4)
    change = pl.DataFrame({ROW_ID: [4], "column": "b", "before": "w4", "after": "new", "method": "m", "reason": "r",
                           "confidence": 1.0})  # fmt: skip
    mended = History(shuffled).adding(Findings.of(cells=change), sure=0.9)
    assert mended.data.frame["b"][place] == "new"
    assert (mended.data.frame["b"] == "new").sum() == 1
    assert mended.log()["before"].to_list() == ["w4"]


def test_pictures_are_changed_and_taken_back(tmp_path: Path) -> None:
    raw = Dataset.from_frame(pl.DataFrame({"picture": [b"one", b"two"]}))
    turned = {ROW_ID: [1], "column": "picture", "after": [b"turned"]}
    change = pl.DataFrame({**turned, "method": "m", "reason": "lies on its side", "confidence": 1.0})
    history = History(raw).adding(Findings.of(media=change), sure=0.9)
    assert history.data.frame["picture"].to_list() == [b"one", b"turned"]
    store = Store.open(tmp_path / "s")
    assert read(store, keep(store, history)).data.frame["picture"].to_list() == [b"one", b"turned"]
    assert history.undo(1).data is raw


def test_a_word_is_no_number() -> None:
    raw = Dataset.from_frame(pl.DataFrame({"n": [1.0, 2.0]}))
    cells = pl.DataFrame({ROW_ID: [0, 1], "column": "n", "before": ["1", "2"], "after": ["one", "20"], "method": "m",
                          "reason": "r", "confidence": 1.0})  # fmt: skip
    assert History(raw).adding(Findings.of(cells=cells), sure=0.9).data.frame["n"].to_list() == [1.0, 20.0]


def test_what_is_not_there_is_said() -> None:
    history = mend(table(5), MendSpec(methods=("blanks",))).history
    with pytest.raises(UserError, match="no group 9"):
        history.undo(9)


_WRITER = """
import sys
import polars as pl
from pathlib import Path
from modelwright.cleaning.findings import Findings
from modelwright.cleaning.history import History
from modelwright.cleaning.keeping import keep, keep_state, point
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.store import Store
n = 4000
raw = Dataset.from_frame(pl.DataFrame({"x": [f"v{row % 5}" for row in range(n)]}))
cells = pl.DataFrame({ROW_ID: range(n), "column": "x", "before": raw.frame["x"], "after": "new", "method": "m",
                      "reason": [f"reason {row % 9}" for row in range(n)], "confidence": 1.0})
history = History(raw).adding(Findings.of(cells=cells), sure=0.9)
store = Store.open(sys.argv[1])
plain = keep(store, history)
point(store, "t", plain, {"turn": 0})
print("there", flush=True)
turn = 0
while True:
    turn += 1
    now = history.undo(1) if turn % 2 else history
    point(store, "t", keep_state(store, plain, now), {"turn": turn})
"""


def test_killed_while_it_is_written_it_is_as_it_was_or_as_it_became(tmp_path: Path) -> None:
    for attempt in range(2):
        folder = tmp_path / str(attempt)
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "there\n"
        time.sleep(0.03 + 0.1 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        store = Store.open(folder)
        found = named(store, "t")
        history = read(store, found["history"])
        wanted = 0 if found["turn"] % 2 else 4000
        assert history.n_active() == wanted
        assert (history.data.frame["x"] == "new").sum() == wanted
        assert history.undo_all().data.frame.equals(history.raw.frame)


def test_one_flipped_bit_of_the_log_is_noticed(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    raw = Dataset.from_frame(pl.DataFrame({"x": ["oak"] * 9 + ["oak "]}))
    plain = keep(store, mend(raw).history)
    point(store, "x", keep_state(store, plain, read(store, plain).undo(1)))
    assert read(store, named(store, "x")["history"]).n_active() == 0
    blob = store.blob(plain["changes"][0])
    damaged = bytearray(blob.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    blob.write_bytes(bytes(damaged))
    with pytest.raises(SystemFault, match="does not have the bytes"):
        read(store, plain)
