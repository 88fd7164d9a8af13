"""Missing values: what is known stays, guesses are close, what is learned travels as JSON, pooling is Rubin's."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.cleaning.imputing import ImputeSpec, apply, impute, learn, pool
from modelwright.cli import command
from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.core.errors import UserError

N = 300


def table(seed: int = 0, n: int = N) -> pl.DataFrame:
    """Columns of every kind that follow from two hidden ones."""
    rng = np.random.default_rng(seed)
    x, other = rng.normal(size=n), rng.normal(size=n)
    return pl.DataFrame({
        "x": x, "y": 2 * x - other + 0.1 * rng.normal(size=n), "other": other,
        "wood": np.where(x > 0, "oak", np.where(other > 0, "ash", "fir")), "dry": other > 0.5,
        "rings": np.round(20 + 5 * x),
        "felled": [datetime(2024, 1, 1) + timedelta(hours=float(hours)) for hours in 100 * other],
    }).with_columns(pl.col("felled").cast(pl.Datetime("us")))  # fmt: skip


KINDS = {"x": "number", "y": "number", "other": "number", "wood": "category", "dry": "boolean", "rings": "number",
         "felled": "datetime"}  # fmt: skip


def dataset(frame: pl.DataFrame, **roles: str) -> Dataset:
    columns = tuple(Column(name, KINDS[name], roles.get(name, "feature")) for name in frame.columns)  # type: ignore[arg-type]
    return Dataset.from_frame(frame, Schema(columns))


def with_gaps(frame: pl.DataFrame, share: float, seed: int = 1, columns: tuple[str, ...] | None = None) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return frame.with_columns(
        pl.when(pl.Series(rng.random(frame.height) >= share)).then(pl.col(name)).alias(name)
        for name in columns or frame.columns
    )


@pytest.mark.parametrize("method", ["chained", "neighbours", "median", "mean", "most_frequent", "constant"])
def test_every_gap_is_filled_and_nothing_else_changes(method: str) -> None:
    frame = with_gaps(table(n=100), 0.1)
    data = dataset(frame)
    imputed = impute(data, ImputeSpec(method=method, sweeps=1))  # type: ignore[arg-type]
    filled = imputed.data.frame
    assert filled.null_count().sum_horizontal()[0] == 0
    assert filled.schema == data.frame.schema
    for name in frame.columns:
        known = frame[name].is_not_null()
        assert filled[name].filter(known).equals(frame[name].filter(known))
        assert imputed.missing[name].to_list() == (~known).to_list()
    assert imputed.guessed.height == frame.null_count().sum_horizontal()[0]
    flagged = imputed.flagged()
    assert flagged.frame["wood_missing"].sum() == frame["wood"].null_count()
    assert flagged.frame.drop([name for name in flagged.schema.names if name.endswith("_missing")]).equals(filled)


def test_guesses_are_near_the_truth_and_sure_ones_nearer() -> None:
    true = table().drop("felled")
    imputed = impute(dataset(with_gaps(true, 0.15)))
    filled, missing = imputed.data.frame, imputed.missing
    for name in ("y", "rings"):
        apart = (filled[name] - true[name]).filter(missing[name])
        assert float((apart**2).mean() ** 0.5) < 0.5 * float(true[name].std())  # type: ignore[arg-type, operator]
    rings = filled["rings"].filter(missing["rings"])
    assert (rings == rings.round()).all() and rings.is_between(true["rings"].min(), true["rings"].max()).all()
    wood = imputed.guessed.filter(pl.col("column") == "wood")
    right = wood.join(true.with_row_index(ROW_ID).cast({ROW_ID: pl.UInt64}), on=ROW_ID)
    hit = right.select(hit=pl.col("value") == pl.col("wood"), sure="sure")
    assert hit.filter("sure")["hit"].mean() > 0.9 > 0.65 < hit["hit"].mean()  # type: ignore[operator]


def test_numbers_lie_between_low_and_high() -> None:
    """One gap in a row: what is guessed there rests on nothing guessed."""
    true = table(n=600)
    data = dataset(with_gaps(true, 0.3, columns=("y",)))
    guessed = impute(data).guessed.join(true.with_row_index(ROW_ID).cast({ROW_ID: pl.UInt64}), on=ROW_ID)
    within = guessed.select(pl.col("y").is_between("low", "high")).to_series().mean()
    assert 0.8 < within < 0.98  # type: ignore[operator]


def test_two_gaps_that_tell_of_each_other_are_not_sure() -> None:
    """x and y say nearly everything of each other, and nothing else says anything of them."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=300)
    frame = pl.DataFrame({"x": x, "y": 3 * x + 0.1 * rng.normal(size=300), "other": rng.normal(size=300)})
    rows, pair = pl.int_range(300), ("x", "y")
    gone = frame.with_columns(
        pl.when((rows >= 40) & (rows % 7 != at)).then(name).alias(name) for at, name in enumerate(pair)
    )
    guessed = impute(dataset(gone)).guessed
    both = guessed.filter(pl.col(ROW_ID) < 40).join(frame.with_row_index(ROW_ID).cast({ROW_ID: pl.UInt64}), on=ROW_ID)
    assert both.height == 80 and both["certainty"].mean() < 0.4  # type: ignore[operator]
    assert both.filter(column="y").select(pl.col("y").is_between("low", "high")).to_series().mean() > 0.75  # type: ignore[operator]
    assert guessed.filter(pl.col(ROW_ID) >= 40)["sure"].all()


