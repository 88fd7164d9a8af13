"""Audits against scikit-learn, arithmetic by hand, and worlds whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.data import Dataset
from modelwright.core.errors import UserError
from modelwright.fairness import Audit, AuditSpec, Judged, audit
from modelwright.fairness.comparison import COMPARED, changes
from modelwright.fairness.gaps import decide, gaps_of
from modelwright.fairness.page import audit_page
from modelwright.fairness.rates import figures_of
from modelwright.fairness.tables import long_table, plain
from modelwright.fairness.words import change_lines, headline, table_rows, verdict
from modelwright.proportions import difference, two_sided
from modelwright.testing.fairness import tiny_audit


def rows_of(**columns: object) -> Dataset:
    return Dataset.from_frame(pl.DataFrame(columns))


def world(n_rows: int, seed: int, *, gap: float = 0.0) -> tuple[Judged, Dataset]:
    """Two groups of the same truth; of `b` true rows are found less often, by `gap`."""
    rng = np.random.default_rng(seed)
    group, truth = rng.random(n_rows) < 0.4, rng.random(n_rows) < 0.3
    chance = np.where(truth, 0.7 - gap * group, 0.2)
    judged = Judged(outcome="y = 1", truth=truth, told=rng.random(n_rows) < chance, score=chance)
    return judged, rows_of(group=np.where(group, "b", "a"))


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(5, 300))
def test_figures_are_those_of_scikit_learn(seed: int, n: int) -> None:
    from sklearn import metrics

    rng = np.random.default_rng(seed)
    truth, score = rng.random(n) < 0.4, rng.random(n).round(1)
    told = score >= 0.5
    found = figures_of(Judged(outcome="y", truth=truth, told=told, score=score))
    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(truth, told))
    assert found["selection"].value == told.mean() and found["base_rate"].value == truth.mean()
    assert found["calibration"].value == pytest.approx(score.mean() - truth.mean())
    if truth.any():
        assert found["true_positive_rate"].value == pytest.approx(metrics.recall_score(truth, told))
    if told.any():
        assert found["precision"].value == pytest.approx(metrics.precision_score(truth, told))
    if not truth.all():
        assert found["false_positive_rate"].value == pytest.approx((told & ~truth).sum() / (~truth).sum())
    if truth.any() and not truth.all():
        assert found["roc_auc"].value == pytest.approx(metrics.roc_auc_score(truth, score))
    for one in found.values():
        assert one.low - 1e-12 <= one.value <= one.high + 1e-12 and one.bounds(3.0)[0] <= one.low + 1e-12


def test_the_error_of_the_ranking_is_its_spread_over_worlds() -> None:
    values, errors = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        truth = np.arange(120) < 40
        found = figures_of(Judged(outcome="y", truth=truth, told=truth, score=rng.normal(size=120) + truth))["roc_auc"]
        values.append(found.value)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


def test_a_gap_of_two_groups_is_newcombes_difference() -> None:
    judged, rows = world(3000, 0, gap=0.1)
    found = audit(judged, rows, ["group"]).groupings[0]
    gap, groups = found.gap("true_positive_rate"), {one.name: one.figures["true_positive_rate"] for one in found.groups}
    assert gap is not None and gap.highest == "a" and gap.lowest == "b"
    a, b = groups["a"], groups["b"]
    assert a.hits is not None and b.hits is not None
    due = [float(one) for one in difference(a.hits, a.n, b.hits, b.n)]
    assert (gap.difference, gap.low, gap.high) == pytest.approx(tuple(due))
    assert gap.p == pytest.approx(float(two_sided(a.hits, a.n, b.hits, b.n)))
    assert gap.ratio == pytest.approx(b.value / a.value) and gap.ratio_low < gap.ratio < gap.ratio_high  # type: ignore[operator]
    odds = found.gap("equalised_odds")
    assert odds is not None and odds.difference == max(
        one.difference for one in found.gaps if one.measure in ("true_positive_rate", "false_positive_rate")
    )


def test_what_is_alike_is_seldom_told_as_different_and_intervals_hold_the_truth() -> None:
    """In 200 worlds without any difference, at most some 5 % tell of one; the interval of the largest gap of many
    groups begins at 0 there, though the largest of many is never 0."""
    n_false, n_above = 0, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        truth, town = rng.random(1500) < 0.4, rng.integers(0, 8, 1500)
        told = rng.random(1500) < np.where(truth, 0.7, 0.2)
        found = audit(Judged(outcome="y", truth=truth, told=told), rows_of(town=town.astype(str)), ["town"])
        n_false += any(gap.found for gap in found.groupings[0].gaps)
        n_above += any(gap.low > 0 for gap in found.groupings[0].gaps if gap.measure == "selection")
    assert n_false <= 16 and n_above <= 16, (n_false, n_above)


def test_a_difference_that_is_there_is_found_and_its_interval_holds_it() -> None:
    held = 0
    for seed in range(100):
        gap = audit(*world(4000, seed, gap=0.2), ["group"]).groupings[0].gap("true_positive_rate")
        assert gap is not None and gap.standing == "differs"
        held += gap.low <= 0.2 <= gap.high
    assert held >= 90


def test_standings_follow_from_size_and_certainty() -> None:
    standings = [
        audit(*world(n, 1, gap=gap), ["group"], spec=AuditSpec(tolerance=0.05)).groupings[0].gap("true_positive_rate")
        for n, gap in ((200_000, 0.0), (200_000, 0.02), (200_000, 0.2), (300, 0.0))
    ]
    assert [one.standing if one else "" for one in standings] == ["alike", "differs slightly", "differs", "unclear"]
    lines = " ".join(verdict(audit(*world(300, 1), ["group"])))
    assert "open, for want of rows" in lines and headline(audit(*world(300, 1), ["group"])).startswith(
        "No difference is sure"
    )


def test_small_groups_and_rows_without_a_group_are_shown_and_not_compared() -> None:
    rng = np.random.default_rng(0)
    town: list[str | None] = ["a"] * 200 + ["b"] * 200 + ["tiny"] * 12 + [None] * 50
    truth = rng.random(462) < 0.5
    told = np.where(np.arange(462) < 400, truth, ~truth)  # the small and the unstated are answered all wrong
    found = audit(Judged(outcome="y", truth=truth, told=told), rows_of(town=town), ["town"])
    by_name = {one.name: one for one in found.groupings[0].groups}
    assert by_name["tiny"].few and not by_name["a"].few and by_name["(not stated)"].n_rows == 50
    gap = found.groupings[0].gap("accuracy")
    assert gap is not None and gap.difference == 0 and gap.n_groups == 2
    rows = table_rows(found, found.groupings[0])
    assert any("(few)" in row[0] and row[4].startswith("(") for row in rows)


def test_intersections_tell_what_single_columns_hide() -> None:
    """A rule that looks fair by sex and by age, and is not by both: old women and young men are passed over."""
    rng = np.random.default_rng(0)
    sex, old = rng.integers(0, 2, 8000), rng.integers(0, 2, 8000)
    truth = rng.random(8000) < 0.5
    told = truth & (rng.random(8000) < np.where(sex == old, 0.9, 0.5))
    found = audit(
        Judged(outcome="y", truth=truth, told=told), rows_of(sex=sex.astype(str), old=old.astype(str)), ["sex", "old"]
    )
    by_name = {one.name: one.gap("true_positive_rate") for one in found.groupings}
    assert by_name["sex"].standing != "differs" and by_name["old"].standing != "differs"  # type: ignore[union-attr]
    both = by_name["sex and old"]
    assert both is not None and both.standing == "differs" and both.difference == pytest.approx(0.4, abs=0.05)


def test_values_are_audited_by_their_errors() -> None:
    rng = np.random.default_rng(0)
    group, truth = rng.integers(0, 2, 3000), rng.normal(100, 20, 3000)
    told = truth + rng.normal(0, 5, 3000) - 8 * group
    found = audit(Judged(outcome="price", truth=truth, told=told), rows_of(group=group.astype(str)), ["group"])
    gap = found.groupings[0].gap("mean_error")
    assert found.of_values and gap is not None and gap.standing == "differs"
    assert gap.lowest == "1" and gap.difference == pytest.approx(8, abs=0.6) and gap.low < 8 < gap.high
    assert "price" in verdict(found)[0] + " ".join(verdict(found)) or "off by" in " ".join(verdict(found))
    json.dumps(plain(found))
    assert "Mean absolute error" in audit_page(found, title="prices")


def test_before_and_after_are_paired() -> None:
    """The same rows answered twice: the change's interval is that of many worlds, and far narrower than two apart."""
    gains = []
    for seed in range(60):
        judged, rows = world(2000, seed, gap=0.25)
        rng = np.random.default_rng(10_000 + seed)
        group = rows.frame["group"].to_numpy() == "b"
        mended = judged.told | (judged.truth & group & (rng.random(2000) < 0.5))  # 0.45 + 0.55 / 2
        after = Judged(outcome="y = 1", truth=judged.truth, told=mended)
        compared = dict.fromkeys(COMPARED, np.array([True, True]))
        made = {one.of: one for one in changes(judged, after, group.astype(int), compared, rng)}
        gains.append(
            (made["true_positive_rate"].change, made["true_positive_rate"].low, made["true_positive_rate"].high)
        )
        assert made["accuracy"].low > 0  # nothing was lost
    change, low, high = np.array(gains).T
    assert ((low <= change.mean()) & (change.mean() <= high)).mean() > 0.85
    assert (high - low).mean() == pytest.approx(2 * 1.96 * change.std(), rel=0.35)
    lines = change_lines(tiny_audit(twice=True))
    assert lines[0].startswith("Accuracy: ") and any("equal opportunity by sex" in line for line in lines)


