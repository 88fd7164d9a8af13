"""Forecasts, masks, labels and sequences: against scikit-learn, against definitions written out, and the contract."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from modelwright.evaluation import forecasts, labels, masks, metrics, sequences
from modelwright.evaluation.catalogue import METRICS
from modelwright.evaluation.sums import Sums
from modelwright.testing.evaluation import check_evidence, check_measure


def close(mine: Any, other: float) -> None:
    np.testing.assert_allclose(float(mine), other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_top_k_is_that_of_scikit_learn(k: int, weighted: bool) -> None:
    rng = np.random.default_rng(k)
    y, p = rng.integers(0, 5, 200), rng.random((200, 5))
    w = rng.uniform(0.1, 3, 200) if weighted else np.ones(200)
    close(metrics.top_k_accuracy(y, p, w, k=k), theirs.top_k_accuracy_score(y, p, k=k, sample_weight=w))


def test_top_k_of_equal_chances_takes_the_earlier_class_and_needs_more_classes_than_k() -> None:
    p = np.full((4, 4), 0.25)
    close(metrics.top_k_accuracy(np.arange(4), p, np.ones(4), k=3), 0.75)
    assert np.isnan(metrics.top_k_accuracy(np.arange(3), p[:3, :3], np.ones(3), k=3))


@pytest.mark.parametrize("seed", range(4))
def test_many_labels_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, p, w = rng.integers(0, 2, (150, 4)), np.round(rng.random((150, 4)), 1), rng.uniform(0.1, 3, 150)
    said = (p >= 0.5).astype(int)
    close(labels.micro_f1(y, said, w), theirs.f1_score(y, said, average="micro", sample_weight=w))
    close(labels.macro_f1(y, said, w), theirs.f1_score(y, said, average="macro", sample_weight=w))
    close(labels.average_precision(y, p, w), theirs.average_precision_score(y, p, sample_weight=w))
    close(labels.roc_auc(y, p, w), theirs.roc_auc_score(y, p, sample_weight=w))
    close(labels.subset_accuracy(y, said, w), theirs.accuracy_score(y, said, sample_weight=w))
    close(labels.hamming_loss(y, said, w), theirs.hamming_loss(y, said, sample_weight=w))
    each = [theirs.log_loss(y[:, k], p[:, k], sample_weight=w, labels=[0, 1]) for k in range(4)]
    close(labels.log_loss(y, p, w), float(np.mean(each)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 4))
def test_label_metrics_keep_the_contract(seed: int, n_rows: int, n_labels: int) -> None:
    rng = np.random.default_rng(seed)
    truth, chances = rng.integers(0, 2, (n_rows, n_labels)), np.round(rng.random((n_rows, n_labels)), 1)
    for measure in METRICS["multilabel"].values():
        check_measure(measure, truth, (chances >= 0.5).astype(int) if measure.takes == "labels" else chances)


def futures(seed: int, n_rows: int, horizon: int, *, gaps: bool = False) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n_rows, horizon)) * 3 + 5
    if gaps:
        truth[rng.random(truth.shape) < 0.2] = np.nan
    forecast = truth + rng.normal(size=truth.shape)
    forecast = np.where(np.isnan(forecast), 5.0, forecast)
    quantiles = forecast[..., None] + np.array([-1.3, 0.0, 1.3])
    return truth, forecast, rng.uniform(0.5, 2.0, n_rows), quantiles


LEVELS = (0.1, 0.5, 0.9)


def test_forecast_metrics_are_m4s_written_out() -> None:
    truth, forecast, scale, quantiles = futures(0, 20, 6)
    sums = forecasts.forecast_sums(truth, forecast, scale, quantiles=quantiles, levels=LEVELS)
    told = {m.name: float(m.function(sums, np.ones(20))) for m in forecasts.FORECAST}
    rows = range(20)
    close(told["mase"], np.mean([np.mean(np.abs(truth[r] - forecast[r])) / scale[r] for r in rows]))
    # As the organisers' code has it: np.mean(2.0 * np.abs(a - b) / (np.abs(a) + np.abs(b))), in percent.
    both = np.abs(truth) + np.abs(forecast)
    close(told["smape"], np.mean([100 * np.mean(2.0 * np.abs(truth[r] - forecast[r]) / both[r]) for r in rows]))
    close(told["mae"], theirs.mean_absolute_error(truth, forecast))
    close(told["rmse"], theirs.mean_squared_error(truth, forecast) ** 0.5)
    pinball = [
        theirs.mean_pinball_loss(truth.ravel(), quantiles[..., k].ravel(), alpha=a) for k, a in enumerate(LEVELS)
    ]
    close(told["weighted_quantile_loss"], 2 * np.mean(pinball) * truth.size / np.abs(truth).sum())
    share = [(truth <= quantiles[..., k]).mean() for k in range(3)]
    close(told["coverage_error"], np.abs(np.array(share) - LEVELS).mean())


def test_the_scale_of_mase_is_the_seasonal_naive_error_within_the_history() -> None:
    history = np.array([3.0, 8.0, 4.0, 9.0, 6.0, 8.0])
    assert forecasts.seasonal_error(history, 2) == np.mean([1.0, 1.0, 2.0, 1.0])
    assert forecasts.seasonal_error([1.0, np.nan, 3.0, 4.0], 1) == 1.0
    assert np.isnan(forecasts.seasonal_error([5.0] * 9, 1))
    assert np.isnan(forecasts.seasonal_error([1.0, 2.0], 2))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(1, 6), st.booleans())
def test_forecast_metrics_keep_the_contract(seed: int, n_rows: int, horizon: int, gaps: bool) -> None:
    truth, forecast, scale, quantiles = futures(seed, n_rows, horizon, gaps=gaps)
    truth[0, 0] = 1.0
    scale[1:2] = np.nan

    def repeated(times: Any) -> Sums:
        rows = np.repeat(np.arange(n_rows), times)
        return forecasts.forecast_sums(
            truth[rows], forecast[rows], scale[rows], quantiles=quantiles[rows], levels=LEVELS
        )

    for measure in forecasts.FORECAST:
        check_evidence(measure, repeated(np.ones(n_rows, dtype=int)), repeated)


@pytest.mark.parametrize("season", [1, 7, 24])
def test_a_season_is_found_or_there_is_none(season: int) -> None:
    rng = np.random.default_rng(season)
    steps = np.arange(400)
    wave = rng.normal(size=season)[steps % season] * 3 if season > 1 else 0.0
    assert forecasts.season_of(wave + 0.02 * steps + rng.normal(size=400) * 0.4) == season


def test_naive_forecasts_of_odd_histories() -> None:
    nothing = np.zeros(0)
    assert np.isnan(forecasts.seasonal_naive(nothing, 3, 4)).all()
    assert forecasts.seasonal_naive([7.0], 2, 4).tolist() == [7.0, 7.0]
    assert forecasts.seasonal_naive([np.nan, 1.0, np.nan, 3.0], 4, 2).tolist() == [1.0, 3.0, 1.0, 3.0]
    assert forecasts.season_of([np.nan] * 50) == forecasts.season_of([2.0] * 50) == forecasts.season_of([]) == 1


def test_mask_metrics_are_those_of_scikit_learn_over_all_pixels() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(-1, 3, (6, 10, 12))
    answer = np.where(rng.random(truth.shape) < 0.6, np.maximum(truth, 0), rng.integers(0, 3, truth.shape))
    counts = [masks.count_pixels(t, a, 3) for t, a in zip(truth, answer, strict=True)]
    sums = masks.mask_sums(counts, ("a", "b", "c"))
    told = {m.name: float(m.function(sums, np.ones(6))) for m in masks.SEGMENTATION}
    known = truth >= 0
    close(told["mean_iou"], theirs.jaccard_score(truth[known], answer[known], average="macro"))
    close(told["mean_dice"], theirs.f1_score(truth[known], answer[known], average="macro"))
    close(told["pixel_accuracy"], theirs.accuracy_score(truth[known], answer[known]))
    assert np.isnan(told["dice"])
    two = masks.mask_sums([masks.count_pixels(truth[0] > 0, answer[0] > 0, 2)], ("0", "255"))
    close(masks.overlap(two, np.ones(1), dice=True), theirs.f1_score((truth[0] > 0).ravel(), (answer[0] > 0).ravel()))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(2, 5))
def test_mask_metrics_keep_the_contract(seed: int, n_rows: int, n_classes: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 9, (n_rows, n_classes, n_classes)) * (rng.random((n_rows, n_classes, n_classes)) < 0.7)
    counts[:, 0, 0] += 1
    names = tuple(map(str, range(n_classes)))
    for name, measure in METRICS["segmentation"].items():
        if n_classes == 2 or name not in ("iou", "dice"):
            check_evidence(
                measure,
                masks.mask_sums(list(counts.astype(float)), names),
                lambda times: masks.mask_sums(list(np.repeat(counts, times, axis=0).astype(float)), names),
            )


def written_out(one: str, two: str) -> int:
    """Levenshtein's distance, cell by cell."""
    table = np.zeros((len(one) + 1, len(two) + 1), dtype=int)
    table[:, 0], table[0, :] = np.arange(len(one) + 1), np.arange(len(two) + 1)
    for i in range(1, len(one) + 1):
        for j in range(1, len(two) + 1):
            change = table[i - 1, j - 1] + (one[i - 1] != two[j - 1])
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, change)
    return int(table[-1, -1])


