"""The stage as a whole: what is removed, what leaks, what is refused, and the way back."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest

from modelwright.cleaning import CleanSpec, clean, summary
from modelwright.cleaning import survey as survey_module
from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.testing.cleaning import awkward_tables, check_cleaned, check_cleaning, check_settled


def dataset(**columns: list[Any]) -> Dataset:
    return Dataset.from_frame(pl.DataFrame(columns))


def measured(n_rows: int, seed: int = 0) -> dict[str, list[Any]]:
    """Three measurements that hardly repeat, and a class."""
    dice = random.Random(seed)
    table: dict[str, list[Any]] = {
        f"m{index}": [f"{dice.gauss(50, 10):.6f}" for _ in range(n_rows)] for index in range(3)
    }
    return {**table, "y": [dice.choice(["benign", "malignant"]) for _ in range(n_rows)]}


def test_the_suite() -> None:
    check_cleaning(clean)


def test_the_suite_on_tables_larger_than_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The streamed way, in batches and by a sample, keeps the same promises and makes the same table."""
    tables = dict(awkward_tables())
    whole = {name: clean(Dataset.from_frame(tables[name])) for name in ("messy", "long and messy", "typed")}
    monkeypatch.setattr(survey_module, "IN_MEMORY_CELLS", 100)
    monkeypatch.setattr(survey_module, "BATCH_ROWS", 700)
    for name, expected in whole.items():
        data = Dataset.from_frame(tables[name])
        streamed = clean(data)
        check_cleaned(data, streamed)
        assert streamed.kept.frame.equals(expected.kept.frame)
        assert streamed.changes.collect().equals(expected.changes.collect())
        assert streamed.readings == expected.readings
    sampled = clean(Dataset.from_frame(tables["long and messy"]), CleanSpec(sample_rows=1000))
    check_cleaned(Dataset.from_frame(tables["long and messy"]), sampled)
    check_settled(sampled, clean)