def test_machines_get_everything_and_pages_escape_it() -> None:
    found = tiny_audit()
    told = json.loads(json.dumps(plain(found)))
    assert told["groupings"][0]["gaps"][0].keys() >= {
        "measure",
        "difference",
        "low",
        "high",
        "q",
        "standing",
        "criterion",
    }
    table = long_table(found)
    assert table.filter((pl.col("by") == "sex") & (pl.col("measure") == "selection")).height == 2
    page = audit_page(found, title="x")
    assert "<c>" not in page and "&lt;c&gt;" in page and "http" not in page.replace("http-equiv", "")
    assert audit_page(tiny_audit(), title="x") == page


def test_wrong_requests_are_refused() -> None:
    judged, rows = world(50, 0)
    with pytest.raises(UserError) as caught:
        audit(judged, rows, ["colour"])
    assert caught.value.code == "audit.groups" and "group" in caught.value.hint
    with pytest.raises(UserError) as caught:
        audit(judged, rows.take([1, 2]), ["group"])
    assert caught.value.code == "audit.rows"
    many = rows_of(town=[str(one) for one in range(15)] * 20, street=[str(one // 20) for one in range(300)])
    rng = np.random.default_rng(0)
    with pytest.raises(UserError) as caught:
        audit(Judged(outcome="y", truth=rng.random(300) < 0.5, told=rng.random(300) < 0.5), many, ["town", "street"])
    assert caught.value.code == "audit.groups"


def test_one_group_has_no_gap() -> None:
    judged, _ = world(100, 0)
    found: Audit = audit(judged, rows_of(group=["a"] * 100), ["group"])
    assert found.groupings[0].gaps == () and "no two groups" in " ".join(verdict(found))
    assert decide([gaps_of({}, least_rows=30)], tolerance=0.05, scale=1.0) == [[]]
