"""Monitoring on a tiny model: sketches, the null, reports, decisions, judgements."""

from __future__ import annotations

import json
from typing import Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.errors import UserError
from modelwright.monitoring import (
    History,
    MonitorSpec,
    compare,
    decide,
    judge,
    nulls,
    reference_of,
    relabel_queue,
    sketch_of,
    watch,
)
from modelwright.monitoring.base import joint
from modelwright.monitoring.streams import first_rise
from modelwright.monitoring.values import MonitorReport
from modelwright.testing.monitoring import (
    check_null,
    check_sketch,
    labelled,
    tiny_model,
    tiny_reference,
    tiny_rows,
    tiny_signature,
    tiny_window,
    truth_of,
)

MODEL = tiny_model()
SPEC = MonitorSpec(every="1h", false_alarms="1 per 100h")


def served(rows: pl.DataFrame, *, truth: bool = False, flip: float = 0.0) -> pl.DataFrame:
    known = truth_of(MODEL.answers(rows)[0]) if truth else None
    if known is not None and flip:
        other = pl.Series(["no" if label == "yes" else "yes" for label in known.to_list()])
        some = pl.Series(np.random.default_rng(1).random(rows.height) < flip)
        known = pl.select(pl.when(some).then(other).otherwise(known)).to_series()
    return labelled(MODEL, rows, known)


@given(st.integers(3, 1500), st.integers(0, 5))
@settings(max_examples=15)
def test_a_merged_sketch_is_the_sketch_of_all(n_rows: int, seed: int) -> None:
    check_sketch(tiny_reference(), tiny_signature(), tiny_window(n_rows, seed=seed))


def test_sketches_of_two_packages_are_not_merged() -> None:
    one = sketch_of(tiny_reference(), tiny_signature(), tiny_window(50))
    other = type(one)(**{**one.__dict__, "model": "other"})
    with pytest.raises(UserError, match="other bins"):
        one.merge(other)


@pytest.mark.parametrize(("n", "m", "shares"), [
    (100, 500, [0.2] * 5),
    (100, 5000, [0.94, 0.05, 0.01]),
    (30, 60, [0.5, 0.5]),
    (20_000, 3000, [0.1] * 10),
    (200, 10_000, [0.999, 0.0005, 0.0005]),
])  # fmt: skip
def test_p_values_are_uniform_where_nothing_changed(n: int, m: int, shares: list[float]) -> None:
    rng = np.random.default_rng(3)
    found = []
    for _ in range(300):
        p = nulls.p_values([(rng.multinomial(n, shares), rng.multinomial(m, shares))], rng)[0]
        found.append(rng.random() if np.isnan(p) else p)  # one bin only: nothing to test
    check_null(np.array(found))


@pytest.mark.parametrize("alike", [0.0, 0.9, 1.0])
def test_the_smallest_p_value_is_uniform_however_columns_hang_together(alike: float) -> None:
    from scipy.stats import norm

    rng = np.random.default_rng(5)
    found = []
    for _ in range(200):
        shared = rng.normal(size=(400, 1))
        rows = np.sqrt(alike) * shared + np.sqrt(1 - alike) * rng.normal(size=(400, 30))
        z = np.sqrt(alike) * rng.normal() + np.sqrt(1 - alike) * rng.normal(size=30)
        blocks = [rows[:, [k]] - rows[:, k].mean() for k in range(30)]
        found.append(nulls.smallest(2 * norm.sf(np.abs(z)), blocks, rng))
    check_null(np.array(found))


def test_joined_questions_keep_the_budget() -> None:
    rng = np.random.default_rng(0)
    check_null(np.array([joint({"score": a, "columns": b, "together": c}) for a, b, c in rng.random((2000, 3))]))


def test_nothing_changed_nothing_done() -> None:
    report = compare(MODEL, served(tiny_rows(2000, 7), truth=True), SPEC)
    assert not report.alarm
    assert report.faults == ()
    assert decide(report, History(now_s=2.0, trained_s=1.0, n_new_labelled=2000), SPEC).kind == "nothing"
    assert MonitorReport.from_plain(json.loads(json.dumps(report.to_plain()))) == report


def test_a_column_that_goes_missing_is_caught_and_not_learned_from() -> None:
    gone = pl.when(pl.int_range(pl.len()) % 10 < 9).then(None).otherwise(pl.col("age")).alias("age")
    report = compare(MODEL, served(tiny_rows(1000, 8).with_columns(gone)), SPEC)
    assert report.alarm
    assert [(fault.column, fault.kind) for fault in report.faults] == [("age", "missing")]
    assert decide(report, History(now_s=2.0, trained_s=1.0, n_new_labelled=5000), SPEC).kind == "alert"


