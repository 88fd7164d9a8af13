"""Coverage: groups, uncovered patterns, populations, skews, weights, sources, what to collect."""

from __future__ import annotations

import csv
import gzip
import io
import json
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.data import Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.groups import NOT_STATED, OTHER, code, cross, group, proposed
from modelwright.profiling.coverage import (
    Coverage,
    Need,
    coverage,
    drift,
    rake,
    sentences,
    to_csv,
    together,
    uncovered,
    weighted,
)
from modelwright.profiling.coverage.needs import plan_of
from modelwright.profiling.coverage.population import Margin, checked


def data_of(**columns: Any) -> Dataset:
    return Dataset.from_frame(pl.DataFrame(columns))


# Groups -------------------------------------------------------------------------------------------------------


def test_columns_named_like_protected_traits_are_proposed_and_others_are_not() -> None:
    names = ("page", "Geschlecht", "date_of_birth", "edad", "race_id_of_the_horse_run", "native-country", "Ethnicité")
    found = proposed(data_of(**dict.fromkeys(names, [1, 2])))
    assert set(found) == {"Geschlecht", "edad", "native-country", "Ethnicité"}  # an age makes the birth superfluous
    assert found["edad"] == "named like age"


def test_every_value_falls_in_the_range_that_says_so() -> None:
    ages = pl.Series("age", [0.0, 17, 18, 24, 25, 64, 65, 99, None])
    grouping = group(ages)
    words = [(*grouping.levels, NOT_STATED)[place] for place in code(ages, grouping)]
    assert words == ["under 18", "under 18", "18 to 24", "18 to 24", "25 to 34", "55 to 64", *["65 and over"] * 2,
                     NOT_STATED]  # fmt: skip
    assert "18, 25" in grouping.how


def test_numbers_are_cut_at_rounded_marks() -> None:
    grouping = group(pl.Series("income", np.random.default_rng(0).lognormal(10, 1, 1000)))
    assert len(grouping.levels) == 4
    assert all(edge == round(edge, -3) for edge in grouping.edges)


@pytest.mark.parametrize(
    ("start", "every", "first"), [("1920-03-01", "500d", "1920s"), ("2020-03-01", "40d", "2020"),
                                  ("2020-03-01", "4d", "2020-03"), ("2020-03-01", "6h", "2020-03-01")],
)  # fmt: skip
def test_dates_are_cut_to_their_span(start: str, every: str, first: str) -> None:
    begin = pl.Series([start]).str.to_datetime()[0]
    times = pl.datetime_range(begin, begin + pl.Series(["x"]).len() * _times(every, 24), every, eager=True).alias("day")
    grouping = group(times)
    assert grouping.levels[0] == first
    assert (code(times, grouping) < len(grouping.levels)).all()


def _times(every: str, n: int) -> Any:
    from datetime import timedelta

    number = int(every[:-1])
    return n * (timedelta(days=number) if every.endswith("d") else timedelta(hours=number))


def test_stated_ranges_are_the_groups_and_what_lies_outside_is_not_stated() -> None:
    ages = pl.Series("age", [float(age) for age in range(10, 90)])
    grouping = group(ages, stated=["18-24", "25 to 64", "65+"])
    codes = code(ages, grouping)
    assert grouping.levels == ("18-24", "25 to 64", "65+")
    assert [np.flatnonzero(codes == level).min() + 10 for level in range(3)] == [18, 25, 65]
    assert (codes[:8] == 3).all()
    for stated in (["18-24", "30-40"], ["old", "young"], ["30-40", "18-30"]):
        with pytest.raises(UserError, match="coverage.shares"):
            group(ages, stated=stated)


def test_rare_levels_are_joined_and_stated_ones_never() -> None:
    texts = pl.Series("town", [f"t{k}" for k in range(40) for _ in range(40 - k)])
    grouping = group(texts, stated=["T39", "nowhere"])
    assert grouping.levels[:2] == ("T39", "nowhere")
    assert grouping.levels[-1] == OTHER
    assert (code(texts, grouping) == 0).sum() == 1


