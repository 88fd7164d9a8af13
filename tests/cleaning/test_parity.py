"""The heart of cleaning: a column read at once is what the serving reader says of each of its cells."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.cleaning.apply import _MANY, read_series
from modelwright.cleaning.known import expressions
from modelwright.cleaning.survey import survey
from modelwright.core.data import Dataset
from modelwright_runtime.reading import CellError, Reading, read_cell

MARKERS = ("na", "?", "-", "null", "none", "missing")
QUIET = settings(deadline=None, max_examples=25)

NUMBERS = (
    "", " ", "NA", "n/a", "?", "-", "inf", "-inf", "nan", "1e400", "-0", "007", "1_000", "0x10", "١٢", "\u22125",
    "(12)", "1,23", "1.23", "1,234", "1.234", "1.234.567,8", "1,234,567.8", "1 234,5", "1\u00a0234,5", "1'234.5",
    "12,34,567", "1,2,3", "1234,5", "5 mm", "5mm", "0.5 cm", "0,5 cm", "1.234 mm", "5 kg", "5 m", "3 oz.", "12 %",
    "45%", "€5", "5 €", "$1,234.50", "-$5", "$ -5", "999", "-999", "999 mm", "99.9 cm", "\t3", "3\x1f", "3 ", "+7",
    ".5", "5.", "1e5", "1e2 mm", "1" * 401, "0" * 401, "2000000", "-3", "twelve",
)  # fmt: skip
WORDS = (
    "Male", "male ", " MALE", "male", "MALE", "a  b", "a b", "A\u00a0B", "a\tb", "x\x1f", "\x1cx", "NA", "na",
    " N/a", "yes", "No", "TRUE", "true", "0", "1", "1.0", "", " ", "Straße", "none", "NONE", "mi\u017f\u017fing",
    "Missing", "\u0130", "-", "999", "\u2003x", "x\n",
)  # fmt: skip
DATES = (
    "", "NA", "0000-01-01", "0001-01-01", "2020-02-30", "2020-02-29", "2020-2-9", "2020-01-01 00:00:60",
    "2020-01-01 00:00:59", "2020-01-01 3:04:05", " 2020-01-01", "01/02/2020", "13/02/2020", "02/13/2020",
    "1 /2/2020", "1/2/20", "1/2/70", "1/2/02020", "1900-01-01", "01/01/1900", "9999-12-31", "2020-01-01T01:02:03",
    "5 Mar 2020", "2020-01-01 10:00:00.5", "2020-01-01 10:00:00.123456", "31/12/1899", "3:04 PM",
)  # fmt: skip


def reading(kind: str, **settings: Any) -> Reading:
    return Reading(column="x", kind=kind, **{"missing": MARKERS, **settings})  # type: ignore[arg-type]


UNITS: tuple[dict[str, float], ...] = ({}, {"mm": 1.0, "cm": 10.0}, {"%": 0.01}, {"": 2.5, "kg": 1.0}, {"oz.": 1.0})
NUMBER_READINGS = [
    reading("number", decimal=decimal, thousands=thousands, units=units)
    for decimal in ".,"
    for thousands in ("", ",", ".", " ", "'")
    for units in UNITS
    if decimal != thousands
] + [
    reading("number", sentinels=(999.0, -999.0), low=-3.0, high=1e6),
    reading("number", missing=("999", "1,23"), decimal=","),
]
TEXT_READINGS = [
    reading(kind, variants=variants, missing=missing)
    for kind in ("category", "text")
    for variants in ({}, {"male": "Male", "MALE": "Male", "a b": "A b"})
    for missing in ((), MARKERS, ("999",))
] + [reading("boolean", true=("yes", "true", "1"), false=("no", "false", "0"))]
DATE_READINGS = [
    reading("datetime", formats=formats, sentinels=sentinels)
    for formats in (
        ("%d/%m/%Y",), ("%m/%d/%Y", "%d/%m/%y"), ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"), ("%Y-%m-%d %H:%M:%S.%f",), (),
        ("%d %b %Y", "%Y-%m-%dT%H:%M:%S"), ("%Y-%m-%dT%H:%M:%S%z", "%d/%m/%Y"),
    )
    for sentinels in ((), (-2208988800.0,))
]  # fmt: skip
READINGS = NUMBER_READINGS + TEXT_READINGS + DATE_READINGS


def said(cell: Any, reading: Reading) -> Any:
    try:
        return read_cell(cell, reading)
    except CellError:
        return None


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1)).total_seconds()
    return float(value) if isinstance(value, bool) else value


def check(cells: pl.Series, reading: Reading) -> None:
    """Read as a whole, among many other cells, and by the expression that cleaning would use."""
    expected = [said(cell, reading) for cell in cells.to_list()]
    assert [plain(value) for value in read_series(cells, reading).to_list()] == expected
    look = survey(Dataset.from_frame(cells.to_frame()), 100_000, lambda n_rows: None)
    by_expression = cells.to_frame().select(expressions(look, [reading])).to_series()
    assert [plain(value) for value in by_expression.to_list()] == expected
    if cells.dtype == pl.String and cells.len():
        # many cells take the vectorised paths that few would not
        many = pl.concat([cells, pl.Series("x", [f"{index},5 mm" for index in range(_MANY + 600)])])
        assert [plain(value) for value in read_series(many, reading).head(cells.len()).to_list()] == expected


@pytest.mark.parametrize("rule", READINGS, ids=lambda rule: rule.kind)
def test_known_traps(rule: Reading) -> None:
    check(pl.Series("x", [*NUMBERS, *WORDS, *DATES, None]), rule)


cells_of_all_kinds = st.one_of(
    st.none(), st.sampled_from(NUMBERS + WORDS + DATES),
    st.text(alphabet=" aAbBé\u00a0\t\x1f.-?\u0130\u212a1,", max_size=7),
    st.from_regex(r"[ ]?[+-]?[0-9]{1,7}([.,][0-9]{0,4})?([eE][+-]?[0-9]{1,3})?[ ]?", fullmatch=True),
    st.from_regex(r"[$€]? ?-?[0-9]{1,3}([., '][0-9]{3}){0,2}([.,][0-9]{1,2})? ?(mm|cm|%|kg|€|oz\.)?", fullmatch=True),
    st.from_regex(r"[0-9]{1,4}[/-][0-9]{1,2}[/-][0-9]{1,5}( [0-9]{1,2}:[0-9]{2}:[0-9]{1,2})?", fullmatch=True),
)  # fmt: skip


@QUIET
@given(st.lists(cells_of_all_kinds, max_size=25), st.sampled_from(NUMBER_READINGS))
def test_numbers(cells: list[str | None], rule: Reading) -> None:
    check(pl.Series("x", cells, dtype=pl.String), rule)


@QUIET
@given(st.lists(cells_of_all_kinds, max_size=25), st.sampled_from(TEXT_READINGS + DATE_READINGS))
def test_words_and_dates(cells: list[str | None], rule: Reading) -> None:
    check(pl.Series("x", cells, dtype=pl.String), rule)


@pytest.mark.parametrize("kind", ["number", "category", "boolean", "datetime", "text"])
@pytest.mark.parametrize(
    "cells",
    [
        pl.Series("x", [1, None, 2**60, -5]),
        pl.Series("x", [1, 0, 255], dtype=pl.UInt8),
        pl.Series("x", [0.5, float("nan"), float("inf"), 3.0, None, 1e17]),
        pl.Series("x", [0.1, 2.5], dtype=pl.Float32),
        pl.Series("x", [True, False, None]),
        pl.Series("x", [date(2024, 1, 2), None, date(1900, 1, 1)]),
        pl.Series("x", [datetime(2024, 1, 2, 3, 4, 5, 678901), None]),
        pl.Series("x", [datetime(2024, 7, 2, 3)]).dt.replace_time_zone("Europe/Berlin"),
        pl.Series("x", ["a", " b", None], dtype=pl.Categorical),
        pl.Series("x", [None, None], dtype=pl.Null),
        pl.Series("x", [[1, 2], None], dtype=pl.List(pl.Int64)),
        pl.Series("x", ["12.50", "7.05"]).cast(pl.Decimal(10, 2)),
    ],
    ids=lambda cells: str(cells.dtype),
)
def test_columns_that_had_types(cells: pl.Series, kind: str) -> None:
    check(
        cells,
        Reading(column="x", kind=kind, missing=MARKERS, true=("1", "true"), false=("0", "false"), sentinels=(255.0,)),
    )
