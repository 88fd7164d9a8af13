"""All that was ever said, in its order: labels, skips, what was taken back, verdicts; who, when, how long it took."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from modelwright.labelling.formats.common import Labelled, Places, json_of, only, plain_json, wrong
from modelwright.labelling.store import Project


def write(labelled: Sequence[Labelled], project: Project) -> dict[str, bytes]:
    """`history.jsonl`: one answer a line."""
    rows = project.labels.execute(
        "SELECT id, row, person, what, value, at_s, took_s, about FROM answers ORDER BY id"
    ).fetchall()
    names = ("id", "row", "person", "what", "value", "at_s", "took_s", "about")
    plain = (dict(zip(names, one, strict=True)) for one in rows)
    lines = (plain_json({**one, "value": None if one["value"] is None else json.loads(one["value"])}) for one in plain)
    return {"history.jsonl": b"".join(line + b"\n" for line in lines)}


def read(files: Mapping[str, bytes], project: Project) -> list[tuple[int, str, Any]]:
    """The last word of each person on each row."""
    name, data = only(files, ".jsonl")
    places = Places(project)
    last: dict[tuple[int, str], Any] = {}
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        one = json_of(line, f"{name}, line {number}")
        if not isinstance(one, dict) or not {"row", "person", "what"} <= set(one):
            raise wrong(name, f"line {number} is no answer")
        place = (places.row(one["row"]), str(one["person"]))
        if one["what"] == "label":
            last[place] = one.get("value")
        elif one["what"] in ("skip", "undo"):
            last.pop(place, None)
    return [(row, person, value) for (row, person), value in last.items()]
