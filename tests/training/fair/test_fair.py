"""Remedies: weights that make group and class independent, thresholds that bring rates together, and what is told of
them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.cleaning import CleanSpec, clean
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.errors import UserError
from modelwright.core.values import Cleaned, Splits
from modelwright.evaluation import evaluate
from modelwright.packaging import package
from modelwright.splitting import SplitSpec, split
from modelwright.training.base import TrainSpec, train
from modelwright.training.fair.spec import FairSpec
from modelwright.training.fair.thresholds import choose_by_group
from modelwright.training.fair.weights import MOST, reweighed
from modelwright_runtime import load

Array = np.ndarray


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(2, 4))
def test_weighed_groups_have_the_same_share_of_each_class(seed: int, n_groups: int, n_classes: int) -> None:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, n_groups, 4000)
    y = (rng.integers(0, n_classes, 4000) + group * (rng.random(4000) < 0.3)).astype(int) % n_classes
    own = rng.uniform(0.5, 2, 4000)
    made = reweighed(group, y, own)
    assert made.mean() == pytest.approx(1) and (made >= 0).all()
    table = np.bincount(group * n_classes + y, made, minlength=n_groups * n_classes).reshape(n_groups, n_classes)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    np.testing.assert_allclose(table, expected, rtol=1e-9)
    before = np.bincount(group, own) / own.sum()
    np.testing.assert_allclose(np.bincount(group, made) / made.sum(), before, rtol=1e-9)  # groups keep their size


def test_few_rows_of_a_class_do_not_decide_alone() -> None:
    group, y = np.repeat([0, 1], [9990, 10]), np.zeros(10_000, dtype=int)
    y[:5000], y[-1] = 1, 1
    assert reweighed(group, y, np.where(np.arange(10_000) == 9999, 1e-6, 1.0)).max() <= MOST * 1.01


def scores(seed: int, n: int = 6000, *, share: float = 0.4) -> tuple[Array, Array, Array]:
    """Truth, scores and three groups whose scores are shifted; the third has few rows."""
    rng = np.random.default_rng(seed)
    group = rng.choice(3, size=n, p=[0.55, 0.44, 0.01])
    truth = rng.random(n) < np.array([share, share / 2, share])[group]
    odds = rng.normal(size=n) + 1.6 * truth - 0.8 + np.array([0.5, -0.7, 0.0])[group]
    return truth, 1 / (1 + np.exp(-odds)), group


def rates(truth: Array, told: Array, group: Array) -> dict[str, Array]:
    return {
        "selection": np.array([told[group == one].mean() for one in (0, 1)]),
        "found": np.array([told[(group == one) & truth].mean() for one in (0, 1)]),
        "false": np.array([told[(group == one) & ~truth].mean() for one in (0, 1)]),
    }


@pytest.mark.parametrize("goal", ["equal_selection", "equal_opportunity", "equalised_odds"])
@pytest.mark.parametrize("share", [0.5, 0.2])
def test_each_goal_is_reached_on_other_rows_too(goal: Any, share: float) -> None:
    truth, score, group = scores(0, share=share)
    made = choose_by_group(goal, truth, score, group, [0, 1], 0.5)
    assert set(made) == {0, 1}
    truth, score, group = scores(1, 60_000, share=share)
    before = rates(truth, score >= 0.5, group)
    after = rates(truth, score >= np.array([made[0], made[1], 0.5])[group], group)

    def gap(one: dict[str, Array], *names: str) -> float:
        return max(abs(float(one[name][0] - one[name][1])) for name in names)

    names = {"equal_selection": ("selection",), "equal_opportunity": ("found",), "equalised_odds": ("found", "false")}[
        goal
    ]
    assert gap(after, *names) < min(0.05, gap(before, *names) / 3), (before, after)
    assert after["found"].min() > after["false"].max() and 0.05 < after["selection"].mean() < 0.95  # nobody, or all


def test_equal_opportunity_is_as_good_as_the_best_pair_by_brute_force() -> None:
    truth, score, group = scores(3, 800)
    keep = group < 2
    truth, score, group = truth[keep], score[keep], group[keep]
    made = choose_by_group("equal_opportunity", truth, score, group, [0, 1], 0.5)

    def accuracy(pair: tuple[float, float]) -> float:
        return float(((score >= np.array(pair)[group]) == truth).mean())

    def found(place: int, threshold: float) -> float:
        return float((score >= threshold)[(group == place) & truth].mean())

    marks = np.linspace(0.02, 0.98, 97)
    pairs = [(a, b) for a in marks for b in marks if abs(found(0, a) - found(1, b)) <= 0.005]
    best = max(accuracy(pair) for pair in pairs)
    assert abs(found(0, made[0]) - found(1, made[1])) < 0.015
    assert accuracy((made[0], made[1])) > best - 0.01


def hiring(n: int = 900, seed: int = 0) -> pl.DataFrame:
    """Women of the same grade are hired less often; `sex` is also written into `club`."""
    rng = np.random.default_rng(seed)
    woman = rng.random(n) < 0.45
    grade = rng.normal(size=n)
    hired = rng.random(n) < 1 / (1 + np.exp(-(2 * grade - 1.6 * woman)))
    club = np.where(rng.random(n) < 0.85, woman, ~woman)
    return pl.DataFrame({
        "grade": grade.round(3).astype(str), "club": np.where(club, "rose", "oak"),
        "sex": np.where(woman, "F", "M"), "hired": np.where(hired, "yes", "no"),
    })  # fmt: skip


@pytest.fixture(scope="module")
def prepared() -> tuple[Cleaned, Splits]:
    """`sex` is there, and no model sees it."""
    cleaned = clean(Dataset.from_frame(hiring()), CleanSpec(target="hired", roles={"sex": "ignored"}))
    return cleaned, split(cleaned.kept, SplitSpec())


def spec(**fair: Any) -> TrainSpec:
    return TrainSpec(models=({"model": "linear"},), fair=FairSpec(by=("sex",), **fair))  # type: ignore[arg-type]


def test_thresholds_stand_in_the_package_and_are_told(prepared: tuple[Cleaned, Splits], tmp_path: Path) -> None:
    cleaned, splits = prepared
    trained = train(cleaned.kept, splits, spec(method="thresholds", goal="equal_selection"))
    by_group = trained.signature.group_thresholds
    assert by_group is not None and by_group.names == ("sex",)
    of = {levels[0]: value for levels, value in by_group.thresholds}
    assert of["F"] < of["M"]
    told = {one.about: one for one in trained.decisions}
    assert "F" in told["thresholds by sex"].choice
    assert told["gap of demographic parity by sex"].choice.count(" to ") == 1 and "accuracy" in told
    plain = train(cleaned.kept, splits, TrainSpec(models=({"model": "linear"},)))  # type: ignore[arg-type]
    assert plain.graph == trained.graph  # the same model, told otherwise
    made = package(trained, cleaned, path=tmp_path / "x.wright", name="x", train_rows=splits.train)
    model = load(made.path)
    assert "sex" in model.columns
    held = cleaned.raw.frame.filter(pl.col(ROW_ID).is_in(splits.test.tolist())).sort(ROW_ID)
    answers = model.predict(held.drop("hired"))
    chance = answers.probabilities[:, 1]  # type: ignore[index]
    due = np.where(chance >= [of[one] for one in held["sex"].to_list()], "yes", "no")
    assert answers.prediction.tolist() == due.tolist()
    test = cleaned.kept.take(splits.test)
    accuracy = evaluate(trained, test)["accuracy"].value
    assert accuracy == pytest.approx((due == held["hired"].to_numpy()).mean())


def test_weights_bring_predictions_together_and_are_told(prepared: tuple[Cleaned, Splits]) -> None:
    cleaned, splits = prepared
    events: list[Any] = []
    trained = train(cleaned.kept, splits, spec(method="weights"), watch=events.append)
    told = {one.about: one for one in trained.decisions}
    assert trained.signature.group_thresholds is None and "weights by sex" in told and "accuracy" in told
    gap = told["gap of demographic parity by sex"].choice
    before, after = (float(part.split()[0]) for part in gap.split(" → "))
    assert after < 0.7 * before
    assert [event["text"] for event in events if event.get("event") == "note" and "weights" in event["text"]]
    assert "sex" not in trained.signature.categories
    again = train(cleaned.kept, splits, spec(method="weights"))
    assert again.graph == trained.graph and again.decisions == trained.decisions


def test_own_weights_are_kept_and_multiplied() -> None:
    frame = hiring().with_columns(w=pl.Series(np.where(np.arange(900) % 3 == 0, "2", "1")))
    roles = {"sex": "ignored", "w": "weight"}
    cleaned = clean(Dataset.from_frame(frame), CleanSpec(target="hired", roles=roles))  # type: ignore[arg-type]
    splits = split(cleaned.kept, SplitSpec())
    trained = train(cleaned.kept, splits, spec(method="weights"))
    assert [one.choice for one in trained.decisions if one.about == "row weights"] == ["w"]


@pytest.mark.parametrize(
    ("fair", "word"),
    [({"by": ("colour",)}, "colour"), ({"by": ("hired",)}, "the target"),
     ({"by": ("sex",), "method": "thresholds", "least_rows": 5000}, "no two groups")],
)  # fmt: skip
def test_what_no_remedy_fits_is_refused(prepared: tuple[Cleaned, Splits], fair: dict[str, Any], word: str) -> None:
    cleaned, splits = prepared
    asked = TrainSpec(models=({"model": "linear"},), fair=FairSpec(**fair))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=word) as caught:
        train(cleaned.kept, splits, asked)
    assert caught.value.code == "train.fair" and caught.value.hint


def test_two_rules_for_one_threshold_are_refused() -> None:
    for more in ({"threshold": 0.3}, {"goal": {"precision": 0.8}}):
        with pytest.raises(UserError, match="fair"):
            TrainSpec.parse({"fair": {"by": "sex", "method": "thresholds"}, **more}, where="train")


def test_values_have_no_remedy_and_settings_are_checked() -> None:
    frame = hiring(300).with_columns(pay=pl.Series(np.arange(300.0)))
    cleaned = clean(Dataset.from_frame(frame), CleanSpec(target="pay"))
    with pytest.raises(UserError, match="regression") as caught:
        train(cleaned.kept, split(cleaned.kept, SplitSpec()), spec())
    assert caught.value.code == "train.fair"
    assert TrainSpec.parse({"fair": {"by": "sex"}}, where="train").fair == FairSpec(by=("sex",))
    for wrong in ({"by": []}, {"by": ["sex"], "goal": "equal_selection"}, {"by": ["sex"], "method": "dice"}):
        with pytest.raises(UserError):
            TrainSpec.parse({"fair": wrong}, where="train")
