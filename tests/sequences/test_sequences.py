"""Long rows become cases: forecasts and windows, with gaps, repeats and disorder told; new rows are made alike."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.cleaning import CleanSpec, clean
from modelwright.collection import collect
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.errors import UserError
from modelwright.core.values import Cleaned
from modelwright.sequences import Layout, WindowSpec, cases_to_answer, window
from modelwright.sequences.grid import choose_step
from modelwright.sequences.season import guess_season
from modelwright.splitting import SplitSpec, split

START = datetime(2024, 1, 1)


def _hourly(n_rows: int = 400, *, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    hours = np.arange(n_rows)
    return pl.DataFrame(
        {
            "t": [START + timedelta(hours=int(hour)) for hour in hours],
            "y": 10 + 3 * np.sin(hours * 2 * np.pi / 24) + rng.normal(0, 0.1, n_rows),
            "temp": np.cos(hours * 2 * np.pi / 24),
        }
    )


def _cleaned(frame: pl.DataFrame, target: str, **roles: str) -> Cleaned:
    return clean(Dataset.from_frame(frame), CleanSpec(target=target, roles=roles, skip=("duplicates",)))


def _told(cases: Cleaned) -> dict[str, str]:
    return {f"{one.about}: {one.choice}": one.reason for one in cases.decisions if one.stage == "sequences"}


def _layout(cases: Cleaned) -> Layout:
    return Layout.from_plain(json.loads(json.dumps(cases.kept.origin["sequences"])))


# Forecasts ------------------------------------------------------------------------------------------------------


def test_a_case_is_the_past_and_what_comes() -> None:
    frame = _hourly()
    cases = window(_cleaned(frame, "y", t="time"), WindowSpec(horizon=6, length=48))
    assert cases.kept.schema.target == "y" and cases.kept.schema["y"].kind == "series"
    assert cases.kept.schema.features == ("y_past", "temp", "t_hour", "t_weekday", "t_month")
    y, temp = frame["y"].to_list(), frame["temp"].to_list()
    assert cases.kept.n_rows == 400 - 48 - 6 + 1
    for row in cases.kept.frame.iter_rows(named=True):
        origin = row[ROW_ID]
        assert row["y_past"] == y[origin - 47 : origin + 1] and row["temp"] == temp[origin - 47 : origin + 1]
        assert row["y"] == y[origin + 1 : origin + 7]
        assert row["t"] == START + timedelta(hours=origin) and row["t_until"] == row["t"] + timedelta(hours=6)
        assert row["t_hour"] == row["t"].hour and row["t_weekday"] == row["t"].isoweekday()
    assert cases.raw.frame.equals(cases.kept.frame) and cases.removed.height == 0
    assert {reading.column: reading.kind for reading in cases.readings}["y_past"] == "series"


def test_the_season_sets_the_length() -> None:
    cases = window(_cleaned(_hourly(2000), "y", t="time"), WindowSpec(horizon=24))
    assert _layout(cases).length == 14 * 24
    assert "length: 336 steps" in _told(cases)


def test_disorder_repeats_and_gaps_are_mended_and_told() -> None:
    frame = _hourly()
    gap = frame.with_row_index().filter(~pl.col("index").is_in([50, 51, 200])).drop("index")
    repeated = pl.concat([gap, gap[[10, 11]].with_columns(pl.col("y") + 2.0)])
    shuffled = repeated.sample(fraction=1.0, shuffle=True, seed=3)
    cases = window(_cleaned(shuffled, "y", t="time"), WindowSpec(horizon=2, length=12))
    told = _told(cases)
    assert "time: 2 rows merged" in told and "time: 3 steps added" in told and "target: 3 values interpolated" in told
    assert "time: sorted" in told
    by_time = {row["t"]: row for row in cases.kept.frame.iter_rows(named=True)}
    y = frame["y"].to_list()
    past = by_time[START + timedelta(hours=52)]["y_past"]
    assert past[-3:] == pytest.approx([y[49] + (y[52] - y[49]) / 3, y[49] + (y[52] - y[49]) * 2 / 3, y[52]])
    assert by_time[START + timedelta(hours=12)]["y_past"][-3] == pytest.approx(y[10] + 1.0), "the mean of two rows"
    assert START + timedelta(hours=50) not in by_time, "no case begins at a row that is not there"
    assert np.isnan(by_time[START + timedelta(hours=52)]["temp"][-2]), "inputs keep their gaps"


def test_a_long_gap_is_never_a_target() -> None:
    frame = _hourly(300).with_row_index().filter(~pl.col("index").is_between(100, 110)).drop("index")
    cases = window(_cleaned(frame, "y", t="time"), WindowSpec(horizon=4, length=8))
    assert np.isfinite(np.array(cases.kept.frame["y"].to_list())).all()
    assert any("origins left out" in choice for choice in _told(cases))


def test_months_are_steps_too() -> None:
    moments = [datetime(1990 + index // 12, index % 12 + 1, 1) for index in range(120)]
    frame = pl.DataFrame({"month": moments, "y": [float(index % 12) + index / 50 for index in range(120)]})
    cases = window(_cleaned(frame, "y", month="time"), WindowSpec(horizon=3))
    assert "step: 1 month" in _told(cases) and _layout(cases).length % 12 == 0
    row = cases.kept.frame.row(0, named=True)
    assert row["month_until"] == moments[row[ROW_ID] + 3]
    assert "month_weekday" not in cases.kept.schema


def test_working_days_are_taken_as_they_come() -> None:
    days = [START + timedelta(days=day) for day in range(300) if day % 7 < 5]
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"day": days, "y": rng.normal(size=len(days)).cumsum()})
    cases = window(_cleaned(frame, "y", day="time"), WindowSpec(horizon=5, length=10))
    assert "step: each row" in _told(cases)
    assert not np.isnan(np.array(cases.kept.frame["y_past"].to_list())).any()


def test_groups_are_series_of_their_own() -> None:
    parts = [
        _hourly(80 + 20 * index, seed=index).with_columns(pl.lit(f"s{index}").alias("meter")) for index in range(3)
    ]
    frame = pl.concat(parts).with_columns(
        pl.col("meter").replace_strict({"s0": "north"}, default="south").alias("side")
    )
    cases = window(_cleaned(frame, "y", t="time", meter="group"), WindowSpec(horizon=4, length=16))
    assert cases.kept.schema["side"].kind == "category", "what is constant in a series is taken over"
    per_group = dict(cases.kept.frame["meter"].value_counts().iter_rows())
    assert per_group == {f"s{index}": 80 + 20 * index - 16 - 4 + 1 for index in range(3)}
    for row in cases.kept.frame.iter_rows(named=True):
        assert row["y_past"][-1] == frame["y"][row[ROW_ID]] and frame["meter"][row[ROW_ID]] == row["meter"]


def test_a_name_that_is_taken_is_not_taken_again() -> None:
    frame = _hourly(100).rename({"temp": "y_past"})
    cases = window(_cleaned(frame, "y", t="time"), WindowSpec(horizon=2, length=4))
    assert {"y_past", "y_past_2"} <= set(cases.kept.schema.features)
    assert cases.kept.frame["y_past_2"][0].to_list() == frame["y"][:4].to_list()


def test_the_number_of_cells_is_bounded() -> None:
    cases = window(_cleaned(_hourly(2000), "y", t="time"), WindowSpec(horizon=8, length=48, most_cells=20_000))
    layout = _layout(cases)
    assert layout.stride > 1 and cases.kept.n_rows * (48 * 2 + 8) <= 20_000
    assert any(choice.startswith("stride") for choice in _told(cases))
    assert cases.kept.frame[ROW_ID].max() == 2000 - 8 - 1, "the last origin is always a case"


@pytest.mark.parametrize(
    ("frame", "target", "code"),
    [
        (_hourly(6), "y", "sequences.short"),
        (_hourly(60).with_columns(pl.col("temp").gt(0).cast(pl.String).alias("y")), "y", "sequences.target"),
    ],
)
def test_what_cannot_be_forecast_is_refused(frame: pl.DataFrame, target: str, code: str) -> None:
    with pytest.raises(UserError) as caught:
        window(_cleaned(frame, target, t="time"), WindowSpec(horizon=6))
    assert caught.value.code == code


@settings(max_examples=25)
@given(
    length=st.integers(2, 20), horizon=st.integers(1, 8), stride=st.integers(1, 5), n_rows=st.integers(40, 90),
    lost=st.sets(st.integers(0, 89), max_size=12), seed=st.integers(0, 5),
)  # fmt: skip
def test_no_case_sees_what_it_is_to_forecast(
    length: int, horizon: int, stride: int, n_rows: int, lost: set[int], seed: int
) -> None:
    """Whatever rows are lost and however they lie, past and target are those of the clock."""
    frame = _hourly(n_rows, seed=seed).with_row_index().filter(~pl.col("index").is_in(list(lost))).drop("index")
    known = dict(frame.select("t", "y").iter_rows())
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    cases = window(_cleaned(shuffled, "y", t="time"), WindowSpec(horizon=horizon, length=length, stride=stride))
    if any("each row" in choice for choice in _told(cases)):
        return  # so many rows are lost that they are steps as they come
    for row in cases.kept.frame.iter_rows(named=True):
        for back, value in enumerate(reversed(row["y_past"])):
            moment = row["t"] - timedelta(hours=back)
            assert moment not in known or value == known[moment]
        for ahead, value in enumerate(row["y"], start=1):
            moment = row["t"] + timedelta(hours=ahead)
            assert moment not in known or value == known[moment]
        assert row["t_until"] == row["t"] + timedelta(hours=horizon)


def test_season_and_step_are_found() -> None:
    rng = np.random.default_rng(0)
    assert guess_season(rng.normal(size=2000))[0] == 1
    assert guess_season(rng.normal(size=2000).cumsum())[0] == 1
    assert guess_season(np.tile(rng.normal(size=7), 40) + rng.normal(0, 0.2, 280))[0] == 7
    minute = 60 * 10**6
    assert choose_step([np.arange(0, 100) * 15 * minute], is_moment=True).told() == "15 minutes"


# Splits of cases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folds", [None, 3])
def test_no_training_target_is_in_the_test_or_in_a_later_fold(folds: int | None) -> None:
    cases = window(_cleaned(_hourly(600), "y", t="time"), WindowSpec(horizon=12, length=24)).kept
    splits = split(cases, SplitSpec(folds=folds))
    assert splits.kind == "time" and splits.ordered
    rows = cases.frame
    train = rows.filter(pl.col(ROW_ID).is_in(splits.train.tolist()))
    test = rows.filter(pl.col(ROW_ID).is_in(splits.test.tolist()))
    assert train["t_until"].max() == test["t"].min(), "the gap is the horizon, and no longer"
    assert len(splits.pairs()) == (folds or 1)
    until, origin = (dict(rows.select(ROW_ID, name).iter_rows()) for name in ("t_until", "t"))
    for fitted, validated in splits.pairs():
        latest = max(until[int(splits.train[place])] for place in fitted)
        assert latest <= min(origin[int(splits.train[place])] for place in validated)


def test_windows_of_one_long_series_do_not_share_rows_across_the_split() -> None:
    frame = pl.DataFrame({"x": np.random.default_rng(0).normal(size=600), "state": (["a"] * 60 + ["b"] * 60) * 5})
    cases = window(_cleaned(frame, "state"), WindowSpec(length=20, stride=5)).kept
    splits = split(cases)
    assert splits.kind == "time"
    train = {row - back for row in splits.train.tolist() for back in range(20)}
    test = {row - back for row in splits.test.tolist() for back in range(20)}
    assert not train & test


def _parted(frame: pl.DataFrame, *bounds: tuple[str, int]) -> pl.DataFrame:
    words = [word for word, n_rows in bounds for _ in range(n_rows)]
    return frame.with_columns(pl.Series("part", words))


@pytest.mark.parametrize("stride", [1, 7])
def test_a_case_is_on_the_side_of_all_that_it_forecasts(stride: int) -> None:
    frame = _parted(_hourly(300), ("train", 200), ("validation", 12), ("test", 88))
    spec = WindowSpec(horizon=12, length=24, stride=stride)
    cases = window(_cleaned(frame, "y", t="time", part="split"), spec)
    assert cases.kept.schema["part"].role == "split" and "part" not in cases.kept.schema.features
    for row in cases.kept.frame.iter_rows(named=True):
        assert set(frame["part"][row[ROW_ID] + 1 : row[ROW_ID] + 13]) == {row["part"]}
    counts = dict(cases.kept.frame["part"].value_counts().iter_rows())
    every = {"train": 200 - 24 - 12 + 1, "validation": 1, "test": 88 - 12 + 1}
    assert counts == {word: -(-n // stride) for word, n in every.items()}, "the last of each side is always a case"
    assert any("both sides of the split" in reason for reason in _told(cases).values())
    splits = split(cases.kept, SplitSpec(kind="given", column="part"))
    assert (len(splits.test), int((splits.folds == 0).sum())) == (counts["test"], 1)


def test_without_validation_later_cases_of_a_given_split_validate() -> None:
    frame = _parted(_hourly(300), ("train", 240), ("test", 60))
    cases = window(_cleaned(frame, "y", t="time", part="split"), WindowSpec(horizon=6, length=24)).kept
    splits = split(cases, SplitSpec(kind="given", column="part"))
    ((fitted, validated),) = splits.pairs()
    until, origin = (dict(cases.frame.select(ROW_ID, name).iter_rows()) for name in ("t_until", "t"))
    latest = max(until[int(splits.train[place])] for place in fitted)
    assert latest <= min(origin[int(splits.train[place])] for place in validated)
    assert splits.kind == "given" and len(splits.test) == 60 - 6 + 1


def test_rows_on_sides_by_chance_leave_no_case() -> None:
    frame = _hourly(60).with_columns(pl.Series("part", ["train", "test"] * 30))
    with pytest.raises(UserError, match="all on one side of `part`"):
        window(_cleaned(frame, "y", t="time", part="split"), WindowSpec(horizon=4, length=8))


# Windows of sessions --------------------------------------------------------------------------------------------


def _sensors(n_sessions: int = 6, *, n_rows: int = 100) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"session": f"s{session}", "state": state, "ax": float(rng.normal()), "ay": float(rng.normal())}
        for session in range(n_sessions)
        for state in ("walk", "rest")
        for _ in range(n_rows)
    ]
    return pl.DataFrame(rows)


def test_sessions_are_recognised() -> None:
    frame = _sensors()
    cases = window(_cleaned(frame, "state", session="group"))
    layout = _layout(cases)
    assert (layout.kind, layout.length, layout.stride) == ("windows", 100, 50)
    assert cases.kept.n_rows == 12 and cases.kept.schema["ax"].kind == "series"
    for row in cases.kept.frame.iter_rows(named=True):
        first = row[ROW_ID] - 99
        assert row["ax"] == frame["ax"][first : first + 100].to_list()
        assert set(frame["state"][first : first + 100]) == {row["state"]}
        assert set(frame["session"][first : first + 100]) == {row["session"]}
    assert split(cases.kept).kind == "grouped"


def test_windows_never_cross_the_split() -> None:
    frame = _sensors(3).with_columns(pl.Series("part", (["train"] * 130 + ["test"] * 70) * 3))
    cases = window(_cleaned(frame, "state", session="group", part="split"), WindowSpec(length=20, stride=5)).kept
    for row in cases.frame.iter_rows(named=True):
        assert set(frame["part"][row[ROW_ID] - 19 : row[ROW_ID] + 1]) == {row["part"]}
    assert set(cases.frame["part"]) == {"train", "test"}


def test_windows_never_cross_a_change_of_state_or_session() -> None:
    frame = _sensors(3, n_rows=70)
    cases = window(_cleaned(frame, "state", session="group"), WindowSpec(length=32, stride=7)).kept
    for row in cases.frame.iter_rows(named=True):
        span = frame[row[ROW_ID] - 31 : row[ROW_ID] + 1]
        assert span.select("session", "state").n_unique() == 1


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (_sensors().with_columns(pl.Series("word", ["oak", "elm", "fir"] * 400)), "not all features are numbers"),
        (_sensors().group_by("session", "state", maintain_order=True).head(6), "rows in the middle, steps have more"),
        (_sensors().sample(fraction=1.0, shuffle=True, seed=0), "do not lie together"),
        (_sensors().with_columns(pl.Series("state", ["a", "b", "c"] * 400)), "stays the same for"),
    ],
)
def test_other_tables_stay_tables(frame: pl.DataFrame, told: str) -> None:
    cleaned = _cleaned(frame, "state", session="group")
    same = window(cleaned)
    assert same.kept is cleaned.kept
    assert told in same.decisions[-1].reason


def test_off_is_off() -> None:
    cleaned = _cleaned(_sensors(), "state", session="group")
    assert window(cleaned, WindowSpec(use="off")) is cleaned


# New rows -------------------------------------------------------------------------------------------------------


def test_new_rows_give_the_case_that_training_would_make() -> None:
    frame = _hourly(300)
    cases = window(_cleaned(frame, "y", t="time"), WindowSpec(horizon=6, length=48))
    origin = int(cases.kept.frame[ROW_ID][-1])
    given = frame[: origin + 1].with_columns(pl.col("t").dt.to_string("%Y-%m-%d %H:%M:%S"))
    made, keys = cases_to_answer(given, _layout(cases))
    assert keys.rows() == [(origin, START + timedelta(hours=origin))]
    names = ["y_past", "temp", "t_hour", "t_weekday", "t_month"]
    assert made.select(names).rows() == cases.kept.frame.tail(1).select(names).rows()


def test_a_short_past_is_unknown_at_its_beginning() -> None:
    frame = _hourly(300)
    cases = window(_cleaned(frame, "y", t="time"), WindowSpec(horizon=6, length=48))
    made, _ = cases_to_answer(frame[:5], _layout(cases))
    past = made["y_past"][0].to_list()
    assert past[-5:] == frame["y"][:5].to_list() and np.isnan(past[:-5]).all()


def test_windows_of_new_rows_cover_every_row() -> None:
    cases = window(_cleaned(_sensors(), "state", session="group"), WindowSpec(length=30))
    rows = _sensors(2, n_rows=50).drop("state")
    made, keys = cases_to_answer(rows, _layout(cases))
    assert keys.rows() == [
        (29, "s0"),
        (59, "s0"),
        (89, "s0"),
        (99, "s0"),
        (129, "s1"),
        (159, "s1"),
        (189, "s1"),
        (199, "s1"),
    ]
    assert made["ax"][3].to_list() == rows["ax"][70:100].to_list()


def test_new_rows_that_lack_a_column_or_fill_no_window_are_refused() -> None:
    layout = _layout(window(_cleaned(_sensors(), "state", session="group"), WindowSpec(length=30)))
    for rows, code in ((_sensors(1).drop("ax"), "rows.missing_column"), (_sensors(1)[:10], "sequences.short")):
        with pytest.raises(UserError) as caught:
            cases_to_answer(rows, layout)
        assert caught.value.code == code


# Real data ------------------------------------------------------------------------------------------------------


def _real(path: Path, target: str, time: str, spec: WindowSpec) -> tuple[Cleaned, Any]:
    raw = collect(path)
    return window(clean(raw, CleanSpec(target=target, roles={time: "time"})), spec), raw


def test_the_real_series(shared_data: Path) -> None:
    folder = shared_data / "time_series"
    cases, raw = _real(folder / "etth1" / "ETTh1.csv.gz", "OT", "date", WindowSpec(horizon=96, stride=24))
    assert _layout(cases).length == 336 and "step: 1 hour" in _told(cases)
    last = cases.kept.frame.row(-1, named=True)
    assert last["OT"] == [float(cell) for cell in raw.frame["OT"][-96:]]
    airline = folder / "airline_passengers" / "airline-passengers.csv"
    cases, _ = _real(airline, "Passengers", "Month", WindowSpec(horizon=12))
    assert "step: 1 month" in _told(cases) and cases.kept.n_rows == 73
