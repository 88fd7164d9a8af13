"""`wright profile` with groups, a population and a source: the page, the file for the collector, the weighted rows."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modelwright.cli import command

HOSTILE = "<script>document.title='x'</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("groups")
    rng = np.random.default_rng(0)
    sex = rng.choice(["female", "male", HOSTILE], 600, p=[0.25, 0.7, 0.05])
    hired = rng.random(600) < np.where(sex == "female", 0.15, 0.5)
    pl.DataFrame({
        "sex": sex, "age": rng.integers(16, 80, 600), "score": rng.normal(size=600).round(3),
        "site": rng.choice(["north", "south"], 600), "hired": np.where(hired, "yes", "no"),
    }).write_csv(where / "people.csv")  # fmt: skip
    (where / "shares.yaml").write_text("sex: {Female: 51, male: 49}\n")
    (where / "shares.csv").write_text(
        "column,level,share\nsex,female,0.51\nsex,male,0.49\nage,under 40,0.5\nage,40+,0.5\n"
    )
    return where


def test_page_collect_file_and_weights(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    asked = ["profile", "people.csv", "--target", "hired", "--reference", "shares.yaml", "--source", "site"]
    assert command([*asked, "--weighted", "weighted.csv"]) == 0
    told = capsys.readouterr().out
    assert "of the population: " in told and "rows short" in told
    page = (folder / "people.profile.html").read_text()
    assert HOSTILE not in page and "&lt;script&gt;" in page
    for anchor in ("groups", "differences", "sources", "collect"):
        assert f'<section id="{anchor}"' in page
    lines = list(csv.DictReader((folder / "people.collect.csv").open()))
    assert list(lines[0]) == ["pattern", "have", "need", "why"]
    assert lines[0]["pattern"] == "sex = Female"
    weighted = pl.read_csv(folder / "weighted.csv")
    share = weighted.filter(pl.col("sex") == "female")["weight"].sum() / weighted["weight"].sum()
    stated = weighted.filter(pl.col("sex") != HOSTILE)["weight"].sum() / weighted["weight"].sum()
    assert share == pytest.approx(0.51 * stated, abs=0.01)


def test_training_heeds_the_weights(folder: Path) -> None:
    import modelwright as mw
    from modelwright.cleaning import CleanSpec
    from modelwright.profiling.coverage import coverage, weighted

    data = mw.clean(mw.collect(str(folder / "people.csv")), CleanSpec(target="hired")).kept
    found = coverage(data, reference={"sex": {"female": 0.51, "male": 0.49}})
    assert found.weights is not None
    made = weighted(data, found.weights)
    assert made.schema.of_role("weight") == ("weight",)
    trained = mw.train(made, mw.split(made), mw.TrainSpec(budget="quick", models=("linear",)))
    assert any(one.about == "row weights" and one.choice == "weight" for one in trained.decisions)


def test_json_says_all_and_a_listed_population_is_read(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert command(["profile", "people.csv", "--reference", "shares.csv", "--json", "--out", "p.html"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    groups = {(one["column"], one["level"]): one["population"] for one in last["coverage"]["groups"]}
    assert groups["age", "40+"] == 0.5
    assert groups["sex", "female"] == 0.51


@pytest.mark.parametrize(
    ("more", "code"),
    [(["--groups", "sexx"], "coverage.group"), (["--source", "hired2"], "coverage.source"),
     (["--weighted", "w.csv"], "coverage.weights"), (["--reference", "gone.yaml"], "coverage.shares"),
     (["--least-rows", "0"], "coverage.size")],
)  # fmt: skip
def test_what_cannot_be_is_told(
    folder: Path, more: list[str], code: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert command(["profile", "people.csv", "--out", "p.html", *more]) != 0
    assert code in capsys.readouterr().err


def test_groups_none_and_a_table_without_traits_say_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert command(["profile", "people.csv", "--groups", "none", "--out", "p.html"]) == 0
    assert "groups    " not in capsys.readouterr().out
    assert 'id="groups"' not in (folder / "p.html").read_text()
