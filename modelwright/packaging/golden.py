"""Golden rows: raw rows with the answers that are due, replayed wherever the package is opened.

Unaltered training rows are answered through the *training* path (typed rows, `Trained.predict`), so a replay
compares reading, graph and runtime with what training saw. Derived rows (missing, unseen, extreme) have no
typed twin; their answers are the runtime's own where the package was made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Cleaned, Trained
    from modelwright_runtime.model import Model

N_UNALTERED = 32
MIN_ROWS = 48
MAX_VARIED_COLUMNS = 8
UNSEEN = "a category that training never saw"
Row = dict[str, Any]


def golden_rows(trained: Trained, cleaned: Cleaned, row_ids: np.ndarray, model: Model) -> dict[str, Any]:
    """At least 48 raw rows with their kinds and expected answers, JSON-able.

    Raises `UserError("package.rows")` when there is no training row to take.
    """
    raw, typed = _paired_rows(cleaned, row_ids, model.columns)
    if not raw:
        raise UserError("package.rows", "there is no training row to keep as a golden row.")
    expected = _plain(trained.predict(typed))
    derived = _derived(raw, model)
    answered = model.predict([row for _, row in derived])
    given = answered.prediction if answered.probabilities is None else answered.probabilities
    return {
        "rows": raw + [row for _, row in derived],
        "kinds": ["training"] * len(raw) + [kind for kind, _ in derived],
        "expected": expected + _plain(given),
    }


def _paired_rows(cleaned: Cleaned, row_ids: np.ndarray, columns: Sequence[str]) -> tuple[list[Row], Dataset]:
    """Evenly spread training rows twice: as raw cells and as typed rows, in one order."""
    import numpy as np
    import polars as pl

    ordered = np.sort(row_ids)
    chosen = (
        ordered[np.unique(np.linspace(0, max(0, len(ordered) - 1), N_UNALTERED).astype(int))]
        if len(ordered)
        else ordered
    )
    wanted = pl.Series(ROW_ID, chosen, dtype=pl.UInt64)
    keep = pl.col(ROW_ID).is_in(wanted.implode())
    kept = cleaned.kept.table.filter(keep).sort(ROW_ID).collect()
    given = cleaned.raw.table.filter(keep).select(ROW_ID, *columns).sort(ROW_ID).collect()
    given = given.filter(pl.col(ROW_ID).is_in(kept[ROW_ID].implode()))
    rows = [{name: _cell(value) for name, value in row.items()} for row in given.drop(ROW_ID).to_dicts()]
    return rows, Dataset(kept.lazy(), cleaned.kept.schema, kept.height)


def _cell(cell: Any) -> Any:
    """A raw cell as JSON can carry it, meaning the same to `read_cell`."""
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if cell is None or isinstance(cell, (str, bool, int)):
        return cell
    if isinstance(cell, (datetime, date)):
        return cell.isoformat()
    return str(cell)


def _derived(raw: list[Row], model: Model) -> list[tuple[str, Row]]:
    """Rows that training did not have: each of the first columns missing, unseen or extreme in turn, and
    everything missing at once; repeated over further training rows until there are enough."""
    signature = model.signature
    categories = [name for name in signature.categories if name in signature.levels][:MAX_VARIED_COLUMNS]
    readings = {reading.column: reading for reading in signature.readings}
    numbers = [name for name in signature.numbers if readings[name].kind == "number"][:MAX_VARIED_COLUMNS]
    made: list[tuple[str, Row]] = [("missing", dict.fromkeys(model.columns))]
    least = max(0, MIN_ROWS - len(raw))
    start = 0
    while start == 0 or len(made) < least:
        row = raw[start % len(raw)]
        made += [("missing", row | {name: None}) for name in model.columns[:MAX_VARIED_COLUMNS]]
        made += [("unseen", row | {name: UNSEEN}) for name in categories]
        for name in numbers:
            reach = 1000.0 * max(1.0, *(abs(bound) for bound in signature.ranges.get(name, (1.0,))))
            if math.isfinite(reach):
                made += [("extreme", row | {name: reach}), ("extreme", row | {name: -reach})]
        start += 1
    return made


def _plain(answer: np.ndarray) -> list[Any]:
    """Answers as JSON can carry them: null where not finite."""

    def finite(value: Any) -> Any:
        if isinstance(value, list):
            return [finite(inner) for inner in value]
        return value if math.isfinite(value) else None

    return [finite(value) for value in answer.tolist()]
