"""Append-only files of records: what was predicted, and what turned out to be true.

A segment is a file of frames: length, its CRC-32, the payload's, and a msgpack list of entries. Frames are appended
whole; a kill can only cut the last one short, which a reader passes over. Damage anywhere else is told, never read as
data.
Reference: the log of LevelDB (records with checksums, a torn tail is dropped).
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import struct
import threading
import time
import uuid
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from modelwright_runtime.deployment import LogSettings
from modelwright_runtime.errors import SystemFault

LOG = logging.getLogger("modelwright_runtime")
MAGIC = b"WRSEG\x02\r\n"
_SIZE = struct.Struct("<I")
_HEAD = struct.Struct("<III")
MAX_FRAME_BYTES = 2**28
FLUSH_S = 0.25
SYNC_S = 1.0
FRAME_ROWS = 4_000  # of a wide table about a megabyte: room that is found again, where more is fetched anew each time
SEGMENT_BYTES = 64_000_000
MOST_WAITING = 200_000  # rows; beyond, rows are counted and not kept
LONG_CELL = 1_000  # characters; a longer cell, such as a picture, is kept as its digest
_encode = msgspec.msgpack.Encoder().encode


class Asked(NamedTuple):
    """One answered request: `rows` as they were sent (dicts, or a float64 matrix in the order of `columns`), and the
    `answers` as columns. Of several rows the ids are `<id>.<position>`."""

    id: str
    time_s: float
    version: int
    role: str
    latency_s: float
    rows: Sequence[Mapping[str, Any]] | np.ndarray
    columns: tuple[str, ...]
    answers: Mapping[str, Sequence[Any]]


def row_ids(request_id: str, n_rows: int) -> list[str]:
    """The ids of the rows of a request.

    >>> row_ids("a", 1), row_ids("a", 2)
    (['a'], ['a.0', 'a.1'])
    """
    return [request_id] if n_rows == 1 else [f"{request_id}.{index}" for index in range(n_rows)]


# Segments ------------------------------------------------------------------------------------------------------------


class SegmentWriter:
    """Appends frames to segments in a folder; a new segment begins when one is large."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = folder
        self.segment_bytes = segment_bytes
        self.handle: int | None = None
        self.size = 0
        self.unsynced = False

    def append(self, entries: Any) -> None:
        """Write one frame. What fits the disk is there whole, or the next reader passes over it."""
        payload = _encode(entries)
        if len(payload) > MAX_FRAME_BYTES:
            raise SystemFault("log.frame", f"a frame of {len(payload):,} bytes; at most {MAX_FRAME_BYTES:,} are kept.")
        frame = framed(payload)
        if self.handle is None or self.size + len(frame) > self.segment_bytes:
            self._begin()
        assert self.handle is not None
        at = self.size
        try:
            _write_all(self.handle, frame)
        except OSError:
            os.ftruncate(self.handle, at)  # a frame is there whole or not at all: the next one follows the last good
            raise
        self.size += len(frame)
        self.unsynced = True

    def sync(self) -> None:
        """Make what was written last through a loss of power."""
        if self.handle is not None and self.unsynced:
            os.fsync(self.handle)
            self.unsynced = False

    def close(self) -> None:
        if self.handle is not None:
            self.sync()
            os.close(self.handle)
            self.handle = None

    def _begin(self) -> None:
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.seg"
        self.handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        _write_all(self.handle, MAGIC)
        self.size = len(MAGIC)


def framed(payload: bytes) -> bytes:
    """A payload behind its length and the checksums of both: a damaged length is no frame that was cut short."""
    return _HEAD.pack(len(payload), zlib.crc32(_SIZE.pack(len(payload))), zlib.crc32(payload)) + payload


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _frames(path: Path, problems: list[str]) -> Iterator[list[Any]]:
    """Frames of a segment; what is damaged is told in `problems` and passed over."""
    with path.open("rb") as file:
        if (magic := file.read(len(MAGIC))) != MAGIC:
            if not MAGIC.startswith(magic):
                problems.append(f"{path.name}: it is no segment of this version")
            return
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            size, of_size, of_payload = _HEAD.unpack(head)
            is_whole = of_size == zlib.crc32(head[: _SIZE.size]) and size <= MAX_FRAME_BYTES
            payload = file.read(size) if is_whole else b""
            if is_whole and len(payload) < size:
                return  # being written, or cut short by a kill
            if not is_whole or zlib.crc32(payload) != of_payload:
                start = file.tell() - len(head) - len(payload)
                problems.append(f"{path.name}: damaged at byte {start:,}; the rest of it is passed over")
                return
            yield msgspec.msgpack.decode(payload)