def test_unreadable_unseen_out_of_range_and_absent_are_told() -> None:
    rows = tiny_rows(1000, 9)
    odd = rows.with_columns(
        age=pl.col("age").cast(pl.String) + " years", price=pl.col("price") + 6000, city=pl.lit("Atlantis")
    )
    kinds = {(fault.column, fault.kind) for fault in compare(MODEL, served(odd), SPEC).faults}
    assert {("age", "unreadable"), ("price", "range"), ("city", "unseen")} <= kinds
    absent = compare(MODEL, served(rows).drop("city"), SPEC)
    assert ("city", "absent") in {(fault.column, fault.kind) for fault in absent.faults}


def test_drift_of_a_column_without_weight_is_told_and_no_alarm() -> None:
    window = served(tiny_rows(3000, 10)).with_columns(member=pl.lit("yes"))  # the answers do not depend on it
    report = compare(MODEL, window, SPEC)
    assert report.noticed
    assert not report.alarm
    done = decide(report, History(now_s=2.0, trained_s=1.0), SPEC)
    assert (done.kind, done.reason) == ("nothing", "harmless drift")


def test_concept_drift_is_seen_with_labels_and_only_with_them() -> None:
    rows = tiny_rows(3000, 11)
    with_labels = compare(MODEL, served(rows, truth=True, flip=0.4), SPEC)
    assert with_labels.alarm
    assert with_labels.harm_how == "measured"
    done = decide(with_labels, History(now_s=2.0, trained_s=1.0, n_new_labelled=3000), SPEC)
    assert (done.kind, done.reason) == ("retrain", "score")
    assert decide(with_labels, History(now_s=2.0, trained_s=1.0), SPEC).kind == "relabel"
    without = compare(MODEL, served(rows), SPEC)
    assert not without.alarm
    assert "concept drift" in without.unlabelled.words


def test_age_and_new_rows_call_for_a_new_model() -> None:
    report = compare(MODEL, served(tiny_rows(500, 12)), SPEC)
    spec = MonitorSpec.parse({"retrain_when": {"age": "30d", "new_rows": 1000}}, where="monitor")
    old = History(now_s=40 * 86_400.0, trained_s=0.0, n_new_labelled=500)
    assert decide(report, old, spec).reason == "age"
    assert decide(report, History(now_s=1.0, trained_s=0.0, n_new_labelled=1000), spec).reason == "new rows"


def test_a_sketch_and_its_labelled_rows_say_what_the_frame_says() -> None:
    window = served(tiny_rows(2000, 13), truth=True)
    reference = reference_of(MODEL)
    halves = [sketch_of(reference, MODEL.signature, part) for part in (window[:900], window[900:])]
    one = compare(MODEL, window, SPEC)
    other = compare(MODEL, halves[0].merge(halves[1]), SPEC, labelled=window)
    assert one.measured is not None
    assert other.measured is not None
    assert one.measured.value == other.measured.value
    assert [(c.name, c.moved) for c in one.columns] == [(c.name, c.moved) for c in other.columns]


def test_a_better_challenger_is_promoted_a_like_one_kept_a_worse_one_rolled_back() -> None:
    rows = tiny_rows(3000, 14)
    good = served(rows, truth=True)
    noise = pl.Series(np.random.default_rng(2).normal(0, 0.3, rows.height))
    yes = (good["_probability_yes"] + noise).clip(0, 1)
    bad = good.with_columns(_probability_yes=yes, _probability_no=1 - yes)
    assert judge(MODEL, bad, good.drop("_truth")).answer == "promote"
    assert judge(MODEL, good, good).answer == "keep"
    assert judge(MODEL, good, bad).answer == "keep"
    assert judge(MODEL, good[:50], bad[:50]).answer == "not enough yet"
    assert watch(MODEL, bad, good).answer == "roll back"
    assert watch(MODEL, good, bad).answer == "keep"


def test_a_challenger_that_fails_a_slice_is_kept_back() -> None:
    rows = tiny_rows(6000, 15)
    good = served(rows, truth=True)
    noise = pl.Series(np.random.default_rng(2).normal(0, 0.4, rows.height))
    yes = (good["_probability_yes"] + noise).clip(0, 1)
    champion = good.with_columns(_probability_yes=yes, _probability_no=1 - yes)
    in_bergen = good["city"] == "Bergen"
    wrong = pl.select(pl.when(in_bergen).then(1 - good["_probability_yes"]).otherwise(good["_probability_yes"]))
    challenger = good.with_columns(_probability_yes=wrong.to_series(), _probability_no=1 - wrong.to_series())
    found = judge(MODEL, champion, challenger)
    assert found.answer == "keep"
    assert ("city", "Bergen") in {(one["column"], one["level"]) for one in found.worse_slices}