@pytest.mark.parametrize("cells", [[str(k) for k in range(2000)], [[1.0], [2.0]]])
def test_a_column_that_makes_no_groups_is_refused(cells: list[Any]) -> None:
    with pytest.raises(UserError, match="coverage.group"):
        group(pl.Series("id", cells))


# Uncovered patterns -------------------------------------------------------------------------------------------


def brute_force(frame: pl.DataFrame, least: int, n_columns: int) -> set[tuple[tuple[str, str], ...]]:
    """Minimal uncovered patterns by their definition."""
    levels = {name: frame[name].drop_nulls().unique().to_list() for name in frame.columns}

    def n_of(pattern: tuple[tuple[str, str], ...]) -> int:
        kept = frame
        for name, level in pattern:
            kept = kept.filter(pl.col(name) == level)
        return kept.height

    found = set()
    for n in range(1, n_columns + 1):
        for names in combinations(frame.columns, n):
            for values in product(*(levels[name] for name in names)):
                pattern = tuple(zip(names, values, strict=True))
                parents = [pattern[:k] + pattern[k + 1 :] for k in range(n)]
                if n_of(pattern) < least and all(n_of(parent) >= least for parent in parents):
                    found.add(pattern)
    return found


tables = st.integers(0, 2**32 - 1).map(
    lambda seed: pl.DataFrame({
        name: [
            None if number > 0.95 else chr(97 + int(number**2 * size))
            for number in np.random.default_rng([seed, place]).random(60)
        ]
        for place, (name, size) in enumerate((("a", 2), ("b", 4), ("c", 3), ("d", 2)))
    })
)  # fmt: skip


@settings(max_examples=8)
@given(tables)
def test_all_minimal_uncovered_patterns_are_found_and_no_others(frame: pl.DataFrame) -> None:
    crossed = cross(Dataset.from_frame(frame), [group(frame[name]) for name in frame.columns])
    found = uncovered(crossed, least_rows=4, n_columns=3)
    assert {tuple(one.levels.items()) for one in found.patterns} == brute_force(frame, 4, 3)
    for one in found.patterns:
        assert one.have + one.need == 4


@settings(max_examples=8)
@given(tables)
def test_rows_collected_as_planned_cover_every_pattern(frame: pl.DataFrame) -> None:
    groupings = [group(frame[name]) for name in frame.columns]
    crossed = cross(Dataset.from_frame(frame), groupings)
    found = uncovered(crossed, least_rows=10)
    plan, least = plan_of(found, crossed)
    rows = [dict(one.pattern) for one in plan for _ in range(one.need)]
    more = pl.DataFrame([{name: row.get(name) for name in frame.columns} for row in rows], schema=frame.schema)
    after = cross(Dataset.from_frame(pl.concat([frame, more])), groupings)
    for code_ in found.codes:
        match = ((code_ == -1) | (after.codes == code_)).all(axis=1)
        assert after.counts[match].sum() >= 10
    assert least <= len(rows) <= sum(one.need for one in found.patterns)


def test_too_many_intersections_are_refused_before_they_are_counted() -> None:
    rng = np.random.default_rng(0)
    data = data_of(**{f"c{k}": rng.integers(0, 20, 1500).astype(str).tolist() for k in range(12)})
    with pytest.raises(UserError, match="coverage.size"):
        coverage(data, list(data.schema.names))


# Populations and weights --------------------------------------------------------------------------------------


def test_shares_are_checked() -> None:
    assert checked({"sex": {"f": 51, "m": 49}}) == {"sex": {"f": 0.51, "m": 0.49}}
    for wrong in ({"f": 0.7, "m": 0.6}, {"f": -0.1}, {"f": "half"}, {"f": True}, {}, {"f": float("nan")}, [1]):
        with pytest.raises(UserError, match="coverage.shares"):
            checked({"sex": wrong})  # type: ignore[dict-item]


