"""The spool: messages on the disk between their arrival and the version that holds them.

A message is acknowledged when it is here, so a broker that lets few messages wait is not held up, and a kill loses
none. The dataset's cursor says how far the spool was taken into versions, in the same commit as the rows: what comes
after is read again, and nothing before. Records have their length and checksum; a torn last one was never
acknowledged, and is cut off.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelwright.collection.streams.message import Message
from modelwright.core.store import disk_faults

_HEAD = struct.Struct("<II")
ROTATED_BYTES = 64 * 2**20


@dataclass
class Spool:
    """The spool of one stream, at `folder`. `number` and `at` say what is in versions already."""

    folder: Path
    number: int = 0
    at: int = 0
    n_marks: int = 2_000
    marks: dict[str, int] = field(default_factory=dict)
    """Marks of the last messages, oldest first: those that come again are known by them."""

    def open(self) -> list[Message]:
        """The messages that are in no version yet, in order; what is torn at the end is cut off."""
        with disk_faults(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for file in self.folder.glob("*.spool"):
                if int(file.stem) != self.number:
                    file.unlink()
            path = self._path(self.number)
            waiting, end = [], 0
            for place, plain, payload in _records(path):
                end = place + _HEAD.size + plain["size"]
                if "marks" in plain:
                    self.marks.update(plain["marks"])
                    continue
                message = Message(plain["topic"], payload, plain["us"], plain["mark"])
                self._remember(message)
                if end > self.at:
                    waiting.append(message)
            if path.exists() and path.stat().st_size > end:
                os.truncate(path, end)
        return waiting

    def write(self, messages: list[Message]) -> None:
        """Put messages on the disk, all the way."""
        with disk_faults(self.folder), self._path(self.number).open("ab") as file:
            for message in messages:
                plain = {"topic": message.topic, "us": message.received_us, "mark": message.mark}
                file.write(_record(plain, message.payload))
                self._remember(message)
            file.flush()
            os.fsync(file.fileno())

    def after(self) -> dict[str, int]:
        """What the cursor says when all that is here is in a version: the end of this file, or the next one."""
        path = self._path(self.number)
        size = path.stat().st_size if path.exists() else 0
        if size < ROTATED_BYTES:
            return {"spool": self.number, "at": size}
        with disk_faults(self.folder), self._path(self.number + 1).open("wb") as file:
            file.write(_record({"marks": self.marks}, b""))
            file.flush()
            os.fsync(file.fileno())
            return {"spool": self.number + 1, "at": file.tell()}

    def settle(self, cursor: Mapping[str, Any]) -> None:
        """The cursor was committed: go on from there."""
        before, self.number, self.at = self.number, int(cursor["spool"]), int(cursor["at"])
        if self.number != before:
            self._path(before).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.spool"

    def _remember(self, message: Message) -> None:
        if not message.mark:
            return
        self.marks.pop(message.mark, None)
        self.marks[message.mark] = message.received_us
        while len(self.marks) > self.n_marks:
            del self.marks[next(iter(self.marks))]


def _record(plain: Mapping[str, Any], payload: bytes) -> bytes:
    head = json.dumps(plain).encode()
    body = struct.pack("<I", len(head)) + head + payload
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any], bytes]]:
    """Whole records: where each begins, what it says, its payload."""
    if not path.exists():
        return
    with path.open("rb") as file:
        place = 0
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            size, checksum = _HEAD.unpack(head)
            body = file.read(size)
            if len(body) < size or zlib.crc32(body) != checksum:
                return
            (length,) = struct.unpack_from("<I", body)
            yield place, {**json.loads(body[4 : 4 + length]), "size": size}, body[4 + length :]
            place += _HEAD.size + size