def test_the_queue_names_each_row_once_with_its_reason() -> None:
    rows = tiny_rows(300, 16).with_columns(city=pl.when(pl.int_range(300) < 5).then(pl.lit("X")).otherwise("city"))
    window = served(rows, truth=True)
    window = window.with_columns(pl.when(pl.int_range(300) < 100).then(None).otherwise("_truth").alias("_truth"))
    queue = relabel_queue(MODEL, window, 60)
    assert queue["_id"].n_unique() == queue.height == 60
    assert set(queue["reason"]) == {"least sure", "most wrong", "unlike what was learned"}
    assert set(MODEL.columns) < set(queue.columns)


def test_detectors_see_a_doubled_error_and_no_more() -> None:
    rng = np.random.default_rng(0)
    calm = (rng.random(5000) < 0.1).astype(float)
    worse = (rng.random(3000) < 0.25).astype(float)
    for name in ("adwin", "page_hinkley"):
        assert first_rise(calm, name) == []
        assert first_rise(np.concatenate([calm, worse]), name)[0] > 5000


def test_a_small_window_and_a_wrong_setting_are_refused() -> None:
    with pytest.raises(UserError, match="20 are the least"):
        compare(MODEL, tiny_window(10))
    for settings_of in ({"every": "soon"}, {"false_alarms": "few"}, {"retrain_when": {"age": "old"}}):
        with pytest.raises(UserError, match="is written as"):
            MonitorSpec.parse(settings_of, where="monitor")


def test_an_older_package_degrades_in_words() -> None:
    from modelwright.packaging.profile import profile

    model = tiny_model()
    model.facts["metrics"] = {"importance": {}}
    rows = tiny_rows(2000, 17)
    typed = rows.with_columns(member=pl.col("member") == "yes")
    kinds = {"age": "number", "price": "number", "member": "boolean", "city": "category"}
    model.facts["profile"] = profile(typed, kinds)
    report = compare(model, served(tiny_rows(1000, 18)))
    assert any("older" in one for one in report.cautions)
    assert report.together is None
    assert not report.alarm
    assert compare(model, served(tiny_rows(1000, 18)).with_columns(age=None)).alarm


@pytest.mark.parametrize("name", ["adwin", "page_hinkley"])
def test_a_detector_sees_errors_rise_and_calls_for_a_model(name: Literal["adwin", "page_hinkley"]) -> None:
    model, rows = tiny_model(), tiny_rows(3000, seed=8)
    truth = truth_of(model.answers(rows)[0], seed=3)
    spec = MonitorSpec(detector=name)
    fine = labelled(model, rows, truth)
    assert compare(model, fine, spec).rise is None
    other = truth.replace_strict({"yes": "no", "no": "yes"})
    turned = labelled(model, rows, truth[:1500].append(other[1500:]))
    report = compare(model, turned, spec)
    assert report.rise is not None
    assert 1500 < report.rise.row < 2600
    assert MonitorReport.from_plain(json.loads(json.dumps(report.to_plain()))).rise == report.rise
    history = History(now_s=2.0, trained_s=1.0, n_new_labelled=3000)
    told = decide(report, history, spec.but(retrain_when=spec.retrain_when.but(score_drop=2.0)))
    assert (told.kind, told.reason) == ("retrain", "detector")
    assert compare(model, turned, MonitorSpec()).rise is None


def test_a_window_that_was_bad_from_its_first_row_on_is_noticed() -> None:
    model, rows = tiny_model(), tiny_rows(1500, seed=9)
    other = truth_of(model.answers(rows)[0], seed=3).replace_strict({"yes": "no", "no": "yes"})
    report = compare(model, labelled(model, rows, other), MonitorSpec(detector="adwin"))
    assert report.rise is not None
    assert report.rise.row < 700


def test_a_range_of_numbers_that_does_worse_is_told_and_keeps_the_champion() -> None:
    model, rows = tiny_model(), tiny_rows(4000, seed=11)
    was = {"column": "age", "n_rows": 900, "value": 0.8, "low": 0.76, "high": 0.84}
    model.facts["metrics"]["slices"] = [{**was, "level": "18 to under 45"}, {**was, "level": "45 to 90"}]
    truth = truth_of(model.answers(rows)[0], seed=4)
    old = rows["age"].fill_null(0.0) >= 45
    turned = truth.zip_with(~old, truth.replace_strict({"yes": "no", "no": "yes"}))
    report = compare(model, labelled(model, rows, turned))
    found = {(one.column, one.level): one.worse for one in report.slices}
    assert found[("age", "45 to 90")] and not found[("age", "18 to under 45")]
    assert report.slices[0].level == "45 to 90"
