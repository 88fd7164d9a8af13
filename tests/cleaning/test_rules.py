"""What cleaning concludes from a column's cells, one rule at a time."""

from __future__ import annotations

import random

import polars as pl
import pytest

from modelwright.cleaning import CleanSpec, clean
from modelwright.core.data import Dataset
from modelwright.core.values import Cleaned


def cleaned(*, spec: CleanSpec | None = None, **columns: list[str | None]) -> Cleaned:
    return clean(Dataset.from_frame(pl.DataFrame(columns)), spec or CleanSpec(skip=("duplicates",)))


def column(cells: list[str | None], **settings: object) -> tuple[str, list[object]]:
    """The kind of one column and its values."""
    found = cleaned(x=cells, spec=CleanSpec(skip=("duplicates",), **settings))  # type: ignore[arg-type]
    return found.kept.schema["x"].kind, found.kept.frame["x"].to_list()


def said(found: Cleaned, about: str) -> str:
    return " | ".join(f"{one.choice}: {one.reason}" for one in found.decisions if one.about == about)


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1,5", "2,25", "10,125"], [1.5, 2.25, 10.125]),
        (["1.234,5", "12,5", "2.000"], [1234.5, 12.5, 2000.0]),
        (["1,234.5", "12.5", "2,000"], [1234.5, 12.5, 2000.0]),
        (["1 234,5", "1\u00a0234 567,5", "3,0"], [1234.5, 1234567.5, 3.0]),
        (["$1,200.00", "$3.50", "-$2.00", "($4.00)"], [1200.0, 3.5, -2.0, -4.0]),
        (["12 €", "3,50 €"], [12.0, 3.5]),
        (["USD 12", "USD 3.50"], [12.0, 3.5]),
        (["45%", "7 %", "100%"], [0.45, 0.07, 1.0]),
        (["45%", "7", "52", "61%"], [45.0, 7.0, 52.0, 61.0]),
        (["565K", "1.2M", "80K"], [565000.0, 1200000.0, 80000.0]),
        (["17.5 mm", "1.8 cm", "18.1"], [17.5, 18.0, 18.1]),
        (["12.0 oz", "12.0 oz.", "16 OZ.", "8 ounces"], [12.0, 12.0, 16.0, 8.0]),
        (["3 rooms", "1 room"], [3.0, 1.0]),
        (["\u22125", "4", "3"], [-5.0, 4.0, 3.0]),
    ],
)
def test_numbers_in_text(cells: list[str | None], numbers: list[float]) -> None:
    kind, values = column(cells)
    assert kind == "number"
    assert values == pytest.approx(numbers, rel=1e-12)


@pytest.mark.parametrize(
    "cells",
    [
        ["12A", "14B", "3C"],
        ["A12", "A13", "B2"],
        ["12 USD", "3 EUR", "4 USD"],
        ["$5", "€7", "$8"],
        ["5 kg", "3 m", "2 kg"],
        ["02134", "99501", "10115", "00501"],
        ["12345678901234567", "12345678901234568"],
        ["1.2.3", "1.2.4", "2.0.1"],
        ["10-20", "20-30", "<10"],
    ],
)
def test_what_is_no_number(cells: list[str | None]) -> None:
    assert column(cells) == ("category", cells)


def test_three_digits_behind_a_comma_are_told_apart_by_size() -> None:
    whole = cleaned(x=["1,250", "2,500", "900", "780", "850"])
    assert whole.kept.frame["x"].to_list() == [1250.0, 2500.0, 900.0, 780.0, 850.0]
    small = cleaned(x=["1,250", "2,500", "1.9", "2.78", "1.85"])
    assert small.kept.frame["x"].to_list() == [1.25, 2.5, 1.9, 2.78, 1.85]
    assert "ambiguous" in said(whole, "x")
    assert "ambiguous" in said(small, "x")