def test_the_log_is_the_same_at_once_and_cell_by_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns of few distinct cells are logged by a dictionary, others by expressions: the same words."""
    for name, table in awkward_tables():
        by_dictionary = clean(Dataset.from_frame(table))
        with monkeypatch.context() as patch:
            patch.setattr(survey_module, "MOST_DISTINCT", 0)
            at_once = clean(Dataset.from_frame(table))
        assert at_once.kept.frame.equals(by_dictionary.kept.frame), name
        assert at_once.changes.collect().equals(by_dictionary.changes.collect()), name


def test_row_ids_that_are_no_positions() -> None:
    frame = pl.DataFrame({"x": ["1,5", "?", "1,5", "2,5"], "y": ["a", "b", "a", "b"]})
    frame = frame.with_columns(pl.Series(ROW_ID, [90, 7, 40, 3], dtype=pl.UInt64)).select(ROW_ID, "x", "y")
    data = Dataset.from_frame(frame)
    found = clean(data)
    check_cleaned(data, found)
    assert found.removed.rows() == [(90, "equal to an earlier row in every column, as read", 40)]


def test_repeats_as_read_are_removed() -> None:
    table = measured(200)
    for name, cells in table.items():
        cells += [f" {cells[3]} " if name == "m0" else cells[3], cells[5], cells[3]]
    found = clean(dataset(**table))
    assert found.removed["twin_of"].to_list() == [3, 5, 3]
    assert clean(dataset(**table), CleanSpec(skip=("duplicates",))).removed.height == 0


def test_repeats_but_for_the_identifier() -> None:
    table = {"patient_id": [f"P{index}" for index in range(203)], **measured(200)}
    for name in ("m0", "m1", "m2", "y"):
        table[name] += [table[name][3], table[name][5], table[name][3]]
    found = clean(dataset(**table))
    assert found.removed["twin_of"].to_list() == [3, 5, 3]
    assert all("but patient_id" in reason for reason in found.removed["reason"])
    coarse = {"patient_id": table["patient_id"], "ward": [str(index % 4) for index in range(203)]}
    assert clean(dataset(**coarse)).removed.height == 0, "equal wards are chance"


def test_rows_equal_by_chance_stay() -> None:
    dice = random.Random(0)
    table = {"sex": [dice.choice("mf") for _ in range(500)], "class": [dice.choice("123") for _ in range(500)]}
    found = clean(dataset(**table))
    assert found.removed.height == 0
    assert any("equal rows kept" in decision.choice for decision in found.decisions)


def test_rows_without_a_target_are_removed() -> None:
    table = measured(100)
    table["y"][10:12] = ["?", ""]
    found = clean(dataset(**table), CleanSpec(target="y"))
    assert found.removed[ROW_ID].to_list() == [10, 11]
    assert found.removed["twin_of"].to_list() == [None, None]
    assert found.kept.schema.target == "y"
    assert found.kept.frame["y"].null_count() == 0


def test_leaks() -> None:
    table = measured(200)
    table["code"] = ["T-41" if y == "benign" else "T-07" for y in table["y"]]
    table["y_text"] = [f"{y} {index % 3}" for index, y in enumerate(table["y"])]
    table["diagnosis_level"] = table["y_text"]
    table["strong"] = [y if index % 50 else "benign" for index, y in enumerate(table["y"])]
    table["diagnosis"] = table.pop("y")
    schema = clean(dataset(**table), CleanSpec(target="diagnosis")).kept.schema
    assert schema["code"].role == "ignored"
    assert "one-to-one" in schema["code"].why
    assert schema["diagnosis_level"].role == "ignored", "named after the target, and never wrong"
    assert schema["y_text"].role == "feature", "the same cells under another name are merely strong"
    assert schema["strong"].role == "feature"
    kept = clean(dataset(**table), CleanSpec(target="diagnosis", roles={"code": "feature"})).kept.schema
    assert kept["code"].role == "feature"
    open_spec = CleanSpec(target="diagnosis", skip=("leaks",))
    assert clean(dataset(**table), open_spec).kept.schema["code"].role == "feature"


def test_a_number_that_is_the_target_up_to_scale_leaks() -> None:
    table = measured(200)
    table["pounds"] = [str(2.2046 * float(cell)) for cell in table["m0"]]
    table["noisy"] = [str(float(cell) + index % 3) for index, cell in enumerate(table["m0"])]
    schema = clean(dataset(**table), CleanSpec(target="m0")).kept.schema
    assert schema["pounds"].role == "ignored"
    assert schema["noisy"].role == "feature"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("diagnosi", "did you mean `diagnosis`"),
        ("empty", "all 60 cells are missing"),
        ("same", "always 'x'"),
        ("name", "60 distinct texts in 60 rows"),
    ],
)
def test_targets_that_cannot_be_learned(target: str, says: str) -> None:
    data = dataset(
        diagnosis=["a", "b"] * 30, empty=["?"] * 60, same=["x"] * 60, name=[f"name {index}" for index in range(60)]
    )
    with pytest.raises(UserError) as problem:
        clean(data, CleanSpec(target=target))
    assert problem.value.code == "clean.target"
    assert says in str(problem.value)


def test_a_table_without_rows_has_no_target() -> None:
    with pytest.raises(UserError, match="no rows"):
        clean(Dataset.from_frame(pl.DataFrame(schema={"x": pl.String, "y": pl.String})), CleanSpec(target="y"))


def test_unknown_columns_in_the_spec() -> None:
    with pytest.raises(UserError, match="there is no column 'agee'"):
        clean(dataset(age=["1"]), CleanSpec(kinds={"agee": "number"}))
    with pytest.raises(UserError, match="input should be 'missing'"):
        CleanSpec(skip=("duplicate",))  # type: ignore[arg-type]


def test_roles_that_the_data_came_with_are_kept() -> None:
    frame = pl.DataFrame({"ward": [str(index) for index in range(60)], "y": ["a", "b"] * 30})
    schema = Schema((Column("ward", role="group"), Column("y", role="target")))
    found = clean(Dataset.from_frame(frame, schema)).kept.schema
    assert (found["ward"].role, found["y"].role) == ("group", "target")


def test_summary_counts_the_log() -> None:
    found = clean(Dataset.from_frame(dict(awkward_tables())["messy"]))
    lines = summary(found)
    cells = [line for line in lines if line["column"] in found.kept.schema]
    assert sum(line["n_changed"] for line in cells) == found.changes.collect().height
    assert sum(line["n_changed"] for line in lines if line not in cells) == found.removed.height
    sex = next(line for line in lines if (line["column"], line["step"]) == ("sex", "missing"))
    assert sex["example"] == "'-' -> missing"


def test_watchers_are_told_json() -> None:
    import json

    events: list[Any] = []
    clean(dataset(**measured(50)), watch=events.append)
    assert [event["event"] for event in events] == ["looked", "rows"]
    assert json.loads(json.dumps(events)) == events


def test_many_columns() -> None:
    dice = random.Random(0)
    wide = {f"c{index}": [str(dice.random()), str(dice.random()), "?"] for index in range(2000)}
    assert len(clean(dataset(**wide)).kept.schema.columns) == 2000
