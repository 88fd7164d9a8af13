"""spaCy's JSONL: a text with its `entities` ([start, end, label] in letters), or its `cats` (a share for each class).

This is what `spacy.blank(...).make_doc` and `doc.char_span` take, and what spaCy's own examples train from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelwright.labelling.formats.common import IMPORTED, Labelled, Places, json_of, need_kind, only, plain_json, wrong
from modelwright.labelling.store import Project


def write(labelled: Sequence[Labelled], project: Project) -> dict[str, bytes]:
    """`spacy.jsonl`: whole texts, each with its row id in `meta`."""
    need_kind(project, "spacy", "spans", "text")
    lines = []
    for one in labelled:
        main = project.payload(one.row)["main"]
        text = main[0] if main and isinstance(main[0], str) else ""
        said: dict[str, Any] = {"cats": {name: float(name == one.value) for name in project.spec.classes}}
        if project.spec.kind == "spans":
            said = {"entities": [[span["start"], span["end"], span["label"]] for span in one.value]}
        lines.append(plain_json({"text": text, **said, "meta": {"row": one.row, "who": one.who}}) + b"\n")
    return {"spacy.jsonl": b"".join(lines)}


def read(files: Mapping[str, bytes], project: Project) -> list[tuple[int, str, Any]]:
    """Labels of lines (or of a JSON list) with `entities` or `cats`; rows by `meta.row`, else by their text."""
    need_kind(project, "spacy", "spans", "text")
    name, data = only(files, ".jsonl", ".json")
    is_list = data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    plain = json_of(data, name) if is_list else [json_of(line, name) for line in data.split(b"\n") if line.strip()]
    places, by_text, made = Places(project), _by_text(project), []
    for one in plain:
        try:
            meta = one.get("meta") or {}
            given = meta.get("row", by_text.get(one["text"]))
            row, who = places.row(given, one["text"][:60]), str(meta.get("who") or IMPORTED)
            if project.spec.kind == "spans":
                spans = [{"start": start, "end": end, "label": label} for start, end, label, *_ in one["entities"]]
                made.append((row, who, spans))
            else:
                made.append((row, who, max(one["cats"], key=one["cats"].__getitem__)))
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise wrong(name, problem) from None
    return made


def _by_text(project: Project) -> dict[str, int | None]:
    import json

    found: dict[str, int | None] = {}
    for row, plain in project.rows.execute("SELECT row, plain FROM payloads"):
        main = json.loads(plain)["main"]
        if main and isinstance(main[0], str):
            found[main[0]] = None if main[0] in found else row
    return found
