"""The slow, patient reader: any text table, row by row, each repair told with its line.

Short rows are padded with nulls. A row that is too long loses what is too much when that is blank; otherwise
nobody knows which cell was split, so the whole row is set aside (its line and text are told), and when more
than one row in a hundred is too long, the file is refused.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.collection.piece import SMALL_BYTES, Notes
from modelwright.collection.scratch import scratch_path
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.delimited import Layout

CELLS_PER_BATCH = 1_000_000
MAX_CELL_CHARACTERS = 64 * 2**20
_END = "\x1e\x1e\x1e"

Row = list[str | None]


def read_with_repairs(path: Path, name: str, layout: Layout, notes: Notes) -> tuple[pl.LazyFrame, int, bool]:
    """The table, its number of rows, and whether it needs a file that lies aside."""
    import polars as pl

    batches = (
        pl.DataFrame(
            dict(zip(layout.names, zip(*rows, strict=True), strict=True)),
            schema=dict.fromkeys(layout.names, pl.String),
        )
        for rows in _batched(_rows(path, name, layout, notes), max(1, CELLS_PER_BATCH // layout.width))
    )
    if path.stat().st_size > SMALL_BYTES:
        table, n_rows = _spill(batches)
        return table, n_rows, True
    frames = list(batches)
    if not frames:
        return pl.DataFrame(schema=dict.fromkeys(layout.names, pl.String)).lazy(), 0, False
    frame = pl.concat(frames)
    return frame.lazy(), frame.height, False


def _spill(batches: Iterator[pl.DataFrame]) -> tuple[pl.LazyFrame, int]:
    """Write each batch to an Arrow file aside and scan them, one below the other."""
    import polars as pl

    paths, n_rows = [], 0
    for frame in batches:
        paths.append(scratch_path(".arrow"))
        frame.write_ipc(paths[-1])
        n_rows += frame.height
    return (pl.scan_ipc(paths, glob=False) if paths else pl.LazyFrame()), n_rows


def _batched(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(path: Path, name: str, layout: Layout, notes: Notes) -> Iterator[Row]:
    """Rows of exactly `layout.width` cells."""
    width = layout.width
    n_rows, n_long, first_long = 0, 0, 0
    for line, row in _data_records(path, name, layout, notes):
        n_rows += 1
        cells: Row = [*row]
        if len(cells) > width and not any(cell.strip() for cell in row[width:]):
            if not (layout.drops_last and len(cells) == width + 1):
                notes.repair("trimmed", why="blank cells beyond the last column", line=line)
            cells = cells[:width]
        if len(cells) > width:
            n_long, first_long = n_long + 1, first_long or line
            text = layout.dialect.delimiter.join(row)[:500]
            notes.repair("set_aside", why="the row has too many cells", line=line, detail=text)
            continue
        if len(cells) < width:
            notes.repair("padded", why="the row has too few cells", line=line)
            cells += [None] * (width - len(cells))
        yield cells
    if n_long > max(1, n_rows // 100):
        raise UserError(
            "collection.long_rows",
            f"`{name}`: {n_long:,} of {n_rows:,} rows have more than the {width} cells of the table; "
            f"the first is on line {first_long:,}.",
            hint="check `delimiter` and `quote`; a delimiter within a cell must stand in quotes",
        )


def _data_records(path: Path, name: str, layout: Layout, notes: Notes) -> Iterator[tuple[int, list[str]]]:
    """The records below the header, with their first line; blank lines are left out and told.

    In a table of one column a blank line is an empty cell, unless nothing follows it.
    """
    n_before = layout.n_skipped + int(layout.has_header)
    blank: list[int] = []
    for line, row in _records(path, name, layout):
        if not row:
            blank.append(line)
            continue
        if n_before:
            n_before -= 1
            blank.clear()
            continue
        for empty in blank:
            if layout.width == 1:
                yield empty, [""]
            else:
                notes.repair("blank_line", why="a line without cells", line=empty)
        blank.clear()
        yield line, row


def _records(path: Path, name: str, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Every record as `csv` splits it, with the line it begins on; blank lines are empty records."""
    options = layout.dialect.reader_options()
    csv.field_size_limit(max(MAX_CELL_CHARACTERS, csv.field_size_limit()))  # the module's own, 128 KiB, is small
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="", errors="strict") as file:
            reader = csv.reader(_lines_and_end(file, layout.dialect.delimiter), **options)  # type: ignore[arg-type]
            for row in reader:
                if any(_END in cell for cell in row):
                    _check_end(row, line, name)
                    return
                yield line, row
                line = reader.line_num + 1
    except csv.Error as problem:
        raise UserError(
            "collection.long_cell",
            f"`{name}`: the cell that begins on line {line:,} cannot be read: {problem}.",
            hint="a quote that is not closed makes such cells; check the line, or give `quote`",
        ) from problem


def _lines_and_end(file: Iterator[str], delimiter: str) -> Iterator[str]:
    """The lines, then one that shows whether a quote is still open."""
    for line in file:
        yield line.strip(" \r\n") + "\n" if delimiter == " " else line
    yield _END


def _check_end(row: list[str], line: int, name: str) -> None:
    if row != [_END]:
        raise UserError(
            "collection.unclosed_quote",
            f"`{name}`: the quote that opens on line {line:,} is never closed.",
            hint='close it, or give `quote: ""` if quotes are plain characters in this file',
        )
