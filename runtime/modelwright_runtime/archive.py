"""The package file as bytes: what may be in it, and the strict reading of it.

A package is a zip whose members are all listed in `manifest.json` with length and SHA-256, and whose comment is
the SHA-256 of every byte before it, so that one flipped bit anywhere is noticed. Nothing is ever unpacked to
disk and nothing in the file is run.
"""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
import zlib
from pathlib import Path
from typing import Any

import msgspec

from modelwright_runtime.errors import SystemFault, UserError

FORMAT_VERSION = 2  # 2: thresholds by group, which a reader of format 1 would pass over
FORMATS = range(1, FORMAT_VERSION + 1)
MANIFEST = "manifest.json"
MEMBERS = (
    "model.onnx",
    "signature.json",
    "metrics.json",
    "profile.json",
    "data.json",
    "environment.json",
    "decisions.json",
    "card.md",
    "golden.json",
)
COMMENT_PREFIX = b"wright sha256 "
COMMENT_BYTES = len(COMMENT_PREFIX) + 64
MAX_FILE_BYTES = 2**31  # an ONNX graph cannot be larger
MAX_JSON_BYTES = 2**28
MAX_RATIO = 200  # deflate packs at most 1 : 1032; real graphs stay under 1 : 50
MAX_DEPTH = 64
_ENCRYPTED = 0x1


def read_archive(path: str | Path) -> tuple[dict[str, Any], dict[str, bytes], str]:
    """Read and verify a package: its manifest, every other member's bytes, and the file's SHA-256.

    Raises `UserError` with a code `package.*` for anything that is not exactly a package, and
    `SystemFault("package.read")` when the file cannot be read.
    """
    place = Path(path)
    data = _file_bytes(place)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_seal(data, archive.comment, place)
            members = _checked_members(archive, place, len(data))
            manifest = _manifest(archive, members, place)
            contents = {name: _verified(archive, members[name], manifest["files"][name], place) for name in MEMBERS}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as problem:
        raise UserError(
            "package.zip",
            f"{place} is no readable package: {problem}.",
            hint="copy or download the file again; a package ends in .wright and is never edited by hand",
        ) from None
    return manifest, contents, hashlib.sha256(data).hexdigest()


def _file_bytes(place: Path) -> bytes:
    try:
        size_bytes = place.stat().st_size
        if size_bytes > MAX_FILE_BYTES:
            raise UserError(
                "package.size",
                f"{place} has {size_bytes:,} bytes; a package has at most {MAX_FILE_BYTES:,}.",
            )
        return place.read_bytes()
    except FileNotFoundError:
        raise UserError(
            "package.missing", f"there is no file {place}.", hint="check the path; packages end in .wright"
        ) from None
    except OSError as problem:
        raise SystemFault("package.read", f"{place} cannot be read: {problem.strerror}.") from None


def _check_seal(data: bytes, comment: bytes, place: Path) -> None:
    """The comment holds the digest of all bytes before it: headers and padding too, which a zip never checks."""
    expected = COMMENT_PREFIX + hashlib.sha256(data[:-COMMENT_BYTES]).hexdigest().encode()
    if comment != expected or data[-COMMENT_BYTES:] != expected:
        raise UserError(
            "package.changed",
            f"{place} is not as it was written: its bytes and its digest differ.",
            hint="copy the file again from where it was made, or package the model again",
        )


def _checked_members(archive: zipfile.ZipFile, place: Path, size_bytes: int) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename
        kind = stat.S_IFMT(info.external_attr >> 16)
        if name in members:
            raise UserError("package.member", f"{place} holds {name!r} twice.")
        if "/" in name or "\\" in name or name.startswith(".") or info.orig_filename != name:
            raise UserError("package.member", f"{place} holds {name!r}, which is no plain file name.")
        if kind not in (0, stat.S_IFREG):
            raise UserError("package.member", f"{place} holds {name!r}, which is no plain file.")
        if info.flag_bits & _ENCRYPTED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UserError("package.member", f"{place} holds {name!r} encrypted or in an unknown packing.")
        members[name] = info
    total_bytes = sum(info.file_size for info in members.values())
    if total_bytes > min(MAX_FILE_BYTES, size_bytes * MAX_RATIO):
        raise UserError(
            "package.bomb",
            f"{place} has {size_bytes:,} bytes and would unpack to {total_bytes:,}; it is not opened.",
        )
    return members


def _manifest(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], place: Path) -> dict[str, Any]:
    if MANIFEST not in members:
        raise UserError("package.manifest", f"{place} has no {MANIFEST}: it is a zip, but no package.")
    manifest = parse_json(_bytes(archive, members[MANIFEST], place), f"{MANIFEST} of {place}")
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if type(version) is int and version > FORMAT_VERSION:
        raise UserError(
            "package.newer",
            f"{place} has format {version}; this modelwright-runtime reads up to {FORMAT_VERSION}.",
            hint="pip install --upgrade modelwright-runtime",
        )
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if version not in FORMATS or not isinstance(manifest.get("name"), str) or not isinstance(files, dict):
        raise UserError("package.manifest", f"the manifest of {place} lacks format, name or files.")
    listed = {*files, MANIFEST}
    for name in sorted({*members} ^ listed):
        where = "is not listed in the manifest" if name in members else "is listed but is not there"
        raise UserError("package.member", f"{place}: {name!r} {where}.")
    if set(files) != set(MEMBERS):
        odd = sorted(set(files) ^ set(MEMBERS))
        raise UserError("package.member", f"{place}: {odd[0]!r} is missing, or does not belong in a package.")
    return dict(manifest)


def _verified(archive: zipfile.ZipFile, info: zipfile.ZipInfo, listed: Any, place: Path) -> bytes:
    data = _bytes(archive, info, place)
    digest = hashlib.sha256(data).hexdigest()
    if not isinstance(listed, dict) or listed.get("bytes") != len(data) or listed.get("sha256") != digest:
        raise UserError("package.changed", f"{place}: {info.filename!r} is not what the manifest says it is.")
    return data


def _bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: Path) -> bytes:
    if info.filename != "model.onnx" and info.file_size > MAX_JSON_BYTES:
        raise UserError("package.size", f"{place}: {info.filename!r} has {info.file_size:,} bytes.")
    with archive.open(info) as member:
        return member.read(info.file_size + 1)


def parse_json(data: bytes, what: str) -> Any:
    """JSON that is strict (no NaN, no number out of range) and at most `MAX_DEPTH` deep.

    >>> parse_json(b'{"a": [1]}', "an example")
    {'a': [1]}
    """
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise UserError("package.json", f"{what} is no JSON: {problem}.") from None
    except RecursionError:
        raise UserError("package.json", f"{what} is nested too deeply.") from None
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise UserError("package.json", f"{what} is nested deeper than {MAX_DEPTH}.")
