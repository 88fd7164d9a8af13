"""Wrong cells of tables: what is found, what is left alone, and what is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.cleaning.mend import MendSpec, mend
from modelwright.cleaning.tables import cells, dependencies
from modelwright.cleaning.tables.base import MEND, WrongCellsSpec, propose
from modelwright.cleaning.tables.typos import edits
from modelwright.core.data import ROW_ID, Dataset
from modelwright.testing.mending import check_mending

CITIES = {"35233": "birmingham", "35801": "huntsville", "36201": "anniston", "35901": "gadsden", "36302": "dothan"}


def hospitals(n: int = 200, seed: int = 0) -> pl.DataFrame:
    """Zip and city, which determine one another, and a number that nothing determines."""
    rng = np.random.default_rng(seed)
    zips = rng.choice(list(CITIES), n)
    return pl.DataFrame(
        {"zip": zips, "city": [CITIES[one] for one in zips], "beds": rng.integers(10, 400, n).astype(str)}
    )


def said(frame: pl.DataFrame, **settings: float) -> dict[tuple[int, str], str | None]:
    cells = propose(Dataset.from_frame(frame), WrongCellsSpec(**settings)).cells
    return {(row, column): after for row, column, after in cells.select(ROW_ID, "column", "after").iter_rows()}


def put(frame: pl.DataFrame, row: int, column: str, text: str | None) -> pl.DataFrame:
    return frame.with_columns(frame[column].scatter(row, text))


def test_the_suite() -> None:
    check_mending(MEND, [("hospitals", put(hospitals(), 3, "city", "dxthan"))])


def test_nothing_is_wrong_with_what_is_right() -> None:
    assert said(hospitals()) == {}


@pytest.mark.parametrize("wrong", ["birminghxm", "birmingam", "birmnigham", "birminghaam", "bxrmxngham"])
def test_a_letter_from_what_its_group_says(wrong: str) -> None:
    frame = hospitals()
    row = frame["city"].to_list().index("birmingham")
    assert said(put(frame, row, "city", wrong), least=0.95) == {(row, "city"): "birmingham"}


def test_a_missing_cell_that_another_determines() -> None:
    frame = hospitals()
    found = propose(Dataset.from_frame(put(frame, 7, "city", None))).cells
    assert found.select(ROW_ID, "column", "after").rows() == [(7, "city", frame["city"][7])]
    assert f"other rows with zip '{frame['zip'][7]}'" in found["reason"][0]


def test_a_missing_cell_that_is_only_likely_stays() -> None:
    rng = np.random.default_rng(1)
    sex = rng.choice(["male", "female"], 400)
    work = np.where(rng.random(400) < 0.7, np.where(sex == "male", "mine", "mill"), "shop")
    frame = pl.DataFrame({"sex": [None, *sex[1:]], "work": work})
    assert said(frame) == {}


def test_groups_of_two_decide_nothing() -> None:
    """Where a key occurs twice and the two rows differ, either may be right."""
    names = [f"{number:03d}" for number in range(60) for _ in range(2)]
    towns = [
        town for number in range(60) for town in ["left", "right", "upper", "lower"][number % 4 : number % 4 + 1] * 2
    ]
    towns[10] = "right" if towns[10] != "right" else "left"
    assert said(pl.DataFrame({"key": names, "town": towns}), least=0.95) == {}


def test_numbers_near_one_another_are_no_typos() -> None:
    rng = np.random.default_rng(2)
    frame = pl.DataFrame({"a": rng.integers(1000, 1200, 500).astype(str), "b": rng.choice(["x", "y"], 500)})
    assert said(frame) == {}


def test_units_of_one_column() -> None:
    cells = ["12.0 oz.", "12.0 oz", "16.0 ounce", "8.4 OZ."] * 20
    found = said(pl.DataFrame({"ounces": cells, "n": [str(row) for row in range(80)]}))
    assert [found[(row, "ounces")] for row in range(4)] == ["12", "12", "16", "8.4"]


def test_one_form_for_all_is_left_alone() -> None:
    cells = ["12.0 oz", "16.0 oz"] * 40
    assert said(pl.DataFrame({"ounces": cells, "n": [str(row) for row in range(80)]})) == {}


def test_a_percent_that_means_a_hundredth_is_left_alone() -> None:
    """5% beside 0.05 is another way to say it, 0.05% beside 0.05 is a slip."""
    share, other = [f"0.0{n}" for n in (4, 5, 6, 7)] * 15, [str(n) for n in range(70)]
    assert said(pl.DataFrame({"abv": [*share, *["5%"] * 10], "n": other})) == {}
    found = said(pl.DataFrame({"abv": [*share, *["0.05%"] * 10], "n": other}))
    assert set(found.values()) == {"0.05"}
    assert len(found) == 10


def test_a_word_among_numbers_only_where_others_are_empty() -> None:
    numbers, names = [*["N/A"] * 5, *[str(n) for n in range(60)]], ["a", "b", "c", "d", "e"] * 13
    assert said(pl.DataFrame({"ibu": numbers, "name": names})) == {}
    with_empty = pl.DataFrame({"ibu": numbers, "name": [None, *names[1:]]})
    assert said(with_empty) == {(row, "ibu"): None for row in range(5)}


def test_two_cells_in_one() -> None:
    city = ["Bend", "Portland", "Salem", "Denver"] * 30
    state = ["OR", "OR", "OR", "CO"] * 30
    for row in range(0, 48, 4):
        city[row], state[row] = "Bend OR", None  # type: ignore[call-overload]
    found = said(pl.DataFrame({"city": city, "state": state, "n": [str(n) for n in range(120)]}))
    assert found == {
        **{(row, "city"): "Bend" for row in range(0, 48, 4)}, **{(row, "state"): "OR" for row in range(0, 48, 4)}
    }  # fmt: skip


def test_what_is_composed_of_others_is_right_even_once() -> None:
    """The one row of Alaska is no misspelling of Alabama: the state says so."""
    measures = [f"hf-{n}" for n in range(8)] * 12
    states = ["al"] * 95 + ["ak"]
    whole = [f"{state}_{measure}" for state, measure in zip(states, measures, strict=True)]
    frame = pl.DataFrame({"state": states, "measure": measures, "average": whole})
    assert (95, "average") not in said(frame)
    assert said(put(frame, 5, "average", "al_hx-5"), least=0.9)[(5, "average")] == "al_hf-5"


def test_the_target_is_neither_changed_nor_used() -> None:
    frame = put(hospitals(), 3, "city", "dothxn")
    data = Dataset.from_frame(frame)
    data = data.with_schema(data.schema.with_column("city", role="target"))
    assert propose(data).n_found == 0
    other = Dataset.from_frame(put(frame, 3, "zip", None))
    other = other.with_schema(other.schema.with_column("city", role="target"))
    assert propose(other).n_found == 0


def test_row_ids_not_places() -> None:
    frame = put(hospitals(), 3, "city", "dxthan").with_columns(
        pl.int_range(pl.len(), dtype=pl.UInt64).alias(ROW_ID) * 7 + 5
    )
    frame = frame.select(ROW_ID, "zip", "city", "beds")
    cells = propose(Dataset.from_frame(frame)).cells
    assert cells[ROW_ID].to_list() == [3 * 7 + 5]


def test_mended_and_taken_back() -> None:
    frame = put(hospitals(), 3, "city", "hxntsville")
    data = Dataset.from_frame(put(frame, 3, "zip", "35801"))
    mended = mend(data, MendSpec(methods=("wrong_cells",)))
    assert mended.data.frame["city"][3] == "huntsville"
    assert mended.history.undo(*[group.number for group in mended.history.groups]).data.frame.equals(data.frame)


@settings(max_examples=60)
@given(st.text("abcx", min_size=1, max_size=8), st.text("abcx", min_size=1, max_size=8))
def test_edits_are_few_or_none(left: str, right: str) -> None:
    found = edits(left, right)
    assert len(found) <= 2
    if left == right:
        assert found == ()
    if found and len(left) == len(right):
        assert sorted({len(left), len(right)}) == [len(left)]
    assert bool(found) == bool(edits(right, left)) or len(left) == len(right)


@settings(max_examples=8)
@given(st.integers(0, 10_000), st.sampled_from("xq7#"))
def test_what_is_damaged_by_letters_comes_back(seed: int, letter: str) -> None:
    """Six cities misspelled in 300 rows: whatever is changed without asking is changed to what it was."""
    rng = np.random.default_rng(seed)
    frame = hospitals(300, seed)
    city = frame["city"].to_list()
    rows = rng.choice(300, 6, replace=False).tolist()
    for row in rows:
        place = int(rng.integers(len(city[row])))
        city[row] = city[row][:place] + letter + city[row][place + 1 :]
    cells = propose(Dataset.from_frame(frame.with_columns(pl.Series("city", city)))).cells
    sure = cells.filter(pl.col("confidence") >= 0.95)
    assert all(frame[column][row] == after for row, column, after in sure.select(ROW_ID, "column", "after").iter_rows())
    assert cells.height >= 5


def test_hospital_and_beers(shared_data: Path) -> None:
    """The bars, loosely: the benchmark says them in full. Truth scores and nothing else."""
    for name, least_f1 in (("hospital", 0.8), ("beers", 0.85)):
        folder = shared_data / "cleaning" / name
        dirty = pl.read_csv(folder / "dirty.csv", infer_schema=False)
        truth = pl.read_csv(folder / "clean.csv", infer_schema=False)
        n_wrong = n_harmed = n_right = 0
        changed = propose(Dataset.from_frame(dirty)).cells
        mended = {(row, column): after for row, column, after in changed.select(ROW_ID, "column", "after").iter_rows()}
        for column, true_column in zip(dirty.columns, truth.columns, strict=True):
            for row, (before, right) in enumerate(zip(dirty[column], truth[true_column], strict=True)):
                n_wrong += before != right
                if (row, column) in mended:
                    n_harmed += before == right
                    n_right += mended[(row, column)] == right
        precision, recall = n_right / len(mended), n_right / n_wrong
        assert 2 * precision * recall / (precision + recall) >= least_f1, name
        assert n_harmed <= 0.001 * dirty.height * dirty.width, name


def test_cells_that_changed_places() -> None:
    rng = np.random.default_rng(4)
    town, tree = rng.choice(["Rome", "Oslo", "Bonn"], 300).tolist(), rng.choice(["oak", "ash", "elm"], 300).tolist()
    for row in (5, 80, 200):
        town[row], tree[row] = tree[row], town[row]
    frame = pl.DataFrame({"town": town, "tree": tree})
    assert said(frame, least=0.95) == {
        **{(row, "town"): tree[row] for row in (5, 80, 200)}, **{(row, "tree"): town[row] for row in (5, 80, 200)}
    }  # fmt: skip


def test_columns_of_the_same_texts_never_change_places() -> None:
    rng = np.random.default_rng(5)
    places = [f"zone {number}" for number in range(12)]
    frame = pl.DataFrame({"start": rng.choice(places, 400), "end": rng.choice(places, 400)})
    assert said(frame) == {}


def test_one_cell_in_ten_misspelled() -> None:
    """Mistakes that are many are no sign that the column has many rare texts."""
    rng = np.random.default_rng(6)
    loans, jobs = ["yes", "no", "unknown"], ["admin", "services", "technician", "retired"]
    right = pl.DataFrame({"loan": rng.choice(loans, 600), "job": rng.choice(jobs, 600)})
    wrong = right
    for name in right.columns:
        cells = wrong[name].to_list()
        for row in rng.choice(600, 60, replace=False).tolist():
            place = int(rng.integers(len(cells[row])))
            cells[row] = cells[row][:place] + str(rng.choice(list("bqxz"))) + cells[row][place + 1 :]
        wrong = wrong.with_columns(pl.Series(name, cells))
    found = said(wrong, least=0.95)
    n_right = sum(right[column][row] == after for (row, column), after in found.items())
    assert n_right >= 112
    assert n_right >= 0.98 * len(found)


def test_a_long_table_is_learned_from_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = put(put(hospitals(600), 3, "city", "dxthan"), 590, "city", None)
    whole = said(frame)
    for module in (cells, dependencies):
        monkeypatch.setattr(module, "LEARNED_FROM", 150)
    assert said(frame) == whole
    assert set(whole) == {(3, "city"), (590, "city")}
