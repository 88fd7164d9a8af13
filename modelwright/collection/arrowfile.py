"""What stands between an Arrow file or stream from a stranger and Polars.

Polars panics, ends the process or asks for absurd memory where the offsets and sizes of an Arrow file lie. So
every message is read here first: each buffer must lie within its message, each count must fit.

Reference: the Apache Arrow columnar format, Message.fbs, Schema.fbs and File.fbs; FlatBuffers internals.
"""

from __future__ import annotations

import mmap
import string
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelwright.collection.parquetfile import zones_to_utc
from modelwright.collection.thrift import Bytes, DamageError

MAGIC, STREAM = b"ARROW1", b"\xff\xff\xff\xff"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_MOST_DEPTH = 32
_NULL, _INT, _FLOAT, _BINARY, _UTF8, _BOOL, _DECIMAL, _DATE, _TIME, _MOMENT = range(1, 11)
_LIST, _STRUCT, _BYTES, _SIZED_LIST, _MAP, _SPAN = 12, 13, 15, 16, 17, 18
_LARGE_BINARY, _LARGE_UTF8, _LARGE_LIST, _BINARY_VIEW, _UTF8_VIEW = 19, 20, 21, 23, 24
_OFFSETS = {_BINARY: 32, _UTF8: 32, _LIST: 32, _MAP: 32, _LARGE_BINARY: 64, _LARGE_UTF8: 64, _LARGE_LIST: 64}
_PLAIN_BITS = {_BOOL: 1, _MOMENT: 64, _SPAN: 64, _BINARY_VIEW: 128, _UTF8_VIEW: 128}
_WITH_BYTES = (_BINARY, _UTF8, _LARGE_BINARY, _LARGE_UTF8)


@dataclass(frozen=True)
class _Table:
    """A FlatBuffers table: fields found through a table of offsets, each within bounds."""

    data: bytes
    position: int

    def number(self, form: str, position: int) -> int:
        size = struct.calcsize(form)
        if position < 0 or position + size > len(self.data):
            raise DamageError("its description points beyond itself")
        return int(struct.unpack_from(form, self.data, position)[0])

    def _place(self, field: int) -> int:
        """Where a field lies; 0 where it is absent."""
        offsets = self.position - self.number("<i", self.position)
        place = 4 + 2 * field
        if place + 2 > self.number("<H", offsets):
            return 0
        offset = self.number("<H", offsets + place)
        return self.position + offset if offset else 0

    def value(self, form: str, field: int, default: int = 0) -> int:
        place = self._place(field)
        return self.number(form, place) if place else default

    def table(self, field: int) -> _Table | None:
        place = self._place(field)
        return _Table(self.data, place + self.number("<I", place)) if place else None

    def many(self, field: int, size: int) -> list[int]:
        """Where each element of a list lies; `size` in bytes."""
        place = self._place(field)
        if not place:
            return []
        begin = place + self.number("<I", place)
        count = self.number("<I", begin)
        if begin + 4 + count * size > len(self.data):
            raise DamageError("a list in its description is longer than it")
        return [begin + 4 + index * size for index in range(count)]

    def tables(self, field: int) -> list[_Table]:
        return [_Table(self.data, place + self.number("<I", place)) for place in self.many(field, 4)]


@dataclass(frozen=True)
class _Column:
    """A column of a batch, or a part of one: how many buffers it has and how wide its values are."""

    depth: int
    n_buffers: int
    bits: int
    has_offsets: bool
    is_view: bool = False


@dataclass(frozen=True)
class _Message:
    kind: int
    header: _Table
    body: int
    size: int


@dataclass(frozen=True)
class _Schema:
    columns: list[_Column]
    dictionaries: dict[int, list[_Column]]


def check(path: Path) -> int:
    """Hold every message of a file or stream against its bytes; the size of all buffers when they are unpacked.

    Raises `DamageError`.
    """
    if path.stat().st_size < 8:
        raise DamageError("it was cut short")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        schema: _Schema | None = None
        n_bytes = 0
        for message in _of_file(data) if data[:6] == MAGIC else _of_stream(data):
            if message.kind == _SCHEMA:
                schema = _schema(message.header)
            elif schema is None:
                raise DamageError("it does not begin with its schema")
            elif message.kind == _BATCH:
                n_bytes += _check_batch(data, message, message.header, schema.columns)
            elif message.kind == _DICTIONARY:
                columns = schema.dictionaries.get(message.header.value("<q", 0))
                inner = message.header.table(1)
                if columns is None or inner is None:
                    raise DamageError("a dictionary belongs to no column")
                n_bytes += _check_batch(data, message, inner, columns)
        if schema is None:
            raise DamageError("it has no schema")
    return n_bytes


@dataclass(frozen=True)
class Batch:
    """Where a batch of an uncompressed file lies: for each column, in order, its buffers as (begin, bytes) in the file,
    those of what it holds included."""

    n_rows: int
    columns: list[list[tuple[int, int]]]


