"""Writing the package file: the same members give the same bytes, on every run."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Mapping
from typing import Any

from modelwright_runtime.archive import COMMENT_BYTES, COMMENT_PREFIX, MANIFEST, MEMBERS

_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say; a date would change the bytes


def plain_json(value: Any) -> bytes:
    """JSON with one spelling: sorted, compact, no NaN.

    >>> plain_json({"b": 1, "a": [2]})
    b'{"a":[2],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def archive_bytes(members: Mapping[str, bytes], *, name: str) -> bytes:
    """The package as bytes: manifest first, then every member of `MEMBERS`, then the seal.

    The seal is the zip's comment: the SHA-256 of every byte before it, so that no flipped bit goes unnoticed.
    """
    listed = {
        member: {"bytes": len(members[member]), "sha256": hashlib.sha256(members[member]).hexdigest()}
        for member in MEMBERS
    }
    manifest = plain_json({"format": _format(members), "name": name, "files": listed})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, data in [(MANIFEST, manifest), *((member, members[member]) for member in MEMBERS)]:
            info = zipfile.ZipInfo(member, _FIRST_DAY)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, whatever wrote it
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
        archive.comment = COMMENT_PREFIX + b"0" * 64  # its length stands before the seal and must be sealed too
    body = buffer.getvalue()[:-COMMENT_BYTES]
    return body + COMMENT_PREFIX + hashlib.sha256(body).hexdigest().encode()


def _format(members: Mapping[str, bytes]) -> int:
    """The oldest format that says all of it, so that older readers open what they understand."""
    return 2 if "group_thresholds" in json.loads(members["signature.json"]) else 1
