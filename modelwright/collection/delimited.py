"""Text tables: look, then read fast where the file is regular and with repairs where it is not."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.collection.base import SourceSpec
from modelwright.collection.dialect import NO_DELIMITER, Dialect, find_dialect, split_rows
from modelwright.collection.header import find_header, numbered, tidy_names
from modelwright.collection.piece import SMALL_BYTES, Notes, Piece
from modelwright.collection.scratch import forget
from modelwright.collection.sniff import endings_of
from modelwright.collection.survey import BOM, Survey, survey, whole_lines
from modelwright.collection.textfile import ONE_BYTE, decode_file, mend_file, wide_encoding
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import polars as pl

SAMPLE_BYTES = 2**20
SAMPLE_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the table lies among the file's records.

    `n_skipped` records come first (notes, `sep=;`); then the header, if there is one; then rows of `width`
    cells. `drops_last` says that each row ends with a delimiter too many.
    """

    dialect: Dialect
    names: tuple[str, ...]
    n_skipped: int
    has_header: bool
    header_why: str
    drops_last: bool = False

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.names)


def read_delimited(path: Path, name: str, source: SourceSpec, notes: Notes) -> Piece:
    """One text table. Cells are texts, exactly as written; a cell that a short row lacks is null."""
    text, encoding = _as_utf8(path, name, source, notes)
    sample = _sample(text, name)
    dialect, dialect_why = find_dialect(
        sample, ending=endings_of(name)[0], delimiter=source.delimiter, quote=source.quote
    )
    counted = survey(text, name, dialect)
    if not source.encoding and not (counted.is_utf8 and not counted.n_nul):
        text, encoding = mend_file(text, name, notes)
        counted = survey(text, name, dialect)
    layout = _find_layout(_sample(text, name), dialect, source, name, notes)
    table, n_rows, is_lazy = _read(text, name, layout, counted, notes)
    if n_rows == 0:
        raise UserError(
            "collection.no_rows",
            f"`{name}` has a header ({', '.join(layout.names[:8])}) and no rows.",
            hint="if the first line is a row, say `header: no`",
        )
    if text != path and not is_lazy:
        forget(text)
    notes.decide("delimiter", repr(dialect.delimiter), dialect_why)
    notes.decide("header", "yes" if layout.has_header else "no", layout.header_why)
    about: dict[str, Any] = {
        "delimiter": dialect.delimiter if dialect.delimiter != NO_DELIMITER else "",
        "quote": dialect.quote,
        "encoding": encoding,
        "header": layout.has_header,
        "header_why": layout.header_why,
        "lazy": is_lazy,
    }
    return Piece(table=table, names=layout.names, n_rows=n_rows, about=about)


def _as_utf8(path: Path, name: str, source: SourceSpec, notes: Notes) -> tuple[Path, str]:
    encoding = (source.encoding or wide_encoding(path)).lower()
    if not encoding or encoding in ("utf-8", "utf8", "ascii"):
        with path.open("rb") as file:
            has_mark = file.read(3) == BOM
        return path, "utf-8 with a byte order mark" if has_mark else "utf-8"
    return decode_file(path, name, encoding, notes), encoding


def _sample(path: Path, name: str) -> list[str]:
    """The first lines, as texts with their ends; at least two lines, about a mebibyte.

    The last line of a part of a file is left out: it may end within quotes.
    """
    found: list[str] = []
    with path.open("rb") as file:
        for number, chunk in enumerate(whole_lines(file, name)):
            head = chunk.removeprefix(BOM) if number == 0 else chunk
            if len(head) > SAMPLE_BYTES:
                head = head[: max(head.rfind(b"\n", 0, SAMPLE_BYTES), head.find(b"\n", SAMPLE_BYTES)) + 1] or head
            found += _lines(head.decode("utf-8", ONE_BYTE).replace("\0", ""))
            if len(found) > 2:
                break
    if not any(line.strip() for line in found):
        raise UserError("collection.empty", f"`{name}` holds nothing but blanks.", hint="export it again")
    return found


def _lines(text: str) -> list[str]:
    """Lines with their ends; `str.splitlines` would cut at form feeds and the like too."""
    return list(io.StringIO(text, newline=""))


