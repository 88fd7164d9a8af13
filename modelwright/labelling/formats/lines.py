"""JSONL: one label a line, `{"row", "name", "value", "confidence", "who"}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelwright.labelling.formats.common import IMPORTED, Labelled, Places, json_of, only, plain_json, wrong
from modelwright.labelling.store import Project


def write(labelled: Sequence[Labelled], project: Project) -> dict[str, bytes]:
    """`labels.jsonl`."""
    plain = ({"row": one.row, "name": one.name, "value": one.value, "confidence": one.confidence, "who": one.who}
             for one in labelled)  # fmt: skip
    return {"labels.jsonl": b"".join(plain_json(one) + b"\n" for one in plain)}


def read(files: Mapping[str, bytes], project: Project) -> list[tuple[int, str, Any]]:
    """Labels of lines with `value` and `row` or `name`."""
    name, data = only(files, ".jsonl", ".ndjson")
    places, made = Places(project), []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            one = json_of(line, f"{name}, line {number}")
            if not isinstance(one, dict) or "value" not in one:
                raise wrong(name, f"line {number} has no `value`")
            row = places.row(one.get("row"), str(one.get("name", "")))
            made.append((row, str(one.get("who") or IMPORTED), one["value"]))
    return made
