"""YOLO: a text file an image, one box a line: class, then centre and size as shares of the image."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from modelwright.collection.annotations import Annotated, split_of
from modelwright.collection.tree import Found, Tree
from modelwright.core.errors import UserError
from modelwright.core.optional import need

if TYPE_CHECKING:
    from modelwright.collection.media import Reader
    from modelwright.collection.piece import Notes

_BOX = re.compile(rb"\s*[0-9]+(?:[ \t]+[0-9.eE+-]+){4,}[ \t]*\r?\n?")
_NAMES = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt")


def yolo_labels(tree: Tree) -> dict[str, Found]:
    """The label files of a tree by the key that they share with their images; {} when they are none."""
    texts = [one for one in tree.of_ending(".txt") if one.name.rsplit("/", 1)[-1].lower() not in _NAMES]
    images = {_key(one) for one in tree.files if one.form == "image"}
    labels = {_key(one): one for one in texts if _key(one) in images}
    some = [one for one in labels.values() if one.n_bytes][:5]
    if not some or not all(_BOX.match(one.path.read_bytes()[:1000]) for one in some):
        return {}
    return labels


def _key(found: Found) -> str:
    """Folders without `images` and `labels`, and the stem."""
    folders = [name for name in found.folders if name.lower() not in ("images", "labels", "obj_train_data")]
    return "/".join([*folders, found.stem])


def read_yolo(tree: Tree, reader: Reader, notes: Notes) -> Annotated | None:
    """The images of a tree with the boxes of their label files; None without label files.

    An image without a file has no boxes, as is the custom. Sizes come from the images' headers.
    Reference: Redmon et al. (2016), "You only look once" (the darknet format).
    """
    labels = yolo_labels(tree)
    if not labels:
        return None
    names = _names(tree, notes)
    made = Annotated("yolo")
    for image in tree.files:
        if image.form != "image":
            continue
        found = labels.get(_key(image))
        boxes = _boxes(found, image, names) if found else []
        made.add(image.name, image, boxes, split_of("/".join(image.folders)))
    return made


def _names(tree: Tree, notes: Notes) -> dict[int, str]:
    """The classes' names by number, from data.yaml or classes.txt; {} when nothing says them."""
    import yaml

    for found in tree.of_ending(".yaml", ".yml"):
        try:
            loaded = yaml.safe_load(found.path.read_text(errors="replace"))
        except yaml.YAMLError:
            continue
        names = loaded.get("names") if isinstance(loaded, dict) else None
        if isinstance(names, list):
            return {index: str(name) for index, name in enumerate(names)}
        if isinstance(names, dict):
            return {int(index): str(name) for index, name in names.items() if str(index).isdigit()}
    for found in tree.files:
        if found.name.rsplit("/", 1)[-1].lower() in _NAMES:
            lines = [line.strip() for line in found.path.read_text(errors="replace").splitlines()]
            return {index: name for index, name in enumerate(lines) if name}
    notes.decide("classes", "numbers as names", "neither data.yaml nor classes.txt names them")
    return {}


def _boxes(found: Found, image: Found, names: dict[int, str]) -> list[dict[str, Any]]:
    boxes = []
    width, height = _size(image)
    for number, line in enumerate(found.path.read_text(errors="replace").splitlines(), start=1):
        parts = line.split()
        if not parts:
            continue
        try:
            label, x, y, w, h = int(float(parts[0])), *map(float, parts[1:5])
        except ValueError:
            raise UserError(
                "collection.annotation", f"`{found.name}`, line {number:,}, is no box: {line[:60]!r}.",
                hint="a line is: class, then centre x, centre y, width and height as shares of the image",
            ) from None  # fmt: skip
        boxes.append(
            {
                "x": (x - w / 2) * width, "y": (y - h / 2) * height, "width": w * width, "height": h * height,
                "label": names.get(label, str(label)),
            }
        )  # fmt: skip
    return boxes


def _size(image: Found) -> tuple[int, int]:
    """Width and height by the header; 0 by 0 of an image that cannot be opened, which cleaning removes."""
    picture = need("PIL.Image", extra="deep", why="reading the sizes of pictures")
    try:
        with picture.open(io.BytesIO(image.path.read_bytes())) as opened:
            width, height = opened.size
    except (OSError, ValueError, SyntaxError, picture.DecompressionBombError):
        return 0, 0
    return int(width), int(height)