def test_three_digits_behind_a_comma_follow_the_table() -> None:
    alone = cleaned(x=["1,250", "2,500"])
    assert alone.kept.frame["x"].to_list() == [1250.0, 2500.0]
    beside = cleaned(x=["1,250", "2,500"], y=["1,5", "2,75"])
    assert beside.kept.frame["x"].to_list() == [1.25, 2.5]


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["31/12/2024", "01/02/2024"], "2024-12-31"),
        (["12/31/2024", "01/02/2024"], "2024-12-31"),
        (["2024-12-31", "2024-01-02"], "2024-12-31"),
        (["31.12.24", "01.02.24"], "2024-12-31"),
        (["31 Dec 2024", "1 Feb 2024"], "2024-12-31"),
        (["December 31, 2024", "May 1, 2024"], "2024-12-31"),
        (["31/12/2024 11:59 PM", "01/02/2024 1:00 AM"], "2024-12-31"),
        (["2024-12-31T10:00:00Z", "2024-01-02T00:00:00+02:00"], "2024-12-31"),
        (["20241231", "20240102", *(f"202405{day}" for day in range(10, 30))], "2024-12-31"),
    ],
)
def test_dates(cells: list[str | None], first: str) -> None:
    kind, values = column(cells)
    assert kind == "datetime"
    assert str(values[0])[:10] == first
    assert None not in values


def test_day_and_month_when_the_cells_leave_it_open() -> None:
    cells: list[str | None] = ["01/02/2024", "05/03/2024", "02/02/2024"]
    assert "ambiguous" in said(cleaned(x=cells), "x")
    assert [str(value)[:10] for value in column(cells, day_first=True)[1]][0] == "2024-02-01"
    assert [str(value)[:10] for value in column(cells, day_first=False)[1]][0] == "2024-01-02"
    beside = cleaned(x=cells, y=["31/12/2024", "01/01/2024", "02/01/2024"])
    assert str(beside.kept.frame["x"][0])[:10] == "2024-02-01", "the other column says that the day is first"
    ordered = [f"{day:02d}/{month:02d}/2024" for month in range(1, 13) for day in (1, 5, 9)]
    assert str(cleaned(x=ordered).kept.frame["x"][1])[:10] == "2024-01-05", "only so do the dates follow the rows"


def test_booleans() -> None:
    assert column(["Yes", "no", "YES", "NA"]) == ("boolean", [True, False, True, None])
    assert column(["t", "f", "t"]) == ("boolean", [True, False, True])
    assert column(["m", "f", "m"])[0] == "category"
    assert column(["0", "1", "1"])[0] == "number"
    assert column(["Y", "N"] * 200 + ["P"] * 4)[0] == "category", "a word that comes back is a level"
    assert column(["Y", "N"] * 200 + ["P"])[0] == "boolean"
    assert column(["1", "0", "yes"]) == ("boolean", [True, False, True])


def test_the_target_keeps_its_words() -> None:
    found = cleaned(x=["1", "2", "3"], y=["yes", "NO", "yes"], spec=CleanSpec(target="y", skip=("duplicates",)))
    assert found.kept.schema["y"].kind == "category"
    assert found.kept.frame["y"].to_list() == ["yes", "NO", "yes"]


def test_spellings_of_a_category() -> None:
    kind, values = column(["Male"] * 5 + [" male", "MALE ", "Female"] + ["New  York", "New York"])
    assert kind == "category"
    assert values == ["Male"] * 7 + ["Female", "New York", "New York"]
    assert column(["a", "A", "a", "A", "b"])[1] == ["a", "A", "a", "A", "b"], "one-letter codes may differ by case"
    assert column(["a"] * 9 + ["A", "b"])[1] == ["a"] * 10 + ["b"], "a rare one is a slip"


def test_markers() -> None:
    assert column(["3", "n/a", "unknown", "#N/A", " ", None])[1] == [3.0, None, None, None, None, None]
    assert column(["oak", "none", "unknown", "?"])[1] == ["oak", "none", "unknown", None]
    assert column(["EU", "NA", "AS", "AF", "SA"])[1] == ["EU", "NA", "AS", "AF", "SA"], "two-letter codes"
    assert column(["+", "-", "+", "-"])[1] == ["+", "-", "+", "-"]
    assert column(["3", "x", "4"], missing=("X",), kinds={"x": "number"})[1] == [3.0, None, 4.0]
    assert column(["3", "999", "4"], missing=("999",))[1] == [3.0, None, 4.0]


