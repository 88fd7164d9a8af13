"""`evaluate` for forecasts, boxes, masks, labels and several targets: from graph and rows to the report."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import polars as pl
import pytest

from modelwright.core.codec import decode, encode
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.errors import UserError
from modelwright.core.store import Store
from modelwright.core.values import Report
from modelwright.evaluation import EvaluateSpec, backgrounds, evaluate
from modelwright.evaluation.forecasts import seasonal_error
from modelwright.testing import small_networks as small

SPEC = EvaluateSpec(n_bootstrap=100)


@pytest.fixture(autouse=True)
def _no_warning() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def value(report: Report, name: str, *, of_baseline: bool = False) -> float:
    metrics = report.baseline if of_baseline else report.metrics
    return next(metric.value for metric in metrics if metric.name == name)


def changed(data: Dataset, **columns: Any) -> Dataset:
    frame = data.frame.with_columns(**columns)
    return Dataset(frame.lazy(), data.schema, frame.height)


# Boxes --------------------------------------------------------------------------------------------------------------


def test_boxes_that_are_right_score_one_and_no_box_scores_zero() -> None:
    report = evaluate(small.box_finder(), small.pictures_with_boxes(n_rows=40), SPEC)
    assert (report.task, report.primary, report.n_rows) == ("detection", "map", 40)
    assert value(report, "map") == value(report, "map50") == 1.0
    assert value(report, "map", of_baseline=True) == 0.0
    assert report["map"].low < 1.0, "no error at all is not certainty"
    assert report.curves["baseline_name"] == "no boxes"


def test_boxes_beside_the_mark_count_at_low_overlaps_only() -> None:
    report = evaluate(small.box_finder(), small.pictures_with_boxes(n_rows=40, wobble=0.25), SPEC)
    assert 0.0 < value(report, "map") < value(report, "map50") < 1.0
    assert report["map"].low < report["map"].value < report["map"].high


def test_labels_never_seen_in_training_are_missed_and_said() -> None:
    data = small.pictures_with_boxes(n_rows=10)
    frame = data.frame
    boxes = frame["boxes"].to_list()
    boxes[0].append({"x": 0.0, "y": 0.0, "width": 5.0, "height": 5.0, "label": "new"})
    odd = changed(data, boxes=pl.Series(boxes, dtype=frame["boxes"].dtype))
    report = evaluate(small.box_finder(), odd, SPEC)
    assert value(report, "map") == pytest.approx(2 / 3)
    assert any(one.about == "classes" and "'new'" in one.reason for one in report.decisions)


def test_pictures_without_any_box_are_no_error() -> None:
    data = small.pictures_with_boxes(n_rows=8)
    none = changed(data, boxes=pl.Series([[]] * 7 + data.frame["boxes"].to_list()[7:], dtype=data.frame["boxes"].dtype))
    assert evaluate(small.box_finder(), none, SPEC).n_rows == 8


# Masks --------------------------------------------------------------------------------------------------------------


def test_masks_are_measured_at_their_own_size() -> None:
    train, test = small.pictures_with_masks(n_rows=10, seed=1), small.pictures_with_masks(n_rows=20, noise=0.0)
    trained = small.mask_maker()
    report = evaluate(trained, test, SPEC, baseline=backgrounds(trained, train))
    assert (report.task, report.primary) == ("segmentation", "mean_iou")
    assert 0.9 < value(report, "dice") < 1.0, "the network sees half the size, so edges are not exact"
    # All background: Dice of the disc is nothing, that of the background 2 s / (1 + s).
    assert value(report, "dice", of_baseline=True) == 0.0
    assert report["mean_iou"].low < value(report, "mean_iou") < report["mean_iou"].high
    assert not any(one.about == "baseline" for one in report.decisions)


def test_grey_values_that_are_no_class_are_not_counted_and_said() -> None:
    data = small.pictures_with_masks(n_rows=4)
    pixels = np.zeros((64, 64), dtype=np.uint8)
    pixels[:9] = 77
    odd = changed(data, mask=pl.Series([small.png(pixels), *data.frame["mask"].to_list()[1:]]))
    report = evaluate(small.mask_maker(), odd, SPEC)
    assert any(one.about == "classes" and "'77'" in one.reason for one in report.decisions)


# Forecasts ----------------------------------------------------------------------------------------------------------


def test_a_forecast_is_held_against_last_season_and_last_value() -> None:
    train, test = small.daily(n_rows=80, seed=1), small.daily(n_rows=60)
    trained = small.repeater(season=4)
    report = evaluate(trained, test, SPEC, baseline=backgrounds(trained, train))
    assert (report.task, report.primary) == ("forecast", "mase")
    # The model is the baseline here: the same numbers, and a gain of nothing.
    assert report.curves["season"] == 4
    assert value(report, "mase") == pytest.approx(value(report, "mase", of_baseline=True))
    assert report.curves["gain"]["low"] == pytest.approx(report.curves["gain"]["high"], abs=1e-6)
    assert "last season" in report.curves["baseline_name"]
    past, future = test.frame["load"].to_list(), test.frame["load next"].to_list()
    errors = [
        np.mean(np.abs(np.array(f) - np.resize(p[-4:], 6))) / seasonal_error(p, 4)
        for p, f in zip(past, future, strict=True)
    ]
    alone = evaluate(trained, test, SPEC.but(season=4))
    assert value(alone, "mase") == pytest.approx(np.mean(errors)), "without training rows: each by its own history"


def test_the_season_may_be_asked_for() -> None:
    trained, data = small.repeater(season=4), small.daily(n_rows=30)
    report = evaluate(trained, data, SPEC.but(season=1))
    assert report.curves["season"] == 1
    assert report.curves["baseline_name"] == "the last value"
    assert report.curves["gain"]["low"] > 0.0


def test_windows_that_overlap_are_drawn_in_runs() -> None:
    trained, data = small.repeater(), small.daily(n_rows=120)
    overlapping = evaluate(trained, data, SPEC)
    assert any(one.about == "intervals" and "runs of 6 windows" in one.choice for one in overlapping.decisions)
    rows = data.frame[ROW_ID].to_numpy()[::6]
    apart = evaluate(trained, data.take(rows), SPEC)
    assert not any(one.about == "intervals" for one in apart.decisions)
    # Runs hold hardly more than their steps: the interval is about as wide as that of the windows set apart.
    widths = [one["mae"].high - one["mae"].low for one in (overlapping, apart)]
    assert 0.4 < widths[0] / widths[1] < 1.6, widths


def test_series_are_drawn_whole_where_there_are_many_and_scaled_by_training() -> None:
    trained = small.repeater()
    train, test = small.daily(n_rows=20, n_series=12, seed=1), small.daily(n_rows=8, n_series=12, noise=2.0)
    known = backgrounds(trained, train)
    assert set(known["load next"].scales) == {f"meter {index}" for index in range(12)}
    report = evaluate(trained, test, SPEC, baseline=known)
    assert any(one.about == "intervals" and one.choice == "12 series drawn" for one in report.decisions)
    assert value(report, "mase") > 1.5, "held against the calm of training, twice the noise is twice the error"


def test_quantiles_are_measured_where_they_are_forecast() -> None:
    trained = small.repeater(quantiles=(0.1, 0.5, 0.9))
    report = evaluate(trained, small.daily(n_rows=60), SPEC)
    assert 0.0 < value(report, "weighted_quantile_loss") < 0.2
    assert 0.0 <= value(report, "coverage_error") < 0.2
    assert value(report, "mae") == pytest.approx(value(evaluate(small.repeater(), small.daily(n_rows=60), SPEC), "mae"))


def test_gaps_and_flat_histories_are_left_out_of_mase_alone() -> None:
    data = small.daily(n_rows=20)
    past, future = data.frame["load"].to_list(), data.frame["load next"].to_list()
    past[0], future[1] = [5.0] * 24, [None, *future[1][1:]]
    lists = pl.List(pl.Float64)
    odd = changed(data, load=pl.Series(past, dtype=lists), **{"load next": pl.Series(future, dtype=lists)})
    report = evaluate(small.repeater(), odd, SPEC)
    assert report.n_rows == 20
    assert any(one.about == "mase" and one.choice.startswith("1 of 20") for one in report.decisions)


# Labels and several targets -----------------------------------------------------------------------------------------


def test_labels_have_their_metrics() -> None:
    trained, train = small.labeller(), small.labelled(n_rows=300, seed=1)
    report = evaluate(trained, small.labelled(n_rows=300), SPEC, baseline=backgrounds(trained, train))
    assert (report.task, report.primary) == ("multilabel", "average_precision")
    assert value(report, "micro_f1") > 0.7 > value(report, "micro_f1", of_baseline=True)
    assert value(report, "subset_accuracy") > value(report, "subset_accuracy", of_baseline=True)
    assert report.slices, "rows can be sliced by their numbers"


def test_each_target_has_a_report() -> None:
    trained, train, test = small.corner_looker(), small.corners(n_rows=60, seed=1), small.corners(n_rows=80)
    report = evaluate(trained, test, SPEC, baseline=backgrounds(trained, train))
    assert (report.target, report.task) == ("shade", "multiclass")
    (second,) = report.more
    assert (second.target, second.task, second.primary) == ("light", "regression", "rmse")
    assert second["r2"].value > 0.8
    assert report["accuracy"].value > 0.7


def test_rows_that_lack_one_target_count_for_the_other() -> None:
    data = small.corners(n_rows=30)
    odd = changed(data, light=pl.Series([None, *data.frame["light"].to_list()[1:]]))
    report = evaluate(small.corner_looker(), odd, SPEC)
    assert (report.n_rows, report.more[0].n_rows) == (30, 29)
    missing = Dataset.from_frame(data.frame.drop("light", ROW_ID))
    with pytest.raises(UserError) as caught:
        evaluate(small.corner_looker(), missing, SPEC)
    assert caught.value.code == "evaluation.target"


CASES: dict[str, tuple[Any, Any]] = {
    "boxes": (small.box_finder, lambda: small.pictures_with_boxes(n_rows=12, wobble=0.2)),
    "masks": (small.mask_maker, lambda: small.pictures_with_masks(n_rows=6)),
    "forecasts": (lambda: small.repeater(quantiles=(0.1, 0.5, 0.9)), lambda: small.daily(n_rows=40)),
    "labels": (small.labeller, lambda: small.labelled(n_rows=60)),
    "two targets": (small.corner_looker, lambda: small.corners(n_rows=40)),
}


@pytest.mark.parametrize("case", list(CASES))
def test_reports_go_through_the_store_and_are_the_same_twice(case: str, tmp_path: Any) -> None:
    trained, data = CASES[case][0](), CASES[case][1]()
    one, two = evaluate(trained, data, SPEC, seed=3), evaluate(trained, data, SPEC, seed=3)
    store = Store.open(tmp_path)
    assert encode(store, one) == encode(store, two)
    back = decode(store, encode(store, one))
    assert (back.metrics, len(back.more), back.target) == (one.metrics, len(one.more), one.target)
    assert len(json.dumps([one.curves, one.slices], allow_nan=False)) < 1_000_000


def test_one_row_is_enough() -> None:
    for make, rows in CASES.values():
        data = rows()
        report = evaluate(make(), data.take(data.row_ids[-1:]), SPEC)
        assert report.n_rows == 1
