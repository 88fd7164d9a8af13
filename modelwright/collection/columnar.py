"""Parquet and Arrow files: held against their own description first, then read by Polars."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.collection.guard import guarded
from modelwright.collection.piece import SMALL_BYTES, Notes, Piece
from modelwright.collection.plain import column_names, is_plain, no_rows, plain_piece
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.base import SourceSpec


def read_parquet(path: Path, name: str, source: SourceSpec, notes: Notes) -> Piece:
    """A Parquet file. One of plain types larger than 64 MiB stays a lazy scan, after a pass over its pages."""
    from modelwright.collection import parquetfile
    from modelwright.collection.scratch import forget

    with guarded(
        "collection.parquet",
        f"`{name}` cannot be read as Parquet",
        "it is damaged or uses what is not supported; write it again",
    ):
        footer = parquetfile.read_footer(path)
        parquetfile.check(path, footer)
        labels = parquetfile.column_names(footer)
        mended = parquetfile.mended(path, footer)
        scan = _parquet(mended)
        kinds = list(scan.collect_schema().values())
        is_lazy = path.stat().st_size > SMALL_BYTES and all(is_plain(kind) for kind in kinds)
        if is_lazy:
            n_rows = sum(batch.height for batch in scan.collect_batches())
        else:
            frame = scan.collect()
    if is_lazy:
        return _lazy_piece(scan, labels, n_rows, name, notes)
    if mended != path:
        forget(mended)
    return plain_piece(list(zip(labels, frame.get_columns(), strict=True)), name, notes)


def _parquet(path: Path) -> pl.LazyFrame:
    """The file and nothing around it: folders are no columns, and statistics of a stranger decide nothing."""
    import polars as pl

    return pl.scan_parquet(path, glob=False, hive_partitioning=False, use_statistics=False)


def _lazy_piece(scan: pl.LazyFrame, labels: list[str], n_rows: int, name: str, notes: Notes) -> Piece:
    import polars as pl

    names = column_names(labels, name, notes)
    if n_rows == 0:
        raise no_rows(name, names)
    schema = scan.collect_schema()
    moments = [label for label, kind in schema.items() if isinstance(kind, pl.Datetime)]
    if moments:
        scan = scan.with_columns(pl.col(moments).cast(pl.Datetime("us")))
    table = scan.rename(dict(zip(schema, names, strict=True)))
    return Piece(table=table, names=tuple(names), n_rows=n_rows, about={"lazy": True})


def read_arrow(path: Path, name: str, source: SourceSpec, notes: Notes) -> Piece:
    """An Arrow file (Feather version 2) or stream. The whole table is held in memory."""
    import polars as pl

    from modelwright.collection import arrowfile

    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"FEA1"):
        raise UserError(
            "collection.arrow",
            f"`{name}` is Feather version 1, which Arrow no longer reads.",
            hint="write it again as Feather version 2 or Parquet",
        )
    with guarded(
        "collection.arrow", f"`{name}` cannot be read as Arrow", "it is damaged or was cut short; write it again"
    ):
        arrowfile.check(path)
        mended, labels = arrowfile.mended(path)
        readable = path if mended is None else io.BytesIO(mended)
        frame = pl.read_ipc(readable) if head == arrowfile.MAGIC else pl.read_ipc_stream(readable)
        columns = list(zip(labels, frame.get_columns(), strict=True))
    return plain_piece(columns, name, notes)
