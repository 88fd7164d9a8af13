"""Which columns of bytes are pictures or sounds, and their cells, a batch at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelwright.cleaning.media import form_of
from modelwright.core.data import ROW_ID, Dataset

if TYPE_CHECKING:
    import polars as pl

BATCH_ROWS = 64
PEEKED_CELLS = 20


def picture_columns(data: Dataset) -> list[str]:
    """The columns of bytes that are pictures by their first cells; the target, which is a mask, is not among them."""
    return [name for name in _binary(data) if _form(data, name) == "image"]


def sound_columns(data: Dataset) -> list[str]:
    """The columns of bytes that are sounds by their first cells."""
    return [name for name in _binary(data) if _form(data, name) == "audio"]


def _binary(data: Dataset) -> list[str]:
    import polars as pl

    types = data.table.collect_schema()
    usable = (column for column in data.schema.columns if column.role != "target" and column.kind != "mask")
    return [column.name for column in usable if types[column.name] == pl.Binary]


def _form(data: Dataset, name: str) -> str | None:
    import polars as pl

    lowest = data.table.select(ROW_ID, name).filter(pl.col(name).is_not_null()).bottom_k(PEEKED_CELLS, by=ROW_ID)
    forms = Counter(form_of(cell) for cell in lowest.collect()[name].to_list())
    forms.pop(None, None)
    return forms.most_common(1)[0][0] if forms else None


def cells_of(data: Dataset, name: str) -> Iterator[tuple[int, bytes]]:
    """Row ids and bytes of a column, a batch of them in memory at a time."""
    import polars as pl

    there: pl.LazyFrame = data.table.select(ROW_ID, name).filter(pl.col(name).is_not_null())
    for batch in there.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        yield from batch.iter_rows()
