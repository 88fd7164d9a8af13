"""Label Studio's JSON: a list of tasks, each with the annotations of all people.

Pictures' shapes are shares of a hundred of the picture, as Label Studio has them; painted masks are its brush's run
lengths of an RGBA picture, of which the last channel counts. Reference: labelstud.io/guide/export, "JSON".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from modelwright.labelling.base import ONE_CLASS
from modelwright.labelling.formats.common import IMPORTED, Labelled, Places, json_of, only, plain_json, wrong
from modelwright.labelling.formats.yolo import _near
from modelwright.labelling.shapes import mask_to_runs, runs_to_mask
from modelwright.labelling.store import Project

_DATA = {"text": "text", "spans": "text", "image": "image", "boxes": "image", "masks": "image", "audio": "audio",
         "series": "series", "pairs": "pair"}  # fmt: skip


def write(labelled: Sequence[Labelled], project: Project) -> dict[str, bytes]:
    """`label-studio.json`: every label of every person; texts whole, files by name."""
    files = {one.row: one.file for one in labelled}
    tasks: dict[int, dict[str, Any]] = {}
    for number, row, person, value, at_s, took_s in project.labels.execute(
        "SELECT answer, current.row, current.person, value, at_s, took_s FROM current JOIN answers "
        "ON answers.id = answer WHERE current.what = 'label' ORDER BY current.row, answer"
    ):
        task = tasks.setdefault(row, _task(project, row, files))
        made = datetime.fromtimestamp(at_s, UTC).isoformat()
        task["annotations"].append({
            "id": number, "completed_by": {"email": person}, "lead_time": took_s, "created_at": made,
            "was_cancelled": False, "result": _results(json.loads(value), project, row),
        })  # fmt: skip
    return {"label-studio.json": plain_json(list(tasks.values()))}


def _task(project: Project, row: int, files: Mapping[int, str]) -> dict[str, Any]:
    main = project.payload(row)["main"]
    names = [_DATA[project.spec.kind]] if len(main) < 2 else [f"{_DATA[project.spec.kind]}_{k + 1}" for k in range(2)]
    cells = [files.get(row, "") if isinstance(cell, dict) and "media" in cell else cell for cell in main]
    return {"id": row, "data": dict(zip(names, cells, strict=False)), "meta": {"row": row}, "annotations": []}


def _results(value: Any, project: Project, row: int) -> list[dict[str, Any]]:
    kind = project.spec.kind
    about = {"from_name": "label", "to_name": _DATA[kind]}
    if kind in ONE_CLASS:
        return [{**about, "type": "choices", "value": {"choices": [value]}}]
    made = []
    for number, shape in enumerate(value):
        kind_of, geometry = _geometry(shape, kind, project.size(row) or (100, 100))
        size = project.size(row)
        where = {"original_width": size[0], "original_height": size[1], "image_rotation": 0} if size else {}
        said = {**geometry, kind_of: [shape["label"]]}
        made.append({**about, **where, "id": f"{row}_{number}", "type": kind_of, "value": said})
    return made


def _geometry(shape: Mapping[str, Any], kind: str, size: tuple[int, int]) -> tuple[str, dict[str, Any]]:
    width, height = size
    if kind == "boxes":
        box = {"x": 100 * shape["x"] / width, "y": 100 * shape["y"] / height,
               "width": 100 * shape["width"] / width, "height": 100 * shape["height"] / height}  # fmt: skip
        return "rectanglelabels", {**box, "rotation": 0}
    if "points" in shape:
        points = [[100 * x / width, 100 * y / height] for x, y in shape["points"]]
        return "polygonlabels", {"points": points, "closed": True}
    if "counts" in shape:
        return "brushlabels", {"format": "rle", "rle": brush_runs(shape["counts"], shape["size"])}
    names = {"spans": "labels", "audio": "labels", "series": "timeserieslabels"}
    whole = {"whole": True} if shape.get("whole") else {}
    return names[kind], {"start": shape["start"], "end": shape["end"], **whole}


def read(files: Mapping[str, bytes], project: Project) -> list[tuple[int, str, Any]]:
    """Labels of tasks: rows by `meta.row`, by the name of their file, or by `id`; cancelled annotations are skips."""
    name, data = only(files, ".json")
    tasks, places, made = json_of(data, name), Places(project), []
    try:
        for task in tasks:
            row = _row_of(task, places)
            for one in task.get("annotations", ()):
                if not one.get("was_cancelled"):
                    by = one.get("completed_by")
                    who = by.get("email") if isinstance(by, dict) else by
                    made.append((row, str(who or IMPORTED), _value(one["result"], project, row)))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, StopIteration) as problem:
        raise wrong(name, problem) from None
    return made


def _row_of(task: Mapping[str, Any], places: Places) -> int:
    meta = task.get("meta") or {}
    if isinstance(meta.get("row"), int):
        return places.row(meta["row"])
    file = next((cell for cell in task["data"].values() if isinstance(cell, str) and len(cell) < 500), "")
    return places.row(task.get("id"), file)


def _value(results: Sequence[Mapping[str, Any]], project: Project, row: int) -> Any:
    kind = project.spec.kind
    if kind in ONE_CLASS:
        return next(one["value"]["choices"][0] for one in results if one["type"] == "choices")
    return [_shape(one, project.size(row) or (100, 100)) for one in results]


def _shape(one: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    value, (width, height) = one["value"], size
    label = value[one["type"]][0]
    if one["type"] == "rectanglelabels":
        across, down = width / 100, height / 100
        return {"x": _near(value["x"] * across), "y": _near(value["y"] * down), "width": _near(value["width"] * across),
                "height": _near(value["height"] * down), "label": label}  # fmt: skip
    if one["type"] == "polygonlabels":
        points = [[_near(x * width / 100), _near(y * height / 100)] for x, y in value["points"]]
        return {"points": points, "label": label}
    if one["type"] == "brushlabels":
        tall, wide = one.get("original_height", height), one.get("original_width", width)
        return {**mask_to_runs(_brush_mask(value["rle"], (tall, wide))), "label": label}
    whole = {"whole": True} if value.get("whole") else {}
    return {"start": value["start"], "end": value["end"], **whole, "label": label}


# Label Studio's brush: run lengths of an RGBA picture's bytes, packed in bits -------------------------------------

_LENGTHS = (3, 4, 8, 16)


def brush_runs(counts: Sequence[int], size: Sequence[int]) -> list[int]:
    """COCO's run lengths as Label Studio's: a 32-bit count of values, 5 bits of word size less 1, four times 4 bits of
    lengths less 1; then runs: a bit (same or not), 2 bits (which length), the length less 1, and the word or words."""
    import numpy as np

    flat = np.repeat((runs_to_mask(counts, size).reshape(-1) * 255).astype(np.uint8), 4)
    bits = [f"{len(flat):032b}", f"{7:05b}", *(f"{length - 1:04b}" for length in _LENGTHS)]
    starts = np.flatnonzero(np.diff(flat.astype(np.int16), prepend=np.int16(-1)))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(flat)], strict=True):
        word, left = f"{int(flat[start]):08b}", end - start
        while left:
            run = min(left, 1 << _LENGTHS[-1])
            which = next(k for k, length in enumerate(_LENGTHS) if run <= 1 << length)
            bits.append(f"1{which:02b}{run - 1:0{_LENGTHS[which]}b}{word}")
            left -= run
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _brush_mask(packed: Sequence[int], size: tuple[int, int]) -> Any:
    """The inverse of `brush_runs`: booleans (height, width)."""
    import numpy as np

    bits = np.unpackbits(np.array(packed, dtype=np.uint8)).tolist()
    at = 0

    def number(n_bits: int) -> int:
        nonlocal at
        if at + n_bits > len(bits):
            raise ValueError("the brush's run lengths end too early")
        found = int("".join(map(str, bits[at : at + n_bits])), 2)
        at += n_bits
        return found

    n_values, word = number(32), number(5) + 1
    if n_values != size[0] * size[1] * 4:
        raise ValueError("the brush's picture has another size")
    lengths = [number(4) + 1 for _ in range(4)]
    flat = np.zeros(n_values, dtype=np.uint8)
    filled = 0
    while filled < n_values:
        is_same = number(1)
        run = number(lengths[number(2)]) + 1
        if is_same:
            flat[filled : filled + run] = number(word)
        else:
            flat[filled : filled + run] = [number(word) for _ in range(run)]
        filled += run
    return flat.reshape(*size, 4)[..., 3] > 0
