"""Labels out and in again: what was said comes back as it was, in every format that has words for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import modelwright as mw
from modelwright.core.errors import UserError
from modelwright.labelling import open_project
from modelwright.labelling.base import KINDS, Kind
from modelwright.labelling.formats import read, write, zipped
from modelwright.labelling.formats.coco import uncompressed
from modelwright.labelling.formats.label_studio import _brush_mask, brush_runs
from modelwright.labelling.shapes import mask_to_runs, runs_to_mask
from modelwright.labelling.store import Project
from modelwright.labelling.tasks import keep_labels
from tests.labelling.kinds import project_of

CLASSES = ("cat", "dog, \"big\" 'wild'", "<b>eel</b> \N{FISH}", "=cmd()")
N_ROWS, WIDTH, HEIGHT = 6, 320, 240
FORMS: dict[str, tuple[Kind, ...]] = {
    "csv": KINDS, "jsonl": KINDS, "history": KINDS, "label-studio": KINDS, "coco": ("boxes", "masks"),
    "yolo": ("boxes",), "voc": ("boxes",), "spacy": ("text", "spans"),
}  # fmt: skip
CASES = [(form, kind) for form, kinds in FORMS.items() for kind in kinds]


def _fine(most: float) -> st.SearchStrategy[float]:
    return st.integers(0, int(most * 100)).map(lambda number: number / 100)


@st.composite
def value_of(draw: st.DrawFn, kind: str, classes: tuple[str, ...]) -> Any:
    """A label of a kind."""
    label = st.sampled_from(classes)
    if kind in ("text", "image", "pairs"):
        return draw(label)
    made = []
    for _ in range(draw(st.integers(0, 3))):
        one: dict[str, Any] = {}
        if kind == "spans":
            start = draw(st.integers(0, 60))
            one = {"start": start, "end": start + draw(st.integers(1, 12))}
        elif kind == "boxes":
            x, y = draw(_fine(WIDTH - 20)), draw(_fine(HEIGHT - 20))
            one = {"x": x, "y": y, "width": round(draw(_fine(19)) + 0.5, 2), "height": round(draw(_fine(19)) + 0.5, 2)}
        elif kind == "masks" and draw(st.booleans()):
            points = st.tuples(_fine(WIDTH), _fine(HEIGHT)).map(list)
            one = {"points": draw(st.lists(points, min_size=3, max_size=6))}
        elif kind == "masks":
            mask = np.zeros((HEIGHT, WIDTH), bool)
            top, left = draw(st.integers(0, HEIGHT - 9)), draw(st.integers(0, WIDTH - 9))
            mask[top : top + 8, left : left + draw(st.integers(1, 8))] = True
            one = mask_to_runs(mask)
        else:
            start = draw(st.integers(0, 1000)) / 1000
            one = {"start": start, "end": start + 0.25} | ({"whole": True} if draw(st.booleans()) else {})
        made.append({**one, "label": draw(label)})
    return made


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """One project of each kind; what `ann` says of its rows is said anew in every example."""
    place = tmp_path_factory.mktemp("formats")
    return {kind: project_of(kind, place, N_ROWS, classes=CLASSES) for kind in KINDS}


@pytest.mark.parametrize(("form", "kind"), CASES, ids=lambda part: str(part))
@settings(max_examples=5)
@given(data=st.data())
def test_what_is_written_is_read_back(
    form: str, kind: Kind, data: st.DataObject, projects: dict[str, Project], tmp_path_factory: pytest.TempPathFactory
) -> None:
    project, place = projects[kind], tmp_path_factory.mktemp("out")
    said = [(row, "ann \N{BOUQUET}", data.draw(value_of(kind, project.spec.classes))) for row in range(0, N_ROWS, 2)]
    keep_labels(project, said, origin="test")
    files = write(project, form)
    for name, content in files.items():
        (place / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "out" / name).write_bytes(content)
    (place / "out.zip").write_bytes(zipped(files))
    for path in (place / "out", place / "out.zip"):
        found = read(project, form, path)
        assert {row: value for row, _, value in found} == {row: value for row, _, value in said}
        assert {person for _, person, _ in found} <= {"ann \N{BOUQUET}", "imported"}


def test_the_house_reads_what_it_writes(tmp_path: Path) -> None:
    """An exported folder with its pictures is a source: `wright run FOLDER` finds the boxes."""
    project = project_of("boxes", tmp_path, 5, classes=("cat", "dog"))
    box = {"x": 10.5, "y": 20.25, "width": 30.5, "height": 40.0, "label": "dog"}
    keep_labels(project, [(row, "ann", [box] if row else []) for row in range(4)], origin="test")
    for form in ("coco", "yolo", "voc"):
        folder = tmp_path / form
        for name, content in write(project, form, with_pictures=True).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        frame = mw.collect(str(folder)).frame.sort("file")
        found = frame["boxes"].to_list()
        assert [len(boxes) for boxes in found] == [0, 1, 1, 1], form
        assert {key: pytest.approx(found[1][0][key]) for key in box if key != "label"} == {
            key: pytest.approx(value) for key, value in box.items() if key != "label"
        }
        assert found[1][0]["label"] == "dog"


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_run_lengths_are_those_of_others(height: int, width: int, seed: int) -> None:
    """Ours, COCO's compressed ones (written by pycocotools) and Label Studio's say the same pixels."""
    mask = np.random.default_rng(seed).random((height, width)) < 0.4
    runs = mask_to_runs(mask)
    assert (runs_to_mask(runs["counts"], runs["size"]) == mask).all()
    packed = brush_runs(runs["counts"], runs["size"])
    assert (_brush_mask(packed, (height, width)) == mask).all()
    theirs = pytest.importorskip("pycocotools.mask").encode(np.asfortranarray(mask.astype(np.uint8)))
    assert uncompressed(theirs["counts"]) == runs["counts"]


@pytest.mark.parametrize(
    ("form", "name", "content"),
    [
        ("csv", "x.csv", b"a,b\n1,2\n"),
        ("csv", "x.csv", b'row,label\n0,"[{"\n'),
        ("coco", "x.json", b'{"images": [{"id": 1}]}'),
        ("coco", "x.json", b"[" * 100_000),
        ("label-studio", "x.json", b'[{"data": {"image": "../../etc/passwd"}}]'),
        ("voc", "a.xml", b'<!DOCTYPE a [<!ENTITY x "xx">]><annotation>&x;</annotation>'),
        ("yolo", "row_1.txt", b"0 0.5 zero 0.1 0.1\n"),
        ("jsonl", "x.jsonl", b'{"row": 1e400, "value": []}\n'),
        ("history", "x.jsonl", b"null\n"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, form: str, name: str, content: bytes) -> None:
    project = project_of("boxes", tmp_path, 3)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as told:
        read(project, form, tmp_path / name if form not in ("voc", "yolo") else _alone(tmp_path, name))
    assert told.value.code == "labelling.import"


def _alone(place: Path, name: str) -> Path:
    (place / "alone").mkdir()
    shutil.copy(place / name, place / "alone" / name)
    return place / "alone"


def test_a_name_never_leads_out_of_a_folder(tmp_path: Path) -> None:
    import polars as pl

    from modelwright.labelling import LabelSpec, create
    from tests.labelling.kinds import picture

    names = ["../../evil.png", "/etc/passwd", "a/b.png", "<img src=x>.png", "CON", "ok name.png", "x" * 400 + ".png"]
    data = mw.Dataset.from_frame(pl.DataFrame({"file": names, "image": [picture()] * len(names)}))
    project = create(data, LabelSpec(kind="boxes", classes=("a",)), store=tmp_path, name="p")
    keep_labels(project, [(row, "ann", []) for row in range(len(names))], origin="test")
    for form in ("coco", "yolo", "voc"):
        for name in write(project, form, with_pictures=True):
            assert ".." not in name and not name.startswith("/") and "<" not in name and len(name) < 200
    files = [one["file_name"] for one in json.loads(write(project, "coco")["annotations.json"])["images"]]
    assert len(set(files)) == len(names) and "ok name.png" in files
    assert open_project(tmp_path, "p").payload(0)["name"] == "../../evil.png"
