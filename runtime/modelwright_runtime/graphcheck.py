"""A look into an ONNX graph before onnxruntime sees it: no data outside the file, no foreign operators.

The graph is a protocol buffer; this walks it (https://protobuf.dev/programming-guides/encoding/, fields of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) without the `onnx` package, which is not deployed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from modelwright_runtime.errors import UserError

DOMAINS = frozenset({b"", b"ai.onnx", b"ai.onnx.ml"})
MAX_SUBGRAPHS = 16  # graphs within graphs (If, Loop, Scan)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Tree ensembles hold millions of floats and ints as single fields of an attribute: passed over in one match.
# `++` never goes back, so it needs no memory for that.
_ARRAYS = re.compile(rb"(?:\x3d.{4})++|(?:\x40[\x80-\xff]{0,9}+[\x00-\x7f])++", re.DOTALL)

Check = Callable[[bytes, int, int, int], None]


def check_graph(graph: bytes) -> None:
    """Raise `UserError("package.graph")` unless the graph is whole in itself and uses standard operators only.

    Cost: about 20 ms for a graph of 10 MB.

    >>> check_graph(bytes([0xF2]))
    Traceback (most recent call last):
    modelwright_runtime.errors.UserError: the graph cannot be used: it is cut off. [package.graph]
    """
    _walk_model(graph, 0, len(graph), 0)


def _refuse(reason: str) -> UserError:
    return UserError("package.graph", f"the graph cannot be used: {reason}.")


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Each field as (number, value of a varint, start, end); start and end bound a length-delimited one."""
    place = start
    while place < end:
        tag, place = _varint(data, place, end)
        if tag >> 32:  # readers differ in what they make of it
            raise _refuse("it is no ONNX file")
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, place = _varint(data, place, end)
            yield number, value, place, place
        elif wire == _BYTES:
            size, place = _varint(data, place, end)
            if place + size > end:
                raise _refuse("it is cut off")
            yield number, 0, place, place + size
            place += size
        elif wire in (_FIXED64, _FIXED32):
            place += 8 if wire == _FIXED64 else 4
            if place > end:
                raise _refuse("it is cut off")
        else:
            raise _refuse("it is no ONNX file")


def _varint(data: bytes, place: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while place < end and shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise _refuse("it is cut off")


def _walk_model(data: bytes, start: int, end: int, depth: int) -> None:
    has_graph = False
    for number, _, first, last in _fields(data, start, end):
        if number == 7:
            has_graph = True
            _walk_graph(data, first, last, depth)
        elif number == 8:
            _check_domain(data, first, last, 1)
        elif number in (20, 25):
            raise _refuse("it brings functions or training steps of its own")
    if not has_graph:
        raise _refuse("it is no ONNX file")


def _walk_graph(data: bytes, start: int, end: int, depth: int) -> None:
    if depth > MAX_SUBGRAPHS:
        raise _refuse(f"it nests more than {MAX_SUBGRAPHS} graphs")
    for number, _, first, last in _fields(data, start, end):
        if number == 1:
            _walk_node(data, first, last, depth)
        elif number == 5:
            _check_tensor(data, first, last)
        elif number == 15:
            _walk_sparse(data, first, last)


def _walk_node(data: bytes, start: int, end: int, depth: int) -> None:
    _check_domain(data, start, end, 7)
    for number, _, first, last in _fields(data, start, end):
        if number == 5:
            _walk_attribute(data, first, last, depth)


def _walk_attribute(data: bytes, start: int, end: int, depth: int) -> None:
    place = start
    while place < end:
        run = _ARRAYS.match(data, place, end)
        stop = run.end() if run else place
        if stop < end:
            for number, _, first, last in _fields(data, stop, end):
                stop = last
                if number in (5, 10):
                    _check_tensor(data, first, last)
                elif number in (6, 11):
                    _walk_graph(data, first, last, depth + 1)
                elif number in (22, 23):
                    _walk_sparse(data, first, last)
                if data[stop : stop + 1] in (b"\x3d", b"\x40"):
                    break
            else:
                return
        place = stop


def _walk_sparse(data: bytes, start: int, end: int) -> None:
    for number, _, first, last in _fields(data, start, end):
        if number in (1, 2):
            _check_tensor(data, first, last)


def _check_tensor(data: bytes, start: int, end: int) -> None:
    for number, value, _, _ in _fields(data, start, end):
        if number == 13 or (number == 14 and value != 0):
            raise _refuse("it keeps data outside the package")


def _check_domain(data: bytes, start: int, end: int, field: int) -> None:
    for number, _, first, last in _fields(data, start, end):
        if number == field and data[first:last] not in DOMAINS:
            name = data[first:last][:60].decode("utf-8", "replace")
            raise _refuse(f"it needs operators of the domain {name!r}")
