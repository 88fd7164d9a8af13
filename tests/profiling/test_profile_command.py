"""`wright profile`: the terminal, JSON, the page; hostile names and cells; a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import modelwright as mw
from modelwright.cli import command
from modelwright.profiling import profile_page
from tests.cleaning.test_clean_command import CHROMIUM, RUNS, dumped


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({
        "age": rng.integers(18, 80, 400), "city": rng.choice(["Oslo", "Bergen"], 400), "paid": ["yes", "no"] * 200,
        "told": ["1", ""] * 200,
    })  # fmt: skip
    pl.concat([frame, frame.head(3)]).write_csv("t.csv")
    return tmp_path


def test_a_stranger_is_told_what_matters(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (place / "t.csv").read_bytes()
    assert command(["profile", "t.csv", "--target", "paid"]) == 0
    told = capsys.readouterr().out
    assert "403 rows x 4 columns" in told
    assert "paid: yes 50 %, no 50 %" in told
    assert "! Whether `told` is filled in says much of `paid`" in told
    assert "clean: {roles: {told: ignored}}" in told
    assert "Everything is of all 403 rows." in told
    page = (place / "t.profile.html").read_text()
    assert "Whether " in page
    assert (place / "t.csv").read_bytes() == before


def test_machines_are_told_everything(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["profile", "t.csv", "--target", "paid", "--json", "--out", "p.html"]) == 0
    event = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert (event["event"], event["page"]) == ("finished", "p.html")
    assert event["profile"]["n_repeated"] >= 3
    assert event["profile"]["columns"][0]["numbers"]["quantiles"][0] >= 18
    assert event["profile"]["alerts"][0]["level"] == "act"


def test_what_cannot_be_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["profile", "t.csv", "--out", "t.csv"]) == 2
    assert "[profile.output]" in capsys.readouterr().err
    assert command(["profile", "t.csv", "--target", "payd"]) == 2
    assert "did you mean `paid`" in capsys.readouterr().err
    assert command(["profile", "none.csv"]) == 2


def test_two_hundred_columns_make_a_page_of_two_megabytes_at_most() -> None:
    rng = np.random.default_rng(1)
    words = [f"a rather long word number {at}" for at in range(30)]
    frame = pl.DataFrame({
        f"a column with a long name {at}": rng.normal(size=90) if at % 2 else rng.choice(words, 90)
        for at in range(200)
    })  # fmt: skip
    page = profile_page(mw.profile(mw.clean(mw.collect(frame))), title="wide")
    assert len(page.encode()) < 2_000_000
    assert page.count('class="column"') == 200


# Hostile tables -----------------------------------------------------------------------------------------------------


@pytest.fixture
def hostile(place: Path, shared_data: Path) -> str:
    """A table whose names, cells and classes are the naughty strings, markup that would run, and cells of 10 kB."""
    strings = json.loads((shared_data / "robustness/naughty_strings/blns.json").read_text())
    attack = [f"<img src=x onerror={RUNS}>", f"</script><script>{RUNS}</script>", f"</style><script>{RUNS}</script>",
              "`<b>`", "<i>" * 3500, "\u202egnp.exe", "\x1b[31mred"]  # fmt: skip
    names, cells = list(dict.fromkeys([*attack, *strings]))[:60], [*attack, *strings]
    rows = [
        {name: cells[(at + row) % (9 if at % 3 else len(cells))] for at, name in enumerate(names)}
        for row in range(len(cells))
    ]
    rows = [{**row, "<b>class": attack[at % 3]} for at, row in enumerate(rows)]
    (place / "<svg onload=x>.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return "<svg onload=x>.jsonl"


def test_hostile_names_and_cells_do_nothing(hostile: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["profile", hostile, "--target", "<b>class"]) == 0
    told = capsys.readouterr().out
    assert "\u202e" not in told
    assert "\x1b" not in told
    page = (place / "svg-onload-x.profile.html").read_text()
    assert "onerror" in page  # as text
    assert len(page) < 2_000_000
    for harmful in ("<img src=x", "<svg onload", "<script>document.title", "</style><script>", "<i><i>", "\u202e"):
        assert harmful not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "unsafe" not in policy[1]
    assert policy[1].startswith("default-src 'none'")
    assert not re.search(r"<[^>]*\s(?:src|href|action)=[\"'](?!#)", page)
    assert "url(" not in page.partition("<style>")[2].partition("</style>")[0]


@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium")
def test_in_a_browser_nothing_of_it_runs_and_the_search_does(hostile: str, place: Path) -> None:
    assert command(["profile", hostile]) == 0
    shown = dumped(place / "svg-onload-x.profile.html", place)
    assert "onerror=" in shown  # as text
    assert "<title>HACK" not in shown
    assert '<img src="x"' not in shown
    command(["profile", "t.csv"])
    assert re.search(
        r"<span id=.found. role=.status.>[1-9]\d* of ", dumped(place / "t.profile.html", place, typed="city")
    )
