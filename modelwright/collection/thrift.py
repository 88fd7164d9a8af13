"""Thrift's compact protocol, in which Parquet keeps its footer and its page headers: read strictly, written back.

Every count is held against the bytes that are left, and nesting against a limit, so a lie costs neither
memory nor stack. Reference: the Apache Thrift compact protocol specification.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
MOST_DEPTH = 64

Fields = dict[int, tuple[int, Any]]
"""A struct: field number -> (type, value). A list is (type of its elements, elements)."""


class Bytes(Protocol):
    """What can be read from: bytes, or a file mapped into memory."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


class DamageError(ValueError):
    """The bytes are not what their format says."""


class Reader:
    """Reads values from `position` to `end` and moves on."""

    def __init__(self, data: Bytes, position: int, end: int) -> None:
        self.data, self.position, self.end = data, position, end

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size < 0 or size > self.end - self.position:
            raise DamageError("its description ends too early")
        self.position += size
        return bytes(self.data[self.position - size : self.position])

    def varint(self) -> int:
        """A whole number of at most 64 bits, without sign."""
        value = 0
        for shift in range(0, 70, 7):
            (byte,) = self.take(1)
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise DamageError("a number in its description has no end")

    def integer(self) -> int:
        """A whole number with sign."""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def struct(self, depth: int = 0) -> Fields:
        """A struct to its end."""
        fields: Fields = {}
        number = 0
        while True:
            (head,) = self.take(1)
            if not head:
                return fields
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self.integer()
            if number in fields:
                raise DamageError("a field of its description stands twice")
            fields[number] = (kind, kind == TRUE if kind in (TRUE, FALSE) else self.value(kind, depth + 1))

    def value(self, kind: int, depth: int) -> Any:
        """One value of a type."""
        if depth > MOST_DEPTH:
            raise DamageError("its description is nested too deeply")
        if kind in (TRUE, FALSE, BYTE):
            return self.take(1)[0]
        if kind in (I16, I32, I64):
            return self.integer()
        if kind == DOUBLE:
            return self.take(8)
        if kind == BINARY:
            return self.take(self.varint())
        if kind in (LIST, SET):
            (head,) = self.take(1)
            size = head >> 4 if head >> 4 < 15 else self.varint()
            return head & 15, [self.value(head & 15, depth + 1) for _ in range(self._fits(size))]
        if kind == MAP:
            size = self._fits(self.varint())
            (kinds,) = self.take(1) if size else b"\0"
            return kinds, [(self.value(kinds >> 4, depth + 1), self.value(kinds & 15, depth + 1)) for _ in range(size)]
        if kind == STRUCT:
            return self.struct(depth)
        raise DamageError("its description has a value of no known type")

    def _fits(self, size: int) -> int:
        if size > self.end - self.position:  # an element takes a byte at least
            raise DamageError("a list in its description is longer than the file")
        return size


def get(fields: Fields, number: int, default: Any = None) -> Any:
    """The value of a field.

    >>> get({1: (I32, 7)}, 1), get({}, 1, 0)
    (7, 0)
    """
    return fields[number][1] if number in fields else default


def written(fields: Fields) -> bytes:
    """A struct as bytes again.

    >>> raw = written({1: (I32, -7), 40: (LIST, (BINARY, [b"a", b""])), 41: (TRUE, True)})
    >>> Reader(raw, 0, len(raw)).struct()
    {1: (5, -7), 40: (9, (8, [b'a', b''])), 41: (1, True)}
    """
    out, before = bytearray(), 0
    for number, (kind, value) in fields.items():
        if 0 < number - before < 16:
            out.append((number - before) << 4 | kind)
        else:
            out.append(kind)
            out += _varint(number << 1)
        before = number
        if kind not in (TRUE, FALSE):
            out += _value(kind, value)
    return bytes(out + b"\0")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _many(pair: tuple[int, list[Any]]) -> bytes:
    kind, values = pair
    head = bytes([len(values) << 4 | kind]) if len(values) < 15 else bytes([15 << 4 | kind]) + _varint(len(values))
    return head + b"".join(_value(kind, value) for value in values)


def _map(pair: tuple[int, list[Any]]) -> bytes:
    kinds, pairs = pair
    body = b"".join(_value(kinds >> 4, key) + _value(kinds & 15, value) for key, value in pairs)
    return _varint(len(pairs)) + (bytes([kinds]) + body if pairs else b"")


def _value(kind: int, value: Any) -> bytes:
    if kind in (TRUE, FALSE, BYTE):
        return bytes([value])
    if kind in (I16, I32, I64):
        return _varint(((value << 1) ^ (value >> 63)) & (2**64 - 1))
    if kind == DOUBLE:
        return bytes(value)
    if kind == BINARY:
        return _varint(len(value)) + bytes(value)
    writers: dict[int, Callable[[Any], bytes]] = {LIST: _many, SET: _many, MAP: _map, STRUCT: written}
    return writers[kind](value)