def batches(data: Bytes) -> list[Batch]:
    """The batches of an uncompressed Arrow file, for a reader that goes to its cells without reading the rest.

    Raises `DamageError`, also where a batch is packed or a column has a dictionary.
    """
    found: list[Batch] = []
    schema = _Schema([], {})
    for message in _of_file(data):
        if message.kind == _SCHEMA:
            schema = _schema(message.header)
            continue
        _check_batch(data, message, message.header, schema.columns)
        if message.kind != _BATCH or message.header.table(3) is not None:
            raise DamageError("it is packed")
        places = message.header.many(2, 16)
        columns: list[list[tuple[int, int]]] = []
        at = 0
        for column in schema.columns:
            if column.depth == 0:
                columns.append([])
            for place in places[at : at + column.n_buffers]:
                begin = message.body + message.header.number("<q", place)
                columns[-1].append((begin, message.header.number("<q", place + 8)))
            at += column.n_buffers
        found.append(Batch(message.header.value("<q", 0), columns))
    return found


def _message(data: Bytes, position: int) -> _Message | None:
    """The message at a position; nothing where the stream ends."""
    if position + 4 > len(data):
        return None
    length = int.from_bytes(data[position : position + 4], "little")
    position += 4
    if length == 0xFFFFFFFF:
        length = int.from_bytes(data[position : position + 4], "little")
        position += 4
    if length == 0:
        return None
    if position + length > len(data):
        raise DamageError("it was cut short")
    table = _root(bytes(data[position : position + length]))
    header, size = table.table(2), table.value("<q", 3)
    if header is None or size < 0 or position + length + size > len(data):
        raise DamageError("a part of it lies beyond its end")
    return _Message(table.value("<B", 1), header, position + length, size)


def _root(raw: bytes) -> _Table:
    return _Table(raw, _Table(raw, 0).number("<I", 0))


def _of_stream(data: Bytes) -> Iterator[_Message]:
    position = 0
    while (message := _message(data, position)) is not None:
        yield message
        position = message.body + message.size


def _of_file(data: Bytes) -> Iterator[_Message]:
    """The schema of the footer, and every message that the footer points to."""
    end = len(data) - len(MAGIC) - 4
    length = int.from_bytes(data[end : end + 4], "little")
    if data[-len(MAGIC) :] != MAGIC or not 0 < length <= end - 8:
        raise DamageError("it was cut short")
    footer = _root(bytes(data[end - length : end]))
    schema = footer.table(1)
    if schema is None:
        raise DamageError("it has no schema")
    yield _Message(_SCHEMA, schema, 0, 0)
    for field in (2, 3):
        for place in footer.many(field, 24):
            offset, size = footer.number("<q", place), footer.number("<q", place + 16)
            message = _message(data, offset) if offset >= 8 else None
            if message is None or message.size != size or message.body != offset + footer.number("<i", place + 8):
                raise DamageError("its footer points to what is no part of it")
            if message.kind != (_DICTIONARY if field == 2 else _BATCH):
                raise DamageError("a part of it is of another kind than its footer says")
            yield message


def _schema(table: _Table) -> _Schema:
    schema = _Schema([], {})
    if table.value("<h", 0):
        raise DamageError("its bytes are in big-endian order")
    for field in table.tables(1):
        _add(field, 0, schema.columns, schema)
    return schema


def _add(field: _Table, depth: int, columns: list[_Column], schema: _Schema) -> None:
    """A field and what it holds, in the order in which a batch has them."""
    if depth > _MOST_DEPTH:
        raise DamageError("its columns are nested too deeply")
    dictionary = field.table(4)
    if dictionary is not None:
        index = dictionary.table(1)
        columns.append(_Column(depth, 2, index.value("<i", 0, 32) if index else 32, False))
        columns, depth = schema.dictionaries.setdefault(dictionary.value("<q", 0), []), 0
        if columns:
            return
    columns.append(_column(field.value("<B", 2), field.table(3), depth))
    for inner in field.tables(5):
        _add(inner, depth + 1, columns, schema)


def _column(kind: int, told: _Table | None, depth: int) -> _Column:
    if told is None:
        raise DamageError("a column has no type")
    if kind in _OFFSETS:
        return _Column(depth, 3 if kind in _WITH_BYTES else 2, _OFFSETS[kind], True)
    if kind in (_NULL, _STRUCT, _SIZED_LIST):
        return _Column(depth, int(kind != _NULL), 0, False)
    if kind in _PLAIN_BITS:
        bits = _PLAIN_BITS[kind]
    elif kind == _INT:
        bits = told.value("<i", 0)
    elif kind == _FLOAT:
        bits = 16 << told.value("<h", 0) if 0 <= told.value("<h", 0) < 3 else 0
    elif kind == _DECIMAL:
        bits = told.value("<i", 2, 128)
    elif kind == _DATE:
        bits = 64 if told.value("<h", 0, 1) else 32
    elif kind == _TIME:
        bits = told.value("<i", 1, 32)
    elif kind == _BYTES:
        bits = told.value("<i", 0) * 8
    else:
        raise DamageError("it has a column of a type that is not supported, such as a union")
    if bits < 0:
        raise DamageError("a column has values of no size")
    return _Column(depth, 2, bits, False, kind in (_BINARY_VIEW, _UTF8_VIEW))


