"""Golden rows: raw rows with the answers that are due, replayed wherever the package is opened.

Unaltered training rows are answered through the *training* path (typed rows, `Trained.predict`), so a replay
compares reading, graph and runtime with what training saw. Derived rows (missing, unseen, extreme) have no
typed twin; their answers are the runtime's own where the package was made.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.values import Cleaned, Trained
    from modelwright_runtime.model import Model

N_UNALTERED = 32
N_MEDIA = 8
MAX_MEDIA_BYTES = 1_400_000  # of all golden rows together; base64 makes 4 bytes of 3
LONG_TEXT = "very long " * 2000
MIN_ROWS = 48
MAX_VARIED_COLUMNS = 8
UNSEEN = "a category that training never saw"
Row = dict[str, Any]


def golden_rows(trained: Trained, cleaned: Cleaned, row_ids: np.ndarray, model: Model) -> dict[str, Any]:
    """At least 48 raw rows with their kinds and expected answers, JSON-able; of pictures or sounds 8, in base64.

    Raises `UserError("package.rows")` when there is no training row to take.
    """
    from modelwright.core.inputs import graph_outputs

    raw, typed = _paired_rows(cleaned, row_ids, model)
    if not raw:
        raise UserError("package.rows", "there is no training row to keep as a golden row.")
    outputs = graph_outputs(trained.graph, trained.signature, typed)
    derived = _derived(raw, model)
    given = model.answers([row for _, row in derived]) if derived else None
    answers = [_plain(whole) + (_plain(given[index]) if given else []) for index, whole in enumerate(outputs)]
    return {
        "rows": raw + [row for _, row in derived],
        "kinds": ["training"] * len(raw) + [kind for kind, _ in derived],
        "expected": answers[0],
        **({"more": answers[1:]} if len(answers) > 1 else {}),
    }


def _paired_rows(cleaned: Cleaned, row_ids: np.ndarray, model: Model) -> tuple[list[Row], Dataset]:
    """Evenly spread training rows twice: as raw cells and as typed rows, in one order."""
    import polars as pl

    chosen = _chosen(cleaned, row_ids, model)
    wanted = pl.Series(ROW_ID, chosen, dtype=pl.UInt64)
    keep = pl.col(ROW_ID).is_in(wanted.implode())
    kept = cleaned.kept.table.filter(keep).sort(ROW_ID).collect()
    given = cleaned.raw.table.filter(keep).select(ROW_ID, *model.columns).sort(ROW_ID).collect()
    given = given.filter(pl.col(ROW_ID).is_in(kept[ROW_ID].implode()))
    rows = [{name: _cell(value) for name, value in row.items()} for row in given.drop(ROW_ID).to_dicts()]
    return rows, Dataset(kept.lazy(), cleaned.kept.schema, kept.height)


def _chosen(cleaned: Cleaned, row_ids: np.ndarray, model: Model) -> np.ndarray:
    """Ids of evenly spread training rows. Of rows with files or long series few, small ones and within a limit."""
    import numpy as np
    import polars as pl

    ordered = np.sort(row_ids)
    heavy = [name for name in model.columns if cleaned.kept.schema[name].kind in ("image", "audio", "series")]
    if not len(ordered):
        return ordered
    n_rows = 8 * N_MEDIA if heavy else N_UNALTERED
    spread: np.ndarray = ordered[np.unique(np.linspace(0, len(ordered) - 1, n_rows).astype(int))]
    if not heavy:
        return spread
    sizes = [_size(cleaned.kept.schema[name].kind, name) for name in heavy]
    missing = pl.sum_horizontal(pl.col(name).is_null() for name in heavy)
    wanted = pl.Series(ROW_ID, spread, dtype=pl.UInt64)
    about = (
        cleaned.kept.table.filter(pl.col(ROW_ID).is_in(wanted.implode()))
        .select(ROW_ID, missing.alias("missing"), pl.sum_horizontal(sizes).alias("size"))
        .filter(pl.col("missing") < len(heavy)).collect().sort("missing", "size", ROW_ID).head(N_MEDIA)
    )  # fmt: skip
    n_within = int((about["size"].cum_sum() <= MAX_MEDIA_BYTES).sum())
    ids: np.ndarray = about[ROW_ID].head(max(1, n_within)).sort().to_numpy()  # one there must be, however large
    return ids


def _size(kind: str, name: str) -> pl.Expr:
    """How many bytes a cell takes in a golden row, about."""
    import polars as pl

    size = pl.col(name).list.len() * 12 if kind == "series" else pl.col(name).bin.size("b")
    return size.fill_null(0).cast(pl.Int64)


def _cell(cell: Any) -> Any:
    """A raw cell as JSON can carry it, meaning the same to `read_cell`."""
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if cell is None or isinstance(cell, (str, bool, int)):
        return cell
    if isinstance(cell, (datetime, date)):
        return cell.isoformat()
    if isinstance(cell, bytes):
        return base64.b64encode(cell).decode()
    if isinstance(cell, list):
        return [_cell(item) for item in cell]
    return str(cell)


def _derived(raw: list[Row], model: Model) -> list[tuple[str, Row]]:
    """Rows that training did not have: each of the first columns missing, unseen or extreme in turn, and
    everything missing at once; repeated over further training rows until there are enough. A model of pictures
    alone has no answer to a missing one, so such rows are left out."""
    readings = {reading.column: reading for reading in model.signature.readings}
    whole = [name for name in model.columns if readings[name].kind in WHOLE]
    others = [name for name in model.columns if readings[name].kind not in WHOLE]
    made: list[tuple[str, Row]] = [("missing", dict.fromkeys(model.columns))] if others else []
    least = max(0, MIN_ROWS - len(raw)) if not whole else 1
    start = 0
    while start == 0 or len(made) < least:
        row = raw[start % len(raw)]
        blank = model.columns[:MAX_VARIED_COLUMNS] if others or len(whole) > 1 else ()
        made += [("missing", row | {name: None}) for name in blank if _still_answers(row, name, whole, others)]
        made += _odd_cells(row, model)
        start += 1
    return made


def _still_answers(row: Row, name: str, whole: Sequence[str], others: Sequence[str]) -> bool:
    """Whether something is left to answer from when this cell is missing."""
    return bool(others) or any(row[other] not in (None, "", []) for other in whole if other != name)


def _odd_cells(row: Row, model: Model) -> list[tuple[str, Row]]:
    """One training row with one cell unlike any of training."""
    signature = model.signature
    kinds = {reading.column: reading.kind for reading in signature.readings}
    in_arrays = [(array.form, name) for array in signature.arrays for name in dict.fromkeys(array.columns)]
    levels = [name for name in signature.categories if name in signature.levels]
    levels += [name for form, name in in_arrays if form == "codes" and kinds[name] == "category"]
    numbers = [*signature.numbers, *(name for form, name in in_arrays if form == "numbers")]
    made = [("unseen", row | {name: UNSEEN}) for name in levels[:MAX_VARIED_COLUMNS]]
    for name in [name for name in numbers if kinds[name] == "number"][:MAX_VARIED_COLUMNS]:
        reach = 1000.0 * max(1.0, *(abs(bound) for bound in signature.ranges.get(name, (1.0,))))
        if math.isfinite(reach):
            made += [("extreme", row | {name: reach}), ("extreme", row | {name: -reach})]
    for form, name in in_arrays:
        made += [(kind, row | {name: cell}) for kind, cell in _ODD.get(form, ())]
    return made


def _plain(answer: np.ndarray) -> list[Any]:
    """Answers as JSON can carry them: null where not finite; of boxes and masks a sketch."""
    from modelwright_runtime.model import sketch

    def finite(value: Any) -> Any:
        if isinstance(value, list):
            return [finite(inner) for inner in value]
        return value if math.isfinite(value) else None

    return [finite(value) for value in sketch(answer).tolist()]


def _silence() -> str:
    """A WAV of 0.1 s of silence in base64."""
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 1636, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 1600
    )
    return base64.b64encode(head + bytes(1600)).decode()


ONE_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
"""A grey PNG of 1 x 1 pixel in base64."""
_ODD: Mapping[str, Sequence[tuple[str, Any]]] = {
    "image": (("one pixel", ONE_PIXEL),),
    "audio": (("silence", _silence()),),
    "series": (("one value", [1.0]), ("gaps", [1.0, None, 3.0])),
    "tokens": (("empty text", ""), ("long text", LONG_TEXT)),
}
WHOLE = ("image", "audio", "series")
