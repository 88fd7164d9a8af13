"""Reading and answering: every way of giving rows says the same, and the same as the graph."""

from __future__ import annotations

import math
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.testing.packages import raw_rows, tiny_graph, tiny_signature, tiny_training
from modelwright_runtime.cells import CategoryCells, Notes, NumberCells
from modelwright_runtime.errors import UserError
from modelwright_runtime.model import Model, largest_difference, load
from modelwright_runtime.predictions import decide
from modelwright_runtime.reading import CellError, Reading, read_cell
from modelwright_runtime.signature import Signature, Task

CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.just(10**400),
    st.sampled_from(["?", "1,234", "$5", " 7 ", "-999", "1e999", "Oslo", "new york", "yes", "NO", "nan", "(3)"]),
    st.lists(st.integers(), max_size=2), st.sampled_from([np.float64(2.5), np.float32(1.5), np.int64(7), np.bool_(1)]),
)  # fmt: skip
READINGS = [
    Reading(column="c", kind="number", missing=("?",), sentinels=(-999.0,), low=0.0, high=130.0, thousands=","),
    Reading(column="c", kind="number"),
    Reading(column="c", kind="boolean", true=("yes", "true", "1"), false=("no", "false", "0")),
    Reading(column="c", kind="datetime", formats=("%Y-%m-%d",)),
    Reading(column="c", kind="datetime"),
]
CATEGORY = Reading(column="c", kind="category", missing=("?",), variants={"new york": "New York"})


@pytest.fixture(scope="module")
def models(packages: dict[str, Path]) -> dict[str, Model]:
    return {kind: load(path) for kind, path in packages.items()}


def meaning(cell: Any, reading: Reading) -> tuple[Any, bool]:
    """What the one parser says: the value (NaN or "" where missing), and whether it was readable."""
    nothing = "" if reading.kind == "category" else math.nan
    try:
        value = read_cell(cell, reading)
    except CellError:
        return nothing, False
    return (nothing if value is None else value), True


@settings(deadline=None, max_examples=150)
@given(st.lists(CELLS, max_size=12), st.sampled_from(READINGS))
def test_fast_readers_of_numbers_say_what_read_cell_says(cells: list[Any], reading: Reading) -> None:
    expected = [meaning(cell, reading) for cell in cells]
    fast = NumberCells(reading)
    for notes, values in (
        (one := Notes(), [fast.one(cell, row, one) for row, cell in enumerate(cells)]),
        (many := Notes(), list(fast.many(cells, many))),
    ):
        np.testing.assert_array_equal(np.array(values, float), np.array([value for value, _ in expected], float))
        assert {note.row for note in notes.kept} == {row for row, (_, ok) in enumerate(expected) if not ok}


@settings(deadline=None, max_examples=150)
@given(st.lists(CELLS, max_size=12))
def test_fast_readers_of_categories_say_what_read_cell_says(cells: list[Any]) -> None:
    expected = [meaning(cell, CATEGORY) for cell in cells]
    fast = CategoryCells(CATEGORY, ("Oslo", "New York"))
    odd = {row for row, (text, ok) in enumerate(expected) if not ok or text not in ("", "Oslo", "New York")}
    for _ in range(2):  # the second time what was learnt is used
        one, many = Notes(), Notes()
        assert [fast.one(cell, row, one) for row, cell in enumerate(cells)] == [text for text, _ in expected]
        assert fast.many(cells, many).tolist() == [text for text, _ in expected]
        assert {note.row for note in one.kept} == {note.row for note in many.kept} == odd


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(width=64), max_size=10), st.sampled_from(READINGS[:2]))
def test_float_arrays_are_read_as_their_cells(values: list[float], reading: Reading) -> None:
    for dtype in (np.float64, np.float32):
        with np.errstate(over="ignore"):
            array = np.array(values, dtype=dtype)
        expected = [meaning(cell, reading) for cell in array.tolist()]
        notes = Notes()
        np.testing.assert_array_equal(NumberCells(reading).many(array, notes), [value for value, _ in expected])
        assert [note.row for note in notes.kept] == [row for row, (_, ok) in enumerate(expected) if not ok]


