"""Requirements: each way not to meet one, counts by source, and the two commands that show them."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.cli import command
from modelwright.core.data import Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.lifecycle import load_run
from modelwright.profiling.requirements import Met, RequirementsSpec, SourceRows, met
from modelwright.profiling.requirements import tally as tallying

NOW = datetime(2024, 7, 1)
ENGLISH, GERMAN = "the cat sat on the mat and it was happy with that", "der hund ist nicht im haus aber er kommt bald"


def table(columns: dict[str, Any], **kinds: Any) -> Dataset:
    frame = pl.DataFrame(columns)
    return Dataset.from_frame(frame, Schema(tuple(Column(name, kinds[name]) for name in frame.columns)))


def needs(**settings: Any) -> RequirementsSpec:
    return RequirementsSpec.parse(settings, where="requirements")


def states(found: Met) -> dict[str, str]:
    return {one.need: one.status for one in found.findings}


PEOPLE = table(
    {
        "age": [20.0, 30.0, None, 150.0], "sex": ["f", "m", "m", "x"], "paid": ["no", "no", "no", "yes"],
        "member": [True, False, None, True], "code": ["a", "b", "b", None],
        "when": [datetime(2024, 1, 1), datetime(2024, 1, 20), datetime(2024, 5, 1), datetime(2024, 6, 1)],
    },
    age="number", sex="category", paid="category", member="boolean", code="category", when="datetime",
)  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "need", "status", "words"),
    [
        ({"rows": 4}, "rows", "met", "4 rows"),
        ({"rows": 9}, "rows", "thin", "5 short"),
        ({"columns": ["sex"]}, "columns.sex", "met", ""),
        ({"columns": ["income"]}, "columns.income", "missing", "no column"),
        ({"columns": {"sex": "number"}}, "columns.sex", "missing", "is read as category"),
        ({"columns": {"age": {"max": 120}}}, "columns.age.range", "unrepresentative", "20 to 150"),
        ({"columns": {"age": {"min": 20, "max": 150}}}, "columns.age.range", "met", ""),
        ({"columns": {"sex": {"min": 1}}}, "columns.sex.range", "missing", "no numbers"),
        ({"columns": {"sex": ["f", "m"]}}, "columns.sex.values", "unrepresentative", "'x' (1)"),
        ({"columns": {"member": ["yes", "no"]}}, "columns.member.values", "met", ""),
        ({"columns": {"age": {"missing": "25 %"}}}, "columns.age.missing", "met", "25 %"),
        ({"columns": {"age": {"missing": "at most 5 %"}}}, "columns.age.missing", "thin", "1 cell (25 %)"),
        ({"columns": {"age": {"missing": 1}}}, "columns.age.missing", "met", ""),
        ({"columns": {"code": {"unique": True}}}, "columns.code.unique", "unrepresentative", "1 row"),
        ({"columns": {"when": {"unique": True}}}, "columns.when.unique", "met", ""),
        ({"classes": {"yes": 1}}, "classes.yes", "met", ""),
        ({"classes": {"yes": 2}}, "classes.yes", "thin", "1 short"),
        ({"classes": {"perhaps": 1}}, "classes.perhaps", "missing", "0 rows"),
        ({"classes": 2}, "classes", "thin", "yes (1)"),
        ({"groups": {"sex": {"f": "50 %"}}}, "groups.sex.f", "unrepresentative", "25 %"),
        ({"groups": {"sex": {"m": 0.5}}}, "groups.sex.m", "met", ""),
        ({"groups": {"member": {"yes": 2}}}, "groups.member.yes", "met", ""),
        ({"groups": {"town": 5}}, "groups.town", "missing", "no column"),
        ({"time_span": {"from": 2023}}, "time_span.from", "thin", "2024-01-01"),
        ({"time_span": {"from": "2024-01-01"}}, "time_span.from", "met", ""),
        ({"time_span": {"to": "2024-12"}}, "time_span.to", "thin", "2024-06-01"),
        ({"time_span": {"gap": "102d"}}, "time_span.gap", "met", ""),
        ({"time_span": {"gap": "101d"}}, "time_span.gap", "thin", "2024-01-20 to 2024-05-01"),
        ({"fresh": "30d"}, "fresh", "met", "30 days old"),
        ({"fresh": "29d"}, "fresh", "thin", "30 days old"),
    ],
)
def test_each_requirement(asked: dict[str, Any], need: str, status: str, words: str) -> None:
    found = met(PEOPLE, needs(**asked), target="paid", now=NOW)
    (one,) = [one for one in found.findings if one.need == need]
    assert one.status == status, one.text
    assert words in one.text
    assert bool(one.todo) is (status != "met")
    assert Met.from_plain(json.loads(json.dumps(found.to_plain()))) == found


def test_rows_to_collect_reach_the_share() -> None:
    found = met(PEOPLE, needs(groups={"sex": {"f": "50 %"}})).findings[0]
    assert "collect 2 rows more" in found.todo  # 3 of 6, and not 2 of 4


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"colums": ["age"]}, "spec.unknown", "did you mean `columns`"),
        ({"columns": {"age": {"mn": 3}}}, "spec.unknown", "did you mean `min`"),
        ({"time_span": {"form": 2020}}, "spec.unknown", "did you mean `from`"),
        ({"time_span": {"from": 2021, "to": 2020}}, "spec.value", "is not before"),
        ({"time_span": {"column": "when"}}, "spec.value", "say `from`"),
        ({"rows": 0}, "spec.value", "rows"),
        ({"rows": "lots"}, "spec.value", "number of rows"),
        ({"classes": {"yes": True}}, "spec.value", "yes: write"),
        ({"classes": {"yes": 7.5}}, "spec.value", "share"),
        ({"columns": {"age": {"missing": "120 %"}}}, "spec.value", "between 0 % and 100 %"),
        ({"columns": {"age": {"min": 9, "max": 1}}}, "spec.value", "larger"),
        ({"languages": {"english": 5}}, "spec.value", "two letters"),
        ({"fresh": "soon"}, "spec.value", "7d"),
    ],
)
def test_what_cannot_be_required(asked: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        needs(**asked)
    assert caught.value.code == code
    assert words in str(caught.value)


def test_a_requirement_without_a_column_is_told() -> None:
    for asked in ({"languages": {"en": 1}}, {"media": 5}, {"classes": 3}):
        with pytest.raises(UserError) as caught:
            met(PEOPLE, needs(**asked))
        assert caught.value.code == "requirements.column"


def test_languages_and_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    data = table({"note": [ENGLISH] * 6 + [GERMAN] * 4}, note="text")
    sources = (SourceRows("b.csv", 7, 3), SourceRows("a.csv", 0, 7))
    asked = needs(rows=1, languages={"en": "50 %", "de": 5, "fr": 1})
    found = met(data, asked, sources=sources)
    assert states(found) == {"rows": "met", "languages.en": "met", "languages.de": "thin", "languages.fr": "missing"}
    assert found.findings[2].by_source == {"a.csv": 1, "b.csv": 3}
    assert found.sources == {"a.csv": 7, "b.csv": 3}
    monkeypatch.setattr(tallying, "SAMPLE_ROWS", 5)
    assert met(data, asked).findings[1].found.startswith("6 rows")  # every second row was looked at


def test_pictures_that_are_too_small_do_not_count() -> None:
    image = pytest.importorskip("PIL.Image")
    files = []
    for side in (8, 64, 65):
        held = io.BytesIO()
        image.new("RGB", (side, 90)).save(held, "PNG")
        files.append(held.getvalue())
    data = table({"photo": [*files, b"no picture", None]}, photo="image")
    assert met(data, needs(media={"least": 2, "side": 64})).is_met
    (one,) = met(data, needs(media={"least": 3, "side": 64})).findings
    assert (one.status, one.found) == ("thin", "2 pictures; 2 are smaller or shorter")


def test_an_empty_table_misses_everything() -> None:
    asked = needs(rows=1, columns=["age"], classes=2, groups={"sex": 1}, languages=["en"], time_span={"from": 2020},
                  media=1, fresh="1d")  # fmt: skip
    found = met(Dataset.from_frame(pl.DataFrame()), asked, target="paid")
    assert set(states(found).values()) == {"missing"}
    assert len(found.findings) == 8


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=60), st.integers(1, 50), st.integers(1, 9))
def test_batches_change_nothing_and_gaps_are_exact(days: list[int], gap: int, size: int) -> None:
    moments = [datetime(2024, 1, 1) + timedelta(days=day) for day in days]
    data = table({"when": moments, "day": [str(day) for day in days]}, when="datetime", day="category")
    asked = needs(time_span={"gap": f"{gap}d"}, columns={"day": {"unique": True}}, groups={"day": 2})
    whole = met(data, asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tallying, "ROWS_AT_ONCE", size)
        assert met(data, asked) == whole
    ordered = sorted(set(days))
    steps = [after - before for before, after in zip(ordered, ordered[1:], strict=False)]
    assert (states(whole)["time_span.gap"] == "met") is (max(steps, default=0) <= gap)
    assert (states(whole)["columns.day.unique"] == "met") is (len(ordered) == len(days))


# The commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, ages in (("north", range(60)), ("south", range(40, 70))):
        rows = [f"{age},{'yes' if age % 3 else 'no'},{name}" for age in ages]
        (tmp_path / f"{name}.csv").write_text("age,paid,town\n" + "\n".join(rows) + "\n")
    path = tmp_path / "r.yaml"
    path.write_text(
        "target: paid\ndata: [north.csv, south.csv]\ntrain: {models: [{model: linear}]}\n"
        "requirements:\n  rows: 90\n  columns: {age: {max: 65, must: true}}\n  classes: {yes: 10, no: 70}\n"
    )
    return path


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_collecting_keeps_what_came_and_then_fails(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["collect", "r.yaml", "--json"]) == 2
    told = events(capsys)
    (required,) = [one for one in told if one.get("event") == "requirements"]
    assert required["version"] == "r@1"
    assert {one["need"]: one["status"] for one in required["findings"]} == {
        "rows": "met", "columns.age": "met", "columns.age.range": "unrepresentative", "classes.yes": "met",
        "classes.no": "thin",
    }  # fmt: skip
    (beyond,) = [one for one in required["findings"] if one["need"] == "columns.age.range"]
    assert beyond["by_source"] == {"north.csv": 0, "south.csv": 4}
    assert told[-1]["code"] == "requirements.unmet"
    recipe.write_text(recipe.read_text().replace("must: true", "must: false"))
    assert command(["collect", "r.yaml"]) == 0  # the version is there
    shown = capsys.readouterr().out
    assert "stays the newest" in shown
    assert "4 of `age` are not" in shown.replace("4 rows (4.4 %)", "4")


def test_a_run_stops_before_it_splits(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from modelwright.core.store import Store

    assert command(["run", "r.yaml"]) == 2
    assert "`columns.age.range` is unrepresentative" in capsys.readouterr().err
    record = load_run(Store.open(".wright"), "r")
    assert [stage.stage for stage in record.stages] == [
        "collection/collect",
        "cleaning/clean",
        "profiling/requirements",
    ]
    assert record.status == "failed"
    assert command(["plan", "r.yaml"]) == 0  # a plan tells, and goes on
    assert "unrepresentative" in capsys.readouterr().out
    recipe.write_text(recipe.read_text().replace("must: true", "must: false"))
    assert command(["run", "r.yaml"]) == 0
    capsys.readouterr()
    for page in ("report.html", "card.md"):
        assert "requirements met, 1 thin, 1 unrepresentative" in Path(".wright/out/r", page).read_text()


def test_a_misspelt_requirement_is_told_before_anything_is_collected(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text("data: [north.csv]\nrequirements: {colums: [age]}\n")
    assert command(["collect", "r.yaml"]) == 2
    assert "did you mean `columns`" in capsys.readouterr().err
    assert not Path(".wright/datasets").exists()
