"""Who is given which row, what is kept of what they say, and what comes of it."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import modelwright as mw
from modelwright.core.errors import UserError
from modelwright.labelling import LabelSpec, create, join, labels, open_project
from modelwright.labelling.stats import differing, people_table, progress
from modelwright.labelling.store import Project
from modelwright.labelling.tasks import Desk, keep_labels

CLASSES = ("a", "b", "c")


def project_of(place: Path, n_rows: int = 30, *, gold: dict[int, Any] | None = None, **settings: Any) -> Project:
    data = mw.Dataset.from_frame(pl.DataFrame({"text": [f"this is text number {row}" for row in range(n_rows)]}))
    return create(data, LabelSpec(kind="text", classes=CLASSES, **settings), store=place, name="x", gold=gold)


@settings(max_examples=20)
@given(st.data())
def test_no_task_goes_to_more_people_than_wished(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever people do in whatever order: live leases and labels of a row never are more than the overlap, no one is
    given a row twice, and all that was said is there."""
    overlap = data.draw(st.integers(1, 3))
    project = project_of(tmp_path_factory.mktemp("tasks"), 8, overlap=overlap)
    desk, said = Desk(project), list[tuple[str, int]]()
    holds: dict[str, list[int]] = {name: [] for name in ("ann", "bo", "cy", "di")}
    for number in range(data.draw(st.integers(5, 40))):
        person = data.draw(st.sampled_from(sorted(holds)))
        act = data.draw(st.sampled_from(["give", "label", "label", "skip", "undo", "leave"]))
        with project.transaction():
            if act == "give":
                rows = desk.give(person, data.draw(st.integers(1, 4)), set(holds[person]))
                assert not set(rows) & set(holds[person])
                holds[person] += rows
            elif act == "leave":
                desk.free(time.time(), person=person)
                holds[person] = []
            elif act == "undo" and said and said[-1][0] == person:
                try:
                    desk.undo(person, said[-1][1], key=f"k{number}")
                    holds[person].append(said.pop()[1])
                except UserError as refused:
                    assert refused.code == "labelling.undo"
            elif holds[person] and act in ("label", "skip"):
                row = holds[person].pop()
                said.append((person, row))
                if act == "label":
                    desk.label(person, row, "a", key=f"k{number}")
                else:
                    desk.skip(person, row, key=f"k{number}")
        taken = project.labels.execute(
            "SELECT row, count(DISTINCT person) FROM (SELECT row, person FROM leases UNION "
            "SELECT row, person FROM current WHERE what = 'label') GROUP BY row"
        ).fetchall()
        assert all(n_people <= overlap for _, n_people in taken)
    assert set(said) <= {(one[1], one[0]) for one in project.labels.execute("SELECT row, person FROM current")}
    project.close()


def test_all_rows_are_labelled_as_often_as_wished(tmp_path: Path) -> None:
    project = project_of(tmp_path, 20, overlap=2)
    desk = Desk(project)
    for person in ("ann", "bo", "cy"):
        while True:
            with project.transaction():
                rows = desk.give(person, 3)
                for row in rows:
                    desk.label(person, row, "b", key=f"{person}{row}")
            if not rows:
                break
    assert progress(project) == {"rows": 20, "gold": 0, "labelled": 20, "done": 20}
    assert project.labels.execute("SELECT count(*) FROM current").fetchone() == (40,)


def test_a_lease_that_is_over_goes_to_somebody_else_and_the_late_label_is_kept(tmp_path: Path) -> None:
    project = project_of(tmp_path, 3, lease_s=0.05)
    desk = Desk(project)
    with project.transaction():
        assert len(desk.give("ann", 9)) == 3
        assert desk.give("bo", 9) == []
    time.sleep(0.1)
    desk.freed_s = 0.0
    with project.transaction():
        assert len(desk.give("bo", 9)) == 3
        desk.label("bo", 1, "b", key="bo's word")
        desk.label("ann", 1, "a", key="late word")
    assert [one["row"] for one in differing(project)] == [1]


