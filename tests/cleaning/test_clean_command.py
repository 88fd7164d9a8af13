"""`wright clean`: the table beside, the page, the way back; hostile cells and names; a real browser."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from modelwright.cli import command

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
RUNS = "document.title=String.fromCharCode(72,65,67,75)"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `t.csv`, a table with stray blanks, as the current one."""
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{row},{('Oslo', 'Bergen ', 'Oslo', 'Bergen')[row % 4]},{'' if row % 9 == 2 else row / 2}" for row in range(80)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["id,city,size", *rows, ""]))
    return tmp_path


def last_event(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])  # type: ignore[no-any-return]


def test_it_writes_beside_and_takes_back(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (place / "t.csv").read_bytes()
    assert command(["clean", "t.csv", "--methods", "blanks", "--json"]) == 0
    told = last_event(capsys)
    assert told["n_changed"] == 20
    assert (place / "t.csv").read_bytes() == before
    mended = (place / "t.clean.csv").read_text()
    assert mended == before.decode().replace("Bergen ", "Bergen")
    page = (place / "t.clean.html").read_text()
    assert "wright clean t.csv --undo 1" in page
    assert command(["clean", "t.csv", "--undo", "1", "--json"]) == 0
    assert (place / "t.clean.csv").read_bytes() == before
    assert "wright clean t.csv --redo 1" in (place / "t.clean.html").read_text()
    assert command(["clean", "t.csv", "--redo", "city"]) == 0
    assert (place / "t.clean.csv").read_text() == mended
    assert command(["clean", "t.csv", "--undo", "all"]) == 0
    assert (place / "t.clean.csv").read_bytes() == before


def test_the_way_back_outlives_the_garbage_collector(place: Path) -> None:
    before = (place / "t.csv").read_bytes()
    assert command(["clean", "t.csv", "--methods", "blanks"]) == 0
    assert command(["gc", "--grace", "0"]) == 0
    assert command(["clean", "t.csv", "--undo", "all"]) == 0
    assert (place / "t.clean.csv").read_bytes() == before


def test_the_log_is_listed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(["clean", "t.csv", "--methods", "blanks", "--json"])
    capsys.readouterr()
    assert command(["clean", "t.csv", "--log", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(events) == 20
    assert {(event["before"], event["after"], event["in_force"]) for event in events} == {("Bergen ", "Bergen", True)}
    assert command(["clean", "t.csv", "--log"]) == 0
    assert "blanks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answers", "n_changed"), [("y\n", 20), ("n\n", 0), ("m\nmore\ny\n", 20), ("", 0), ("all\n", 20)]
)
def test_it_asks(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answers: str, n_changed: int
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
    assert command(["clean", "t.csv", "--ask", "--methods", "blanks", "--json"]) == 0
    assert last_event(capsys)["n_changed"] == n_changed


def test_it_never_writes_over_the_table(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (place / "t.csv").read_bytes()
    assert command(["clean", "t.csv", "--out", "../" + place.name + "/t.csv"]) == 2
    assert "[mend.output]" in capsys.readouterr().err
    assert command(["clean", "t.csv", "--out", "t.xlsx"]) == 2
    assert command(["clean", "other.csv", "--undo", "1"]) == 2
    assert "[mend.history]" in capsys.readouterr().err
    assert (place / "t.csv").read_bytes() == before


def test_parquet_stays_parquet_with_its_types(place: Path) -> None:
    table = pl.DataFrame({"n": [1.5, None] * 20, "city": ["Oslo", "Oslo "] * 20})
    table.write_parquet("p.parquet")
    assert command(["clean", "p.parquet", "--methods", "blanks"]) == 0
    mended = pl.read_parquet("p.clean.parquet")
    assert mended.schema == table.schema
    assert mended["city"].unique().to_list() == ["Oslo"]


def test_a_run_mends_first_and_tells_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        f"{row},{'Oslo ' if row % 5 == 1 else 'Oslo' if row % 2 else 'Bergen'},{row % 2 * 3 + row / 100}"
        for row in range(120)
    ]
    (place / "r.csv").write_text("\n".join(["id,city,y", *rows, ""]))
    options = ["--target", "y", "--train.models", "[linear]", "--train.budget", "quick"]
    assert command(["run", "r.csv", "--mend", *options]) == 0
    out = capsys.readouterr().out
    assert "24 cells mended" in out
    assert "mended: blanks" in (place / ".wright/out/r/report.html").read_text()
    assert command(["undo", "r", "-o", "raw.csv"]) == 0
    assert (place / "raw.csv").read_bytes() == (place / "r.csv").read_bytes()
    capsys.readouterr()
    assert command(["run", "r.csv", "--mend", *options]) == 0
    assert capsys.readouterr().out.count("there already") >= 4


@pytest.fixture
def hostile(place: Path, shared_data: Path) -> str:
    """A table whose names and cells are the naughty strings and markup that would run."""
    strings = json.loads((shared_data / "robustness/naughty_strings/blns.json").read_text())
    attack = [f"<img src=x onerror={RUNS}>", f"</script><script>{RUNS}</script>", f"</style><script>{RUNS}</script>"]
    names = list(dict.fromkeys([*attack, *strings]))
    cells = [*attack, *strings]
    rows = [{name: cells[(at + row) % len(cells)] for at, name in enumerate(names[:60])} for row in range(len(cells))]
    (place / "<svg onload=x>.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return "<svg onload=x>.jsonl"


def test_hostile_names_and_cells_break_nothing(hostile: str, place: Path) -> None:
    assert command(["clean", hostile, "--methods", "blanks"]) == 0
    page = (place / "svg-onload-x.clean.html").read_text()
    assert "onerror" in page  # as text
    assert "wright clean &#39;&lt;svg onload=x&gt;.jsonl&#39; --undo all" in page
    for harmful in ("<img src=x", "<svg onload", "<script>document.title", "</style><script>"):
        assert harmful not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "unsafe" not in policy[1]
    assert policy[1].startswith("default-src 'none'")


@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium")
def test_in_a_browser_nothing_of_it_runs_and_the_search_does(hostile: str, place: Path) -> None:
    assert command(["clean", hostile, "--methods", "blanks"]) == 0
    shown = dumped(place / "svg-onload-x.clean.html", place)
    assert "onerror=" in shown  # as text
    assert "<title>HACK" not in shown
    assert '<img src="x"' not in shown
    command(["clean", "t.csv", "--methods", "blanks"])
    page = place / "t.clean.html"
    assert "0 of " in dumped(page, place, typed="no such word")
    assert re.search(r"<span id=.found. role=.status.>[1-9]\d* of ", dumped(page, place, typed="bergen"))


def dumped(page: Path, place: Path, *, typed: str = "") -> str:
    """The page as a browser made it, after something was typed into its search."""
    address = page.as_uri()
    if typed:  # a page around it types, as a person would: the policy lets nothing else in
        source = page.read_text()
        script = f"var b=document.getElementById('search');b.value='{typed}';b.dispatchEvent(new Event('input'));"
        source = re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", source)
        (place / "typed.html").write_text(source.replace("</body>", f"<script>{script}</script></body>"))
        address = (place / "typed.html").as_uri()
    done = subprocess.run(
        [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={place / 'profile'}",
         "--dump-dom", address],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout
