"""Figures of a profile against the same figures by other means; what it finds when something was planted."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import modelwright as mw
from modelwright.core.codec import plain_of
from modelwright.core.data import Column, Dataset, Kind, Schema
from modelwright.core.errors import UserError
from modelwright.profiling import Profile, base, held, rows
from modelwright.profiling.columns import column_profile
from modelwright.profiling.pairs import correlated, correlation_ratio, cramers_v
from modelwright.profiling.sample import sample_of

NUMBERS = st.none() | st.integers(-5, 5).map(float) | st.floats(-1e300, 1e300)


def typed(frame: pl.DataFrame, target: str | None = None, **kinds: Kind) -> Dataset:
    """A typed table: numbers and texts by their types, the rest as said."""
    known: dict[object, Kind] = {pl.Float64: "number", pl.Boolean: "boolean", pl.Datetime("us"): "datetime"}
    columns = [
        Column(name, kinds.get(name) or known.get(dtype, "category"), "target" if name == target else "feature")
        for name, dtype in frame.schema.items()
    ]
    return Dataset.from_frame(frame, Schema(tuple(columns)))


def codes_of(profile: Profile, *levels: str) -> set[str]:
    return {alert.code for alert in profile.alerts if not levels or alert.level in levels}


# Columns ------------------------------------------------------------------------------------------------------------


@given(st.lists(NUMBERS, min_size=1, max_size=60))
@settings(max_examples=40)
def test_numbers_are_counted_exactly(cells: list[float | None]) -> None:
    series = pl.Series("x", cells, dtype=pl.Float64)
    found = column_profile(series, Column("x", "number"))
    present = [cell for cell in cells if cell is not None]
    assert (found.n_rows, found.n_missing) == (len(cells), len(cells) - len(present))
    assert found.n_distinct == len(set(present))
    if not present:
        assert found.numbers is None
        return
    numbers = found.numbers
    assert numbers is not None
    assert numbers.quantiles[0] == min(present)
    assert numbers.quantiles[-1] == max(present)
    assert numbers.quantiles[4] == pytest.approx(float(np.quantile(present, 0.5)), rel=1e-9, abs=1e-300)
    assert sum(numbers.histogram.counts) + numbers.histogram.n_below + numbers.histogram.n_above == len(present)
    assert numbers.n_zero == sum(cell == 0 for cell in present)
    assert numbers.n_negative == sum(cell < 0 for cell in present)
    assert numbers.is_whole == all(cell == round(cell) for cell in present)
    assert found.top[0][1] == max(present.count(cell) for cell in set(present))
    json.dumps(plain_of(found), allow_nan=False)


@given(st.lists(st.none() | st.sampled_from(["a", "bb", "", " ", "é" * 70, "^a$"]), min_size=1, max_size=40))
@settings(max_examples=25)
def test_words_are_counted_exactly(cells: list[str | None]) -> None:
    found = column_profile(pl.Series("n", cells, dtype=pl.String), Column("n", "category"))
    present = [cell for cell in cells if cell is not None]
    assert found.n_missing == len(cells) - len(present)
    assert found.n_distinct == len(set(present))
    counts = sorted((-present.count(word), word) for word in set(present))
    assert [n for _, n in found.top] == [-n for n, _ in counts[:10]]
    if present:
        assert found.lengths is not None
        assert (found.lengths.least, found.lengths.most) == (min(map(len, present)), max(map(len, present)))
        assert found.lengths.mean == pytest.approx(sum(map(len, present)) / len(present))


def test_moments_are_those_of_the_books() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=4001)
    found = column_profile(pl.Series("x", values), Column("x", "number")).numbers
    assert found is not None
    assert found.mean == pytest.approx(values.mean())
    assert found.sd == pytest.approx(values.std(ddof=1))
    assert found.skew == pytest.approx(((values - values.mean()) ** 3).mean() / values.std() ** 3)


def test_dates_have_a_span_and_media_only_what_can_be_said() -> None:
    days = pl.Series("d", ["2024-01-01", None, "2024-03-01"]).str.to_datetime(time_unit="us")
    found = column_profile(days, Column("d", "datetime"))
    assert found.top[0][0] in ("2024-01-01", "2024-03-01")
    assert found.numbers is not None
    assert found.numbers.quantiles[-1] - found.numbers.quantiles[0] == 60 * 86400
    pictures = column_profile(pl.Series("p", [b"1234", None]), Column("p", "image"))
    assert (pictures.n_distinct, pictures.n_missing, pictures.examples) == (None, 1, ("image, 0.0 kB",))


# Pairs --------------------------------------------------------------------------------------------------------------


def test_correlations_are_those_of_the_rows_that_have_both() -> None:
    rng = np.random.default_rng(1)
    table = rng.normal(size=(300, 4)) * [1, 1e6, 1e-6, 1] + [0, 1e9, 0, 5]
    table[:, 3] = np.exp(table[:, 0]) + 0.1 * rng.normal(size=300)
    table[rng.random(table.shape) < 0.2] = np.nan
    found = correlated(table)
    for left in range(4):
        for right in range(left):
            both = table[np.isfinite(table[:, [left, right]]).all(axis=1)]
            assert found[left, right] == pytest.approx(np.corrcoef(both[:, left], both[:, right])[0, 1], abs=1e-6)
    frame = pl.DataFrame({"x": table[:, 0], "y": table[:, 3]}).fill_nan(None).drop_nulls()
    ranks = [np.argsort(np.argsort(frame[name])) for name in ("x", "y")]
    assert mw.profile(typed(frame)).pairs[0].spearman == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-4)


def test_pairs_of_few_rows_are_left_out() -> None:
    rng = np.random.default_rng(2)
    rare = [float(row) if row < 30 else None for row in range(1000)]
    frame = pl.DataFrame({"rare": rare, "rare_too": rare, "x": rng.normal(size=1000)})
    assert mw.profile(typed(frame)).pairs == ()


def test_chance_is_taken_out_of_columns_of_many_levels() -> None:
    rng = np.random.default_rng(2)
    values = []
    for _ in range(30):
        left, right = rng.integers(1, 31, 400), rng.integers(1, 21, 400)
        value = cramers_v(left, right)
        ratio = correlation_ratio(left - 1, rng.normal(size=400))
        assert value is not None
        assert ratio is not None
        values.append((value, ratio))
    assert np.mean(values, axis=0).max() < 0.15  # uncorrected they are about 0.35 and 0.27
    same = np.tile([1, 2, 3, 0], 50)
    assert cramers_v(same, same) == pytest.approx(1.0)
    assert cramers_v(same, np.ones(200, int)) is None
    codes = np.tile([0, 1, -1], 40)
    scaled = np.where(codes < 0, 9.0, codes - 0.5)  # what is missing on the one side says nothing
    assert correlation_ratio(codes, scaled) == pytest.approx(1.0)


# What repeats -------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from([None, 1.0, 2.0]), st.sampled_from(["a", None])), min_size=1, max_size=30))
@settings(max_examples=25)
def test_repeated_rows_are_counted_exactly(cells: list[tuple[float | None, str | None]]) -> None:
    frame = pl.DataFrame(cells, schema={"^x$": pl.Float64, "by": pl.String}, orient="row")
    whole = held.Held(frame.height, ("^x$", "by"), frame)
    columns = [
        column_profile(frame[name], Column(name, kind)) for name, kind in (("^x$", "number"), ("by", "category"))
    ]
    wanted = frame.height - len(set(cells))
    assert rows.n_repeated(whole, columns) == wanted
    names = ["^x$", "by"]
    assert frame.height - rows._hashed(whole, names, np.arange(frame.height)).n_unique() == wanted


def test_what_says_the_same_is_found() -> None:
    rng = np.random.default_rng(3)
    city = rng.integers(0, 40, 2000)
    frame = pl.DataFrame({
        "city": pl.Series([f"c{one}" for one in city]), "zip": (1000 + city).astype(float),
        "country": pl.Series([f"k{one % 7}" for one in city]), "copy": pl.Series([f"c{one}" for one in city]),
        "noise": rng.normal(size=2000), "coin": rng.integers(0, 2, 2000) == 1,
    })  # fmt: skip
    frame[5, "country"] = "typo"
    found = mw.profile(typed(frame))
    assert found.identical == (("city", "copy"),)
    ways = {(one.by, one.column): one.n_exceptions for one in found.determined}
    assert ways[("zip", "city")] == ways[("city", "zip")] == 0
    assert ways[("zip", "country")] == 1
    assert ("country", "zip") not in ways
    assert not any("coin" in one or "noise" in one for one in ways)
    assert {"columns.identical", "columns.recoded", "columns.settled"} <= codes_of(found, "look")


def test_columns_missing_together_are_found() -> None:
    rng = np.random.default_rng(4)
    gone = rng.random(1000) < 0.3
    frame = pl.DataFrame({name: np.where(gone, np.nan, rng.normal(size=1000)) for name in "abc"})
    frame = frame.with_columns(d=pl.Series(np.where(rng.random(1000) < 0.3, np.nan, 1.0 * np.arange(1000))))
    found = mw.profile(typed(frame.fill_nan(None)))
    assert [(one.columns, one.n_rows) for one in found.gaps] == [(("a", "b", "c"), int(gone.sum()))]


# The target ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted() -> Profile:
    """Cleaned as `wright profile` does it: a recoded target, one told by gaps, one nearly alone, a true feature."""
    rng = np.random.default_rng(5)
    n = 2000
    score = np.sort(rng.normal(size=n))
    churned = score > 0.8
    frame = pl.DataFrame({
        "customer_id": np.arange(n), "score": np.round(score + rng.normal(size=n), 3),
        "noise": np.round(rng.normal(size=n), 3), "recoded": np.where(churned, "left", "stayed"),
        "left_on": [f"2024-0{1 + i % 9}-11" if one else None for i, one in enumerate(churned)],
        "final_bill": np.round(np.where(rng.random(n) < 0.004, ~churned, churned) * 90 + rng.normal(size=n), 2),
        "churned": np.where(churned, "yes", "no"), "always": "x",
    })  # fmt: skip
    cleaned = mw.clean(mw.collect(frame), mw.CleanSpec(target="churned", skip=("duplicates",)))
    return mw.profile(cleaned)


def test_leaks_are_told_first_and_true_features_are_not_leaks(planted: Profile) -> None:
    told = {alert.columns[0]: alert.code for alert in planted.alerts if alert.code.startswith("leak.")}
    assert told == {
        "recoded": "leak.left_out", "left_on": "leak.filled_in", "customer_id": "leak.order",
        "final_bill": "leak.alone",
    }  # fmt: skip
    assert {alert.code for alert in planted.alerts[:3]} == {"leak.filled_in", "leak.order", "leak.alone"}
    assert (
        next(one for one in planted.alerts if one.columns == ("left_on",)).line == "clean: {roles: {left_on: ignored}}"
    )
    assert 0.2 < (planted["score"].alone or 0) < 0.7
    assert (planted["noise"].alone or 0) < 0.02
    assert "column.constant" in codes_of(planted, "know")
    assert planted.target is not None
    assert planted.target.classes[0][0] == "no"


def test_a_number_to_predict_is_told_by_its_order() -> None:
    rng = np.random.default_rng(6)
    price = np.exp(3 * rng.normal(size=3000))
    frame = pl.DataFrame({"price": price, "in_cents": price**3, "noise": rng.normal(size=3000), "odd": price % 1})
    found = mw.profile(typed(frame), target="price")
    assert (found["in_cents"].alone or 0) > 0.98
    assert (found["noise"].alone or 0) < 0.02
    assert next(one for one in found.alerts if one.code == "leak.alone").columns == ("in_cents",)


def test_thin_and_rare_classes_are_told() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=1000)
    thin = pl.DataFrame({"x": x, "y": ["rare" if i < 7 else "a" if i % 2 else "b" for i in range(1000)]})
    assert "target.thin" in codes_of(mw.profile(typed(thin, "y")), "act")
    rare = pl.DataFrame({"x": x, "y": ["rare" if i < 30 else "a" for i in range(1000)]})
    assert "target.rare" in codes_of(mw.profile(typed(rare, "y")), "look")
    even = pl.DataFrame({"x": x, "y": [float(i % 2) for i in range(1000)]})
    found = mw.profile(typed(even, "y"))
    assert not codes_of(found) & {"target.thin", "target.rare"}
    assert found.target is not None
    assert found.target.classes == (("0", 500), ("1", 500))


# The whole ----------------------------------------------------------------------------------------------------------


def test_from_a_file_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    frame = pl.DataFrame({
        "x": rng.normal(size=500), "y": rng.integers(0, 3, 500).astype(float), "^x$": [None, "a"] * 250,
        "day": pl.Series(rng.integers(0, 10**15, 500)).cast(pl.Datetime("us")), "yes": rng.random(500) < 0.5,
    })  # fmt: skip
    frame = pl.concat([frame, frame.head(20)])
    here = mw.profile(typed(frame, "y"))
    monkeypatch.setattr(held, "IN_MEMORY_BYTES", 0)
    assert mw.profile(typed(frame, "y")) == here
    assert here.n_repeated == 20
    monkeypatch.setattr(rows, "MOST_HELD", 0)
    assert mw.profile(typed(frame, "y")) == here


def test_samples_are_said_and_counts_stay_exact() -> None:
    rng = np.random.default_rng(9)
    frame = pl.DataFrame({"x": rng.normal(size=5000), "c": rng.choice(["a", "b", "c"], 5000)})
    found = mw.profile(typed(frame), mw.ProfileSpec(sample_rows=1000))
    assert found.looked == {"all rows": 5000, "columns compared": 1000, "categories compared": 0}
    assert sum(n for _, n in found["c"].top) == 5000
    assert "profile.sample" in codes_of(found)
    assert found == mw.profile(typed(frame), mw.ProfileSpec(sample_rows=1000))


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"x": pl.Series([], dtype=pl.Float64), "c": pl.Series([], dtype=pl.String)}),
        pl.DataFrame({"x": [None], "c": [None]}, schema={"x": pl.Float64, "c": pl.String}),
        pl.DataFrame({"x": [1.0], "c": ["a"]}),
        pl.DataFrame({"x": [math.pi] * 300, "c": ["a"] * 300}),
        pl.DataFrame({"x": [1.7e308, -1.7e308, 0.0] * 20, "c": ["a", "b", "c"] * 20}),
        pl.DataFrame({"x": [5e-324, 0.0] * 30, "c": [str(i) for i in range(60)]}),
        pl.DataFrame({"n": [1.0] * 3, "cell": ["a"] * 3, "by": ["b"] * 3, "of": [2.0] * 3}),
    ],
)
def test_odd_tables_are_told_of(frame: pl.DataFrame) -> None:
    found = mw.profile(typed(frame), target=frame.columns[1])
    json.dumps(plain_of(found), allow_nan=False)
    assert found.n_rows == frame.height
    from modelwright.profiling import profile_page

    assert "</html>" in profile_page(found, title="x")


def test_what_is_no_typed_table_is_refused() -> None:
    with pytest.raises(UserError, match="profile.typed"):
        mw.profile(mw.collect(pl.DataFrame({"x": ["1"]})))
    with pytest.raises(UserError, match="schema.column"):
        mw.profile(typed(pl.DataFrame({"x": [1.0]})), target="z")
    with pytest.raises(UserError, match=r"(?s)did you mean `size`.*profile.column"):
        mw.profile(typed(pl.DataFrame({"size": [1.0]})))["sise"]


def test_wide_tables_look_at_fewer_rows() -> None:
    columns = [column_profile(pl.Series("x", [1.0, 2.0]), Column(str(at), "number")) for at in range(500)]
    assert len(base._compared(columns, None)) == base.MOST_COMPARED
    assert sample_of({"0": pl.Series([1.0, None])}, columns[:1]).numbers["0"].shape == (2,)
    assert replace(columns[0], n_missing=1).missing == 0.5
