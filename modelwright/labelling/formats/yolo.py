"""YOLO: a text file an image, one box or polygon a line, as shares of the image; and the classes' names.

Reference: Redmon et al. (2016), "You only look once" (the darknet format).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from modelwright.core.errors import UserError
from modelwright.labelling.formats.common import IMPORTED, Labelled, Places, need_kind, wrong
from modelwright.labelling.store import Project

_NAMES = ("classes.txt", "obj.names", "labels.txt")


def write(labelled: Sequence[Labelled], project: Project) -> dict[str, bytes]:
    """`labels/NAME.txt` for each picture, and `data.yaml`. Masks must be polygons: the format has no others."""
    import yaml

    need_kind(project, "yolo", "boxes", "masks")
    numbers = {name: number for number, name in enumerate(project.spec.classes)}
    about = {"path": ".", "train": "images", "names": {number: name for name, number in numbers.items()}}
    files = {"data.yaml": yaml.safe_dump(about, sort_keys=False).encode()}
    for one in labelled:
        if one.size is None:
            continue
        lines = [f"{numbers[shape['label']]} {' '.join(map(_share, _numbers(shape, one)))}\n" for shape in one.value]
        files[f"labels/{PurePosixPath(one.file).stem}.txt"] = "".join(lines).encode()
    return files


def _share(number: float) -> str:
    return f"{number:.12f}".rstrip("0").rstrip(".") or "0"


def _numbers(shape: Mapping[str, Any], one: Labelled) -> list[float]:
    width, height = one.size or (1, 1)
    if "counts" in shape:
        raise UserError(
            "labelling.format", f"row {one.row} has a painted mask, and yolo has polygons only.",
            hint="export as coco, or draw polygons",
        )  # fmt: skip
    if "points" in shape:
        return [number for x, y in shape["points"] for number in (x / width, y / height)]
    return [(shape["x"] + shape["width"] / 2) / width, (shape["y"] + shape["height"] / 2) / height,
            shape["width"] / width, shape["height"] / height]  # fmt: skip


def read(files: Mapping[str, bytes], project: Project) -> list[tuple[int, str, Any]]:
    """Labels of the text files whose names are those of pictures of the project; the sizes are the pictures' own."""
    need_kind(project, "yolo", "boxes", "masks")
    names, places, made = _class_names(files, project), Places(project), []
    for name, data in files.items():
        path = PurePosixPath(name)
        if path.suffix != ".txt" or path.name.lower() in _NAMES:
            continue
        row = places.row(None, path.stem)
        size = places.size(row)
        try:
            shapes = [_shape(line.split(), names, size) for line in data.decode().splitlines() if line.strip()]
        except (ValueError, IndexError, KeyError) as problem:
            raise wrong(name, problem) from None
        made.append((row, IMPORTED, shapes))
    return made


def _class_names(files: Mapping[str, bytes], project: Project) -> dict[int, str]:
    import yaml

    for name, data in files.items():
        if name.lower().endswith((".yaml", ".yml")):
            try:
                found = yaml.safe_load(data)
                names = found["names"]
            except (yaml.YAMLError, KeyError, TypeError) as problem:
                raise wrong(name, problem) from None
            pairs = enumerate(names) if isinstance(names, list) else names.items()
            return {int(number): str(one) for number, one in pairs}
        if PurePosixPath(name).name.lower() in _NAMES:
            return {number: one.strip() for number, one in enumerate(data.decode().splitlines()) if one.strip()}
    return dict(enumerate(project.spec.classes))


def _shape(parts: Sequence[str], names: Mapping[int, str], size: tuple[int, int]) -> dict[str, Any]:
    label, (width, height) = names[int(parts[0])], size
    numbers = [float(part) for part in parts[1:]]
    if len(numbers) == 4:
        x, y, w, h = (number * (height if place % 2 else width) for place, number in enumerate(numbers))
        return {"x": _near(x - w / 2), "y": _near(y - h / 2), "width": _near(w), "height": _near(h), "label": label}
    points = zip(numbers[::2], numbers[1::2], strict=True)
    return {"points": [[_near(x * width), _near(y * height)] for x, y in points], "label": label}


def _near(number: float) -> float:
    """To a millionth of a pixel: what dividing and multiplying by the size leaves beyond it is no one's intent."""
    return round(number, 6)
