"""Which characters stand between and around the cells of a text table, found by looking at its first rows.

Each candidate is scored by how regular the rows become and how many cells then look like something known
(a number, a date, words): van den Burg, Nazábal and Sutton (2019), "Wrangling messy CSV files by detecting
row and type patterns".
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass

DELIMITERS = (",", ";", "\t", "|", " ")
NO_DELIMITER = "\x1f"
"""What a table of one column is read with: the unit separator, which no text has."""

_NUMBER = re.compile(
    r"[(+-]?\s?[$€£¥]?\s?(\d+|\d{1,3}([ .,'\u00a0\u202f]\d{3})+)?([.,]\d+)?([eE][+-]?\d+)?\s?[%€$£)]?\Z"
)
_WORDS = re.compile(r"[^,;|\t]*\Z")
_SAMPLE_ROWS = 100


@dataclass(frozen=True, slots=True)
class Dialect:
    """`delimiter` is one character; `quote` is one character or "" for none."""

    delimiter: str
    quote: str

    def reader_options(self) -> dict[str, object]:
        """The same for Python's `csv`."""
        quoting = csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote or None,
            "quoting": quoting,
            "doublequote": True,
            "skipinitialspace": self.delimiter == " ",
        }


def is_number(cell: str) -> bool:
    """Whether a cell looks like a number, with a point or a comma, money or percent included.

    >>> [is_number(cell) for cell in ("12", "-1.5e3", "1,5", "$1,200", "7 %", "1,2,3", "x1", "")]
    [True, True, True, True, True, False, False, False]
    """
    text = cell.strip()
    return bool(_NUMBER.match(text)) and any(mark.isdigit() for mark in text)


def split_rows(lines: list[str], dialect: Dialect) -> list[list[str]]:
    """The rows of some lines, blank ones left out; cells as they are."""
    if dialect.delimiter == " ":
        lines = [line.strip(" \r\n") for line in lines]
    return [row for row in csv.reader(lines, **dialect.reader_options()) if row]  # type: ignore[arg-type]


def find_dialect(
    lines: list[str], *, ending: str = "", delimiter: str | None = None, quote: str | None = None
) -> tuple[Dialect, str]:
    """The dialect of the first lines of a file, and why.

    `ending` is the file's, which decides where the lines do not; what is given is not looked for.

    >>> find_dialect(["a;b\\n", "1,5;2,25\\n"])[0]
    Dialect(delimiter=';', quote='"')
    """
    lines = [line for line in lines if line.strip()][:_SAMPLE_ROWS]
    if lines and (said := re.match(r"sep=(.)\s*\Z", lines[0])) and delimiter is None:
        return Dialect(said.group(1), '"' if quote is None else quote), "its first line says so"
    quote = _find_quote(lines) if quote is None else quote
    if delimiter is not None:
        return Dialect(delimiter, quote), "given"
    scores = {mark: _score(lines, Dialect(mark, quote)) for mark in DELIMITERS}
    best = max(DELIMITERS, key=lambda mark: scores[mark])
    if scores[best] > 0:
        return Dialect(best, quote), f"it makes the rows most regular (score {scores[best]:.2f})"
    usual = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|"}.get(ending)
    if usual and any(usual in line for line in lines):
        return Dialect(usual, quote), f"usual for {ending}; the rows are irregular"
    return Dialect(NO_DELIMITER, quote), "no character splits the rows alike: one column"


def _find_quote(lines: list[str]) -> str:
    """A double quote, or a single one where every one of them stands at the edge of a cell."""
    text = "".join(lines)
    if '"' in text or "'" not in text:
        return '"'
    inner = re.search(r"[^\s,;|\t']'[^\s,;|\t']|'[ ]?\w+'\w", text)
    pairs = re.findall(r"(?:^|[,;|\t])'[^'\n]*'(?=[,;|\t\r\n]|\Z)", text, re.MULTILINE)
    return "'" if not inner and pairs and text.count("'") == 2 * len(pairs) else '"'


def _score(lines: list[str], dialect: Dialect) -> float:
    if not any(dialect.delimiter in line for line in lines):
        return 0.0
    try:
        rows = split_rows(lines, dialect)
    except csv.Error:
        return 0.0
    widths = Counter(len(row) for row in rows)
    width, n_usual = max(widths.items(), key=lambda item: (item[1], item[0]))
    if width < 2 or n_usual < 0.6 * len(rows):
        return 0.0
    pattern = sum(count * (length - 1) / length for length, count in widths.items()) / len(widths)
    cells = [cell for row in rows for cell in row[:200]]
    n_numbers = sum(is_number(cell) for cell in cells)
    if dialect.delimiter == " " and n_numbers < 0.5 * len(cells):
        return 0.0  # sentences have blanks too
    n_known = sum(is_number(cell) or bool(_WORDS.match(cell)) for cell in cells)
    return pattern / len(rows) * n_known / len(cells)
