"""The commands of datasets, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelwright.cli import command


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sales").mkdir()
    (tmp_path / "sales/a.csv").write_text("person,sum\n1,2\n2,3\n")
    (tmp_path / "recipe.yaml").write_text("name: shop\ndata: sales\n")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert command(list(arguments)) == code
    done = capsys.readouterr()
    return done.out + done.err


def events(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(capsys, *arguments, "--json").splitlines()]


def test_a_dataset_from_the_first_row_to_the_last(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(capsys, "collect", "recipe.yaml")
    assert "shop@1: 2 rows x 2 columns" in told
    assert "next      wright run dataset:shop" in told
    (folder / "sales/b.csv").write_text("person,sum,city\n7,9,Oslo\n")
    (folder / "sales/[bold]odd.csv").write_text("person,sum\n<b>,9\n")
    (last,) = [one for one in events(capsys, "collect", "recipe.yaml") if one["event"] == "collected"]
    assert (last["version"], last["is_new"], last["n_rows"]) == ("shop@2", True, 4)
    assert last["sources"][0]["skipped"] == {"known by their bytes": 1}
    assert "shop@2 stays the newest" in run(capsys, "collect", "recipe.yaml")
    assert "shop@2" in run(capsys, "datasets")
    assert "shop@1" in run(capsys, "datasets", "shop")
    assert "city" in run(capsys, "datasets", "shop@2")
    assert "`city` is new" in run(capsys, "diff", "shop@1", "shop@2")
    assert events(capsys, "diff", "shop@1", "shop")[0]["between"]["added"] == 2
    (line,) = events(capsys, "trace", "shop", "--row", "1")
    assert (line["name"], line["version"]) == ("a.csv", 1)
    assert "[bold]odd" in json.dumps(events(capsys, "trace", "shop")), "a name is shown as it is"
    run(capsys, "datasets", "shop@1", "--call", "paper")
    assert "is kept" in run(capsys, "forget", "shop@1", code=2)
    run(capsys, "datasets", "shop@paper", "--drop")
    run(capsys, "forget", "shop@1")
    assert "no version 1" in run(capsys, "datasets", "shop@1", code=2)
    run(capsys, "forget", "shop", "--all")
    assert "nothing here yet" in run(capsys, "datasets")


def test_what_is_asked_wrongly(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "odd.yaml").write_text("x: 1\n")
    for arguments, word in (
        (["collect", "odd.yaml"], "no `data`"),
        (["collect", "gone.yaml"], "no recipe"),
        (["collect", "sales", "--as", "a@b"], "versions.name"),
        (["collect", "tcp://127.0.0.1:0", "--as", "x", "--for", "soon"], "is no time"),
        (["collect", "sales", "--as", "x", "--stream", "{evry: 1s}"], "every"),
        (["diff", "a", "b"], "no dataset"),
    ):
        assert word in run(capsys, *arguments, code=2)
