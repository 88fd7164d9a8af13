"""gzip, zip and zstd to plain files, within limits: an archive is data from a stranger."""

from __future__ import annotations

import errno
import fnmatch
import gzip
import lzma
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from modelwright.collection.scratch import CHUNK_BYTES, scratch_path
from modelwright.collection.sniff import KNOWN_ENDINGS, PACKED_ENDINGS, endings_of, is_workbook
from modelwright.core.errors import UserError

PARQUET, ARROW = b"PAR1", (b"ARROW1", b"\xff\xff\xff\xff")
GZIP, ZIP, ZSTD = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06"), b"\x28\xb5\x2f\xfd"
HARMLESS_BYTES = 64 * 2**20
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError, struct.error
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A plain file that lay in an archive, or the file itself."""

    path: Path
    name: str
    compression: str = ""
    member: str = ""


def unpack(path: Path, name: str, member: str, max_bytes: int, max_ratio: float) -> Iterator[Inner]:
    """The plain files of `path`: itself, what gzip or zstd hold, or each data file of a zip.

    Raises `collection.archive` (truncated, corrupt, encrypted, empty), `collection.archive_size` (a bomb) and
    `collection.archive_name` (a member that would climb out of a folder).
    """
    with path.open("rb") as file:
        head = file.read(6)
    inner_name = name[: -len(endings_of(name)[1])] if endings_of(name)[1] else name
    if head.startswith(GZIP):
        plain = _expand_gzip(path, name, max_bytes, max_ratio)
        yield Inner(path=plain, name=inner_name, compression="gzip")
    elif head.startswith(ZSTD):
        plain = _expand_zstd(path, name, max_bytes, max_ratio)
        yield Inner(path=plain, name=inner_name, compression="zstd")
    elif head.startswith(ZIP) and is_workbook(path):
        _check_workbook(path, name, max_bytes, max_ratio)
        yield Inner(path=path, name=name)
    elif head.startswith((PARQUET, *ARROW)):
        _check_columnar(path, name, max_bytes, max_ratio)
        yield Inner(path=path, name=name)
    elif head.startswith(ZIP):
        yield from _expand_zip(path, name, member, max_bytes, max_ratio)
    elif endings_of(name)[1] and head:
        raise UserError(
            "collection.archive",
            f"`{name}` ends like a packed file but its bytes are not those of gzip, zip or zstd.",
            hint="it may be damaged, or plain; rename it if it is plain",
        )
    else:
        yield Inner(path=path, name=name)


def _broken(name: str, problem: object) -> UserError:
    return UserError(
        "collection.archive",
        f"`{name}` cannot be opened to its end: {problem}.",
        hint="it is damaged or was cut short; fetch it again",
    )


def _copy(source: Any, packed_bytes: int, name: str, max_bytes: int, max_ratio: float) -> Path:
    """Write what `source` gives to a scratch file, and stop where it grows beyond reason."""
    path, size = scratch_path(), 0
    most = min(max_bytes, max(HARMLESS_BYTES, int(packed_bytes * max_ratio)))
    try:
        with path.open("wb") as file:
            while chunk := source.read(CHUNK_BYTES):
                size += len(chunk)
                if size > most:
                    raise UserError(
                        "collection.archive_size",
                        f"`{name}` holds {packed_bytes:,} bytes and grows beyond {most:,} when it is opened.",
                        hint="if it is no bomb, raise `max_ratio` or `max_bytes`",
                    )
                file.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _expand_gzip(path: Path, name: str, max_bytes: int, max_ratio: float) -> Path:
    try:
        with gzip.open(path) as source:
            return _copy(source, path.stat().st_size, name, max_bytes, max_ratio)
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise _broken(name, problem) from problem


def _expand_zstd(path: Path, name: str, max_bytes: int, max_ratio: float) -> Path:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    try:
        with zstd.open(path) as source:
            return _copy(source, path.stat().st_size, name, max_bytes, max_ratio)
    except (zstd.ZstdError, EOFError) as problem:
        raise _broken(name, problem) from problem


def _check_workbook(path: Path, name: str, max_bytes: int, max_ratio: float) -> None:
    with zipfile.ZipFile(path) as archive:
        size = sum(item.file_size for item in archive.infolist())
    _check_growth(path, name, size, max_bytes, max_ratio)


def _check_columnar(path: Path, name: str, max_bytes: int, max_ratio: float) -> None:
    try:
        size = _columnar_bytes(path)
    except ValueError:
        return  # its reader tells what is broken
    _check_growth(path, name, size, max_bytes, max_ratio)


def _columnar_bytes(path: Path) -> int:
    """Bytes of a Parquet or Arrow file when its columns are unpacked."""
    from modelwright.collection import arrowfile, parquetfile

    with path.open("rb") as file:
        is_parquet = file.read(4) == PARQUET
    return parquetfile.expanded_bytes(parquetfile.read_footer(path)) if is_parquet else arrowfile.check(path)


def _check_growth(path: Path, name: str, size: int, max_bytes: int, max_ratio: float) -> None:
    if size > min(max_bytes, max(HARMLESS_BYTES, int(path.stat().st_size * max_ratio))):
        raise UserError(
            "collection.archive_size",
            f"`{name}` holds {path.stat().st_size:,} bytes and would grow to {size:,}.",
            hint="if it is no bomb, raise `max_ratio` or `max_bytes`",
        )


def _expand_zip(path: Path, name: str, member: str, max_bytes: int, max_ratio: float) -> Iterator[Inner]:
    try:
        with zipfile.ZipFile(path) as archive:
            for item in _members(archive, name, member):
                inner = f"{name}/{item.filename}"
                with archive.open(item) as source:
                    plain = _copy(source, item.compress_size, inner, max_bytes, max_ratio)
                yield Inner(path=plain, name=inner, compression="zip", member=item.filename)
    except _ZIP_ERRORS as problem:
        raise _broken(name, problem) from problem
    except OSError as problem:
        if problem.errno != errno.EINVAL:  # a seek to where no file goes: the archive's directory lies
            raise
        raise _broken(name, problem.strerror) from problem


def _members(archive: zipfile.ZipFile, name: str, member: str) -> list[zipfile.ZipInfo]:
    """The members to read: those of a known kind, or the only one there is."""
    files = [item for item in archive.infolist() if item.filename.strip("./") and item.filename[-1] != "/"]
    for item in files:
        where = PurePosixPath(item.filename.replace("\\", "/"))
        if where.is_absolute() or ".." in where.parts or ":" in where.parts[0]:
            raise UserError(
                "collection.archive_name",
                f"`{name}` has a member named `{item.filename}`, which would climb out of its folder.",
                hint="such an archive is made to do harm or by mistake; pack the files anew",
            )
    files = [item for item in files if not _is_litter(item.filename)]
    wanted = [item for item in files if fnmatch.fnmatch(item.filename, member)]
    if len(wanted) > 1:
        wanted = [item for item in wanted if endings_of(item.filename)[0] in KNOWN_ENDINGS]
    if not wanted:
        listing = ", ".join(item.filename for item in files[:10]) or "nothing"
        raise UserError(
            "collection.archive",
            f"`{name}` has no member of a known kind like `{member}`; it has {listing}.",
            hint="give a pattern as `member`",
        )
    for item in wanted:
        if item.flag_bits & 0x1:
            raise UserError(
                "collection.archive",
                f"`{name}`: `{item.filename}` is locked with a password.",
                hint="unlock it and pack it without one",
            )
        if item.filename.lower().endswith(PACKED_ENDINGS):
            raise UserError(
                "collection.archive",
                f"`{name}` holds another archive, `{item.filename}`.",
                hint="unpack the outer one",
            )
    return sorted(wanted, key=lambda item: item.filename)


def _is_litter(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1].startswith(".") or parts[-1] in ("Thumbs.db", "desktop.ini")