def segments(folder: Path) -> list[Path]:
    """The segments of a folder, the oldest first."""
    return sorted(folder.glob("*.seg")) if folder.is_dir() else []


def forget(folder: Path, settings: LogSettings, *, now_s: float) -> int:
    """Remove segments beyond the retention, the oldest first; how many. The newest always stays."""
    listed = segments(folder)[:-1]
    sizes = {path: path.stat().st_size for path in listed}
    total, n_removed = sum(sizes.values()), 0
    for path in listed:
        age_days = (now_s - path.stat().st_mtime) / 86_400
        if age_days > settings.keep_days or total > settings.keep_bytes:
            path.unlink(missing_ok=True)
            total -= sizes[path]
            n_removed += 1
    return n_removed


# Writing beside the answers ------------------------------------------------------------------------------------------


class Recorder:
    """Keeps what was asked, beside the answering: `put` costs a list append, a thread writes four times a second.

    What waits is bounded; what does not fit is counted in `n_lost`, as is what a full disk refuses.
    """

    def __init__(self, folder: Path, settings: LogSettings) -> None:
        self.settings = settings
        self.writer = SegmentWriter(folder)
        self.waiting: deque[Asked] = deque()
        self.n_waiting = 0
        self.n_kept = self.n_lost = 0
        self.salt = _salt(folder.parent) if settings.hash else b""
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.thread.start()

    def put(self, asked: Asked) -> None:
        """Keep a request, if it is in the sample and there is room."""
        n_rows = len(asked.rows)
        if self.settings.share < 1.0 and not in_share(asked.id, self.settings.share, of="log"):
            return
        if self.n_waiting + n_rows > MOST_WAITING:
            self.n_lost += n_rows
            return
        self.n_waiting += n_rows
        self.waiting.append(asked)

    def close(self) -> None:
        """Write what waits, and end."""
        self.stopping.set()
        self.thread.join(timeout=30)

    def _run(self) -> None:
        synced = forgotten = time.monotonic()
        while True:
            last = self.stopping.wait(FLUSH_S)
            began = time.monotonic()
            while self.waiting and (last or time.monotonic() - began < SYNC_S):
                self._flush()
            now = time.monotonic()
            if now - synced >= SYNC_S or last:
                synced = now
                self._try(self.writer.sync)
            if now - forgotten >= 3600.0:
                forgotten = now
                self._try(lambda: forget(self.writer.folder, self.settings, now_s=time.time()))
            if last:
                self._try(self.writer.close)
                return

    def _flush(self) -> None:
        taken: list[Asked] = []
        n_rows = 0
        while self.waiting and n_rows < FRAME_ROWS:
            taken.append(self.waiting.popleft())
            n_rows += len(taken[-1].rows)
        if self._try(lambda: self.writer.append(self._entries(taken))):
            self.n_kept += n_rows
        else:
            self.n_lost += n_rows
        self.n_waiting -= n_rows

    def _try(self, do: Callable[[], object]) -> bool:
        """A full disk must not end the answering: what could not be kept is counted and told."""
        try:
            do()
        except OSError as problem:
            LOG.error("the prediction log cannot be written: %s", problem.strerror)
            return False
        return True

    def _entries(self, taken: Sequence[Asked]) -> list[list[Any]]:
        """As they are written: of equal columns, one after the other, the names are written once."""
        entries, before = list(map(self._plain, taken)), None
        for entry in entries:
            columns = entry[5]
            if columns is before or columns == before:
                entry[5] = None
            before = columns
        return entries

    def _plain(self, asked: Asked) -> list[Any]:
        columns, hidden = asked.columns, self.settings.leave_out
        rows: Any
        if isinstance(asked.rows, np.ndarray) and not hidden and not self.settings.hash:
            with np.errstate(over="ignore"):
                narrow = asked.rows.astype("<f4")
            is_whole = bool(((narrow == asked.rows) | np.isnan(asked.rows)).all())  # nothing is lost: half the room
            rows = [list(asked.rows.shape), (narrow if is_whole else asked.rows.astype("<f8")).tobytes()]
        else:
            listed = asked.rows.tolist() if isinstance(asked.rows, np.ndarray) else asked.rows
            kept = [name for name in columns if name not in hidden]
            if isinstance(asked.rows, np.ndarray):
                listed = [dict(zip(columns, cells, strict=True)) for cells in listed]
            elif isinstance(listed, Mapping):
                cells_of = [value.tolist() if hasattr(value, "tolist") else value for value in listed.values()]
                listed = [dict(zip(listed, cells, strict=True)) for cells in zip(*cells_of, strict=True)]
            rows = [self._cells(kept, row) for row in listed]
            columns = tuple(kept)
        return [asked.id, asked.time_s, asked.version, asked.role, asked.latency_s, columns, rows,
                {name: list(column) for name, column in asked.answers.items()}]  # fmt: skip

    def _cells(self, names: Sequence[str], row: Mapping[str, Any]) -> list[Any]:
        cells = [row[name] for name in names]
        if not self.settings.hash and not {str, bytes}.intersection(map(type, cells)):
            return cells
        return [self._cell(name, cell) for name, cell in zip(names, cells, strict=True)]

    def _cell(self, name: str, cell: Any) -> Any:
        if name in self.settings.hash:
            return hashlib.blake2b(repr(cell).encode(), key=self.salt, digest_size=16).hexdigest()
        if isinstance(cell, (str, bytes)) and len(cell) > LONG_CELL:
            return "sha256:" + hashlib.sha256(cell.encode() if isinstance(cell, str) else cell).hexdigest()
        return cell


