"""What stands between a Parquet file from a stranger and Polars.

Polars panics, and in threads of its own ends the process, where offsets, sizes and counts lie; it does not look
at checksums; and it refuses a few files that the format allows. So the footer and every page header are read
here first: each range must lie within the file, each count must agree with the others, each page that carries a
CRC-32 must have it. Then Polars sees the file, or a copy with a mended footer.

Reference: the Apache Parquet format, parquet.thrift.
"""

from __future__ import annotations

import base64
import binascii
import mmap
import re
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelwright.collection.scratch import scratch_path
from modelwright.collection.thrift import BINARY, I64, LIST, STRUCT, Bytes, DamageError, Fields, Reader, get, written

MAGIC = b"PAR1"
SLACK_BYTES = 64 * 2**20
LOGICAL_TYPES = range(1, 16)
_LENGTH = 8  # the footer's size in four bytes, and the magic
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3
_ODD_ZONE = re.compile(rb"\x06\0\0\0[+-]\d\d:\d\d\0")


@dataclass(frozen=True)
class Footer:
    """The description at the end of a file, and the byte at which it begins."""

    fields: Fields
    begin: int

    @property
    def elements(self) -> list[Fields]:
        """The schema, a tree in depth-first order; its root first."""
        return _structs(self.fields, 2)

    @property
    def groups(self) -> list[Fields]:
        """The row groups."""
        return _structs(self.fields, 4)


@dataclass(frozen=True)
class _Leaf:
    element: Fields
    column: int
    is_repeated: bool


def _structs(fields: Fields, number: int) -> list[Fields]:
    kind, value = fields.get(number, (LIST, (STRUCT, [])))
    if kind != LIST or (value[0] != STRUCT and value[1]):
        raise DamageError("its footer is not that of a table")
    return list(value[1])


def _whole(fields: Fields, number: int, default: int | None = None) -> int:
    """A count or an offset: a whole number, not below nought."""
    value = get(fields, number, default)
    if not isinstance(value, int) or value < 0:
        raise DamageError("a number in it is missing or below nought")
    return value


