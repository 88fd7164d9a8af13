"""The typed table, column by column: in memory when it is small, else in a temporary file."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.core.data import Dataset

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

IN_MEMORY_BYTES = 1_200_000_000
CELL_BYTES = {"number": 8, "datetime": 8, "boolean": 1, "category": 24, "text": 300}  # about; others are files


@dataclass(frozen=True, eq=False)
class Held:
    """A table of `n_rows` rows whose columns are read when asked for; names are never read as patterns."""

    n_rows: int
    frame: pl.DataFrame | None
    path: Path | None = None

    def column(self, name: str) -> pl.Series:
        """One column, whole."""
        import polars as pl

        if self.frame is not None:
            return self.frame[name]
        assert self.path is not None
        return pl.read_ipc(self.path, columns=[name]).to_series()

    def rows(self, names: Sequence[str], rows: np.ndarray | None) -> pl.DataFrame:
        """Some columns at some places, int64 of shape (n,); None for all."""
        import polars as pl

        if self.frame is not None and rows is None:
            return self.frame[list(names)]
        return pl.DataFrame([self.column(name) if rows is None else self.column(name).gather(rows) for name in names])


@contextlib.contextmanager
def held(data: Dataset) -> Iterator[Held]:
    """Hold a typed table while it is looked at.

    >>> import polars as pl
    >>> with held(Dataset.from_frame(pl.DataFrame({"x": [3, 1]}))) as table:
    ...     table.column("x").to_list()
    [3, 1]
    """
    n_bytes = data.n_rows * sum(CELL_BYTES.get(column.kind, 20_000) for column in data.schema.columns)
    if n_bytes <= IN_MEMORY_BYTES:
        yield Held(data.n_rows, data.frame)
        return
    with tempfile.TemporaryDirectory(prefix="wright-profile-") as folder:
        path = Path(folder) / "table.arrow"
        data.table.sink_ipc(path, compression="uncompressed", engine="streaming")
        yield Held(data.n_rows, None, path)