words = st.text(alphabet="abc ", max_size=12)


@settings(max_examples=150, deadline=None)
@given(words, words)
def test_edits_are_levenshteins(one: str, two: str) -> None:
    assert sequences.edits(one, two) == sequences.edits(two, one) == written_out(one, two)


def test_error_rates_are_pooled() -> None:
    truths, answers = ["a b c d", "e"], ["a b c", "e f"]
    assert sequences.word_error_rate(truths, answers) == pytest.approx(2 / 5)
    assert sequences.character_error_rate(["ab", ""], ["a", "x"]) == pytest.approx(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(sequences.word_error_rate([""], ["made up"]))


def test_some_rows_of_sums_keep_their_units() -> None:
    sums = forecasts.forecast_sums(*futures(1, 5, 3)[:3])
    kept = replace(sums, units=np.array([0, 0, 1, 1, 2])).take(np.array([1, 4]))
    assert kept.units is not None
    assert kept.units.tolist() == [0, 2]
    assert kept.n_rows == 2


def test_naive_forecasts_of_m4_have_the_competitions_own_scores(shared_data: Any) -> None:
    # Evaluation and Ranks.xlsx of the competition, hourly series: sMAPE and MASE of Naive and sNaive.
    folder = shared_data / "time_series" / "m4_hourly"
    pasts, futures_ = (
        [[float(cell) for cell in line[1:] if cell] for line in read_gzip(folder / name)]
        for name in ("Hourly-train.csv.gz", "Hourly-test.csv.gz")
    )
    truth = np.array(futures_)
    scale = np.array([forecasts.seasonal_error(past, 24) for past in pasts])
    assert truth.shape == (414, 48)
    for season, smape, mase in ((1, 43.003, 11.608), (24, 13.912, 1.193)):
        told = np.stack([forecasts.seasonal_naive(past, 48, season) for past in pasts])
        sums = forecasts.forecast_sums(truth, told, scale)
        found = {m.name: float(m.function(sums, np.ones(414))) for m in forecasts.FORECAST}
        assert found["smape"] == pytest.approx(smape, abs=5e-4)
        assert found["mase"] == pytest.approx(mase, abs=5e-4)
    assert forecasts.season_of(pasts[0]) == 24


def read_gzip(path: Any) -> list[list[str]]:
    """Rows of a CSV without its head."""
    import csv
    import gzip

    with gzip.open(path, "rt") as lines:
        return list(csv.reader(lines))[1:]