@settings(deadline=None, max_examples=60)
@given(
    st.one_of(CELLS, st.text(), st.datetimes(), st.dates(), st.binary(), st.decimals(allow_nan=False)),
    st.sampled_from([*READINGS, CATEGORY]),
)
def test_read_cell_gives_a_value_or_a_reason_and_nothing_else(cell: Any, reading: Reading) -> None:
    try:
        value = read_cell(cell, reading)
    except CellError as problem:
        assert str(problem)
        return
    assert value is None or isinstance(value, str) or math.isfinite(value)


def test_long_texts_do_not_take_quadratic_time() -> None:
    with pytest.raises(CellError, match="not a number"):
        read_cell("a" * 1_000_000 + "1", READINGS[0])


def test_dates_without_a_format_are_iso() -> None:
    reading = READINGS[4]
    noon = datetime(2024, 2, 29, 12, tzinfo=UTC).timestamp()
    assert read_cell("2024-02-29T12:00:00", reading) == read_cell("2024-02-29 13:00+01:00", reading) == noon
    column = np.array(["2024-02-29T12:00:00", "NaT"], dtype="datetime64[ns]")
    np.testing.assert_array_equal(NumberCells(reading).many(column, Notes()), [noon, math.nan])


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_every_form_of_rows_gives_the_training_path_answer(models: dict[str, Model], kind: Any) -> None:
    trained, cleaned = tiny_training(kind)
    rows = raw_rows(60)
    expected = trained.predict(cleaned.kept)
    frame = pl.DataFrame(rows)
    columns = frame.to_dict(as_series=False)
    arrays = {name: np.array(cells, dtype=object) for name, cells in columns.items()}
    forms = [rows, columns, arrays, frame, frame.to_pandas(), {n: tuple(c) for n, c in columns.items()}]
    for form in forms:
        answer = models[kind].predict(form)
        given_answer = answer.prediction if kind == "regression" else answer.probabilities
        assert given_answer is not None
        np.testing.assert_allclose(given_answer, expected, atol=1e-6)
    for index in range(7):
        single = models[kind].predict(rows[index])
        np.testing.assert_allclose(
            single.prediction.astype(float) if kind == "regression" else single.probabilities,
            expected[[index]],
            atol=1e-6,
        )
        assert len(single) == 1


def test_typed_frames_are_read_as_their_texts(models: dict[str, Model]) -> None:
    typed = pl.DataFrame(
        {
            "age": [31, None, -999],
            "price": [1.5, None, 7.0],
            "member": [True, None, False],
            "city": ["Oslo", None, "Bergen"],
        }
    )
    texts = [
        {"age": "31", "price": "1.5", "member": "yes", "city": "Oslo"},
        {"age": "", "price": "", "member": "", "city": ""},
        {"age": "-999", "price": "7", "member": "no", "city": "Bergen"},
    ]
    expected = models["binary"].predict(texts).probabilities
    pandas = typed.to_pandas()
    forms = [typed, pandas, pandas.convert_dtypes(), typed.with_columns(pl.col("city").cast(pl.Categorical))]
    for form in forms:
        answer = models["binary"].predict(form)
        assert not answer.warnings
        np.testing.assert_array_equal(answer.probabilities, expected)


def test_many_rows_in_chunks_give_the_same_and_rows_are_numbered_through(packages: dict[str, Path]) -> None:
    model = load(packages["binary"])
    rows = raw_rows(1000)
    rows[900]["city"] = "Atlantis"
    whole = model.predict(rows)
    model._chunk_rows = 64
    parts = model.predict(rows)
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-6)
    assert [note.row for note in parts.warnings] == [note.row for note in whole.warnings] == [900]


