"""CSV: one row a label; what is no class is written as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from modelwright.labelling.base import ONE_CLASS
from modelwright.labelling.formats.common import IMPORTED, Labelled, Places, only, wrong
from modelwright.labelling.store import Project

_FIRST = ("row", "name")
_LAST = ("confidence", "who")


def write(labelled: Sequence[Labelled], project: Project) -> dict[str, bytes]:
    """`labels.csv`: row, name, the target, confidence, who."""
    made = io.StringIO(newline="")
    writer = csv.writer(made, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([*_FIRST, project.spec.target, *_LAST])
    is_class = project.spec.kind in ONE_CLASS
    for one in labelled:
        value = one.value if is_class else json.dumps(one.value)
        writer.writerow([one.row, one.name, value, one.confidence, one.who])
    return {"labels.csv": made.getvalue().encode("utf-8", "surrogatepass")}


def read(files: Mapping[str, bytes], project: Project) -> list[tuple[int, str, Any]]:
    """Labels of a CSV with the target's column (or `label`) and `row`, `__row__`, `file` or `name`; empty ones are
    left out. `who` is heard as the person who said it."""
    name, data = only(files, ".csv")
    csv.field_size_limit(2**31 - 1)
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    columns = rows.fieldnames or ()
    target = next((one for one in (project.spec.target, "label", "value") if one in columns), None)
    naming = next((one for one in ("row", "__row__", "file", "name") if one in columns), None)
    if target is None or naming is None:
        raise wrong(name, f"it needs a column `{project.spec.target}` and one of row, file, name")
    places, is_class = Places(project), project.spec.kind in ONE_CLASS
    made = []
    try:
        for cells in rows:
            said = cells[target]
            if said:
                by_id = naming in ("row", "__row__") and cells[naming].isdecimal()
                row = places.row(int(cells[naming]) if by_id else None, cells[naming])
                made.append((row, cells.get("who") or IMPORTED, said if is_class else json.loads(said)))
    except (csv.Error, ValueError) as problem:
        raise wrong(name, problem) from None
    return made
