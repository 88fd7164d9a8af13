"""What every raw table must satisfy, whoever collected it; and a writer of tiny workbooks for tests."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from modelwright.core.data import ROW_ID, Dataset


def check_collected(data: Dataset) -> None:
    """Raise `AssertionError` where a dataset breaks the contract of collection.

    Row ids are 0, 1, 2, ... as uint64 and come first; names are distinct and not blank; every column is raw and
    of a plain type; `n_rows` is exact; `origin` is JSON-able and says of each source its name and rows.

    >>> import polars as pl, modelwright.collection as collection
    >>> check_collected(collection.collect(pl.DataFrame({"x": [1, 2]})))
    """
    import polars as pl

    frame = data.frame
    assert frame.columns == [ROW_ID, *data.schema.names], frame.columns
    assert frame[ROW_ID].dtype == pl.UInt64
    assert frame[ROW_ID].to_list() == list(range(data.n_rows))
    assert all(name.strip() for name in data.schema.names)
    assert len(set(data.schema.names)) == len(data.schema.names)
    assert all(column.kind == "raw" and column.role == "feature" for column in data.schema.columns)
    for name, kind in frame.schema.items():
        is_plain = kind.is_numeric() or kind in (pl.String, pl.Boolean, pl.Date) or kind == pl.Datetime("us")
        assert is_plain, (name, kind)
    json.dumps(dict(data.origin))
    assert all({"name", "format", "n_rows"} <= set(source) for source in data.origin["sources"])


_BOOK = (
    '<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{}</sheets></workbook>'
)
_RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}'
    "</Relationships>"
)
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)

Cell = str | float | bool | None


def write_workbook(path: Path, sheets: dict[str, Sequence[Sequence[Cell]]]) -> None:
    """Write an .xlsx of texts, numbers and booleans: no styles, no formulas, nothing else.

    >>> import tempfile, fastexcel
    >>> path = Path(tempfile.mkdtemp()) / "a.xlsx"
    >>> write_workbook(path, {"one": [["a"], [1.5]]})
    >>> fastexcel.read_excel(path).sheet_names
    ['one']
    """
    listing = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="r{number}"/>'
        for number, name in enumerate(sheets, start=1)
    )
    links = "".join(
        f'<Relationship Id="r{number}" Type="{_DOCUMENT}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in range(1, len(sheets) + 1)
    )
    root = f'<Relationship Id="r1" Type="{_DOCUMENT}/officeDocument" Target="xl/workbook.xml"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", _RELATIONS.format(root))
        archive.writestr("xl/workbook.xml", _BOOK.format(listing))
        archive.writestr("xl/_rels/workbook.xml.rels", _RELATIONS.format(links))
        for number, rows in enumerate(sheets.values(), start=1):
            archive.writestr(f"xl/worksheets/sheet{number}.xml", _sheet(rows))


def _sheet(rows: Sequence[Sequence[Cell]]) -> str:
    lines = "".join(
        f'<row r="{number}">{"".join(_cell(cell, f"{_letters(i)}{number}") for i, cell in enumerate(row))}</row>'
        for number, row in enumerate(rows, start=1)
    )
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<?xml version="1.0"?><worksheet xmlns="{space}"><sheetData>{lines}</sheetData></worksheet>'


def _cell(cell: Cell, where: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return f'<c r="{where}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, (int, float)):
        return f'<c r="{where}"><v>{cell!r}</v></c>'
    return f'<c r="{where}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'


def _letters(index: int) -> str:
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(65 + rest) + text
    return text
