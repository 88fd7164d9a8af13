"""ARFF to batches: attributes with their kinds, dense and sparse rows, and an error that names the line.

Reference: the format as Weka wrote it down, https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from modelwright.collection.header import tidy_names
from modelwright.collection.piece import Notes
from modelwright.collection.textfile import ONE_BYTE
from modelwright.core.data import Column, Kind
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import polars as pl

MOST_ATTRIBUTES = 65_536
MOST_LINE_BYTES = 64 * 2**20
CELLS_AT_ONCE = 1 << 20
_ATTRIBUTE = re.compile(r"""@attribute\s+('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\s{]+)\s*(.+)""", re.I)
_KINDS: dict[str, Kind] = {
    "numeric": "number", "real": "number", "integer": "number", "string": "text", "date": "datetime",
}  # fmt: skip
_CELL = re.compile(r"""\s*('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^,'"]*)\s*(,|$)""")
_ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")


@dataclass(frozen=True)
class Attribute:
    """One column: its kind, and the values of a nominal one."""

    name: str
    kind: Kind
    values: tuple[str, ...] = ()


@dataclass
class Arff:
    """An open file behind its header."""

    name: str
    attributes: tuple[Attribute, ...]
    lines: Iterator[tuple[int, str]]
    file: IO[bytes]

    def known(self) -> tuple[Column, ...]:
        """The columns whose kind the header tells. Texts may be categories: that is for cleaning to see."""
        return tuple(Column(one.name, one.kind) for one in self.attributes if one.kind in ("number", "category"))

    def batches(self, notes: Notes) -> Iterator[pl.DataFrame]:
        """The rows as tables: numbers Float64, all else String, null where the file has `?`."""
        n_at_once = max(1, CELLS_AT_ONCE // len(self.attributes))
        nominal = {i: frozenset(one.values) for i, one in enumerate(self.attributes) if one.values}
        rows: list[list[str | None]] = []
        numbers: list[int] = []
        with self.file:
            for number, line in self.lines:
                rows.append(self._row(line, number))
                numbers.append(number)
                if len(rows) >= n_at_once:
                    yield self._frame(rows, numbers, nominal, notes)
                    rows, numbers = [], []
            if rows:
                yield self._frame(rows, numbers, nominal, notes)

    def _row(self, line: str, number: int) -> list[str | None]:
        if line.startswith("{"):
            return self._sparse(line, number)
        if "'" not in line and '"' not in line and "\\" not in line:
            cells: list[str | None] = [None if (cell := one.strip()) == "?" else cell for one in line.split(",")]
        else:
            cells = list(_cells(line, self.name, number))
        width = len(self.attributes)
        if len(cells) == width + 1 and not cells[-1]:  # a comma at the end of the line
            cells.pop()
        if len(cells) != width:
            weighted = len(cells) == width + 1 and re.fullmatch(r"\{[0-9.]+\}", cells[-1] or "")
            if not weighted:
                raise _broken(self.name, number, f"{len(cells):,} cells where the header has {width:,} attributes")
            cells.pop()
        return cells

    def _sparse(self, line: str, number: int) -> list[str | None]:
        """`{3 1.5, 7 yes}`: what is not named is 0, or the first value of a nominal attribute."""
        body = line.partition("}")[0][1:].strip()
        if "}" not in line:
            raise _broken(self.name, number, "a row that begins with `{` and does not end with `}`")
        cells: list[str | None] = [one.values[0] if one.values else "0" for one in self.attributes]
        for pair in _pairs(body):
            place, blank, value = pair.strip().partition(" ")
            if not (blank and place.isdecimal() and int(place) < len(cells)):
                raise _broken(self.name, number, f"{pair.strip()[:60]!r} names none of the attributes")
            ((cells[int(place)],)) = list(_cells(value.strip(), self.name, number))[:1]
        return cells

    def _frame(
        self, rows: list[list[str | None]], numbers: list[int], nominal: dict[int, frozenset[str]], notes: Notes
    ) -> pl.DataFrame:  # fmt: skip
        import polars as pl

        columns = []
        for place, (attribute, cells) in enumerate(zip(self.attributes, zip(*rows, strict=True), strict=True)):
            column = pl.Series(attribute.name, cells, dtype=pl.String)
            if attribute.kind == "number":
                read = column.cast(pl.Float64, strict=False)
                wrong = (read.is_null() & column.is_not_null()).arg_true()
                if wrong.len():
                    first = int(wrong[0])
                    what = f"{str(cells[first])[:60]!r} is no number, and `{attribute.name[:60]}` is numeric"
                    raise _broken(self.name, numbers[first], what)
                column = read
            elif place in nominal:
                others = [value for value in column.drop_nulls().unique().to_list() if value not in nominal[place]]
                if others:
                    notes.repair("value", why=f"values of `{attribute.name}` that the header does not name",
                                 detail=others[0], count=len(others))  # fmt: skip
            columns.append(column)
        return pl.DataFrame(columns)


def open_arff(path: Path, name: str, notes: Notes) -> Arff:
    """Read the header. Raises `UserError("collection.arff")` with the line."""
    file = path.open("rb")
    lines = _lines(file, name)
    try:
        attributes = _header(lines, name)
    except BaseException:
        file.close()
        raise
    names, changes = tidy_names([one.name for one in attributes])
    for before, after, why in changes:
        notes.repair("name", why=why, detail=[before, after])
    tidy = tuple(Attribute(label, one.kind, one.values) for label, one in zip(names, attributes, strict=True))
    return Arff(name, tidy, lines, file)


def _lines(file: IO[bytes], name: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    number = 0
    while raw := file.readline(MOST_LINE_BYTES + 1):
        number += 1
        if len(raw) > MOST_LINE_BYTES:
            raise _broken(name, number, f"a line of more than {MOST_LINE_BYTES:,} bytes")
        line = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", ONE_BYTE).strip()
        if line and not line.startswith("%"):
            yield number, line


def _header(lines: Iterator[tuple[int, str]], name: str) -> list[Attribute]:
    found: list[Attribute] = []
    number = 0
    for number, line in lines:
        word = line.split(None, 1)[0].lower()
        if word == "@attribute":
            found.append(_attribute(line, name, number))
            if len(found) > MOST_ATTRIBUTES:
                raise UserError(
                    "collection.arff", f"`{name}` has more than {MOST_ATTRIBUTES:,} attributes (line {number:,}).",
                    hint="such a table is a matrix; give it in a form of its own, or fewer columns",
                )  # fmt: skip
        elif word == "@data":
            if not found:
                raise _broken(name, number, "`@data` comes before any `@attribute`")
            return found
        elif word != "@relation":
            raise _broken(name, number, f"{line[:60]!r} is no part of a header")
    raise _broken(name, number, "the file ends before `@data`")


def _attribute(line: str, name: str, number: int) -> Attribute:
    match = _ATTRIBUTE.fullmatch(line)
    if not match:
        raise _broken(name, number, f"{line[:60]!r} names no attribute and type")
    label, kind = _plain(match.group(1)), match.group(2).strip()
    if kind.startswith("{"):
        if not kind.endswith("}"):
            raise _broken(name, number, f"the values of `{label[:60]}` do not end with `}}`")
        values = tuple(value for value in _cells(kind[1:-1], name, number) if value is not None)
        return Attribute(label, "category", values)
    word = kind.split(None, 1)[0].lower()
    if word not in _KINDS:
        raise _broken(name, number, f"{kind[:60]!r} is no type of an attribute")
    return Attribute(label, _KINDS[word])


def _cells(text: str, name: str, number: int) -> Iterator[str | None]:
    """The cells of a line with quotes in it; None for `?`."""
    place = 0
    while True:
        match = _CELL.match(text, place)
        if not match:
            raise _broken(
                name, number, f"a quote that is not closed, or stands within a cell: {text[place : place + 60]!r}"
            )
        raw = match.group(1)
        yield _plain(raw) if raw[:1] in ("'", '"') else None if raw.strip() == "?" else raw.strip()
        if match.group(2) != ",":
            return
        place = match.end()


def _pairs(body: str) -> list[str]:
    """The parts of a sparse row; commas within quotes part nothing."""
    if not body:
        return []
    if "'" not in body and '"' not in body:
        return body.split(",")
    mark = "'" if "'" in body else '"'
    parts, held = [], ""
    for one in next(csv.reader([body], quoting=csv.QUOTE_NONE)):
        held = f"{held},{one}" if held else one
        if held.count(mark) % 2 == 0:
            parts.append(held)
            held = ""
    return [*parts, held] if held else parts


def _plain(quoted: str) -> str:
    """A cell or a name without its quotes and escapes.

    >>> _plain(r"'it\\'s'"), _plain("plain")
    ("it's", 'plain')
    """
    if quoted[:1] not in ("'", '"'):
        return quoted
    return _ESCAPED.sub(_unescaped, quoted[1:-1])


def _unescaped(escape: re.Match[str]) -> str:
    code = escape.group(1)
    if len(code) == 5:
        return chr(int(code[1:], 16))
    return {"n": "\n", "t": "\t", "r": "\r"}.get(code, code)


def _broken(name: str, number: int, what: str) -> UserError:
    return UserError(
        "collection.arff", f"`{name}`, line {number:,}: {what}.",
        hint="the file is damaged or was not written as ARFF; `format: parquet` asks for the other form of the dataset",
    )  # fmt: skip
