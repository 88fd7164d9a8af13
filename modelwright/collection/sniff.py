"""What a plain file is, from its first bytes and its name; the bytes are believed first."""

from __future__ import annotations

import zipfile
from pathlib import Path

from modelwright.core.errors import UserError

KNOWN_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".psv": "csv",
    ".data": "csv",
    ".dat": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xlsb": "excel",
    ".xls": "excel",
    ".ods": "excel",
}
PACKED_ENDINGS = (".gz", ".gzip", ".zip", ".zst", ".zstd")

_FOREIGN = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a bitmap image"),
    (b"II*\x00", "a TIFF image"),
    (b"%PDF", "a PDF"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x89HDF", "an HDF5 file"),
    (b"RIFF", "a sound or a film"),
    (b"ID3", "a sound"),
    (b"<!DOCTYPE", "a web page"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "an XML file"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TEXT_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r\f\x1b\x1a") + b"\x7f"
HEAD_BYTES = 65536


def endings_of(name: str) -> tuple[str, str]:
    """The ending that tells the format, and the one that tells the packing ("" where there is none).

    >>> endings_of("a.CSV.gz"), endings_of("a.tsv"), endings_of("a.zip")
    (('.csv', '.gz'), ('.tsv', ''), ('', '.zip'))
    """
    path = Path(name.lower())
    if path.suffix in PACKED_ENDINGS:
        return Path(path.stem).suffix, path.suffix
    return path.suffix, ""


def is_workbook(path: Path) -> bool:
    """Whether a zip is an office workbook."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return bool(names & {"xl/workbook.xml", "xl/workbook.bin"}) or {"mimetype", "content.xml"} <= names


def recognise(path: Path, name: str, encoding: str | None = None) -> str:
    """`csv`, `json`, `jsonl`, `parquet`, `arrow` or `excel`; raises `collection.empty` or `collection.binary`.

    Whoever names the `encoding` says that it is text.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise UserError("collection.empty", f"`{name}` is empty (0 bytes).", hint="export it again")
    ending = endings_of(name)[0]
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1") or (ending in (".arrow", ".feather", ".ipc") and not _is_text(head)):
        return "arrow"
    if head.startswith(_OLE) or (head.startswith(b"PK") and is_workbook(path)):
        return "excel"
    told = KNOWN_ENDINGS.get(ending)
    if told in ("parquet", "excel"):
        return told
    refuse_foreign(head, name)
    if encoding is None and not _is_text(head):
        raise UserError(
            "collection.binary",
            f"`{name}` holds bytes that are no text, and is of no known kind.",
            hint="give a CSV, JSON, Parquet, Arrow or Excel file, or name its `encoding`",
        )
    if told in ("json", "jsonl") or head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{"):
        return _json_kind(head, told)
    return "csv"


def refuse_foreign(head: bytes, name: str) -> None:
    """Raise `collection.binary` when the first bytes are those of an image, a program, a web page, ..."""
    for mark, what in _FOREIGN:
        if head.startswith(mark):
            raise UserError(
                "collection.binary",
                f"`{name}` is {what}, not a table.",
                hint="give a CSV, JSON, Parquet, Arrow or Excel file",
            )


def _is_text(head: bytes) -> bool:
    if head.startswith(_TEXT_MARKS) or looks_utf16(head):
        return True
    n_controls = len(head) - len(head.translate(None, _CONTROLS))
    return n_controls <= max(len(head) // 20, 1 if len(head) < 20 else 2)


def looks_utf16(head: bytes) -> str:
    """ "utf-16-le" or "utf-16-be" when every other byte of the head is mostly zero, else "".

    >>> looks_utf16("name,age".encode("utf-16-le")), looks_utf16(b"name,age")
    ('utf-16-le', '')
    """
    even, odd = head[0::2], head[1::2]
    if len(odd) < 4:
        return ""
    if odd.count(0) > 0.7 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if even.count(0) > 0.7 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return ""


def _json_kind(head: bytes, told: str | None) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"[" and told is None:
        # a CSV cell may begin with a bracket; an array of records begins with a brace or at once ends
        rest = text[1:].lstrip()
        return "json" if rest[:1] in (b"{", b"]") else "csv"
    if text[:1] == b"{":
        first, newline, rest = text.partition(b"\n")
        if told is None:
            return "jsonl" if first.rstrip().endswith(b"}") else "json"
        one_line = first.rstrip().endswith(b"}") and (not newline or rest.lstrip()[:1] in (b"{", b""))
        return "jsonl" if one_line or told == "jsonl" else "json"
    return told or "csv"