def read_footer(path: Path) -> Footer:
    """The footer. Raises `DamageError` where there is none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size < 2 * _LENGTH or file.read(4) != MAGIC:
            raise DamageError("it does not begin like Parquet, or is too short")
        file.seek(-_LENGTH, 2)
        tail = file.read()
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != MAGIC:
            raise DamageError("its footer is encrypted" if tail[4:] == b"PARE" else "it was cut short")
        if length > size - 2 * _LENGTH + 4:
            raise DamageError("its footer is said to be longer than the file")
        begin = size - _LENGTH - length
        file.seek(begin)
        raw = file.read(length)
    footer = Footer(Reader(raw, 0, len(raw)).struct(), begin)
    if not footer.elements:
        raise DamageError("it has no schema")
    return footer


def expanded_bytes(footer: Footer) -> int:
    """Bytes of all columns when they are unpacked, as the footer says."""
    return sum(_whole(group, 2) for group in footer.groups)


def column_names(footer: Footer) -> list[str]:
    """The columns of the table: what stands directly below the root of the schema."""
    names: dict[int, str] = {}
    for position, column, _ in _walk(footer.elements):
        names.setdefault(column, _name(footer.elements[position]))
    return list(names.values())


def _name(element: Fields) -> str:
    raw = get(element, 4)
    if not isinstance(raw, bytes):
        raise DamageError("a column has no name")
    return raw.decode("utf-8")


def _walk(elements: list[Fields]) -> Iterator[tuple[int, int, bool]]:
    """Position, column and whether it repeats, of every element below the root."""
    below: list[tuple[int, bool]] = [(_whole(elements[0], 5, 0), False)]
    column = -1
    for position, element in enumerate(elements[1:], 1):
        while below and not below[-1][0]:
            below.pop()
        if not below or len(below) > 32:
            raise DamageError("its schema is no tree, or too deep")
        left, is_repeated = below[-1]
        below[-1] = (left - 1, is_repeated)
        column += len(below) == 1
        is_repeated = is_repeated or get(element, 3) == 2
        yield position, column, is_repeated
        if 5 in element and get(element, 1) is None:
            below.append((_whole(element, 5), is_repeated))
    if any(left for left, _ in below):
        raise DamageError("its schema lacks columns")


def _leaves(elements: list[Fields]) -> list[_Leaf]:
    return [
        _Leaf(elements[position], column, is_repeated)
        for position, column, is_repeated in _walk(elements)
        if get(elements[position], 1) is not None
    ]


def check(path: Path, footer: Footer) -> None:
    """Hold every page of the file against the footer and its own checksum. Raises `DamageError`."""
    leaves = _leaves(footer.elements)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for group in footer.groups:
            chunks = _structs(group, 1)
            if len(chunks) != len(leaves):
                raise DamageError("a row group does not have the columns of the schema")
            for leaf, chunk in zip(leaves, chunks, strict=True):
                _check_chunk(data, leaf, chunk, _whole(group, 3), footer.begin)


def _check_chunk(data: Bytes, leaf: _Leaf, chunk: Fields, n_rows: int, end_of_pages: int) -> None:
    told = get(chunk, 3)
    if not isinstance(told, dict) or get(chunk, 1):
        raise DamageError("a column is encrypted or lies in another file")
    if get(told, 1) != get(leaf.element, 1):
        raise DamageError("a column is of another type than the schema says")
    n_values, begin, size = _whole(told, 5), _whole(told, 9), _whole(told, 7)
    if not n_rows and not n_values:
        return
    dictionary = _whole(told, 11, 0)
    if 0 < dictionary < begin:
        begin = dictionary
    if begin < len(MAGIC) or begin + size > end_of_pages:
        raise DamageError("a column lies beyond the file")
    if not leaf.is_repeated and n_values != n_rows:
        raise DamageError("a column does not have the rows of its row group")
    n_found = n_expanded = 0
    reader = Reader(data, begin, begin + size)
    while n_found < n_values:
        header = reader.struct()
        n_found += _check_page(header, reader, is_packed=get(told, 4, 0) != 0)
        n_expanded += _whole(header, 2)
    if n_found != n_values:
        raise DamageError("the pages of a column do not hold the values that the footer says")
    if n_expanded > max(SLACK_BYTES, 2 * _whole(told, 6)):
        raise DamageError("the pages of a column are larger than the footer says")


def _check_page(header: Fields, reader: Reader, *, is_packed: bool) -> int:
    """Number of values in a page; the reader moves behind it."""
    kind, expanded, packed = get(header, 1), _whole(header, 2), _whole(header, 3)
    page = reader.take(packed)
    if 4 in header and zlib.crc32(page) != get(header, 4) & 0xFFFFFFFF:
        raise DamageError("a page does not have its checksum")
    if kind not in (_DATA, _DICTIONARY, _DATA_2):
        return 0
    told = get(header, {_DATA: 5, _DICTIONARY: 7, _DATA_2: 8}[kind])
    if not isinstance(told, dict):
        raise DamageError("a page lacks its description")
    n_values = _whole(told, 1)
    if kind == _DATA_2:
        is_packed = is_packed and bool(get(told, 7, True))
        levels = _whole(told, 5) + _whole(told, 6)
        if _whole(told, 2) > n_values or _whole(told, 3) > n_values or levels > min(packed, expanded):
            raise DamageError("a page has more nulls, rows or levels than values")
    if not is_packed and packed != expanded:
        raise DamageError("a page that is not packed has two sizes")
    return 0 if kind == _DICTIONARY else n_values


def mended(path: Path, footer: Footer) -> Path:
    """The file itself; or, where Polars would refuse what the format allows, a copy in scratch with another footer.

    Mended: logical types that are newer than Polars (a reader may pass over them), a number of rows that
    the row groups do not have, columns of the same name (numbered: the caller knows the names), and
    offsets such as +05:30 as zones (the moments are in UTC, whatever the zone).
    """
    is_mended = _drop_unknown(footer)
    names = column_names(footer)
    if len(set(names)) < len(names):
        _number_columns(footer)
        is_mended = True
    if not (_mend_zones(footer) or is_mended):
        return path
    copy, raw = scratch_path(".parquet"), written(footer.fields)
    shutil.copyfile(path, copy)
    with copy.open("r+b") as file:
        file.truncate(footer.begin)
        file.seek(footer.begin)
        file.write(raw + len(raw).to_bytes(4, "little") + MAGIC)
    return copy


def _drop_unknown(footer: Footer) -> bool:
    """Leave out logical types that may be left out, and set a wrong number of rows right; whether there was any."""
    n_rows = sum(_whole(group, 3) for group in footer.groups)
    is_mended = bool(get(footer.fields, 3) != n_rows)
    footer.fields[3] = (I64, n_rows)
    for element in footer.elements:
        logical = get(element, 10)
        if isinstance(logical, dict) and not any(number in LOGICAL_TYPES for number in logical):
            del element[10]
            is_mended = True
    return is_mended


def _number_columns(footer: Footer) -> None:
    """Name the columns by number, in the schema and in each row group; what else names them is left out."""
    named: set[int] = set()
    for position, column, _ in _walk(footer.elements):
        if column not in named:
            footer.elements[position][4] = (BINARY, b"%d" % column)
            named.add(column)
    for group in footer.groups:
        for leaf, chunk in zip(_leaves(footer.elements), _structs(group, 1), strict=True):
            told = get(chunk, 3)
            _, path = get(told, 3, (BINARY, []))
            told[3] = (LIST, (BINARY, [b"%d" % leaf.column, *path[1:]]))
    footer.fields.pop(5, None)


def _mend_zones(footer: Footer) -> bool:
    n_mended = 0
    for pair in _structs(footer.fields, 5):
        if get(pair, 1) == b"ARROW:schema" and 2 in pair:
            try:
                schema = base64.b64decode(get(pair, 2))
            except binascii.Error:
                continue
            if _ODD_ZONE.search(schema):
                pair[2] = (BINARY, base64.b64encode(zones_to_utc(schema)))
                n_mended += 1
    return n_mended > 0


def zones_to_utc(raw: Any) -> bytes:
    """The bytes of an Arrow schema with UTC in place of zones such as +05:30, none longer or shorter.

    >>> zones_to_utc(bytes([6, 0, 0, 0]) + b"+05:30" + bytes(1))
    b'\\x03\\x00\\x00\\x00UTC\\x00\\x00\\x00\\x00'
    """
    return _ODD_ZONE.sub(b"\x03\0\0\0UTC\0\0\0\0", raw)