def test_a_label_is_kept_once_and_never_changed(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    desk = Desk(project)
    with project.transaction():
        first = desk.label("ann", 4, "a", key="the same")
        assert desk.label("ann", 4, "a", key="the same") == first
        second = desk.label("ann", 4, "b", key="another")
    assert second > first
    assert labels(project).values() == {4: "b"}
    for statement in ("UPDATE answers SET value = '\"c\"'", "DELETE FROM answers"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            project.labels.execute(statement)
    with pytest.raises(UserError, match="no class"), project.transaction():
        desk.label("ann", 5, "<script>", key="wrong one")
    with pytest.raises(UserError, match="no row"), project.transaction():
        desk.label("ann", 500, "a", key="no such row")
    assert project.labels.execute("SELECT count(*) FROM answers").fetchone() == (2,)


def test_gold_is_mixed_in_and_tells_who_is_right(tmp_path: Path) -> None:
    project = project_of(tmp_path, 40, gold=dict.fromkeys(range(4), "c"), gold_every=5)
    desk, given_rows = Desk(project), list[int]()
    for _ in range(25):
        with project.transaction():
            (row,) = desk.give("ann", 1)
            given_rows.append(row)
            desk.label("ann", row, "c" if row % 2 else "a", key=f"key {row}")
    assert [place for place, row in enumerate(given_rows) if row < 4] == [4, 9, 14, 19]
    (ann,) = people_table(project)
    assert (ann["gold"], ann["n_gold"]) == (0.5, 4)
    assert {row: labels(project).values()[row] for row in range(4)} == dict.fromkeys(range(4), "c")


def test_several_voices_become_one_label(tmp_path: Path) -> None:
    project = project_of(tmp_path, 60, overlap=3)
    truth = [CLASSES[row % 3] for row in range(60)]
    said = [(row, "ann", truth[row]) for row in range(60)] + [(row, "bo", truth[row]) for row in range(60)]
    said += [(row, "cy", "a") for row in range(60)]  # does not look
    assert keep_labels(project, said, origin="test") == 180
    assert keep_labels(project, said, origin="test") == 0
    for method in ("auto", "majority", "dawid_skene"):
        found = labels(project, method=method)  # type: ignore[arg-type]
        assert list(found.values().values()) == truth
    assert "dawid_skene of 3" in set(labels(project).table["who"])
    with project.transaction():
        Desk(project).settle("head", 1, "c", key="a verdict")
    assert labels(project).values()[1] == "c"
    assert 1 not in {one["row"] for one in differing(project, limit=100)}
    assert 2 in {one["row"] for one in differing(project, limit=100)}


def test_labels_find_their_rows_wherever_they_stand(tmp_path: Path) -> None:
    project = project_of(tmp_path, 10)
    keep_labels(project, [(row, "ann", CLASSES[row % 3]) for row in range(6)], origin="test")
    said = labels(project)
    texts = [f"this is text number {row}" for row in range(10)]
    same = join(mw.Dataset.from_frame(pl.DataFrame({"text": texts})), project, said)
    assert same.frame["label"].to_list() == ["a", "b", "c", "a", "b", "c", None, None, None, None]
    moved = join(mw.Dataset.from_frame(pl.DataFrame({"text": [*texts[3:], "new"]})), project, said)
    assert moved.frame["label"].to_list() == ["a", "b", "c", *[None] * 5]
    assert "3 labels found no row" in moved.origin["decisions"][-1]["reason"]
    had = join(mw.Dataset.from_frame(pl.DataFrame({"text": texts, "label": ["old"] * 10})), project, said)
    assert had.frame["label"].to_list()[4:7] == ["b", "c", "old"]
    with pytest.raises(UserError, match="none of the 6 labels"):
        join(mw.Dataset.from_frame(pl.DataFrame({"text": ["other", "rows"]})), project, said)


def test_a_project_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    data = mw.Dataset.from_frame(pl.DataFrame({"text": ["one text of some length"] * 3}))
    with pytest.raises(UserError, match="which is not there"):
        create(data, LabelSpec(kind="text", classes=("a",)), store=tmp_path, name="y", gold={99: "a"})
    assert not list((tmp_path / "labelling").iterdir())
    project_of(tmp_path).close()
    with pytest.raises(UserError, match="there already"):
        project_of(tmp_path)
    opened = open_project(tmp_path, "x")
    assert (opened.n_rows, opened.spec.classes) == (30, CLASSES)
    assert oct((opened.folder / "secret").stat().st_mode)[-3:] == "600"
    with pytest.raises(UserError, match=r"did you mean `x`|Known: x"):
        open_project(tmp_path, "z")


def test_naughty_strings_change_nothing(shared_data: Path, tmp_path: Path) -> None:
    strings = json.loads((shared_data / "robustness" / "naughty_strings" / "blns.json").read_text())
    unique = tuple(dict.fromkeys(text for text in strings if text))[:500]
    assert len(strings) >= 500
    data = mw.Dataset.from_frame(pl.DataFrame({"text": strings, "name": strings[::-1]}))
    spec = LabelSpec(kind="text", classes=unique, columns=("text",), guidelines="\n".join(strings))
    project = create(data, spec, store=tmp_path, name="naughty")
    said = [(row, unique[row % len(unique)], unique[row % len(unique)]) for row in range(len(strings))]
    assert keep_labels(project, said, origin="test") == len(strings)
    project.close()
    again = open_project(tmp_path, "naughty")
    assert again.spec.classes == unique
    assert [again.payload(row)["main"][0] for row in range(len(strings))] == strings
    assert labels(again).values() == {row: value for row, _, value in said}
    joined = join(data, again, labels(again))
    assert joined.frame["label"].to_list() == [value for _, _, value in said]