def in_share(key: str, share: float, *, of: str = "") -> bool:
    """Whether a key falls into a share (0..1) of all keys: always the same answer for the same key.

    Shares `of` different things (at most 16 letters) are independent of one another.

    >>> in_share("a", 1.0), in_share("a", 0.0)
    (True, False)
    """
    mixed = hashlib.blake2b(key.encode(), digest_size=4, person=of.encode())
    return int.from_bytes(mixed.digest()) < share * 2**32


def _salt(folder: Path) -> bytes:
    """What hashed cells are hashed with: known to this folder alone, so that they cannot be guessed elsewhere."""
    place = folder / "salt"
    try:
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return place.read_bytes()
    try:
        os.write(handle, os.urandom(32))
    finally:
        os.close(handle)
    return place.read_bytes()


# Reading -------------------------------------------------------------------------------------------------------------


def asked(folder: Path, *, most_rows: int | None = None) -> tuple[list[Asked], list[str]]:
    """What was asked, in the order of writing, and what was damaged. With `most_rows`, the newest segments only, until
    so many rows are there (a segment is read whole)."""
    problems: list[str] = []
    parts: list[list[Asked]] = []
    n_rows = 0
    for path in reversed(segments(folder)):
        found = []
        for frame in _frames(path, problems):
            columns: tuple[str, ...] = ()
            for entry in frame:
                columns = columns if entry[5] is None else tuple(entry[5])
                found.append(_asked(entry, columns))
        parts.append(found)
        n_rows += sum(len(one.rows) for one in found)
        if most_rows is not None and n_rows >= most_rows:
            break
    return [one for part in reversed(parts) for one in part], problems


def _asked(entry: list[Any], columns: tuple[str, ...]) -> Asked:
    request_id, time_s, version, role, latency_s, _, rows, answers = entry
    kept: Any
    if len(rows) == 2 and isinstance(rows[1], bytes):
        size, data = rows
        kept = (
            np.frombuffer(data, "<f4" if len(data) == 4 * math.prod(size) else "<f8").astype(np.float64).reshape(size)
        )
    else:
        kept = [dict(zip(columns, cells, strict=True)) for cells in rows]
    return Asked(request_id, time_s, version, role, latency_s, kept, columns, answers)


def keep_truth(folder: Path, truths: Sequence[tuple[str, Any, float]]) -> int:
    """Keep what turned out to be true: (row id, value, seconds since 1970) each; how many. On disk when it returns."""
    writer = SegmentWriter(folder)
    try:
        for start in range(0, len(truths), 100_000):
            writer.append([list(truth) for truth in truths[start : start + 100_000]])
    except OSError as problem:
        raise SystemFault("feedback.write", f"{folder} cannot be written: {problem.strerror}.") from None
    finally:
        writer.close()
    return len(truths)


def truths(folder: Path) -> tuple[dict[str, tuple[Any, float]], list[str]]:
    """What turned out to be true, by row id; of several the last one that came. And what was damaged."""
    problems: list[str] = []
    found = {
        row_id: (value, time_s)
        for path in segments(folder)
        for frame in _frames(path, problems)
        for row_id, value, time_s in frame
    }
    return found, problems
