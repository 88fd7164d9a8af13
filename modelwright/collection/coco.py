"""COCO: one JSON file with images, annotations and categories."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelwright.collection.annotations import Annotated, by_name, split_of
from modelwright.collection.tree import Found, Tree
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright.collection.media import Reader
    from modelwright.collection.piece import Notes

HEAD_BYTES = 4 * 2**20


def coco_files(tree: Tree) -> list[Found]:
    """The JSON files of a tree that hold COCO annotations, by what stands in them."""
    return [found for found in tree.of_ending(".json") if is_coco(found)]


def is_coco(found: Found) -> bool:
    """Whether a JSON file is an object with `images` and `annotations`; a large one is judged by its ends."""
    with found.path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(0, found.n_bytes - HEAD_BYTES))
        ends = head + file.read(HEAD_BYTES)
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and b'"images"' in ends and b'"annotations"' in ends


def read_coco(tree: Tree, reader: Reader, notes: Notes) -> Annotated | None:
    """The images that COCO files speak of, with their boxes; None without such a file.

    A polygon or a mask is passed over: its box is what is read, and it is told. Crowd boxes (`iscrowd`) are left
    out and told. Reference: Lin et al. (2014), "Microsoft COCO: common objects in context".
    """
    files = coco_files(tree)
    if not files:
        return None
    images = by_name(tree)
    made = Annotated("coco")
    for found in files:
        split = split_of(found.name) if len(files) > 1 else None
        _add_file(_load(found), found, images, split, made, notes)
    return made


def _load(found: Found) -> dict[str, Any]:
    try:
        loaded = json.loads(found.path.read_bytes())
        lists = [loaded[name] for name in ("images", "annotations", "categories")]
    except (ValueError, RecursionError, KeyError, TypeError) as problem:
        raise _wrong(found, f"it is no whole COCO file: {problem}") from problem
    if not all(isinstance(one, list) and all(isinstance(item, dict) for item in one) for one in lists):
        raise _wrong(found, "images, annotations and categories must be lists of objects")
    return dict(loaded)


def _wrong(found: Found, why: str) -> UserError:
    return UserError("collection.annotation", f"`{found.name}`: {why}.", hint="export the annotations again")


def _add_file(
    loaded: Mapping[str, Any], found: Found, images: Mapping[str, Found], split: str | None, made: Annotated,
    notes: Notes,
) -> None:  # fmt: skip
    labels = {category.get("id"): str(category.get("name", category.get("id"))) for category in loaded["categories"]}
    boxes: dict[Any, list[dict[str, Any]]] = {image.get("id"): [] for image in loaded["images"]}
    n_polygons = 0
    for place, annotation in enumerate(loaded["annotations"], start=1):
        box = _box(annotation, labels, found, place)
        n_polygons += bool(annotation.get("segmentation"))
        if annotation.get("iscrowd"):
            notes.repair("box_skipped", why="a crowd, not one object")
        elif box is None:
            notes.repair("box_skipped", why="an annotation without a box")
        elif annotation.get("image_id") not in boxes:
            notes.repair("box_skipped", why="of an image that the file does not list")
        else:
            boxes[annotation["image_id"]].append(box)
    if n_polygons:
        notes.decide("segmentation", "boxes only", f"{n_polygons:,} outlines are passed over; their boxes are read")
    folder = "/".join(found.folders)
    for image in loaded["images"]:
        name = str(image.get("file_name", ""))
        file = images.get(f"{folder}/{name}") or images.get(name) or images.get(name.rsplit("/", 1)[-1])
        made.add(file.name if file else name, file, boxes[image.get("id")], split)


def _box(annotation: Mapping[str, Any], labels: Mapping[Any, str], found: Found, place: int) -> dict[str, Any] | None:
    numbers = annotation.get("bbox")
    if not numbers:
        return None
    if not isinstance(numbers, list) or len(numbers) != 4 or not all(isinstance(n, (int, float)) for n in numbers):
        raise _wrong(found, f"annotation {place:,} has the box {str(numbers)[:60]}, not four numbers")
    if annotation.get("category_id") not in labels:
        raise _wrong(
            found, f"annotation {place:,} is of the category {annotation.get('category_id')!r}, which it lacks"
        )
    x, y, width, height = map(float, numbers)
    return {"x": x, "y": y, "width": width, "height": height, "label": labels[annotation["category_id"]]}