def test_a_group_that_is_nowhere_is_short_and_cannot_be_weighted() -> None:
    data = data_of(region=["north"] * 80 + ["south"] * 120)
    found = coverage(data, ["region"], reference={"region": {"North": 0.4, "South": 0.4, "East": 0.2}})
    east = next(one for one in found.groups if one.level == "East")
    assert (east.n_rows, east.short) == (0, 40)
    assert found.weights is not None
    assert found.weights.empty == ("region East",)
    assert "region East is 0 % of rows, 20 % of the population: 40 rows short." in sentences(found)
    assert any(need.reason == "population" and need.need == 50 for need in found.collect)  # 50 of 250 are a fifth


def test_yes_or_no_is_stated_in_any_words_and_numbers_may_be_groups() -> None:
    data = data_of(disabled=[True] * 30 + [False] * 170, district=[1.0, 2.0] * 100)
    shares = {"disabled": {"true": 0.25, "false": 0.75}, "district": {"1": 0.4, "2": 0.4, "3": 0.2}}
    found = coverage(data, ["disabled", "district"], reference=shares)
    assert [(one.level, one.short) for one in found.groups] == [
        ("yes", 20),
        ("no", -20),
        ("1", -20),
        ("2", -20),
        ("3", 40),
    ]
    other = data_of(district=[1.0, 2.0, 3.0] * 100)
    table = coverage(data, ["district"], reference=other)
    assert [(one.level, one.n_rows) for one in table.groups] == [("1", 100), ("2", 100), ("3", 0)]


def test_raking_meets_every_margin_and_says_what_it_costs() -> None:
    rng = np.random.default_rng(3)
    sex, age = rng.choice(["f", "m"], 5000, p=[0.3, 0.7]), rng.choice(["old", "young"], 5000, p=[0.2, 0.8])
    data = data_of(sex=sex.tolist(), age=age.tolist())
    found = coverage(data, ["sex", "age"], reference={"sex": {"f": 0.5, "m": 0.5}, "age": {"old": 0.4, "young": 0.6}})
    assert found.weights is not None
    values = found.weights.values
    assert values.mean() == pytest.approx(1)
    assert values[sex == "f"].sum() / 5000 == pytest.approx(0.5, abs=1e-6)
    assert values[age == "old"].sum() / 5000 == pytest.approx(0.4, abs=1e-6)
    assert found.weights.effective_rows == pytest.approx(values.sum() ** 2 / (values**2).sum())
    assert found.weights.effective_rows < 4500
    made = weighted(data, found.weights)
    assert made.schema["weight"].role == "weight"
    with pytest.raises(UserError, match="coverage.weights"):
        weighted(made, found.weights)


def test_weights_are_trimmed_and_what_is_left_is_said() -> None:
    data = data_of(sex=["f"] * 10 + ["m"] * 990)
    crossed = cross(data, [group(data.frame["sex"], stated=["f", "m"])])
    weights = rake(crossed, [Margin(0, np.array([0.5, 0.5]), None)], most=5.0)
    assert weights.largest == pytest.approx(5)
    assert weights.values.mean() == pytest.approx(1)
    assert weights.n_trimmed == 10
    assert weights.worst_gap > 0.4


def test_a_second_table_gives_shares_and_intersections() -> None:
    rng = np.random.default_rng(5)
    reference = pl.DataFrame({"sex": rng.choice(["f", "m"], 8000), "race": rng.choice(["x", "y", "z"], 8000)})
    lost = (reference["sex"] == "f") & (reference["race"] == "y") & pl.Series(rng.random(8000) < 0.6)
    found = coverage(
        Dataset.from_frame(reference.filter(~lost).head(5000)), ["sex", "race"], reference=Dataset.from_frame(reference)
    )
    pairs = [dict(one.group) for one in found.found if len(one.group) == 2 and one.difference < 0]
    assert pairs == [{"sex": "f", "race": "y"}]


# Skews --------------------------------------------------------------------------------------------------------


