"""Pascal VOC: an XML file an image, and lists of images in ImageSets/Main."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from modelwright.collection.annotations import Annotated, by_name
from modelwright.collection.tree import SPLITS, Found, Tree
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright.collection.media import Reader
    from modelwright.collection.piece import Notes

LARGEST_BYTES = 16 * 2**20


def voc_files(tree: Tree) -> list[Found]:
    """The XML files of a tree when the first of them annotates an image."""
    found = tree.of_ending(".xml")
    return found if found and b"<annotation" in found[0].path.read_bytes()[:4096] else []


def read_voc(tree: Tree, reader: Reader, notes: Notes) -> Annotated | None:
    """The images that XML files annotate; None without any. A file that is no annotation is told and left out.

    Reference: Everingham et al. (2010), "The Pascal visual object classes (VOC) challenge".
    """
    files = voc_files(tree)
    if not files:
        return None
    images, splits = by_name(tree), _splits(tree)
    made = Annotated("pascal voc")
    for found in files:
        root = _root(found)
        if root is None:
            notes.repair("file_skipped", why="XML that annotates no image", detail=found.name)
            continue
        named = (root.findtext("filename") or "").strip()
        image = images.get(found.stem) or images.get(PurePosixPath(named).name) or images.get(PurePosixPath(named).stem)
        boxes = [_box(element, found) for element in root.iter("object")]
        made.add(image.name if image else named or found.stem, image, boxes, splits.get(found.stem))
    _add_unannotated(tree, made)
    return made


def _add_unannotated(tree: Tree, made: Annotated) -> None:
    used = {image.name for image in made.images if image}
    for found in tree.media():
        if found.form == "image" and found.name not in used:
            made.add(found.name, found, None)


def _root(found: Found) -> ElementTree.Element | None:
    data = found.path.read_bytes() if found.n_bytes <= LARGEST_BYTES else b""
    if b"<!ENTITY" in data or b"<!DOCTYPE" in data:
        raise UserError(
            "collection.annotation", f"`{found.name}` declares entities, which an annotation never needs.",
            hint="such a file can be made to fill the memory; do not trust it",
        )  # fmt: skip
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as problem:
        raise UserError(
            "collection.annotation", f"`{found.name}` is no XML: {problem}.", hint="mend or remove that file"
        ) from problem
    return root if root.tag == "annotation" else None


def _box(element: ElementTree.Element, found: Found) -> dict[str, Any]:
    corners = []
    for name in ("xmin", "ymin", "xmax", "ymax"):
        try:
            corners.append(float(element.findtext(f"bndbox/{name}") or ""))
        except ValueError:
            label = element.findtext("name")
            raise UserError(
                "collection.annotation", f"`{found.name}`: the box of {label!r} has no number `{name}`.",
                hint="mend or remove that box",
            ) from None  # fmt: skip
    left, top, right, bottom = corners
    label = (element.findtext("name") or "").strip() or None
    return {"x": left, "y": top, "width": right - left, "height": bottom - top, "label": label}


def _splits(tree: Tree) -> dict[str, str]:
    """Which set each stem is in; `trainval` says nothing that the others do not."""
    found: dict[str, str] = {}
    for one in tree.of_ending(".txt"):
        word = one.stem.lower()
        if one.folders[-2:] == ("ImageSets", "Main") and word in SPLITS:
            for line in one.path.read_text(errors="replace").splitlines():
                if line.split():
                    found[PurePosixPath(line.split()[0]).stem] = SPLITS[word]
    return found