def test_what_is_learned_fills_other_rows_and_travels_as_json() -> None:
    state = learn(dataset(with_gaps(table(0).drop("felled", "dry"), 0.1)))
    again = json.loads(json.dumps(state))
    true = table(5, 120).drop("felled", "dry")
    new = dataset(with_gaps(true, 0.1, seed=7))
    first, second = apply(state, new), apply(again, new)
    assert first.data.frame.equals(second.data.frame)
    missing = first.missing["y"]
    apart = (first.data.frame["y"] - true["y"]).filter(missing)
    assert float(apart.abs().mean()) < 0.8  # type: ignore[arg-type]
    one = apply(state, new.take([3])).data.frame
    assert one.equals(first.data.frame.filter(pl.col(ROW_ID) == 3))


def test_columns_without_gaps_are_learned_when_named() -> None:
    frame = table()
    state = learn(dataset(frame), ImputeSpec(columns=("y",)))
    new = frame.head(30).with_columns(y=pl.lit(None, pl.Float64))
    guessed = apply(state, dataset(new))
    assert float((guessed.data.frame["y"] - frame["y"].head(30)).abs().mean()) < 0.5  # type: ignore[arg-type]
    plain = apply(learn(dataset(frame)), dataset(new))
    assert plain.data.frame["y"].n_unique() == 1 and not plain.guessed["sure"].any()


def test_draws_differ_where_nothing_is_known_and_agree_where_all_is() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    frame = pl.DataFrame({"x": x, "y": 3 * x, "other": rng.normal(size=400)})
    gone = frame.with_columns(pl.when(pl.int_range(400) >= 60).then(name).alias(name) for name in ("y", "other"))
    imputed = impute(dataset(gone), ImputeSpec(draws=6))
    spread = {name: np.std([draw.frame[name].head(60).to_numpy() for draw in imputed.draws], axis=0).mean()
              for name in ("y", "other")}  # fmt: skip
    assert spread["other"] > 0.6 and spread["y"] < 0.4
    sure = imputed.guessed.group_by("column").agg(pl.col("sure").mean())
    shares = dict(sure.iter_rows())
    assert shares["y"] > 0.8 and shares["other"] < 0.1


