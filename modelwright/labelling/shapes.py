"""What can be said of a row: checked when it comes in, compared between people, given to a model.

A label is plain data. Of one class: its name. Else a list: spans are `{start, end, label}` in letters (code points);
boxes `{x, y, width, height, label}` in pixels from the top left; masks `{label, points}` (a polygon) or
`{label, counts, size}` (COCO's run lengths, column by column; size is height, width), the later over the earlier;
audio and series `{start, end, label}` in seconds or steps, where `whole` says that the label is of all of it.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError, nearest
from modelwright.labelling.base import ONE_CLASS, Kind

if TYPE_CHECKING:
    import numpy as np

MOST_SHAPES = 10_000
MOST_POINTS = 100_000
_FIELDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "spans": (("start", "end"),),
    "boxes": (("x", "y", "width", "height"),),
    "masks": (("points",), ("counts", "size")),
    "audio": (("start", "end"),),
    "series": (("start", "end"),),
}


def checked(value: Any, kind: Kind, classes: Sequence[str], size: tuple[int, int] | None = None) -> Any:
    """The label as it is kept; raises `UserError("labelling.value")` that says what is wrong with it.

    `size` is the picture's width and height: boxes and masks must lie within it.

    >>> checked([{"start": 0, "end": 3, "label": "name", "more": 1}], "spans", ["name"])
    [{'start': 0, 'end': 3, 'label': 'name'}]
    """
    if kind in ONE_CLASS:
        return _class_of(value, classes)
    if not isinstance(value, list) or len(value) > MOST_SHAPES:
        raise _wrong(f"a label of {kind} is a list of at most {MOST_SHAPES:,}")
    made = [_shape(one, kind, classes) for one in value]
    if size is not None:
        for one in made:
            _check_inside(one, size)
    return made


def _check_inside(shape: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Refuse what reaches more than a pixel beyond the picture: a polygon of a billion pixels would fill the memory."""
    width, height = size
    xs, ys = [0.0], [0.0]
    if "points" in shape:
        xs, ys = map(list, zip(*shape["points"], strict=True))
    elif "size" in shape and shape["size"] != [height, width]:
        raise _wrong(
            f"the mask is of {shape['size'][1]} x {shape['size'][0]} pixels, the picture of {width} x {height}"
        )
    elif "x" in shape:
        xs, ys = [shape["x"], shape["x"] + shape["width"]], [shape["y"], shape["y"] + shape["height"]]
    if min(xs + ys) < -1 or max(xs) > width + 1 or max(ys) > height + 1:
        raise _wrong(f"it reaches beyond the picture of {width} x {height} pixels")


def _class_of(name: Any, classes: Sequence[str]) -> str:
    if not isinstance(name, str) or name not in classes:
        raise _wrong(f"{str(name)[:80]!r} is no class", nearest(str(name)[:80], classes))
    return name


def _wrong(why: str, hint: str = "") -> UserError:
    return UserError("labelling.value", f"this label cannot be kept: {why}.", hint=hint)


