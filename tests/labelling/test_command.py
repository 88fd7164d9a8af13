"""`wright label` as people type it: begin, import, export, status, the terminal, suggestions; and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl
import pytest

import modelwright as mw
from modelwright.cli import command
from modelwright.core.errors import UserError
from modelwright.labelling import labels, open_project
from modelwright.labelling.by_terminal import label_here
from tests.labelling.kinds import project_of

FRUITS, TOOLS = ("apple", "pear", "plum"), ("hammer", "saw", "drill")


def things(place: Path, n_rows: int = 40) -> Path:
    texts = [f"one {(FRUITS if row % 2 else TOOLS)[row % 3]} of the number {row} was sold" for row in range(n_rows)]
    pl.DataFrame({"id": [f"r{row}" for row in range(n_rows)], "text": texts}).write_csv(place / "things.csv")
    return place / "things.csv"


def test_a_project_from_begin_to_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, store = things(tmp_path), ["--store", str(tmp_path / ".wright")]
    rows = range(0, 40, 2)
    said = pl.DataFrame({"row": rows, "label": ["tool"] * 20, "who": ["ada"] * 10 + ["ben"] * 10})
    said.write_csv(tmp_path / "said.csv")
    pl.DataFrame({"id": ["r1", "r3"], "label": ["fruit", "fruit"]}).write_csv(tmp_path / "gold.csv")
    (tmp_path / "guide.md").write_text("# What is a tool?")
    begin = ["label", str(source), "--as", "text", "--classes", "fruit, tool", "--gold", str(tmp_path / "gold.csv"),
             "--guidelines", str(tmp_path / "guide.md"), "--order", "given", *store]  # fmt: skip
    assert command([*begin, "--import", str(tmp_path / "said.csv")]) == 0
    assert command(["label", "things", "--import", str(tmp_path / "said.csv"), *store]) == 0
    assert "0 labels taken in, 20 were there" in capsys.readouterr().out
    assert command(["label", "things", "--status", "--json", *store]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["progress"] == {"rows": 40, "gold": 2, "labelled": 20, "done": 20}
    assert [one["person"] for one in told["people"]] == ["ada", "ben"]
    for name in ("out.csv", "out.jsonl", "out.json", "out.zip"):
        form = ["--format", "history"] if name == "out.zip" else []
        assert command(["label", "things", "--export", str(tmp_path / name), *form, *store]) == 0
        assert (tmp_path / name).stat().st_size > 500
    frame = pl.read_csv(tmp_path / "out.csv")
    assert frame.height == 22 and dict(frame.select("row", "label").iter_rows())[3] == "fruit"
    assert open_project(tmp_path / ".wright", "things").spec.guidelines == "# What is a tool?"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nothing"], "labelling.kind"), (["nothing", "--status"], "labelling.project"),
        (["things.csv", "--as", "text"], "spec.value"),
        (["things.csv", "--as", "boxes", "--classes", "a"], "labelling.column"),
        (["things.csv", "--as", "text", "--classes", "a", "--columns", "txt"], "labelling.column"),
        (["things.csv", "--as", "pairs", "--columns", "text"], "labelling.column"),
        (["things.csv", "--as", "poem"], "cli.option"),
        (["things.csv", "--as", "text", "--classes", "a", "--guidelines", "no.md"], "labelling.file"),
        (["things.csv", "--as", "text", "--classes", "a", "--gold", "things.csv"], "labelling.gold"),
        (["things.csv", "--as", "text", "--classes", "a", "--export", "x.pdf"], "labelling.format"),
        (["things.csv", "--as", "text", "--classes", "a", "--export", "x.zip"], "labelling.format"),
        (["things.csv", "--as", "text", "--classes", "a", "--import", "no.csv"], "labelling.import"),
        (["things.csv", "--as", "text", "--classes", "a", "--team", "no.yaml"], "labelling.team"),
        (["things.csv", "--as", "text", "--classes", "a", "--suggest", "no"], "cli.package"),
        (["things.csv", "--as", "spans", "--classes", "a", "--terminal"], "labelling.terminal"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: str
) -> None:
    things(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert command(["label", *arguments]) == 2
    assert f"[{code}]" in capsys.readouterr().err


def test_the_terminal_obeys_no_row(tmp_path: Path) -> None:
    project = project_of("text", tmp_path, 5)
    project.rows.execute(
        "UPDATE payloads SET plain = ? WHERE row = 0", (json.dumps({"main": ["\x1b[2J\x1b]0;x\x07hello"], "more": []}),)
    )
    shown = io.StringIO()
    assert label_here(project, "ada", read=io.StringIO("1\ndog\ns\nz\n7\n2\nq\n"), write=shown) == 3
    assert "\x1b" not in shown.getvalue() and "hello" in shown.getvalue() and "'7' is no class" in shown.getvalue()
    assert labels(project).values() == {0: "cat", 1: "dog", 2: "dog"}
    assert project.labels.execute("SELECT count(*) FROM leases").fetchone() == (0,)


def test_a_model_suggests_and_the_unsure_come_first(tmp_path: Path) -> None:
    from modelwright.labelling.tasks import Desk, keep_labels

    source, store = things(tmp_path), tmp_path / ".wright"
    base = ["label", str(source), "--as", "text", "--classes", "fruit,tool", "--store", str(store)]
    assert command([*base, "--status"]) == 0
    project = open_project(store, "things")
    keep_labels(project, [(row, "ada", "fruit" if row % 2 else "tool") for row in range(30)], origin="test")
    recipe = {"data": str(source), "target": "label", "labels": "things", "train": {"models": ["linear"]}}
    mw.run(mw.Recipe.from_plain(recipe), store=store)
    assert (
        command(["label", "things", "--suggest", "things", "--order", "uncertain", "--status", "--store", str(store)])
        == 0
    )
    told = project.labels.execute("SELECT row, value, confidence, model FROM suggestions ORDER BY row").fetchall()
    assert len(told) == 40 and all(0.5 <= sure <= 1 and model == "things" for _, _, sure, model in told)
    assert sum(json.loads(value) == ("fruit" if row % 2 else "tool") for row, value, _, _ in told) > 36
    with project.transaction():
        first = Desk(project).give("ben", 3)
    margins = {row: sure for row, _, sure, _ in told}
    least = sorted(margins[row] for row in range(30, 40))[:3]
    assert [margins[row] for row in first] == pytest.approx(least, abs=1e-5)


def test_a_suggestion_of_another_kind_is_refused(tmp_path: Path) -> None:
    from modelwright.labelling.suggest import keep_suggestions

    class Numbers:
        columns = ("text",)

        class signature:  # noqa: N801
            class task:  # noqa: N801
                kind = "regression"

    project = project_of("text", tmp_path)
    data = mw.Dataset.from_frame(pl.DataFrame({"text": ["a"]}))
    with pytest.raises(UserError, match="no suggestion for text"):
        keep_suggestions(project, data, Numbers(), name="n")  # type: ignore[arg-type]
