"""Excel and OpenDocument workbooks: one sheet, typed cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.collection.header import find_header, numbered
from modelwright.collection.piece import Notes, Piece
from modelwright.collection.plain import plain_piece
from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.base import SourceSpec

SAMPLE_ROWS = 200


def read_excel(path: Path, name: str, source: SourceSpec, notes: Notes) -> Piece:
    """One sheet of a workbook; the first one unless `sheet` names another. The sheet is held in memory."""
    from dataclasses import replace

    import fastexcel

    try:
        book = fastexcel.read_excel(path)
        sheet = _sheet(book.sheet_names, source.sheet, name, notes)
        sample = book.load_sheet(sheet, header_row=None, n_rows=SAMPLE_ROWS, dtypes="string")
        rows = _rows(sample.to_polars())
        if not rows:
            raise UserError(
                "collection.empty",
                f"`{name}`: the sheet `{sheet}` holds nothing.",
                hint=f"name another `sheet`; there are {', '.join(book.sheet_names)}",
            )
        has_header, why = (source.header == "yes", "given") if source.header != "auto" else find_header(rows)
        loaded = book.load_sheet(sheet, header_row=0 if has_header else None, schema_sample_rows=None)
        table = loaded.to_polars()
    except fastexcel.FastExcelError as problem:
        raise UserError(
            "collection.excel",
            f"`{name}` cannot be read as a workbook: {' '.join(str(problem).split())[:300]}.",
            hint="open it in a spreadsheet program and save it again",
        ) from problem
    notes.decide("header", "yes" if has_header else "no", why)
    if not has_header:
        labels = numbered(table.width)
    else:
        labels = rows[0][: table.width]
    piece = plain_piece(list(zip(labels, table.get_columns(), strict=True)), name, notes)
    return replace(piece, about={"sheet": sheet, "header": has_header, "header_why": why})


def _sheet(names: list[str], wanted: str | None, name: str, notes: Notes) -> str:
    if not names:
        raise UserError("collection.sheet", f"`{name}` has no sheets.")
    if wanted is None:
        if len(names) > 1:
            notes.decide("sheet", names[0], f"the first of {len(names)}: {', '.join(names)}")
        return names[0]
    if wanted not in names:
        raise UserError("collection.sheet", f"`{name}` has no sheet `{wanted}`.", hint=nearest(wanted, names))
    return wanted


def _rows(sample: pl.DataFrame) -> list[list[str]]:
    return [[cell or "" for cell in row] for row in sample.iter_rows()]
