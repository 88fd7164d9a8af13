"""WARC files: one gzip member a record, so that any record can be read where it lies.

Reference: ISO 28500:2017, "The WARC format 1.1".
"""

from __future__ import annotations

import gzip
import uuid
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

MAX_HEAD_BYTES = 2**20
Headers = Iterable[tuple[str, str]]


def information(agent: str, name: str) -> bytes:
    """The record that begins a file."""
    fields = f"software: {agent}\r\nformat: WARC File Format 1.1\r\nrobots: obey\r\n".encode()
    return _record("warcinfo", [("WARC-Filename", name), ("Content-Type", "application/warc-fields")], fields)


def response(url: str, at_s: float, status: int, headers: Headers, body: bytes, digest: str) -> bytes:
    """One answer. The body is stored as it was meant: without transfer and content encoding.

    >>> record = response("http://example.org/", 0.0, 200, [("Content-Type", "text/plain")], b"hi", "00")
    >>> gzip.decompress(record).splitlines()[0]
    b'WARC/1.1'
    """
    left_out = ("content-length", "transfer-encoding", "content-encoding", "connection", "set-cookie")
    head = [f"HTTP/1.1 {status} "]
    head += [f"{name}: {_one_line(value)}" for name, value in headers if name.lower() not in left_out]
    head.append(f"Content-Length: {len(body)}")
    block = ("\r\n".join(head) + "\r\n\r\n").encode("utf-8", "replace") + body
    about = [
        ("WARC-Target-URI", url),
        ("WARC-Payload-Digest", f"sha256:{digest}"),
        ("Content-Type", "application/http;msgtype=response"),
    ]
    return _record("response", about, block, at_s)


def unchanged(url: str, at_s: float, digest: str) -> bytes:
    """The answer 304: the page is the one that an earlier record holds."""
    about = [
        ("WARC-Target-URI", url),
        ("WARC-Profile", "http://netpreserve.org/warc/1.1/revisit/server-not-modified"),
        ("WARC-Payload-Digest", f"sha256:{digest}"),
        ("Content-Type", "application/http;msgtype=response"),
    ]
    return _record("revisit", about, b"HTTP/1.1 304 Not Modified\r\n\r\n", at_s)


def read_body(path: Path, place: int, length: int) -> bytes:
    """The body of the answer whose record lies at `place`, `length` bytes long."""
    with path.open("rb") as file:
        file.seek(place)
        record = zlib.decompress(file.read(length), wbits=31)
    return record.split(b"\r\n\r\n", 2)[2][:-4]


def _record(kind: str, about: Headers, block: bytes, at_s: float | None = None) -> bytes:
    at = datetime.now(UTC) if at_s is None else datetime.fromtimestamp(at_s, UTC)
    lines = [
        "WARC/1.1",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:uuid:{uuid.uuid4()}>",
        f"WARC-Date: {at:%Y-%m-%dT%H:%M:%S}Z",
        *(f"{name}: {value}" for name, value in about),
        f"Content-Length: {len(block)}",
    ]
    return gzip.compress("\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n", 6, mtime=0)


def _one_line(value: str) -> str:
    return " ".join(value.split())
