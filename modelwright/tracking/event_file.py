"""TensorBoard's event files, written from their published form: records with CRC-32C around small protobufs.

The form has not changed since 2015, and every reader of it must read old files; the packages that write it have
changed often. So these lines are written here, and TensorBoard is only needed to look.
"""

from __future__ import annotations

import itertools
import math
import os
import socket
import struct
import time
from pathlib import Path

_numbers = itertools.count()


class EventFile:
    """One event file, to which points and texts are added.

    A record is whole or absent: when the disk refuses one, the file is cut back to what was whole.
    Reference: tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto and summary.proto.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self.path = folder / name
        self._file = self.path.open("xb", buffering=0)
        self._whole = 0
        try:
            self.write(record(event_of(time.time(), 0, _bytes(3, b"brain.Event:2"))))
        except OSError:
            self.path.unlink()  # the next attempt makes another one
            raise

    def write(self, records: bytes) -> None:
        """Add whole records. Raises OSError, and the file is then as it was."""
        try:
            left = memoryview(records)
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(self._whole)
            self._file.seek(self._whole)
            raise
        self._whole += len(records)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def scalar_record(tag: str, value: float, step: int, at_s: float) -> bytes:
    """The record of one point of a curve, as a 32-bit float.

    >>> len(scalar_record("loss", 0.5, 7, 0.0))
    42
    """
    point = _bytes(1, tag.encode()) + b"\x15" + _single(value)
    return record(event_of(at_s, step, _bytes(5, _bytes(1, point))))


def text_record(tag: str, text: str, step: int, at_s: float) -> bytes:
    """The record of a text in Markdown."""
    plugin = _bytes(1, b"text")
    metadata = _bytes(1, plugin) + _number(4, 2)  # data_class: tensor
    shape = _bytes(2, _number(1, 1))  # one dimension of size 1
    tensor = _number(1, 7) + _bytes(2, shape) + _bytes(8, text.encode())  # dtype 7: string
    value = _bytes(1, tag.encode()) + _bytes(8, tensor) + _bytes(9, metadata)
    return record(event_of(at_s, step, _bytes(5, _bytes(1, value))))


def event_of(at_s: float, step: int, what: bytes) -> bytes:
    """An Event: when, at which step, what."""
    return b"\x09" + struct.pack("<d", at_s) + _number(2, step) + what


def record(data: bytes) -> bytes:
    """Length, checksum of the length, data, checksum of the data."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", _masked(crc32c(length))) + data + struct.pack("<I", _masked(crc32c(data)))


def _single(value: float) -> bytes:
    """Four bytes; a number that is too large for them is infinite."""
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", math.copysign(math.inf, value))


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        rows.append(byte)
    return tuple(rows)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """CRC-32 with Castagnoli's polynomial.

    Reference: RFC 3720, appendix B.4, whose check value this is.

    >>> hex(crc32c(bytes(32)))
    '0x8a9136aa'
    """
    table, crc = _TABLE, 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