def _find_layout(lines: list[str], dialect: Dialect, source: SourceSpec, name: str, notes: Notes) -> Layout:
    rows = split_rows(lines, dialect)[: SAMPLE_ROWS + 1]
    if dialect.delimiter != NO_DELIMITER and not any(cell.strip() for row in rows for cell in row):
        raise UserError(
            "collection.empty", f"`{name}` holds nothing but delimiters.", hint="export it again, with its values"
        )
    width, n_skipped = _width_and_notes(rows)
    for row in rows[:n_skipped]:
        notes.repair("set_aside", why="a line of notes above the table", detail=dialect.delimiter.join(row)[:200])
    rows = rows[n_skipped:]
    has_header, why = _header(rows, source)
    first = rows[0]
    names, drops_last = (list(first) if has_header else numbered(width)), False
    if has_header and len(first) == width - 1 and all(len(row) == width for row in rows[1:]):
        if not any(row[-1].strip() for row in rows[1:]):
            drops_last = True
            notes.repair("trimmed", why="each row ends with a delimiter too many")
        else:
            names = ["", *first]
            notes.repair("header_shifted", why="the header lacks a name for the first column, of row names")
    elif has_header and len(first) < width:
        names += [""] * (width - len(first))
    tidy, changes = tidy_names(names)
    for before, after, reason in changes:
        notes.repair("name", why=reason, detail=[before, after])
    return Layout(
        dialect=dialect,
        names=tuple(tidy),
        n_skipped=n_skipped,
        has_header=has_header,
        header_why=why,
        drops_last=drops_last,
    )


def _header(rows: list[list[str]], source: SourceSpec) -> tuple[bool, str]:
    if source.header != "auto":
        return source.header == "yes", "given"
    return find_header(rows)


def _width_and_notes(rows: list[list[str]]) -> tuple[int, int]:
    """The usual number of cells, and how many records above the table are notes.

    A note has one filled cell where the rows have three or more. The width is that of the first record which
    is no note, unless most records agree on another.
    """
    usual, n_usual = Counter(len(row) for row in rows).most_common(1)[0]
    filled = Counter(sum(bool(cell.strip()) for cell in row) for row in rows).most_common(1)[0][0]
    n_skipped = 0
    if rows[0][0].lower().startswith("sep=") and len(rows) > 1:
        n_skipped = 1
    while usual >= 3 and filled >= 3 and n_skipped < min(20, len(rows) - 2):
        if sum(bool(cell.strip()) for cell in rows[n_skipped]) > 1:
            break
        n_skipped += 1
    first = len(rows[n_skipped])
    return (usual if n_usual > 0.5 * len(rows) else max(first, usual)), n_skipped


def _read(path: Path, name: str, layout: Layout, counted: Survey, notes: Notes) -> tuple[pl.LazyFrame, int, bool]:
    """The table, its number of rows, and whether it still needs the file."""
    n_records = counted.n_rows(layout.width)
    if n_records is not None and layout.n_skipped == 0:
        fast = _read_fast(path, layout, n_records - int(layout.has_header))
        if fast is not None:
            return fast
    from modelwright.collection.repair import read_with_repairs

    return read_with_repairs(path, name, layout, notes)


def _read_fast(path: Path, layout: Layout, n_rows: int) -> tuple[pl.LazyFrame, int, bool] | None:
    """Polars' own reading, or None when it disagrees with what was counted."""
    import polars as pl

    scan = pl.scan_csv(
        path,
        glob=False,
        has_header=False,
        skip_rows=int(layout.has_header),
        separator=layout.dialect.delimiter,
        quote_char=layout.dialect.quote or None,
        schema=dict.fromkeys(layout.names, pl.String),
        infer_schema=False,
        empty_string_is_null=False,
    ).head(n_rows)
    try:
        if path.stat().st_size <= SMALL_BYTES:
            frame = scan.collect()
            return (frame.lazy(), n_rows, False) if frame.height == n_rows else None
        # the survey has seen every cell's edges; that Polars counts the same rows is a cheap cross-check
        n_counted = scan.select(pl.len()).collect(engine="streaming").item()
    except pl.exceptions.PolarsError:
        return None
    return (scan, n_rows, True) if n_counted == n_rows else None