def test_the_same_seed_says_the_same_and_the_target_is_left_alone() -> None:
    frame = with_gaps(table(n=150).select("x", "y", "wood"), 0.1)
    data = dataset(frame, wood="target")
    first, second = impute(data, ImputeSpec(draws=2), seed=3), impute(data, ImputeSpec(draws=2), seed=3)
    assert all(one.frame.equals(other.frame) for one, other in zip(first.draws, second.draws, strict=True))
    assert first.data.frame["wood"].null_count() == frame["wood"].null_count()
    assert not first.draws[0].frame.equals(first.draws[1].frame)
    assert "wood" not in {column["name"] for column in first.state["columns"]}


@pytest.mark.parametrize("frame", [
    pl.DataFrame(schema={"x": pl.Float64, "wood": pl.String}),
    pl.DataFrame({"x": [None, None], "wood": [None, None]}, schema={"x": pl.Float64, "wood": pl.String}),
    pl.DataFrame({"x": [1.0, None, 1.0], "wood": ["a", "a", None]}),
    pl.DataFrame({"x": [1.0, None] * 60, "wood": [None, *["a", "b"] * 59, "c"]}),
    pl.DataFrame({"x": [None, *map(float, range(200))], "wood": [*[f"w{row}" for row in range(200)], None]}),
])  # fmt: skip
def test_awkward_tables(frame: pl.DataFrame) -> None:
    for method in ("chained", "neighbours"):
        imputed = impute(dataset(frame), ImputeSpec(method=method))  # type: ignore[arg-type]
        for name in frame.columns:
            gaps = imputed.data.frame[name].null_count()
            assert gaps == (frame.height if frame[name].count() == 0 else 0)


def test_what_cannot_be_done_is_refused() -> None:
    data = dataset(table())
    with pytest.raises(UserError, match=r"impute\.draws"):
        impute(data, ImputeSpec(method="median", draws=3))
    with pytest.raises(UserError, match=r"schema\.column"):
        impute(data, ImputeSpec(columns=("wod",)))
    raw = Dataset.from_frame(pl.DataFrame({"x": ["1", None]}))
    with pytest.raises(UserError, match=r"impute\.kind"):
        impute(raw, ImputeSpec(columns=("x",)))
    with pytest.raises(UserError, match=r"impute\.columns"):
        apply(learn(data), dataset(table().drop("x")))


# Pooling ------------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=20), st.floats(0.01, 5), st.floats(3, 1000))
def test_pooling_follows_rubins_rules(estimates: list[float], variance: float, degrees: float) -> None:
    pooled = pool(estimates, [variance] * len(estimates), degrees=degrees)
    between = float(np.var(estimates, ddof=1))
    total = variance + (1 + 1 / len(estimates)) * between
    assert pooled.estimate == pytest.approx(float(np.mean(estimates)), abs=1e-9)
    assert pooled.standard_error**2 == pytest.approx(total)
    assert pooled.low <= pooled.estimate <= pooled.high
    assert 0 <= pooled.fraction_missing_information <= 1
    assert pooled.degrees <= degrees


def test_pooling_of_equal_estimates_is_the_estimate() -> None:
    pooled = pool([2.0] * 5, [0.25] * 5)
    assert (pooled.estimate, pooled.standard_error, pooled.fraction_missing_information) == (2.0, 0.5, 0.0)
    assert pooled.high == pytest.approx(2 + 1.96 * 0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("estimates", "variances"),
    [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0, float("nan")], [1.0, 1.0]), ([1.0, 2.0], [-1.0, 1.0])],
)
def test_what_cannot_be_pooled(estimates: list[float], variances: list[float]) -> None:
    with pytest.raises(UserError, match=r"impute\.pool"):
        pool(estimates, variances)


