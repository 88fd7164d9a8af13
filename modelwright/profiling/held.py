"""The typed table, column by column: in memory when it is small, else in a temporary file."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
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
    names: tuple[str, ...]
    frame: pl.DataFrame | None
    path: Path | None = None

    def column(self, name: str) -> pl.Series:
        """One column, whole, under the name "cell": of a name such as ^x$ Polars would make a pattern."""
        import polars as pl

        if self.frame is not None:
            return self.frame[name].alias("cell")
        assert self.path is not None
        return pl.read_ipc(self.path, columns=[str(self.names.index(name))]).to_series().alias("cell")

    def rows(self, names: Sequence[str], rows: np.ndarray | None) -> dict[str, pl.Series]:
        """Some columns at some places, int64 of shape (n,); None for all."""
        found = {}
        for name in names:  # one whole column at a time
            column = self.column(name)
            found[name] = column if rows is None else column.gather(rows)
        return found


def framed(columns: Iterable[pl.Series]) -> pl.DataFrame:
    """Columns beside each other, named by their places."""
    import polars as pl

    return pl.DataFrame({str(place): column for place, column in enumerate(columns)})


@contextlib.contextmanager
def held(data: Dataset) -> Iterator[Held]:
    """Hold a typed table while it is looked at.

    >>> import polars as pl
    >>> with held(Dataset.from_frame(pl.DataFrame({"x": [3, 1]}))) as table:
    ...     table.column("x").to_list()
    [3, 1]
    """
    import polars as pl

    names = data.schema.names
    n_bytes = data.n_rows * sum(CELL_BYTES.get(column.kind, 20_000) for column in data.schema.columns)
    if n_bytes <= IN_MEMORY_BYTES:
        yield Held(data.n_rows, names, data.frame)
        return
    with tempfile.TemporaryDirectory(prefix="wright-profile-") as folder:
        path = Path(folder) / "table.arrow"
        numbered = [pl.nth(place + 1).alias(str(place)) for place in range(len(names))]  # the first is the row's id
        data.table.select(numbered).sink_ipc(path, compression="uncompressed", engine="streaming")
        yield Held(data.n_rows, names, None, path)