def biased(*, n: int = 6000, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame({"sex": rng.choice(["f", "m"], n), "race": rng.choice(["w", "b", "o"], n, p=[0.6, 0.3, 0.1]),
                          "age": rng.integers(16, 80, n).astype(float), "pay": rng.normal(size=n)})  # fmt: skip
    cell = (frame["sex"] == "f").to_numpy() & (frame["race"] == "b").to_numpy()
    label = rng.random(n) < 0.4 - 0.15 * cell
    gap = rng.random(n) < 0.05 + 0.15 * (frame["race"] == "o").to_numpy()
    return frame.with_columns(y=pl.Series(np.where(label, "yes", "no")),
                              pay=pl.when(pl.Series(gap)).then(None).otherwise("pay"))  # fmt: skip


def test_planted_biases_are_found_with_their_size_and_nothing_else_is() -> None:
    found = coverage(Dataset.from_frame(biased()), ["sex", "race", "age"], target="y").found
    told = {(one.kind, one.about, *one.group.items()): one for one in found}
    pair = told.pop(("label", "y = yes", ("sex", "f"), ("race", "b")))
    assert pair.low < -0.15 < pair.high
    gap = told.pop(("missing", "pay", ("race", "o")))
    assert gap.low < 0.15 < gap.high
    for one in told.values():  # what follows: women, black people and the other races, as wholes
        assert set(one.group.items()) <= {("sex", "f"), ("sex", "m"), ("race", "b"), ("race", "w")}


def test_without_bias_hardly_anything_is_found() -> None:
    n_found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        data = data_of(sex=rng.choice(["f", "m"], 500).tolist(), race=rng.choice(list("abcd"), 500).tolist(),
                       y=rng.choice(["no", "yes"], 500).tolist())  # fmt: skip
        n_found += bool(coverage(data, ["sex", "race"], target="y").found)
    assert n_found <= 4


def test_a_number_as_target_is_cut_at_its_middle_and_many_classes_are_looked_at_one_by_one() -> None:
    rng = np.random.default_rng(0)
    sex = np.repeat(["f", "m"], 300)
    data = data_of(sex=sex.tolist(), pay=(rng.normal(size=600) + (sex == "m")).tolist(),
                   job=np.where(sex == "f", rng.choice(["a", "b", "c"], 600), "c").tolist())  # fmt: skip
    number = coverage(data, ["sex"], target="pay")
    assert "cut at its middle" in number.notes[0]
    assert number.found[0].about.startswith("pay above")
    classes = coverage(data, ["sex"], target="job")
    assert {one.about for one in classes.found} == {"job = a", "job = b", "job = c"}
    assert dict(classes.classes)["c"] == classes.classes_by_group[0][2]["c"] + classes.classes_by_group[1][2]["c"]


def test_columns_missing_together_are_one_outcome() -> None:
    gap = [None if k % 3 == 0 and k < 200 else 1.0 for k in range(400)]
    found = coverage(data_of(sex=["f"] * 200 + ["m"] * 200, a=gap, b=gap), ["sex"]).found
    assert [one.about for one in found] == ["a, b"]


# Sources ------------------------------------------------------------------------------------------------------


def test_sources_that_are_alike_are_not_told_apart() -> None:
    rng = np.random.default_rng(1)
    data = data_of(site=rng.choice(["a", "b"], 1200).tolist(), x=rng.normal(size=1200).tolist(),
                   kind=rng.choice(["u", "v"], 1200).tolist())  # fmt: skip
    found = drift(data, "site")
    assert not found.told
    assert not any(one.found for one in found.columns)


def test_versions_laid_together_drift_by_the_column_that_changed() -> None:
    rng = np.random.default_rng(2)
    old, new = (
        data_of(heat=rng.normal(shift, 1, 500).tolist(), y=rng.choice(["a", "b"], 500, p=[share, 1 - share]).tolist())
        for shift, share in ((0, 0.5), (1.5, 0.8))
    )
    both = together({"v1": old, "v2": new})
    assert both.schema["_source"].role == "ignored"
    found = coverage(both, [], target="y", source="_source")
    assert found.drift is not None
    assert found.drift.columns[0].column == "heat"
    assert found.drift.columns[0].psi > 0.5
    assert found.drift.by[0][0] == "heat"
    assert any(one.found and abs(one.difference) > 0.2 for one in found.source_tests)
    assert any("can be told from its values" in line for line in sentences(found))


def test_one_source_is_no_drift() -> None:
    with pytest.raises(UserError, match="coverage.source"):
        drift(data_of(site=["a"] * 100, x=[1.0] * 100), "site")
    with pytest.raises(UserError, match="coverage.source"):
        together({"a": data_of(_source=["x"])})


# The whole ----------------------------------------------------------------------------------------------------


def test_names_and_levels_that_are_code_stay_text() -> None:
    hostile = ["=cmd|' /C calc'!A0", "<script>alert(1)</script>", "^sex$", "line\nbreak", "*"]
    data = data_of(**{"^sex.*$": [hostile[k % 5] for k in range(200)], "=1+1": ["a", "b"] * 100})
    found = coverage(data, ["^sex.*$", "=1+1"])
    assert {one.level for one in found.groups if one.column == "^sex.*$"} == set(hostile)
    assert json.loads(json.dumps(found.to_plain()))["n_rows"] == 200
    lines = list(csv.reader(io.StringIO(to_csv(
        [Need(reason="uncovered", pattern={"=1+1": "a"}, have=1, need=2, why="@few")]
    ))))  # fmt: skip
    assert lines[1] == ["'=1+1 = a", "1", "2", "'@few"]


def test_edges() -> None:
    empty = Dataset.from_frame(pl.DataFrame({"sex": [], "y": []}, schema={"sex": pl.String, "y": pl.String}))
    assert coverage(empty, ["sex"], target="y", reference={"sex": {"f": 0.5, "m": 0.5}}).n_rows == 0
    nothing = data_of(x=[1.0, 2.0])
    assert sentences(coverage(nothing)) == ("no column is named like a protected trait: name columns that make groups",)
    gone = data_of(sex=[None, None], y=["a", "b"])
    assert coverage(gone, ["sex"], target="y").n_rows == 2
    for groups, target in ((["sx"], None), (["sex"], "sex"), (["sex"], "z")):
        with pytest.raises(UserError, match="coverage"):
            coverage(data_of(sex=["f", "m"]), groups, target=target)


@pytest.fixture(scope="module")
def compas() -> Coverage:
    from tests.conftest import ROOT

    file = ROOT.parent / "shared" / "data" / "fairness" / "compas" / "compas-scores-two-years.csv.gz"
    if not Path(file).exists():
        pytest.skip("the real data of ../shared/data is not on this machine")
    text = gzip.decompress(file.read_bytes())
    frame = pl.read_csv(io.BytesIO(text)).select("sex", "race", "age", "decile_score", "c_charge_degree",
                                                 "two_year_recid")  # fmt: skip
    schema = Schema(tuple(Column(name, role="target" if name == "two_year_recid" else "feature")
                          for name in frame.columns))  # fmt: skip
    return coverage(Dataset.from_frame(frame, schema), reference={"sex": {"female": 0.51, "male": 0.49}})


def test_compas(compas: Coverage) -> None:
    """Asudeh et al. report on the same table that women of small races are not covered."""
    assert [one.column for one in compas.groupings] == ["sex", "race", "age"]
    assert compas.uncovered is not None
    small = [dict(one.levels) for one in compas.uncovered.patterns if len(one.levels) == 1]
    assert {"race": "Native American"} in small
    assert any(one.group == {"race": "African-American"} and one.difference > 0.1 for one in compas.found)
    line = sentences(compas)[0]
    assert line.startswith("sex female is 19 % of rows, 51 % of the population: ")
    assert "because" not in " ".join(sentences(compas))
