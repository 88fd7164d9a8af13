"""A table to a file: streamed, written aside, synced and renamed."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.store import disk_faults

if TYPE_CHECKING:
    import polars as pl


def write_table(data: Dataset, path: Path) -> None:
    """Write the columns of a table (not its row ids) as .csv or .parquet; what is there before stays until the end.

    An empty text is written as an empty cell, as spreadsheets do; bytes in a CSV as base64, lists as JSON.

    >>> import tempfile
    >>> import polars as pl
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table(Dataset.from_frame(pl.DataFrame({"a": ["x", ""], "b": ["1", None]})), Path(folder) / "t.csv")
    ...     (Path(folder) / "t.csv").read_text()
    'a,b\\nx,1\\n,\\n'
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            table = data.table.drop(ROW_ID)
            if path.suffix == ".parquet":
                table.sink_parquet(aside, compression="zstd")
            else:
                _flat(table).sink_csv(aside)
            with aside.open("rb+") as file:
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def _flat(table: pl.LazyFrame) -> pl.LazyFrame:
    """Cells as a CSV can hold them."""
    import polars as pl

    types = table.collect_schema()
    made = []
    for name, dtype in types.items():
        if dtype == pl.Binary:
            made.append(pl.col(name).bin.encode("base64"))
        elif dtype.is_nested():
            made.append(pl.col(name).map_elements(_json, return_dtype=pl.String))
        elif dtype == pl.String and len(types) > 1:  # alone, an empty cell would be an empty line, which is no row
            made.append(pl.col(name).replace("", None))
        elif dtype == pl.String:
            made.append(pl.col(name).fill_null(""))
    return table.with_columns(made)


def _json(cell: object) -> str:
    import json

    from modelwright.core.codec import plain_of

    return json.dumps(plain_of(list(cell) if hasattr(cell, "to_list") else cell))  # type: ignore[call-overload]
