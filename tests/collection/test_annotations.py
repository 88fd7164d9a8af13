"""Boxes and masks beside images, from the forms in which they come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelwright.collection import collect
from modelwright.collection.media import natural_target
from modelwright.core.errors import UserError
from tests.collection.media_files import picture, write

CAT = {"x": 1.0, "y": 2.0, "width": 4.0, "height": 5.0, "label": "cat"}
DOG = {"x": 0.0, "y": 0.0, "width": 10.0, "height": 5.0, "label": "dog"}


def _code(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        collect(path)
    return caught.value.code


def _boxes(data: object) -> dict[str, object]:
    return dict(data.frame.select("file", "boxes").iter_rows())  # type: ignore[attr-defined]


# COCO -----------------------------------------------------------------------------------------------------------


def _coco(**changes: object) -> dict[str, object]:
    annotations = [
        {"image_id": 1, "category_id": 7, "bbox": [1, 2, 4, 5], "segmentation": [[1, 2, 5, 2, 5, 7]]},
        {"image_id": 1, "category_id": 8, "bbox": [0, 0, 10, 5]},
        {"image_id": 1, "category_id": 8, "bbox": [0, 0, 3, 3], "iscrowd": 1},
        {"image_id": 99, "category_id": 8, "bbox": [0, 0, 3, 3]},
    ]
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}, {"id": 3, "file_name": "gone.png"}]
    categories = [{"id": 7, "name": "cat"}, {"id": 8, "name": "dog"}]
    return {"images": images, "annotations": annotations, "categories": categories, **changes}


def _write_coco(root: Path, plain: object) -> Path:
    for name in ("a", "b"):
        write(root / "images" / f"{name}.png", picture(ord(name)))
    return write(root / "boxes.json", json.dumps(plain))


@pytest.mark.parametrize("whole", [True, False], ids=["folder", "file"])
def test_coco(tmp_path: Path, whole: bool) -> None:
    path = _write_coco(tmp_path, _coco())
    data = collect(tmp_path if whole else path)
    assert _boxes(data) == {"images/a.png": [CAT, DOG], "images/b.png": [], "gone.png": None or []}
    assert data.frame["image"].null_count() == 1
    repairs = {repair["why"]: repair["count"] for repair in data.origin["repairs"]}
    assert repairs["a crowd, not one object"] == 1
    assert repairs["of an image that the file does not list"] == 1
    assert repairs["an annotation names an image that is not there; null"] == 1
    assert any("outlines are passed over" in decision["reason"] for decision in data.origin["decisions"])
    assert natural_target(str(tmp_path if whole else path)) == "boxes"


def test_two_coco_files_are_a_split(tmp_path: Path) -> None:
    _write_coco(tmp_path, _coco(images=[{"id": 1, "file_name": "a.png"}])).rename(tmp_path / "instances_train2017.json")
    other = _coco(images=[{"id": 1, "file_name": "b.png"}])
    write(tmp_path / "instances_val2017.json", json.dumps(other))
    data = collect(tmp_path)
    assert dict(data.frame.select("file", "split").iter_rows()) == {
        "images/a.png": "train", "images/b.png": "validation",
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"annotations": [{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3]}]},
        {"annotations": [{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, "x"]}]},
        {"annotations": [{"image_id": 1, "category_id": 1234, "bbox": [1, 2, 3, 4]}]},
        {"images": {"id": 1}},
        {"categories": None},
    ],
)
def test_a_broken_coco_file_is_named(tmp_path: Path, changes: dict[str, object]) -> None:
    assert _code(_write_coco(tmp_path, _coco(**changes))) == "collection.annotation"


def test_other_json_beside_pictures_is_no_coco(tmp_path: Path) -> None:
    path = _write_coco(tmp_path, [{"a": 1}, {"a": 2}])
    assert collect(path).schema.names == ("a",)


# Pascal VOC -----------------------------------------------------------------------------------------------------


def _voc(name: str, objects: str) -> str:
    return f"<annotation><filename>{name}</filename>{objects}</annotation>"


def _object(label: str, *corners: object) -> str:
    names = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{name}>{value}</{name}>" for name, value in zip(names, corners, strict=True))
    return f"<object><name>{label}</name><bndbox>{box}</bndbox></object>"


def _write_voc(root: Path) -> None:
    for name in ("a", "b", "c"):
        write(root / "VOC" / "JPEGImages" / f"{name}.jpg", picture(ord(name), form="JPEG"))
    objects = _object("cat", 1, 2, 5, 7) + _object("dog", 0, 0, 10, 5)
    write(root / "VOC" / "Annotations" / "a.xml", _voc("a.jpg", objects))
    write(root / "VOC" / "Annotations" / "b.xml", _voc("misnamed", ""))
    write(root / "VOC" / "ImageSets" / "Main" / "train.txt", "a\n")
    write(root / "VOC" / "ImageSets" / "Main" / "val.txt", "b\n")
    write(root / "VOC" / "ImageSets" / "Main" / "trainval.txt", "a\nb\n")


def test_pascal_voc(tmp_path: Path) -> None:
    _write_voc(tmp_path)
    data = collect(tmp_path)
    prefix = "VOC/JPEGImages"
    assert _boxes(data) == {f"{prefix}/a.jpg": [CAT, DOG], f"{prefix}/b.jpg": [], f"{prefix}/c.jpg": None}
    assert data.frame["split"].to_list() == ["train", "validation", None]
    assert natural_target(str(tmp_path)) == "boxes"


@pytest.mark.parametrize(
    "text",
    [
        _voc("a.jpg", _object("cat", 1, 2, 5, "wide")),
        "<annotation><object>",
        '<!DOCTYPE a [<!ENTITY x "y">]><annotation>&x;</annotation>',
    ],
)
def test_broken_or_hostile_xml_is_named(tmp_path: Path, text: str) -> None:
    _write_voc(tmp_path)
    write(tmp_path / "VOC" / "Annotations" / "a.xml", text)
    assert _code(tmp_path) == "collection.annotation"


def test_the_real_cells(shared_data: Path) -> None:
    data = collect(shared_data / "object_detection" / "bccd" / "bccd_voc.zip")
    labels = data.frame.explode("boxes")["boxes"].struct.field("label").value_counts()
    assert dict(labels.iter_rows()) == {"WBC": 372, "RBC": 4155, "Platelets": 361}
    assert data.n_rows == 364 and data.frame["image"].null_count() == 0
    assert set(data.frame["split"].to_list()) == {"train", "validation", "test"}


# YOLO -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["names: [cat, dog]", "names: {0: cat, 1: dog}"])
def test_yolo(tmp_path: Path, names: str) -> None:
    for name in ("a", "b"):
        write(tmp_path / "images" / "train" / f"{name}.png", picture(ord(name), size=(20, 10)))
    write(tmp_path / "images" / "val" / "c.png", picture(9, size=(20, 10)))
    write(tmp_path / "labels" / "train" / "a.txt", "0 0.15 0.45 0.2 0.5\n1 0.25 0.25 0.5 0.5\n")
    write(tmp_path / "data.yaml", names)
    data = collect(tmp_path)
    found = _boxes(data)
    assert found["images/train/b.png"] == [] and found["images/val/c.png"] == []
    for box, wanted in zip(found["images/train/a.png"], (CAT, DOG), strict=True):  # type: ignore[call-overload]
        assert box["label"] == wanted["label"]
        assert [box[name] for name in ("x", "y", "width", "height")] == pytest.approx(
            [wanted[name] for name in ("x", "y", "width", "height")]
        )
    assert data.frame["split"].to_list() == ["train", "train", "validation"]


def test_a_yolo_line_that_is_no_box_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.png", picture(1))
    write(tmp_path / "b.png", picture(2))
    write(tmp_path / "a.txt", "0 0.1 0.1 0.2 0.2\n")
    write(tmp_path / "b.txt", "0 0.1 0.1 0.2 0.2\n0 0.1 left 0.2 0.2\n")
    with pytest.raises(UserError, match="`b.txt`, line 2"):
        collect(tmp_path)


def test_texts_beside_pictures_are_no_yolo(tmp_path: Path) -> None:
    write(tmp_path / "a.png", picture(1))
    write(tmp_path / "a.txt", "a caption of the picture")
    assert collect(tmp_path).schema.names == ("file", "image")


# Masks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["folders", "suffix"])
def test_masks(tmp_path: Path, form: str) -> None:
    for index in range(3):
        place = (
            (f"image/{index}.png", f"label/{index}.png") if form == "folders" else (f"{index}.png", f"{index}_mask.png")
        )
        write(tmp_path / place[0], picture(index))
        write(tmp_path / place[1], picture(index + 10))
    write(tmp_path / ("image/7.png" if form == "folders" else "7.png"), picture(70))
    data = collect(tmp_path)
    assert data.schema.names == ("file", "image", "mask") and data.n_rows == 3
    assert data.frame["mask"][2] == picture(12)
    assert natural_target(str(tmp_path)) == "mask"
    (repair,) = data.origin["repairs"]
    assert repair["count"] == 1 and "without a mask" in repair["why"]


def test_classes_named_label_are_no_masks(tmp_path: Path) -> None:
    for index in range(4):
        write(tmp_path / "label" / f"l{index}.png", picture(index))
        write(tmp_path / "other" / f"o{index}.png", picture(index + 10))
    assert collect(tmp_path).schema.names == ("file", "folder", "image")


def test_the_real_membranes(shared_data: Path) -> None:
    data = collect(shared_data / "segmentation" / "membrane" / "membrane.zip")
    assert data.n_rows == 20 and data.schema.names == ("file", "image", "mask")