def test_unreadable_and_unseen_cells_are_named(models: dict[str, Model]) -> None:
    good = {"age": 31, "price": 5, "member": "yes", "city": "Oslo"}
    rows = [good, good | {"age": "old"}, good | {"city": "Rome"}]
    for form in (rows, rows + [good] * 20, pl.DataFrame(rows, strict=False, schema=dict.fromkeys(good, pl.String))):
        answer = models["binary"].predict(form)
        assert [(note.row, note.column, note.code) for note in answer.warnings] == [
            (1, "age", "rows.cell"), (2, "city", "rows.unseen"),
        ]  # fmt: skip
        with pytest.raises(UserError, match="row 1, column 'age': not a number: 'old'") as caught:
            models["binary"].predict(form, strict=True)
        assert caught.value.code == "rows.cell"
    assert "row 1" in repr(models["binary"].predict(rows))


def test_columns_are_checked(models: dict[str, Model]) -> None:
    model = models["binary"]
    good = {"age": 31, "price": 5, "member": "yes", "city": "Oslo"}
    short = {name: value for name, value in good.items() if name != "city"}
    for form in (short, [good, short], pl.DataFrame([short]), {name: [value] for name, value in short.items()}):
        with pytest.raises(UserError, match="no column 'city'") as caught:
            model.predict(form)
        assert caught.value.code == "rows.missing_column"
    wide = good | {"colour": "red"}
    assert len(model.predict(wide)) == 1
    for form in (wide, [wide], {name: [value] for name, value in wide.items()}):
        with pytest.raises(UserError, match="'colour'") as caught:
            model.predict(form, strict=True)
        assert caught.value.code == "rows.unknown_column"
    with pytest.raises(UserError) as caught:
        model.predict(good | {"paid": "no"}, strict=True)
    assert "what the model predicts" in caught.value.hint


@pytest.mark.parametrize("rows", ["text", 7, None, [1, 2], {"age": [1], "price": [1, 2], "member": [1], "city": [1]}])
def test_what_are_no_rows_is_refused(models: dict[str, Model], rows: Any) -> None:
    with pytest.raises(UserError) as caught:
        models["binary"].predict(rows)
    assert caught.value.code == "rows.shape"


def test_no_rows_give_no_answers(models: dict[str, Model]) -> None:
    assert models["binary"].predict([]).rows() == []
    assert models["binary"].predict(pl.DataFrame(raw_rows(2)).head(0)).probabilities.shape == (0, 2)  # type: ignore[union-attr]


def test_rows_tell_prediction_and_probabilities(models: dict[str, Model]) -> None:
    answer = models["multiclass"].predict(raw_rows(5))
    rows = answer.rows()
    assert list(rows[0]) == ["prediction", "probability_high", "probability_low", "probability_mid"]
    for row in rows:
        best = max(answer.classes, key=lambda name: row[f"probability_{name}"])
        assert row["prediction"] == best
    assert "and 2 more" in repr(models["regression"].predict(raw_rows(7)))


def test_the_threshold_decides() -> None:
    task = Task(kind="binary", target="y", classes=("no", "yes"))
    answer = np.array([[0.61, 0.39], [0.6, 0.4], [0.1, 0.9]], dtype=np.float32)
    assert decide(answer, Signature(task=task, readings=(), threshold=0.4)).tolist() == ["no", "yes", "yes"]


def test_warnings_are_bounded(models: dict[str, Model]) -> None:
    answer = models["binary"].predict([row | {"city": f"town {i}"} for i, row in enumerate(raw_rows(500))])
    assert len(answer.warnings) == 100
    assert answer.n_more_warnings == 400


def test_threads_may_share_a_model(models: dict[str, Model]) -> None:
    rows = raw_rows(300)
    expected = models["binary"].predict(rows).probabilities
    wrong: list[int] = []

    def ask() -> None:
        for index in range(60):
            one = models["binary"].predict(rows[index]).probabilities
            if not np.allclose(one, expected[index], atol=1e-6):  # type: ignore[index]
                wrong.append(index)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_signature_that_does_not_fit_its_graph_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        Model(tiny_graph(), Signature(task=tiny_signature().task, readings=()))
    assert caught.value.code == "package.signature"


def test_differences_are_infinite_where_only_one_side_is_finite() -> None:
    nan = math.nan
    assert largest_difference(np.array([1.0, nan]), np.array([1.0, 2.0]), relative=False) == math.inf
    assert largest_difference(np.array([1.0, nan]), np.array([1.5, nan]), relative=False) == 0.5
