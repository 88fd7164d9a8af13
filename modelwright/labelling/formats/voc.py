"""Pascal VOC: an XML file an image.

Reference: Everingham et al. (2010), "The Pascal visual object classes (VOC) challenge".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

from modelwright.core.errors import UserError
from modelwright.labelling.formats.common import IMPORTED, Labelled, Places, need_kind, wrong
from modelwright.labelling.store import Project

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def write(labelled: Sequence[Labelled], project: Project) -> dict[str, bytes]:
    """`Annotations/NAME.xml` for each picture. Corners are written as they are, with their decimals."""
    need_kind(project, "voc", "boxes")
    files = {}
    for one in labelled:
        root = ElementTree.Element("annotation")
        _add(root, "filename", one.file)
        size = ElementTree.SubElement(root, "size")
        for name, number in zip(("width", "height", "depth"), (*(one.size or (0, 0)), 3), strict=True):
            _add(size, name, number)
        for box in one.value:
            made = ElementTree.SubElement(root, "object")
            _add(made, "name", _sayable(box["label"]))
            corners = ElementTree.SubElement(made, "bndbox")
            ends = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
            for name, number in zip(_CORNERS, ends, strict=True):
                _add(corners, name, round(number, 9))
        files[f"Annotations/{PurePosixPath(one.file).stem}.xml"] = ElementTree.tostring(root, encoding="utf-8")
    return files


def _add(parent: ElementTree.Element, name: str, value: object) -> None:
    ElementTree.SubElement(parent, name).text = str(value)


def _sayable(name: str) -> str:
    """XML has no words for control characters, and turns line ends and outer blanks."""
    if any(ord(letter) < 32 or letter in "\ufffe\uffff\x7f" or 0x80 <= ord(letter) < 0xA0 for letter in name):
        raise UserError(
            "labelling.format", f"the class {name!r:.80} cannot be written in XML.", hint="export as coco or csv"
        )
    return name


def read(files: Mapping[str, bytes], project: Project) -> list[tuple[int, str, Any]]:
    """Labels of the XML files; an entity in one refuses it."""
    need_kind(project, "voc", "boxes")
    places, made = Places(project), []
    for name, data in files.items():
        if name.lower().endswith(".xml"):
            root = _root(name, data)
            try:
                row = places.row(None, PurePosixPath(name).stem)
            except UserError:
                row = places.row(None, root.findtext("filename") or "")
            made.append((row, IMPORTED, [_box(one, name) for one in root.iter("object")]))
    return made


def _root(name: str, data: bytes) -> ElementTree.Element:
    if b"<!ENTITY" in data or b"<!DOCTYPE" in data or b"\x00" in data:
        raise wrong(name, "it declares entities, which an annotation never needs")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as problem:
        raise wrong(name, problem) from None
    if root.tag != "annotation":
        raise wrong(name, "it is no annotation")
    return root


def _box(element: ElementTree.Element, name: str) -> dict[str, Any]:
    try:
        left, top, right, bottom = (float(element.findtext(f"bndbox/{one}") or "") for one in _CORNERS)
    except ValueError as problem:
        raise wrong(name, problem) from None
    label = element.findtext("name") or ""
    return {"x": left, "y": top, "width": round(right - left, 9), "height": round(bottom - top, 9), "label": label}
