"""Rows come in the order in which they teach: in a project at hand, over HTTP beside a live server, in the terminal."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import modelwright as mw
from modelwright.labelling import LabelSpec, create, labels
from modelwright.labelling.by_terminal import label_here
from modelwright.labelling.lessons import Pupil, follow, going_told, is_due
from modelwright.labelling.stats import agreement_told
from modelwright.labelling.store import Project
from modelwright.labelling.tasks import Desk
from tests.labelling.test_server import clients

RARE = 0.06


def mails(n_rows: int) -> tuple[pl.DataFrame, list[str]]:
    """Mails of which few are spam: words of their own among words of all."""
    rng = np.random.default_rng(3)
    common, bait = [f"word{k}" for k in range(60)], [f"prize{k}" for k in range(25)]
    kinds = ["spam" if draw < RARE else "ham" for draw in rng.random(n_rows)]
    texts = [
        " ".join([*rng.choice(common, 8), *(rng.choice(bait, 3) if kind == "spam" else rng.choice(common, 3))])
        for kind in kinds
    ]
    return pl.DataFrame({"text": texts}), kinds


def project_of_mails(store: Path, order: str, n_rows: int = 800) -> tuple[Project, list[str]]:
    frame, kinds = mails(n_rows)
    spec = LabelSpec(kind="text", classes=("ham", "spam"), order=order)  # type: ignore[arg-type]
    return create(mw.Dataset.from_frame(frame), spec, store=store, name=order), kinds


def labelled(project: Project, truth: list[str], n_labels: int) -> list[int]:
    """Label rows in the project's own order, learning when a lesson is due; the rows in their order."""
    desk, pupil, n_known, rows = Desk(project), Pupil(project), -1, list[int]()
    for _ in range(n_labels):
        if project.spec.order == "teaching" and is_due(project, n_known):
            lesson = pupil.learn()
            n_known = lesson.n_labels
            follow(desk, lesson)
        with project.transaction():
            (row,) = desk.give("ann", 1)
            desk.label("ann", row, truth[row], key=uuid.uuid4().hex)
        rows.append(row)
    return rows


def test_a_rare_class_is_found_with_fewer_labels(tmp_path: Path) -> None:
    found = {}
    for order in ("random", "teaching"):
        project, truth = project_of_mails(tmp_path, order)
        rows = labelled(project, truth, 120)
        assert len(set(rows)) == 120
        found[order] = sum(truth[row] == "spam" for row in rows)
    assert found["teaching"] > 2 * found["random"]


def test_a_lesson_never_gives_a_row_twice_and_is_repeatable(tmp_path: Path) -> None:
    project, truth = project_of_mails(tmp_path, "teaching", 150)
    rows = labelled(project, truth, 60)
    one, other = Pupil(project).learn(), Pupil(project).learn()
    assert one.rows == other.rows and one.n_labels == 60
    assert not set(one.rows) & set(rows) and len(set(one.rows)) == len(one.rows)
    everything = labelled(project, truth, 90)
    assert sorted(rows + everything) == list(range(150))
    assert Pupil(project).learn().rows == ()


def test_tables_and_pictures_teach_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    size = rng.normal(size=200)
    table = pl.DataFrame({"size": size, "colour": rng.choice(["red", "blue"], 200), "empty": [None] * 200})
    pictures = pl.DataFrame({"image": [_grey(30 if k % 2 else 220) for k in range(39)] + [b"broken"]})
    for name, frame, truth in (
        ("table", table, ["big" if one > 0.3 else "small" for one in size]),
        ("picture", pictures, ["big" if k % 2 else "small" for k in range(40)]),
    ):
        kind = "text" if name == "table" else "image"
        spec = LabelSpec(kind=kind, classes=("small", "big"), order="teaching")  # type: ignore[arg-type]
        project = create(mw.Dataset.from_frame(frame), spec, store=tmp_path, name=name)
        rows = labelled(project, truth, 30)
        later = np.abs(size[rows[15:]] - 0.3).mean() if name == "table" else 0.0
        assert later < 0.5 * np.abs(size - 0.3).mean(), "rows near the border come first"


def _grey(shade: int) -> bytes:
    from PIL import Image

    with io.BytesIO() as made:
        Image.new("L", (40, 30), shade).save(made, format="PNG")
        return made.getvalue()


def test_a_live_server_learns_beside_its_answers(tmp_path: Path) -> None:
    project, truth = project_of_mails(tmp_path, "teaching")
    (ann,) = clients(project, ann="annotator")
    given = list[int]()
    for n_labels in (20, 40, 60):
        while len(given) < n_labels:
            (task,) = ann.ask("/api/next", {"n": 1})[1]["tasks"]
            row = task["row"]
            answer = {"row": row, "value": truth[row], "key": f"answer {row:05}"}
            assert ann.ask("/api/label", answer)[0] == 200
            given.append(row)
        until_s = time.monotonic() + 60
        while (ann.ask("/api/progress")[1]["learning"] or {"n_labels": 0})["n_labels"] < n_labels:
            assert time.monotonic() < until_s, "no lesson came"
            time.sleep(0.05)
    spam = [truth[row] == "spam" for row in given]
    assert len(set(given)) == len(given)
    assert sum(spam[20:]) / len(spam[20:]) > 2 * RARE
    told = going_told(project)
    assert told is not None and told["kappas"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_what_learns_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    project_of_mails(tmp_path / ".wright", "teaching", 60)[0].close()
    command = [sys.executable, "-m", "modelwright", "label", "teaching", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        json.loads(server.stdout.readline())
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
        until_s = time.monotonic() + 60
        while not (learners := [pid for pid in children.read_text().split() if "spawn_main" in _line_of(pid)]):
            assert time.monotonic() < until_s, "nothing learns"
            time.sleep(0.02)
        server.kill()
    while any("spawn_main" in _line_of(pid) for pid in learners):
        assert time.monotonic() < until_s, "it lives on"
        time.sleep(0.02)


def _line_of(pid: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def test_the_terminal_learns_too(tmp_path: Path) -> None:
    project, _ = project_of_mails(tmp_path, "teaching", 60)
    n_kept = label_here(project, "ann", read=io.StringIO("1\n2\n" * 10 + "q\n"), write=io.StringIO())
    told = going_told(project)
    assert n_kept == 20 and told is not None and told["n_labels"] >= 10


def test_boxes_cannot_be_ordered_so() -> None:
    with pytest.raises(ValueError, match="for boxes take random"):
        LabelSpec(kind="boxes", classes=("cat",), order="teaching")


def test_agreement_is_told_with_its_interval(tmp_path: Path) -> None:
    project, truth = project_of_mails(tmp_path, "given", 60)
    desk = Desk(project)
    with project.transaction():
        for row in range(60):
            desk.label("ann", row, truth[row], key=f"ann {row:05}")
            desk.label("ben", row, "spam" if row % 20 == 0 else truth[row], key=f"ben {row:05}")
    told = agreement_told(project)
    assert told["shared_rows"] == 60 and told["low"] < told["alpha"] < told["high"]
    assert told["alpha"] == pytest.approx(told["fleiss"], abs=0.02)
    assert len(labels(project).values()) == 60