def _shape(given: Any, kind: str, classes: Sequence[str]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _wrong(f"{str(given)[:60]!r} is not one of {kind}")
    label = _class_of(given.get("label"), classes)
    fields = next((names for names in _FIELDS[kind] if all(name in given for name in names)), None)
    if fields is None:
        raise _wrong(f"one of {kind} needs {' or '.join(', '.join(names) for names in _FIELDS[kind])}")
    made = {name: _READ[name](given[name]) for name in fields}
    if kind in ("spans", "audio", "series") and not 0 <= made["start"] < made["end"]:
        raise _wrong(f"it begins at {made['start']} and ends at {made['end']}")
    if kind == "spans":
        made = {name: int(number) for name, number in made.items()}
    if kind == "boxes" and (made["width"] <= 0 or made["height"] <= 0):
        raise _wrong("a box needs a width and a height above 0")
    if "counts" in made and sum(made["counts"]) != made["size"][0] * made["size"][1]:
        raise _wrong("the run lengths do not fill the picture")
    if kind in ("audio", "series") and given.get("whole") is True:
        made["whole"] = True
    return {**made, "label": label}


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not math.isfinite(given) or abs(given) > 1e12:
        raise _wrong(f"{str(given)[:40]!r} is no number")
    return given


def _points(given: Any) -> list[list[float]]:
    if not isinstance(given, list) or not 3 <= len(given) <= MOST_POINTS:
        raise _wrong(f"a polygon has 3 to {MOST_POINTS:,} points")
    if not all(isinstance(point, list) and len(point) == 2 for point in given):
        raise _wrong("a point is a pair of numbers")
    return [[_number(x), _number(y)] for x, y in given]


def _whole_numbers(given: Any) -> list[int]:
    if not isinstance(given, list) or len(given) > 10_000_000:
        raise _wrong("run lengths are a list of whole numbers")
    if not all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 2**31 for one in given):
        raise _wrong("run lengths are a list of whole numbers")
    return given


def _size(given: Any) -> list[int]:
    size = _whole_numbers(given)
    if len(size) != 2 or size[0] * size[1] > 100_000_000:
        raise _wrong("a mask's size is height and width, at most 100 million pixels together")
    return size


_READ: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("start", "end", "x", "y", "width", "height"), _number),
    "points": _points, "counts": _whole_numbers, "size": _size,
}  # fmt: skip


# What a model learns from ---------------------------------------------------------------------------------------


def cell_of(value: Any, kind: Kind, classes: Sequence[str], size: tuple[int, int] | None = None) -> Any:
    """A label as a cell of the target column: a class, a list of boxes, a PNG of class numbers, or JSON.

    A mask's pixels are 0 for none and 1, 2, ... for the classes in their order; `size` is width, height. Sounds and
    series that are labelled as a whole give their class.

    >>> cell_of([{"start": 0, "end": 9, "label": "cat", "whole": True}], "audio", ["cat"])
    'cat'
    """
    if kind in ONE_CLASS:
        return value
    if kind == "boxes":
        return [{**{name: float(box[name]) for name in _FIELDS["boxes"][0]}, "label": box["label"]} for box in value]
    if kind == "masks":
        return mask_png(value, classes, size)
    if kind in ("audio", "series") and len(value) == 1 and value[0].get("whole"):
        return value[0]["label"]
    return json.dumps(value, ensure_ascii=False)


def mask_png(regions: Sequence[Mapping[str, Any]], classes: Sequence[str], size: tuple[int, int] | None) -> bytes:
    """A picture of class numbers, as a PNG."""
    from modelwright.core.optional import need

    picture = need("PIL.Image", extra="deep", why="writing masks")
    made = picture.fromarray(drawn(regions, classes, size))
    with io.BytesIO() as file:
        made.save(file, format="PNG")
        return file.getvalue()


def drawn(regions: Sequence[Mapping[str, Any]], classes: Sequence[str], size: tuple[int, int] | None) -> np.ndarray:
    """Regions as class numbers, uint8 (height, width); 0 where none is."""
    import numpy as np

    from modelwright.core.optional import need

    sizes = [tuple(region["size"]) for region in regions if "size" in region]
    height, width = sizes[0] if sizes else (size[1], size[0]) if size else (0, 0)
    if not height or not width:
        raise _wrong("the size of the picture is not known")
    made = np.zeros((height, width), dtype=np.uint8)
    for region in regions:
        number = classes.index(region["label"]) + 1
        if "counts" in region:
            made[runs_to_mask(region["counts"], region["size"])] = number
            continue
        picture, draw = need("PIL.Image", extra="deep", why="masks"), need("PIL.ImageDraw", extra="deep", why="masks")
        one = picture.new("1", (width, height))
        draw.Draw(one).polygon([tuple(point) for point in region["points"]], fill=1)
        made[np.asarray(one)] = number
    return made