def test_a_word_of_the_columns_own_for_missing() -> None:
    found = cleaned(x=[str(number) for number in range(60)] + ["not weighed"] * 4)
    assert "not weighed" in found.readings[0].missing
    assert said(found, "x").count("not weighed") == 1
    assert found.changes.collect()["step"].to_list() == ["missing"] * 4


def test_sentinels_need_evidence() -> None:
    dice = random.Random(0)
    ages = [str(dice.randint(20, 90)) for _ in range(200)]
    assert column([*ages, "999", "999", "999"])[1][-3:] == [None] * 3
    assert column([*ages, "999"])[1][-1] == 999.0, "once is no pattern"
    assert column([*ages, "99", "99", "99"])[1][-1] == 99.0, "not far outside the rest"
    amounts = [str(round(dice.lognormvariate(5, 2), 2)) for _ in range(300)]
    assert column([*amounts, "9999", "9999", "9999"])[1][-1] == 9999.0, "heavy tails reach far"
    lengths = [str(round(dice.uniform(100, 4300), 3)) for _ in range(300)]
    assert column([*lengths, *["9999"] * 9])[1][-1] is None, "a spike where hardly any value repeats"
    both = column([*ages, *["999", "9999"] * 5])[1]
    assert both[-10:] == [None] * 10


def test_sentinel_dates() -> None:
    days = [f"{1 + index % 28:02d}.03.{2015 + index % 9}" for index in range(90)]
    assert column([*days, "01.01.1900", "01.01.1900", "01.01.1900"])[1][-3:] == [None] * 3
    assert column([*days, "01.01.1900"])[1][-1] is not None


def test_unreadable_cells_are_missing_and_logged() -> None:
    found = cleaned(x=[*map(str, range(40)), "o.38", "see letter"])
    log = found.changes.collect()
    assert log["before"].to_list() == ["o.38", "see letter"]
    assert set(log["step"]) == {"unreadable"}
    assert all("not a number" in reason for reason in log["reason"])


def test_texts_categories_and_identifiers() -> None:
    dice = random.Random(1)
    words = ["the", "wood", "is", "dark", "old", "heavy", "and", "good", "not", "bad"]
    notes = [" ".join(dice.choice(words) for _ in range(7)) for _ in range(60)]
    found = cleaned(
        note=notes, wood=[dice.choice(["oak", "ash"]) for _ in range(60)], key=[f"K{i:04}" for i in range(60)]
    )
    roles = {one.name: (one.kind, one.role) for one in found.kept.schema.columns}
    assert roles == {"note": ("text", "feature"), "wood": ("category", "feature"), "key": ("category", "id")}


@pytest.mark.parametrize(
    ("name", "values", "role"),
    [
        ("row", range(50), "id"),
        ("year", range(1970, 2020), "feature"),
        ("CustomerId", [7 * (index * 37 % 101) for index in range(50)], "id"),
        ("price", [7 * (index * 37 % 101) for index in range(50)], "feature"),
        ("patient_id", [7 * (index // 2 * 37 % 101) for index in range(50)], "id"),
        ("passenger_class", [index % 3 for index in range(50)], "feature"),
        ("always", [5] * 50, "ignored"),
    ],
)
def test_roles_of_integers(name: str, values: range | list[int], role: str) -> None:
    found = cleaned(**{name: [str(value) for value in values], "other": [str(index % 7) for index in range(50)]})
    assert found.kept.schema[name].role == role
    assert bool(found.kept.schema[name].why) == (role != "feature")


def test_roles_asked_for_are_kept() -> None:
    spec = CleanSpec(roles={"row": "feature"}, kinds={"row": "category"}, skip=("duplicates",))
    found = cleaned(row=[str(index) for index in range(50)], spec=spec)
    assert (found.kept.schema["row"].role, found.kept.schema["row"].kind) == ("feature", "category")
