"""Slices: a planted weak group is found and marked; chance alone is not."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from modelwright.core.values import Report
from modelwright.evaluation import EvaluateSpec, evaluate
from modelwright.evaluation.slices import MISSING, parts
from modelwright.testing.evaluation import as_dataset, linear_trained

SPEC = EvaluateSpec(n_bootstrap=200)


def report(seed: int, *, weak: bool, n_rows: int = 900) -> Report:
    """y = x + noise; when `weak`, the noise of shop `d` is three times as large."""
    rng = np.random.default_rng(seed)
    x, shop = rng.normal(size=n_rows), rng.choice(list("abcd"), n_rows)
    noise = rng.normal(size=n_rows) * np.where((shop == "d") & weak, 3.0, 1.0)
    other = {f"z{k}": rng.normal(size=n_rows) for k in range(4)}
    frame = pl.DataFrame({"x": x, "shop": shop, **other, "y": x + noise})
    line = {"name": "line", "model": "linear", "settings": {}, "metric": "rmse", "score": 1.0}
    trained = linear_trained(["x"], np.array([[1.0]]), np.array([0.0]), target="y", leaderboard=[line])
    return evaluate(trained, as_dataset(frame, "y"), SPEC, seed=seed)


def test_a_weak_group_is_first_and_marked() -> None:
    first = report(0, weak=True).slices[0]
    assert (first["column"], first["level"], first["differs"]) == ("shop", "d", True)
    assert first["low"] < first["value"] < first["high"]
    assert first["value"] > 2.0 > first["rest"]


def test_chance_is_seldom_marked() -> None:
    n_false = sum(any(one["differs"] for one in report(seed, weak=False, n_rows=400).slices) for seed in range(40))
    assert n_false <= 5, "family-wise, 5 % of reports may mark a group: 2 of 40 in the mean"


def test_worst_first_for_a_metric_that_should_be_high_too() -> None:
    rng = np.random.default_rng(1)
    n_rows = 600
    group = rng.choice(["good", "bad"], n_rows)
    x = rng.normal(size=n_rows)
    y = np.where(group == "good", x > 0, rng.random(n_rows) > 0.5)
    frame = pl.DataFrame({"x": x, "group": group, "y": np.where(y, "yes", "no")})
    line = {"name": "l", "model": "linear", "settings": {}, "metric": "accuracy", "score": 1.0}
    trained = linear_trained(
        ["x"], np.array([[9.0]]), np.array([0.0]), target="y", classes=("no", "yes"), leaderboard=[line]
    )
    found = evaluate(trained, as_dataset(frame, "y"), EvaluateSpec(n_bootstrap=100, slices=("group",)))
    assert [(one["level"], one["differs"]) for one in found.slices] == [("bad", True), ("good", True)]


def test_parts_hold_every_row_once() -> None:
    numbers = pl.Series("n", [1.0, 1.0, 2.0, None, 5.0, 9.0, 9.0, 9.0, 3.0])
    days = pl.Series("d", [datetime(2020, 1, 1) + timedelta(days=k) for k in range(9)])
    levels = pl.Series("c", ["a", None, "a", "b", "b", "", "a", "c", "d"])
    for series in (numbers, days, levels, pl.Series("b", [True, False, None] * 3)):
        rows = np.concatenate([rows for _, rows in parts(series)])
        assert sorted(rows.tolist()) == list(range(9)), series.name
    assert MISSING in dict(parts(numbers))
    assert next(name for name, _ in parts(days)).startswith("2020-01-01 to under ")


def test_awkward_columns_have_parts_too() -> None:
    assert [name for name, _ in parts(pl.Series("n", [None, None], dtype=pl.Float64))] == [MISSING]
    assert list(parts(pl.Series("n", [4.0, 4.0, 4.0]))) == []
    whole = dict(parts(pl.Series("n", list(range(12)), dtype=pl.Int64)))
    assert sum(rows.size for rows in whole.values()) == 12