def runs_to_mask(counts: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """COCO's run lengths as booleans (height, width).

    >>> runs_to_mask([1, 2, 1], [2, 2]).tolist()
    [[False, True], [True, False]]
    """
    import numpy as np

    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return inside.reshape(size[1], size[0]).T


def mask_to_runs(mask: np.ndarray) -> dict[str, Any]:
    """The inverse of `runs_to_mask`, with the size.

    >>> import numpy as np
    >>> mask_to_runs(np.array([[False, True], [True, False]]))
    {'counts': [1, 2, 1], 'size': [2, 2]}
    """
    import numpy as np

    flat = mask.T.reshape(-1).astype(bool)
    edges = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    counts = np.diff([0, *edges.tolist(), len(flat)]).tolist()
    return {"counts": [0, *counts] if len(flat) and flat[0] else counts, "size": list(mask.shape)}


# How alike two labels are -----------------------------------------------------------------------------------------


def likeness(a: Any, b: Any, kind: Kind) -> float:
    """How alike two labels of one row are, 0 to 1: equal or not for classes, else the share of what both cover that
    they cover alike (letters, time) or the overlap of matched boxes; of masks, the run lengths' or polygons' boxes.

    >>> span = {"start": 0, "end": 10, "label": "name"}
    >>> likeness([span], [{**span, "end": 5}], "spans"), likeness("a", "a", "text")
    (0.5, 1.0)
    """
    if a == b:
        return 1.0
    if kind in ONE_CLASS:
        return 0.0
    if kind == "boxes":
        return _matched(a, b, _box_overlap)
    if kind == "masks":
        return _mask_likeness(a, b)
    return _cover_likeness(a, b)


def _cover_likeness(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> float:
    """Of the line that either covers with a label, the share that both cover with it."""
    edges = sorted({edge for shape in (*a, *b) for edge in (shape["start"], shape["end"])})
    both = either = 0.0
    for start, end in zip(edges, edges[1:], strict=False):
        one, other = (
            {shape["label"] for shape in shapes if shape["start"] <= start and end <= shape["end"]} for shapes in (a, b)
        )
        both += (end - start) * len(one & other)
        either += (end - start) * len(one | other)
    return both / either if either else 1.0


def _box_overlap(a: Mapping[str, Any], b: Mapping[str, Any]) -> float:
    if a["label"] != b["label"]:
        return 0.0
    width = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    height = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    shared = max(width, 0.0) * max(height, 0.0)
    return float(shared / (a["width"] * a["height"] + b["width"] * b["height"] - shared))


def _matched(a: Sequence[Any], b: Sequence[Any], overlap: Callable[[Any, Any], float]) -> float:
    """The overlap of shapes matched greedily, over the longer list."""
    pairs = sorted(((overlap(x, y), i, j) for i, x in enumerate(a) for j, y in enumerate(b)), reverse=True)
    used: tuple[set[int], set[int]] = (set(), set())
    total = 0.0
    for share, i, j in pairs:
        if i not in used[0] and j not in used[1]:
            total += share
            used[0].add(i)
            used[1].add(j)
    return total / max(len(a), len(b), 1)


def _mask_likeness(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> float:
    """The intersection over the union, over all classes' pixels."""
    import numpy as np

    classes = sorted({region["label"] for region in (*a, *b)})
    corners = [point for region in (*a, *b) for point in region.get("points", ())]
    width, height = (int(max((point[axis] for point in corners), default=0)) + 1 for axis in (0, 1))
    size = (width, height)
    sizes = [region["size"] for region in (*a, *b) if "size" in region]
    if sizes:
        size = (sizes[0][1], sizes[0][0])
    one, other = (drawn(regions, classes, size) if regions else np.zeros(size[::-1], np.uint8) for regions in (a, b))
    if one.shape != other.shape:
        return 0.0
    either = np.count_nonzero((one > 0) | (other > 0))
    return float(np.count_nonzero((one == other) & (one > 0)) / either) if either else 1.0