def test_pooled_intervals_are_wider_and_less_biased_than_those_of_one_filling() -> None:
    """The mean of y, missing by x: complete rows are far off, pooled draws are not."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=500)
    y = 1 + x + rng.normal(size=500)
    gone = rng.random(500) < 1 / (1 + np.exp(-2 * x))
    frame = pl.DataFrame({"x": x, "y": np.where(gone, np.nan, y)}).fill_nan(None)
    draws = impute(dataset(frame), ImputeSpec(draws=8)).draws
    means = [float(draw.frame["y"].mean()) for draw in draws]  # type: ignore[arg-type]
    pooled = pool(means, [float(draw.frame["y"].var()) / 500 for draw in draws])  # type: ignore[arg-type]
    alone = float(frame["y"].mean())  # type: ignore[arg-type]
    assert abs(pooled.estimate - 1) < 0.25 < abs(alone - 1)
    assert pooled.low < 1 < pooled.high


# The command --------------------------------------------------------------------------------------------------


def small() -> pl.DataFrame:
    """Numbers and a category, of which only two have gaps: little to learn."""
    return with_gaps(table(n=120).select("x", "y", "wood"), 0.1, columns=("y", "wood"))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out, frame = tmp_path / "wood.csv", tmp_path / "out", small()
    frame.write_csv(source)
    store = ["--store", str(tmp_path / "s")]
    assert command(["impute", str(source), "--draws", "2", "--out", str(out), *store, "--json"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said[-1]["event"] == "imputed" and said[-1]["n_gaps"] == frame.null_count().sum_horizontal()[0] > 10
    assert len(said[-1]["draws"]) == 2
    for name in said[-1]["draws"]:
        assert pl.read_csv(name).null_count().sum_horizontal()[0] == 0
    assert pl.read_csv(out / "guessed.csv").height == said[-1]["n_gaps"]
    assert json.loads((out / "imputer.json").read_text())["method"] == "chained"
    assert command(["impute", str(source), "--out", str(source), *store]) == 2
    assert command(["impute", str(source), "--apply", str(source), *store]) == 2
    assert "impute.state" in capsys.readouterr().err


def test_the_command_fills_other_rows_with_what_was_learned(tmp_path: Path) -> None:
    """Even few rows of them, whose kinds nothing but what was learned tells."""
    first, more, out, frame = tmp_path / "wood.csv", tmp_path / "more.csv", tmp_path / "o", small()
    frame.write_csv(first)
    new = table(9, 4).select("x", "y", "wood").with_columns(y=pl.lit(None, pl.Float64))
    new.write_csv(more)
    store = ["--store", str(tmp_path / "s")]
    assert command(["impute", str(first), "--out", str(out), *store]) == 0
    filled = tmp_path / "filled.csv"
    state = str(out / "imputer.json")
    assert command(["impute", str(more), "--apply", state, "-o", str(filled), "--with-spread", *store]) == 0
    said = pl.read_csv(filled)
    assert said.columns == ["x", "y", "wood", "y_low", "y_high"]
    assert said["wood"].equals(new["wood"]) and said["y"].null_count() == 0
    assert (said["y_low"] < said["y"]).all() and (said["y"] < said["y_high"]).all()
    assert not (tmp_path / "guessed.csv").exists()


def test_a_real_table(shared_data: Path) -> None:
    path = shared_data / "imputation" / "missing_bank8FM" / "mcar_30.csv.gz"
    frame, true = pl.read_csv(path), pl.read_csv(path.with_name("clean.csv.gz"))
    kinds = {name: "category" if true[name].dtype == pl.String else "number" for name in frame.columns}
    frame = frame.with_columns(pl.col(name).cast(pl.Float64) for name, kind in kinds.items() if kind == "number")
    data = Dataset.from_frame(frame, Schema(tuple(Column(name, kind) for name, kind in kinds.items())))  # type: ignore[arg-type]
    filled = impute(data).data.frame
    errors = []
    for name, kind in kinds.items():
        gaps = frame[name].is_null() & true[name].is_not_null()
        if kind == "number" and gaps.any():
            apart = (filled[name] - true[name]).filter(gaps).to_numpy()
            middle = (frame[name].mean() - true[name].filter(gaps)).to_numpy()
            errors.append(float(np.sqrt((apart**2).mean() / (middle**2).mean())))
    assert np.mean(errors) < 0.99