def _check_batch(data: Bytes, message: _Message, batch: _Table, columns: list[_Column]) -> int:
    """Bytes of a batch when it is unpacked."""
    n_rows, sizes = batch.value("<q", 0), _buffer_sizes(data, message, batch)
    nodes = [(batch.number("<q", place), batch.number("<q", place + 8)) for place in batch.many(1, 16)]
    extra = sum(batch.number("<q", place) for place in batch.many(4, 8))
    if len(nodes) != len(columns) or sum(column.n_buffers for column in columns) + extra != len(sizes):
        raise DamageError("a batch does not have the columns of the schema")
    position = 0
    views = iter([batch.number("<q", place) for place in batch.many(4, 8)])
    for (length, n_nulls), column in zip(nodes, columns, strict=True):
        if not 0 <= n_nulls <= length or (column.depth == 0 and length != n_rows):
            raise DamageError("a column does not have the rows of its batch")
        mine = sizes[position : position + column.n_buffers]
        position += column.n_buffers
        if mine and n_nulls and mine[0] < (length + 7) // 8:
            raise DamageError("a column has fewer marks of missing values than rows")
        if len(mine) > 1 and length and mine[1] < ((length + column.has_offsets) * column.bits + 7) // 8:
            raise DamageError("a column is shorter than its rows")
        if column.is_view:
            more = next(views, -1)
            if not 0 <= more <= len(sizes) - position:
                raise DamageError("a column has texts that lie nowhere")
            position += more
    return sum(sizes) + n_rows // 8


def _buffer_sizes(data: Bytes, message: _Message, batch: _Table) -> list[int]:
    """The size of each buffer when it is unpacked."""
    is_packed, sizes = batch.table(3) is not None, []
    for place in batch.many(2, 16):
        offset, size = batch.number("<q", place), batch.number("<q", place + 8)
        if offset < 0 or size < 0 or offset + size > message.size:
            raise DamageError("a column lies beyond its batch")
        if is_packed and size:
            begin = message.body + offset
            told = int.from_bytes(data[begin : begin + 8], "little", signed=True) if size >= 8 else -2
            if told < -1:
                raise DamageError("a packed column has no size")
            size = size - 8 if told == -1 else told
        sizes.append(size)
    return sizes


def mended(path: Path) -> tuple[bytes | None, list[str]]:
    """The whole file with what Polars would refuse mended, if it has any; and the names of its columns.

    Mended, byte for byte in place: names that stand twice, and zones such as +05:30 (the moments are in UTC).
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        begin, schema = _description(data)
        fields = [_name(field) for field in schema.tables(1)]
        labels = [raw.decode("utf-8") for _, raw in fields]
        region = bytearray(zones_to_utc(schema.data))
        if len(set(labels)) == len(labels) and region == schema.data:
            return None, labels
        whole = bytearray(data)
    taken = set(labels)
    for index, (place, raw) in enumerate(fields):
        if labels[index] in labels[:index]:
            other = _other(len(raw), taken)
            region[place : place + len(raw)] = other.encode()
            taken.add(other)
    whole[begin : begin + len(region)] = region
    return bytes(whole), labels


def _description(data: Bytes) -> tuple[int, _Table]:
    """Where the schema that a reader goes by begins, and the schema: a file's footer, or a stream's first message."""
    if data[: len(MAGIC)] == MAGIC:
        end = len(data) - len(MAGIC) - 4
        begin = end - int.from_bytes(data[end : end + 4], "little")
        schema = _root(bytes(data[begin:end])).table(1)
    else:
        first = _message(data, 0)
        schema = first.header if first else None
        begin = first.body - len(first.header.data) if first else 0
    if schema is None:
        raise DamageError("it has no schema")
    return begin, schema


def _name(field: _Table) -> tuple[int, bytes]:
    """Where a column's name lies in the description, and the name."""
    places = field.many(0, 1)
    return (places[0], bytes(field.data[places[0] : places[-1] + 1])) if places else (0, b"")


def _other(length: int, taken: set[str]) -> str:
    """A name of as many bytes that no column has."""
    for number in range(len(taken) + 1):
        name = f"{number:0{max(length, 1)}d}"
        if len(name) == length and name not in taken:
            return name
    for letter in string.ascii_letters:
        if letter * length not in taken and length:
            return letter * length
    raise DamageError("two of its columns have the same name")
