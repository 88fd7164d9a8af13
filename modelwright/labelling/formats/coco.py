"""COCO: one JSON file of images, annotations and categories. Masks are polygons or run lengths, as COCO has both.

Reference: Lin et al. (2014), "Microsoft COCO: common objects in context".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelwright.labelling.formats.common import (
    IMPORTED,
    Labelled,
    Places,
    area_of,
    json_of,
    need_kind,
    only,
    plain_json,
    wrong,
)
from modelwright.labelling.shapes import mask_to_runs, runs_to_mask
from modelwright.labelling.store import Project

_BOX = ("x", "y", "width", "height")


def write(labelled: Sequence[Labelled], project: Project) -> dict[str, bytes]:
    """`annotations.json`; categories are numbered from 1 in the order of the classes."""
    need_kind(project, "coco", "boxes", "masks")
    numbers = {name: number for number, name in enumerate(project.spec.classes, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for one in labelled:
        width, height = one.size or (0, 0)
        images.append({"id": one.row, "file_name": one.file, "width": width, "height": height, "labelled_by": one.who})
        for shape in one.value:
            about = {"id": len(annotations) + 1, "image_id": one.row, "category_id": numbers[shape["label"]]}
            annotations.append({**about, **_geometry(shape)})
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    return {"annotations.json": plain_json({"images": images, "annotations": annotations, "categories": categories})}


def _geometry(shape: Mapping[str, Any]) -> dict[str, Any]:
    if "x" in shape:
        box = [shape[name] for name in _BOX]
        return {"bbox": box, "area": shape["width"] * shape["height"], "iscrowd": 0}
    if "points" in shape:
        xs, ys = zip(*shape["points"], strict=True)
        box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
        flat = [number for point in shape["points"] for number in point]
        return {"bbox": box, "segmentation": [flat], "area": area_of(shape["points"]), "iscrowd": 0}
    runs = {"counts": shape["counts"], "size": shape["size"]}
    return {"bbox": _bounds(shape), "segmentation": runs, "area": sum(shape["counts"][1::2]), "iscrowd": 0}


def _bounds(shape: Mapping[str, Any]) -> list[int]:
    import numpy as np

    mask = runs_to_mask(shape["counts"], shape["size"])
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return [0, 0, 0, 0]
    return [int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)]


def read(files: Mapping[str, bytes], project: Project) -> list[tuple[int, str, Any]]:
    """Labels of the images that a COCO file lists and the project has; an image without annotations has none of them.

    Annotations of several polygons give one region each; compressed run lengths are undone.
    """
    need_kind(project, "coco", "boxes", "masks")
    name, data = only(files, ".json")
    loaded, places = json_of(data, name), Places(project)
    try:
        names = {one["id"]: one["name"] for one in loaded["categories"]}
        rows = {one["id"]: places.row(None, str(one["file_name"])) for one in loaded["images"]}
        who = {one["id"]: str(one.get("labelled_by") or IMPORTED) for one in loaded["images"]}
        shapes: dict[Any, list[dict[str, Any]]] = {number: [] for number in rows}
        for one in loaded["annotations"]:
            if not (project.spec.kind == "boxes" and one.get("iscrowd")):
                shapes[one["image_id"]] += _shapes(one, names[one["category_id"]], project.spec.kind)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
        raise wrong(name, problem) from None
    return [(rows[number], who[number], value) for number, value in shapes.items()]


def _shapes(one: Mapping[str, Any], label: str, kind: str) -> list[dict[str, Any]]:
    if kind == "boxes":
        return [{**dict(zip(_BOX, one["bbox"], strict=True)), "label": label}]
    found = one["segmentation"]
    if isinstance(found, list):
        return [{"points": [list(point) for point in zip(flat[::2], flat[1::2], strict=True)], "label": label}
                for flat in found]  # fmt: skip
    counts = found["counts"]
    if isinstance(counts, (str, bytes)):
        counts = uncompressed(counts.encode() if isinstance(counts, str) else counts)
    return [{"counts": counts, "size": found["size"], "label": label}]


def uncompressed(text: bytes) -> list[int]:
    """COCO's compressed run lengths (a variable-length code of differences) as numbers.

    >>> uncompressed(b"52203")
    [5, 2, 2, 2, 5]
    """
    counts: list[int] = []
    at = 0
    while at < len(text):
        number = shift = 0
        more = True
        while more:
            byte = text[at] - 48
            number |= (byte & 0x1F) << shift
            more = bool(byte & 0x20)
            at, shift = at + 1, shift + 5
            if not more and byte & 0x10:
                number |= -1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
    return counts


__all__ = ["mask_to_runs", "read", "uncompressed", "write"]
