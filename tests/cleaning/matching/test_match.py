"""Pairs of two tables and groups of one: found, explained, the same for the same seed, and not where there are none."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.data.entities import abt_buy, damaged, f1_of, same_of
from modelwright.cleaning.matching import MatchSpec, match
from modelwright.cleaning.matching.base import counts_rows, match_within
from modelwright.cleaning.matching.candidates import candidates
from modelwright.cleaning.matching.clusters import groups
from modelwright.cleaning.matching.deciding import mutual_best
from modelwright.cleaning.matching.fuzzy import FuzzySpec
from modelwright.cleaning.matching.fuzzy import propose as fuzzy
from modelwright.cleaning.matching.page import matches_page
from modelwright.cleaning.matching.similarity import views_of
from modelwright.cli import command
from modelwright.core import registry
from modelwright.core.data import Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.testing.mending import check_mending

KINDS = ["turntable", "speaker", "receiver", "headphones", "camera", "printer", "scanner", "monitor", "router", "phone"]
MAKERS = ["sony", "bose", "canon", "linksys", "netgear", "panasonic", "samsung", "toshiba", "yamaha", "pioneer"]
TRAITS = ["black", "silver", "wireless", "portable", "digital", "compact", "stereo", "high speed", "outdoor", "slim"]


def products(n: int, seed: int = 0) -> list[dict[str, str]]:
    rng = random.Random(seed)
    return [
        {
            "name": f"{rng.choice(MAKERS)} {rng.choice(TRAITS)} {rng.choice(KINDS)} "
            f"{''.join(rng.choices('abcdefgh', k=3))}{rng.randrange(1000, 9999)}",
            "price": str(rng.randrange(20, 900)),
        }
        for _ in range(n)
    ]


def shops(share: float = 0.7) -> tuple[Dataset, Dataset, set[tuple[int, int]]]:
    left, right, truth = damaged(products(300), share, 0.5, 1)
    return Dataset.from_frame(pl.DataFrame(left)), Dataset.from_frame(pl.DataFrame(right)), truth


def test_pairs_are_found_without_examples_and_the_same_again() -> None:
    left, right, truth = shops()
    found = match(left, right)
    assert f1_of(same_of(found.pairs), truth) > 0.85
    assert found.pairs["left"].n_unique() == found.pairs.height == found.pairs["right"].n_unique()
    assert found.pairs.equals(match(left, right).pairs)
    told = found.pairs.filter("same")["speaks_for"].to_list()
    assert sum("name" in columns for columns in told) > 0.8 * len(told)


def test_rows_keep_their_ids() -> None:
    left, right, _ = shops()
    some = left.take(np.arange(100, 200))
    found = match(some, right)
    assert found.pairs["left"].min() >= 100 and found.pairs["left"].max() < 200


def test_known_pairs_are_learned_from() -> None:
    left, right, truth = shops()
    rng = random.Random(0)
    known = [(a, b, True) for a, b in sorted(truth)[:60]]
    known += [(a, rng.randrange(right.n_rows), False) for a, _ in sorted(truth)[:60]]
    known = [(a, b, same or (a, b) in truth) for a, b, same in known]
    frame = pl.DataFrame(known, schema=["left", "right", "same"], orient="row")
    parts = pl.Series("part", ["valid" if a % 3 == 0 else "train" for a in frame["left"]])
    found = match(left, right, known=frame.with_columns(parts))
    rest = truth - {(a, b) for a, b, _ in known}
    assert len(same_of(found.pairs) & rest) > 0.8 * len(rest)


@pytest.mark.parametrize(
    ("known", "code"),
    [
        (pl.DataFrame({"left": [0], "right": [0]}), "match.known"),
        (pl.DataFrame({"left": [0], "right": [9999], "same": [True]}), "match.known"),
        (pl.DataFrame({"left": [0], "right": [0], "same": [False]}), "match.known"),
    ],
)
def test_known_pairs_that_say_nothing_are_refused(known: pl.DataFrame, code: str) -> None:
    left, right, _ = shops()
    with pytest.raises(UserError) as told:
        match(left, right, known=known)
    assert told.value.code == code


def test_tables_that_cannot_be_matched_are_refused() -> None:
    one = Dataset.from_frame(pl.DataFrame({"a": ["x"]}))
    for other, spec, code in (
        (pl.DataFrame({"b": ["x"]}), MatchSpec(), "match.columns"),
        (pl.DataFrame({"a": ["x"]}), MatchSpec(columns={"a": "z"}), "match.columns"),
        (pl.DataFrame({"a": []}, schema={"a": pl.String}), MatchSpec(), "match.rows"),
    ):
        with pytest.raises(UserError) as told:
            match(one, Dataset.from_frame(other), spec)
        assert told.value.code == code


def test_nothing_in_common_gives_no_pairs() -> None:
    left = Dataset.from_frame(pl.DataFrame({"a": ["oak", None, ""]}))
    right = Dataset.from_frame(pl.DataFrame({"a": ["zzz", "", None]}))
    assert match(left, right).pairs.height == 0
    hostile = Dataset.from_frame(pl.DataFrame({"a": ["<script>alert(1)</script>", "\x00\u202e\ud7ff", "' OR 1=1 --"]}))
    assert match(hostile, hostile).pairs.filter("same").height == 3


def test_row_numbers_are_not_compared() -> None:
    data = Dataset.from_frame(pl.DataFrame({"id": [7, 3, 9], "n": list("abc"), "run": [3, 1, 2]}))
    assert counts_rows(data, "id") and not counts_rows(data, "n") and not counts_rows(data, "run")
    left, right = (
        Dataset.from_frame(pl.DataFrame({"id": [0, 1], "a": cells})) for cells in (["oak", "ash"], ["ash", "oak"])
    )
    assert set(match(left, right).pairs.select("left", "right").rows()) == {(0, 1), (1, 0)}


def test_blocking_finds_the_most_alike_of_every_row() -> None:
    rng = random.Random(3)
    cells = ([row["name"] for row in products(60, seed)] for seed in (1, 2))
    left, right = ({"name": [*side, "", "x" * rng.randrange(9)]} for side in cells)
    views = views_of(left, right)
    found = {tuple(pair) for pair in candidates(views, 1, same=False)[0].tolist()}
    for view in views:
        if view.shape == "codes":
            continue
        likeness = np.asarray((view.left @ view.right.T).todense())
        for row in np.flatnonzero(likeness.max(axis=1) > 0):
            best = np.flatnonzero(likeness[row] > likeness[row].max() - 1e-4)
            assert any((int(row), int(other)) in found for other in best)


def test_large_tables_follow_the_rare_parts() -> None:
    left, right, truth = shops()
    views = views_of({"name": left.frame["name"].to_list()}, {"name": right.frame["name"].to_list()})
    everything, followed = candidates(views, 5, same=False)
    assert followed == 1.0
    some, followed = candidates(views, 5, same=False, most_listed=60_000)
    assert 0.3 < followed < 1.0
    found = [len(truth & {tuple(pair) for pair in pairs.tolist()}) for pairs in (everything, some)]
    assert found[1] > 0.9 * found[0]


def test_mutual_best_against_a_plain_count() -> None:
    rng = np.random.default_rng(0)
    ends = np.unique(rng.integers(0, 20, (80, 2)) + [0, 20], axis=0)
    score = rng.random(len(ends))
    best, behind = mutual_best(score, ends)
    for at, pair in enumerate(ends):
        rivals = [score[k] for k, other in enumerate(ends) if k != at and (other == pair).any()]
        assert (at in best) == (score[at] > max(rivals, default=-1))
        if at in best and rivals:
            assert behind[list(best).index(at)] >= max(rivals) - 1e-12


def test_chains_are_cut_and_knit_groups_stay() -> None:
    knit = np.array([[0, 1], [0, 2], [1, 2], [5, 6]])
    assert groups(knit, np.full(4, 0.9), 8).tolist() == [0, 0, 0, 3, 4, 5, 5, 7]
    chain = np.column_stack([np.arange(30), np.arange(1, 31)])
    label = groups(chain, np.linspace(0.9, 0.5, 30), 31)
    assert np.bincount(label).max() <= 3
    assert groups(np.empty((0, 2), np.int64), np.empty(0), 3).tolist() == [0, 1, 2]


def test_one_table_beside_itself() -> None:
    rows = products(200)
    again = {**rows[5], "name": rows[5]["name"].replace(" ", " - ").upper()}
    found = match_within(Dataset.from_frame(pl.DataFrame([*rows, again])))
    assert (5, 200) in same_of(found.pairs)


def test_fuzzy_duplicates_propose_what_is_the_same_and_little_else() -> None:
    rows = products(240)
    copies = [{**row, "name": row["name"].replace(" ", " - ", 1).title()} for row in rows[:20]]
    found = fuzzy(Dataset.from_frame(pl.DataFrame([*rows, *copies])), FuzzySpec()).rows
    right = set(found.select("__row__", "twin_of").rows()) & {(240 + k, k) for k in range(20)}
    assert len(right) >= 15 and found.height - len(right) <= 1
    assert found["confidence"].max() < 0.95
    assert fuzzy(Dataset.from_frame(pl.DataFrame(rows)), FuzzySpec()).rows.height <= 2


def test_fuzzy_duplicates_leave_other_codes_and_targets_alone() -> None:
    rows = products(120)
    other_code = [{**row, "name": row["name"][:-1] + str((int(row["name"][-1]) + 1) % 10)} for row in rows[:30]]
    found = fuzzy(Dataset.from_frame(pl.DataFrame([*rows, *other_code])), FuzzySpec()).rows
    assert found.height == 0
    copies = [{**row, "name": row["name"].title()[::1].replace(" ", "  -")} for row in rows[:30]]
    frame = pl.DataFrame([*rows, *copies]).with_columns(y=pl.Series(["a"] * 120 + ["b"] * 30))
    schema = Schema((Column("name"), Column("price"), Column("y", role="target")))
    assert fuzzy(Dataset.from_frame(frame, schema), FuzzySpec()).rows.height == 0


@pytest.mark.parametrize("name", ["fuzzy_duplicates", "near_duplicate_texts"])
def test_the_suite_of_mending(name: str) -> None:
    check_mending(registry.get("mending", name))


def test_hospital_has_no_rows_twice(shared_data: Path) -> None:
    frame = pl.read_csv(shared_data / "cleaning/hospital/clean.csv", infer_schema=False)
    assert fuzzy(Dataset.from_frame(frame.head(400)), FuzzySpec()).rows.height == 0


def test_abt_and_buy(shared_data: Path) -> None:
    left, right, truth = abt_buy()
    found = match(Dataset.from_frame(left), Dataset.from_frame(right))
    assert f1_of(same_of(found.pairs), truth) >= 0.9
    assert [decision.about for decision in found.decisions] == ["id", "pairs"]


def test_the_command_writes_pairs_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left, right, truth = shops()
    odd = "<img src=x onerror=alert(1)> bose wireless speaker zzz1234"
    for name, data in (("left", left), ("right", right)):
        rows = [*data.frame.drop("__row__").rows(), (odd, "77")]
        pl.DataFrame(rows, schema=["name", "price"], orient="row").with_row_index("id").write_csv(
            tmp_path / f"{name}.csv"
        )
    out = tmp_path / "found.csv"
    names = [str(tmp_path / "left.csv"), str(tmp_path / "right.csv")]
    assert command(["match", *names, "--out", str(out), "--id", "id", "--json"]) == 0
    found = pl.read_csv(out)
    assert f1_of(set(found.filter("same").select("left", "right").rows()), truth) > 0.85
    assert found.columns[-2:] == ["left.price", "right.price"]
    page = out.with_suffix(".html").read_text()
    assert "<img" not in page and "&lt;img" in page and "default-src 'none'" in page
    known = tmp_path / "known.csv"
    pl.DataFrame(sorted(truth)[:80], schema=["left", "right"], orient="row").write_csv(known)
    assert command(["match", *names, "--out", str(out), "--id", "id", "--pairs", str(known), "--json"]) == 0
    assert f1_of(set(pl.read_csv(out).filter("same").select("left", "right").rows()), truth) > 0.8
    assert command(["match", *names, "--out", str(tmp_path / "x.txt")]) == 2
    known.write_text("left,right\nnobody,3\n")
    assert command(["match", *names, "--out", str(out), "--id", "id", "--pairs", str(known)]) == 2
    assert "nobody" in capsys.readouterr().err


def test_the_page_shows_doubtful_pairs_first() -> None:
    left, right, _ = shops()
    found = match(left, right)
    page = matches_page(found, left, right, {"name": "name", "price": "price"}, title="shops")
    first = float(page.split("<article")[1].split("<b>")[1].split("</b>")[0])
    nearest = min(found.pairs["confidence"], key=lambda chance: abs(chance - found.threshold))
    assert first == pytest.approx(nearest, abs=0.006)
