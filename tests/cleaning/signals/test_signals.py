"""Series: what is found in their course, which noise is seen in them, and which filter is chosen."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.cleaning.base import clean
from modelwright.cleaning.mend import MendSpec, NoSettings, mend
from modelwright.cleaning.signals import filters
from modelwright.cleaning.signals.checks import propose as check
from modelwright.cleaning.signals.checks import spikes, stuck
from modelwright.cleaning.signals.denoise import denoise, hum_lines, risk
from modelwright.cleaning.signals.denoising import DenoisingSpec
from modelwright.cleaning.signals.denoising import propose as denoising
from modelwright.core import registry
from modelwright.core.data import ROW_ID, Dataset
from modelwright.testing.mending import check_mending

START = datetime(2024, 3, 1)


def slow(n: int = 2000) -> np.ndarray:
    t = np.arange(n)
    return np.sin(t / 50) + 0.5 * np.sin(t / 17)


def hours(n: int) -> list[datetime]:
    return [START + timedelta(hours=place) for place in range(n)]


def left_db(made: np.ndarray, truth: np.ndarray, noisy: np.ndarray) -> float:
    return float(10 * np.log10(np.mean((noisy - truth) ** 2) / np.mean((made - truth) ** 2)))


def tables() -> list[tuple[str, pl.DataFrame]]:
    """Raw tables in which both methods have something to say."""
    rng = np.random.default_rng(5)
    values = slow(400) + 0.2 * rng.normal(size=400)
    values[100:130], values[200] = 0.25, 90.0
    times = hours(400)
    times[300:] = [time + timedelta(hours=7) for time in times[300:]]
    series = [(slow(200) + 0.3 * rng.normal(size=200)).round(4).tolist() for _ in range(8)]
    return [
        ("rows in time", pl.DataFrame({"at": [str(time) for time in times], "level": values.round(3).astype(str)})),
        ("numbers in time", pl.DataFrame({"at": times, "level": values, "n": np.arange(400)})),
        ("series", pl.DataFrame({"wave": series})),
        ("written series", pl.DataFrame({"wave": [str(one) for one in series]})),
    ]


@pytest.mark.parametrize("name", ["signals", "denoising"])
def test_the_suite_of_mending(name: str) -> None:
    check_mending(registry.get("mending", name), tables())


# The course of a series -----------------------------------------------------------------------------------------


def reasons(frame: pl.DataFrame) -> list[tuple[int, str]]:
    found = check(clean(Dataset.from_frame(frame)).kept, NoSettings())
    return [*found.flags.select(ROW_ID, "reason").iter_rows(), *found.cells.select(ROW_ID, "reason").iter_rows()]


def test_faults_of_times_and_values_are_named_where_they_are() -> None:
    (_, frame), *_ = tables()
    said = dict(reasons(frame))
    assert said[300] == "a gap of 8 h before it: about 7 readings are missing"
    assert said[100].startswith("is stuck at 0.25 for 30 readings (30 h)")
    assert said[200].startswith("is far beyond the range of all other readings: 90")
    assert len(said) == 3


def test_a_clock_that_ran_ahead_and_times_that_repeat() -> None:
    times = hours(100)
    times[40:50] = [time + timedelta(hours=30) for time in times[40:50]]
    times[70] = times[69]
    frame = pl.DataFrame({"at": times, "x": slow(100)})
    said = dict(reasons(frame))
    assert said[50] == "the clock ran 30 h ahead from row 40 to the one before this"
    assert said[70] == "has the time of row 69, and other values"


def test_readings_that_repeat_with_their_time_are_proposed_to_go() -> None:
    frame = pl.DataFrame({"at": hours(60), "x": slow(60)})
    table = clean(Dataset.from_frame(pl.concat([frame, frame[20:22]]))).raw
    typed = Dataset.from_frame(table.frame, clean(Dataset.from_frame(frame)).kept.schema)
    assert check(typed, NoSettings()).rows.select(ROW_ID, "twin_of").rows() == [(60, 20), (61, 21)]


def test_each_sensor_of_a_table_has_its_own_course() -> None:
    parts = [
        pl.DataFrame({"at": hours(80), "sensor": name, "x": slow(80) * size}) for name, size in (("a", 1), ("b", 500))
    ]
    frame = pl.concat(parts).sort("at")
    assert reasons(frame) == []
    holes = frame.filter(
        ~((pl.col("sensor") == "b") & pl.col("at").is_between(START + timedelta(hours=9), START + timedelta(hours=12)))
    )
    assert [reason for _, reason in reasons(holes)] == ["a gap of 5 h before it: about 4 readings are missing"]


def test_quiet_series_have_no_faults() -> None:
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=2000), slow(), np.cumsum(rng.normal(size=2000)), rng.poisson(3, 2000) * 1.0):
        assert list(stuck(values)) == []
        assert list(spikes(values)) == []
    rain = np.where(rng.random(2000) < 0.1, rng.gamma(2, 3, 2000), 0.0)
    assert list(stuck(rain)) == []


def test_real_faults_of_measured_series(shared_data: Path) -> None:
    with zipfile.ZipFile(shared_data / "anomaly" / "nab_public" / "nab_public.zip") as archive:
        frame = pl.read_csv(io.BytesIO(archive.read("data/realKnownCause/machine_temperature_system_failure.csv")))
    said = dict(reasons(frame.cast(pl.String)))
    assert "the clock goes back by 1 h here" in said.values()


# Filters --------------------------------------------------------------------------------------------------------


@given(st.floats(0.01, 1e6), st.sampled_from([1, 2]), st.integers(5, 60))
@settings(max_examples=30)
def test_kalmans_banded_system_is_the_penalised_fit(ratio: float, order: int, n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    steps = np.diff(np.eye(n), order, axis=0)
    expected = np.linalg.solve(np.eye(n) + ratio * steps.T @ steps, values)
    assert np.allclose(filters.kalman(values, ratio, order), expected, atol=1e-6)


def test_steins_estimate_is_near_the_true_error() -> None:
    rng = np.random.default_rng(1)
    truth, noisy = slow(), slow() + 0.4 * rng.normal(size=2000)
    probe = rng.choice([-1.0, 1.0], 2000)
    for filter_ in (filters.savitzky_golay, lambda x: filters.wavelet(x, 0.4), lambda x: filters.kalman(x, 100.0)):
        true = float(np.mean((filter_(noisy) - truth) ** 2))
        assert abs(risk(noisy, filter_, 0.4, probe) - true) < 0.01


@given(st.integers(0, 2**16))
@settings(max_examples=10)
def test_a_filter_keeps_the_length_and_a_constant(seed: int) -> None:
    n = 33 + seed % 500
    for filter_ in (filters.median, filters.savitzky_golay, filters.kalman, lambda x: filters.wavelet(x, 0.1)):
        assert np.allclose(filter_(np.full(n, 3.25)), 3.25)


# The choice -----------------------------------------------------------------------------------------------------


def test_each_kind_of_noise_is_seen_and_taken_off() -> None:
    rng = np.random.default_rng(2)
    truth, t = slow(), np.arange(2000)
    hit = rng.random(2000) < 0.02
    noises = {
        "white": 0.3 * rng.normal(size=2000),
        "impulses": hit * rng.choice([-1, 1], 2000) * rng.uniform(3, 6, 2000),
        "hum": 0.5 * np.sin(2 * np.pi * 0.2331 * t),
    }
    for kind, noise in noises.items():
        found = denoise(truth + noise)
        assert [step.kind for step in found.steps] == [kind]
        assert left_db(found.values, truth, truth + noise) > 7, kind


def test_what_shows_no_noise_comes_back_as_it_was() -> None:
    for values in (slow(), np.repeat([0.0, 1.0, 0.0, 3.0], 200), np.full(100, 2.0), np.arange(20.0)):
        found = denoise(values)
        assert found.steps == () and np.array_equal(found.values, values)


def test_events_to_one_side_are_no_impulses() -> None:
    rng = np.random.default_rng(3)
    values = slow() + 0.01 * rng.normal(size=2000)
    loads = values + (rng.random(2000) < 0.01) * rng.uniform(4, 9, 2000)
    assert all(step.kind != "impulses" for step in denoise(loads).steps)


def test_a_cycle_of_the_day_and_its_harmonics_are_no_hum() -> None:
    t, rng = np.arange(3000), np.random.default_rng(4)
    day = (
        np.sin(2 * np.pi * t / 24) + np.sin(2 * np.pi * t / 8) + np.sin(2 * np.pi * t / 6) + 0.1 * rng.normal(size=3000)
    )
    assert hum_lines(day, step_s=3600.0) == []
    assert hum_lines(day) == []
    assert len(hum_lines(day + np.sin(2 * np.pi * 0.3777 * t), step_s=3600.0)) == 1


def test_drift_goes_from_a_sound_and_not_from_a_level() -> None:
    rng = np.random.default_rng(5)
    t = np.arange(4000) / 8000
    tone = np.sin(2 * np.pi * 300 * t) * np.hanning(4000) + 0.3 * np.sin(2 * np.pi * 810 * t)
    drift = 2 * np.sin(2 * np.pi * 1.1 * t) + t
    found = denoise(tone + drift, step_s=1 / 8000)
    assert "drift" in [step.kind for step in found.steps]
    assert left_db(found.values, tone, tone + drift) > 15
    walk = np.cumsum(rng.normal(size=4000))
    assert "drift" not in [step.kind for step in denoise(walk).steps]


# In tables ------------------------------------------------------------------------------------------------------


def test_nothing_is_changed_unasked_and_what_is_there_is_told() -> None:
    for _, frame in tables():
        found = denoising(Dataset.from_frame(frame), DenoisingSpec())
        assert found.cells.height == 0
        assert found.flags.height == 1 and "dB" in found.flags["reason"][0]


@pytest.mark.parametrize("place", [2, 3])
def test_series_cells_are_mended_and_come_back(place: int) -> None:
    _, frame = tables()[place]
    data = Dataset.from_frame(frame)
    made = mend(data, MendSpec(methods=("denoising",), settings={"denoising": {"columns": ["wave"]}}))
    assert made.data.frame["wave"].dtype == frame["wave"].dtype
    as_lists = made.data.frame["wave"]
    if as_lists.dtype == pl.String:
        as_lists = as_lists.str.json_decode(pl.List(pl.Float64))
    errors = [np.mean((np.array(cell) - slow(200)) ** 2) for cell in as_lists.to_list()]
    assert max(errors) < 0.05 < 0.3**2
    assert made.history.undo_all().data.frame.equals(data.frame)


def test_a_column_of_rows_in_any_order_is_one_series() -> None:
    rng = np.random.default_rng(6)
    values = (slow(500) + 0.3 * rng.normal(size=500)).round(3)
    frame = pl.DataFrame({"at": hours(500), "x": values, "truth": slow(500)}).sample(fraction=1, shuffle=True, seed=1)
    found = denoising(Dataset.from_frame(frame), DenoisingSpec(columns=("x",))).cells
    made = frame["x"].to_numpy().copy()
    made[found[ROW_ID].to_numpy()] = found["after"].cast(pl.Float64).to_numpy()
    assert left_db(made, frame["truth"].to_numpy(), frame["x"].to_numpy()) > 7
    assert found["after"].str.extract(r"\.(\d+)").str.len_chars().max() == 3
