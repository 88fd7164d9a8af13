"""What turned out to be true, by prediction id: read from a caller, checked, and kept beside the log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from modelwright_runtime import formats
from modelwright_runtime.records import keep_truth
from modelwright_runtime.refusals import RequestError
from modelwright_runtime.routing import Route

SHAPE = 'send {"rows": [{"id": "...", "truth": ...}]}, or CSV with the columns id and truth'


def kept_feedback(body: bytes, kind: str, route: Route) -> int:
    """Keep truths by row id; how many. Raises `RequestError` 400 or 422 naming the row."""
    if kind == formats.JSON:
        rows = formats.rows_of(body, route.model)
    elif kind == formats.ARROW:
        table = formats.read_rows(kind, body, route.model)
        rows = [dict(zip(table, cells, strict=True)) for cells in zip(*table.values(), strict=True)]
    else:
        rows = formats.read_rows(kind, body, route.model)
    assert route.folder is not None
    return keep_truth(route.folder / "labels", checked(rows, route.model.signature.task.target))


def checked(rows: Any, target: str) -> list[tuple[str, Any, float]]:
    """(row id, value, now) of rows that have an `id` and a `truth` (or a column named as the target). Names may begin
    with `_`, as in a queue of rows to label; there, rows whose truth is still blank are passed over.

    >>> checked([{"id": "a", "truth": "yes"}], "y")[0][:2], checked([{"_id": "a", "_truth": None}], "y")
    (('a', 'yes'), [])
    """
    now_s, found = time.time(), []
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise RequestError(422, "request.feedback", f"row {index} is no object.", SHAPE)
        row_id = row.get("id", row.get("_id"))
        given = [name for name in ("truth", target, "_truth") if name in row]
        if not isinstance(row_id, str) or not 0 < len(row_id) <= 220:
            raise RequestError(422, "request.feedback", f"row {index} has no `id`, the text that came with the answer.",
                               SHAPE)  # fmt: skip
        if not given:
            raise RequestError(422, "request.feedback", f"row {index} has no `truth`.", SHAPE)
        if given[0] == "_truth" and row["_truth"] in (None, ""):
            continue
        found.append((row_id, row[given[0]], now_s))
    return found
