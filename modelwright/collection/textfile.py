"""Any text to UTF-8 without NUL bytes, line by line, with each repair told."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from modelwright.collection.piece import Notes
from modelwright.collection.scratch import CHUNK_BYTES, scratch_path
from modelwright.collection.sniff import HEAD_BYTES, looks_utf16
from modelwright.collection.survey import BOM, whole_lines
from modelwright.core.errors import UserError

_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|([\x80-\xff])")


def _one_byte(problem: UnicodeError) -> tuple[str, int]:
    """Read the bytes that are not UTF-8 as Windows-1252, and those it leaves free as Latin-1."""
    if not isinstance(problem, UnicodeDecodeError):
        raise problem
    wrong = problem.object[problem.start : problem.end]
    return "".join(_windows(code) for code in wrong), problem.end


def _windows(code: int) -> str:
    try:
        return bytes([code]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(code)


ONE_BYTE = "modelwright_windows"
"""The error handler's name, for `bytes.decode`."""
codecs.register_error(ONE_BYTE, _one_byte)


def wide_encoding(path: Path) -> str:
    """UTF-16 or UTF-32, told by the byte order mark or by every other byte being zero; "" for the others.

    Such a file must be decoded before its lines can be found.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    return "" if head.startswith(BOM) else looks_utf16(head)


def decode_file(path: Path, name: str, encoding: str, notes: Notes) -> Path:
    """A copy in UTF-8 of a file in `encoding`; a byte that the encoding does not have is an error."""
    made = scratch_path(".csv")
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    n_lines = 0
    with path.open("rb") as source, made.open("wb") as target:
        while True:
            chunk = source.read(CHUNK_BYTES)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeError as problem:
                raise UserError(
                    "collection.encoding",
                    f"`{name}` is not {encoding} near line {n_lines + 1:,}: {problem}.",
                    hint="name another `encoding`, or leave it out to have it found",
                ) from problem
            n_lines += text.count("\n")
            target.write(_without_nul(text, notes).encode("utf-8", "replace"))
            if not chunk:
                return made


def _without_nul(text: str, notes: Notes) -> str:
    n_nul = text.count("\0")
    if n_nul:
        notes.repair("nul_removed", why="NUL bytes are no text", count=n_nul)
    return text.replace("\0", "").removeprefix("\ufeff")


def mend_file(path: Path, name: str, notes: Notes) -> tuple[Path, str]:
    """A copy in UTF-8 of a file that is not, or that has NUL bytes; and the encoding found.

    Hardly any valid UTF-8: Windows-1252 (which Latin-1 text is too). Else each wrong byte is read as
    Windows-1252, and its line is told.
    """
    n_right, n_wrong = _count_sequences(path, name)
    mixed = n_wrong <= 10 * n_right
    encoding = "utf-8" if not n_wrong else "utf-8, partly cp1252" if mixed else "cp1252"
    if not mixed:
        notes.decide("encoding", "cp1252", f"{n_wrong:,} bytes above 127 that are not UTF-8, {n_right:,} that are")
    made, line = scratch_path(".csv"), 1
    with path.open("rb") as source, made.open("wb") as target:
        for number, chunk in enumerate(whole_lines(source, name)):
            for raw in chunk.removeprefix(BOM if number == 0 else b"").splitlines(keepends=True):
                target.write(_mend_line(raw, line, notes, mixed=mixed))
                line += 1
    return made, encoding


def _mend_line(raw: bytes, line: int, notes: Notes, *, mixed: bool) -> bytes:
    if n_nul := raw.count(b"\0"):
        notes.repair("nul_removed", why="NUL bytes are no text", line=line, count=n_nul)
        raw = raw.replace(b"\0", b"")
    if raw.isascii():
        return raw
    if not mixed:
        return "".join(_windows(code) for code in raw).encode()
    text = raw.decode("utf-8", ONE_BYTE)
    mended = text.encode()
    if mended != raw:
        notes.repair("encoding", why="bytes that are not UTF-8, read as cp1252", line=line)
    return mended


def _count_sequences(path: Path, name: str) -> tuple[int, int]:
    """How many characters above 127 are right UTF-8, and how many bytes are not."""
    n_right = n_wrong = 0
    with path.open("rb") as file:
        for chunk in whole_lines(file, name):
            if chunk.isascii():
                continue
            for match in _SEQUENCE.finditer(chunk.removeprefix(BOM)):
                if match.group(1) is None:
                    n_right += 1
                else:
                    n_wrong += 1
    return n_right, n_wrong
