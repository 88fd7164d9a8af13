"""Requests that must be refused: JSON that is none, rows that do not fit, HTTP that is none.

The texts follow the kinds of the must-reject files of JSONTestSuite (https://github.com/nst/JSONTestSuite), written
anew here, and the bodies at which servers were seen to fail.
"""

# ruff: noqa: E501 (one kind, a few lines: a table is easier to read than to fold)

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

ARRAYS = (
    b"[1 true]", b"[a\xe5]", b'["": 1]', b'[""],', b"[,1]", b"[1,,2]", b'["x",,]', b'["x"]]', b'["",]', b'["x"', b"[x",
    b"[3[4]]", b"[\xff]", b"[1:2]", b"[,]", b"[-]", b"[   , \"\"]", b'["a",\n4\n,1,', b"[1,]", b"[1,,]", b'["\x0ba"\\f]',
    b"[*]", b'[""', b"[1,", b"[1,\n1\n,1", b"[{}", b"[fals]", b"[nul]", b"[tru]", b"[", b"]", b"[[", b"[}", b"[1}",
    b"[1", b"[\xe2\x81\xa0]", b"[\x0c]", b"[1]x", b"[1]#", b"[True]", b"[False]", b"[None]", b"[undefined]", b"[\xc3\xa5]",
)  # fmt: skip
NUMBERS = (
    b"++1234", b"+1", b"+Inf", b"-01", b"-1.0.", b"-2.", b"-NaN", b".-1", b".2e-3", b"0.1.2", b"0.3e+", b"0.3e", b"0.e1",
    b"0E+", b"0E", b"0e+", b"0e", b"1.0e+", b"1.0e-", b"1.0e", b"1 000.0", b"1eE2", b"2.e+3", b"2.e-3", b"2.e3", b"9.e+",
    b"Inf", b"NaN", b"\xef\xbc\x91", b"1+2", b"0x1", b"0x42", b"Infinity", b"0e+-1", b"-123.123foo", b"123\xe5", b"1e1\xe5",
    b"0\xe5", b"-Infinity", b"-foo", b"- 1", b"-012", b"-.123", b"-1x", b"1ea", b"1e\xe5", b"1.", b".123", b"1.2a-3",
    b"1.8011670033376514H-308", b"012", b"00", b"1_000", b"1,5", b"1'000", b"0b1", b"0o7", b"1e", b"--1", b"1-",
)  # fmt: skip
OBJECTS = (
    b'["x", truth]', b'{"x":"b"]', b'{[: "x"}', b'{"x", null}', b'{"x"::"b"}', b'{"a" b}', b"{key: 'value'}",
    b'{"a":"a" 123}', b'{"a":', b'{"a"', b"{1:1}", b"{9999E9999:1}", b"{null:null,null:null}", b'{"id":0,,,,,}', b"{'a':0}",
    b'{"id":0,}', b'{"a":"b"}/**/', b'{"a":"b"}/**//', b'{"a":"b"}//', b'{"a":"b"}/', b'{"a":"b",,"c":"d"}', b'{a: "b"}',
    b'{"a":"a', b'{ "a" : "b", 1 : 2 }', b'{"a": true} "x"', b'{"a":"b"}#', b"{", b"}", b"{}}", b'{"a":1', b'{"',
    b'{"asd":"asd"', b'{"a":/*comment*/"b"}', b"{,}", b'{,"a":1}', b'{"a" : 1;"b" : 2}', b'{"a"=1}', b'{"a":1 "b":2}',
)  # fmt: skip
STRINGS = (
    b'["\\uD800\\"]', b'["\\uD800\\u"]', b'["\\uD800\\u1"]', b'["\\uD800\\u1x"]', b"[\xc3\xa9]", b'["\\\x00"]', b'["\\x00"]',
    b'["\\\\\\"]', b'["\\\t"]', b'["\\\xf0\x9f\x8c\x80"]', b'["\\"]', b'["\\u00A"]', b'["\\uD834\\uDd"]',
    b'["\\uD800\\uD800\\x"]', b'["\\u\xe5"]', b'["\\a"]', b'["\\uqqqq"]', b'["\\\xe5"]', b"[\\u0020\"asd\"]", b"[\\n]", b'"',
    b"['single']", b"abc", b'["\\', b'["a\x00a"]', b'["new\nline"]', b'["\t"]', b'"\\UA66D"', b'""x', b'["\\u12"]',
    b'["\x1f"]', b'["\x01"]', b'["\xff"]', b'["\xed\xa0\x80"]', b'["\xc0\xaf"]', b'["\xf4\xbf\xbf\xbf"]', b'["\xe0\xff"]',
)  # fmt: skip
STRUCTURES = (
    b"<.>", b"[<null>]", b"[1]x", b"[1]]", b'["asd]', b"a\xc3\xa5", b"[True]", b"1]", b'{"x": true,', b"[][]", b"]",
    b"\xef\xbb\xbf{", b"\xe5", b"[", b"", b"[\x00]", b"2@", b"{}}", b'{"":', b'{"a":/*x*/1}', b'{"a": true} "x"', b"['",
    b"[,", b"[{", b'["a', b'["a"', b"{", b"{]", b"{,", b"{[", b'{"a', b"{'a'", b'["\\{["\\{["\\{["\\{', b"*", b'{"a":"b"}#{}',
    b"[\\u000A\"\"]", b"[1", b"[ false, nul", b"[ true, fals", b"[ false, tru", b'{"asd":"asd"', b"\xc3\xa5",
    b"[\xe2\x81\xa0]", b"\xef\xbb\xbf", b"[\x0c]", b"#!", b"true false", b"nulll", b"\x00", b"{}{}", b"1 2", b"\xff\xfe[\x00]\x00",
)  # fmt: skip


@dataclass(frozen=True)
class Bad:
    """One request that must be refused. `raw` is sent as it is, in the place of a body in an honest POST."""

    name: str
    body: bytes = b""
    raw: bytes = b""
    half_open: bool = False


def cases(path: str, good: bytes, host: str) -> Iterator[Bad]:
    """At least 200 of them, for a server that takes `good` at `path`."""
    for kind, texts in (("array", ARRAYS), ("object", OBJECTS), ("string", STRINGS), ("structure", STRUCTURES)):
        yield from (Bad(f"{kind} {text[:30]!r}", text) for text in dict.fromkeys(texts))
    number = json.dumps(first_number(json.loads(good))).encode()
    yield from (Bad(f"number {text!r}", good.replace(number, text, 1)) for text in NUMBERS)
    yield from _rows(good, number)
    yield from _http(path, good, host)
    yield Bad("80 MB", good[:-1] + b" " * 80_000_000 + good[-1:])


def first_number(value: object) -> float:
    """The first number with a fraction in a value: a cell of the first row."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        if isinstance(one, float):
            return one
        if isinstance(one, dict | list):
            try:
                return first_number(one)
            except LookupError:
                continue
    raise LookupError


def _rows(good: bytes, number: bytes) -> Iterator[Bad]:
    """JSON that is JSON, and no rows of this model."""
    yield Bad("truncated", good[: len(good) // 2])
    yield Bad("top-level array of numbers", json.dumps(list(np.arange(28.0))).encode())
    yield Bad("top-level text", b'"rows"')
    yield Bad("top-level number", b"1")
    yield Bad("top-level null", b"null")
    yield Bad("empty object", b"{}")
    yield Bad("one cell or column too many", _wider(good, number))
    yield Bad("a text in a number", good.replace(number, b'"abc"', 1))
    yield Bad("1e999 in a number", good.replace(number, b"1e999", 1))
    yield Bad("-1e999 in a number", good.replace(number, b"-1e999", 1))
    yield Bad("an object in a number", good.replace(number, b'{"a": 1}', 1))
    yield Bad("a list in a number", good.replace(number, b"[[[]]]", 1))
    yield Bad("100,000 deep", b"[" * 100_000 + b"]" * 100_000)
    yield Bad("100,000 deep in a cell", good.replace(number, b"[" * 100_000 + b"]" * 100_000, 1))
    yield Bad("100,000 deep objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    yield Bad("100,000 open brackets", b"[" * 100_000)
    yield Bad("invalid UTF-8", good.replace(number, b'"\xff\xfe"', 1))
    yield Bad("a zero byte", good + b"\x00")
    yield Bad("twice", good + good)
    yield Bad("gzip, not said", b"\x1f\x8b\x08\x00" + bytes(40))


def _wider(good: bytes, number: bytes) -> bytes:
    """With one more cell than the model takes."""
    at = good.index(number)
    is_named = good[:at].rstrip().endswith(b":")
    return good.replace(number, number + (b', "never_seen": 1' if is_named else b", 1.5"), 1)


def _http(path: str, good: bytes, host: str) -> Iterator[Bad]:
    """What is no honest HTTP/1.1 request. RFC 9112."""
    line, name = f"POST {path} HTTP/1.1\r\n".encode(), f"Host: {host}\r\n".encode()
    kind, size = b"Content-Type: application/json\r\n", f"Content-Length: {len(good)}\r\n".encode()
    yield Bad("no HTTP", raw=b"hello\r\n\r\n")
    yield Bad("no Host", raw=line + kind + size + b"\r\n" + good)
    yield Bad("a space in a header's name", raw=line + name + b"Content-Length : 5\r\n\r\n[1,2]")
    yield Bad("two lengths", raw=line + name + kind + size + b"Content-Length: 3\r\n\r\n" + good)
    yield Bad("a length that is no number", raw=line + name + kind + b"Content-Length: abc\r\n\r\n" + good)
    yield Bad("a negative length", raw=line + name + kind + b"Content-Length: -1\r\n\r\n" + good)
    yield Bad("a length beyond 64 bits", raw=line + name + kind + b"Content-Length: 99999999999999999999999\r\n\r\n")
    yield Bad("length and chunks", raw=line + name + kind + size + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    yield Bad(
        "a chunk's size that is none",
        raw=line + name + kind + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n[]\r\n0\r\n\r\n",
    )
    yield Bad("a transfer coding that is none", raw=line + name + kind + b"Transfer-Encoding: cow\r\n\r\n" + good)
    yield Bad("a version that is none", raw=f"POST {path} HTTP/9.9\r\n".encode() + name + size + b"\r\n" + good)
    yield Bad("a method that is none", raw=f"P()ST {path} HTTP/1.1\r\n".encode() + name + size + b"\r\n" + good)
    yield Bad("a head of 100,000 bytes", raw=line + name + b"X-A: " + b"a" * 100_000 + b"\r\n" + size + b"\r\n" + good)
    yield Bad(
        "an address of 100,000 bytes", raw=b"POST /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + name + size + b"\r\n" + good
    )
    yield Bad("a bare line feed in a header", raw=line + name + b"X-A: a\nX-B b\r\n" + size + b"\r\n" + good)
    yield Bad("half a head, then closed", raw=line + name + kind, half_open=True)
    yield Bad("half a body, then closed", raw=line + name + kind + size + b"\r\n" + good[:20], half_open=True)
    yield Bad(
        "half a chunk, then closed",
        raw=line + name + kind + b"Transfer-Encoding: chunked\r\n\r\nff\r\n[1",
        half_open=True,
    )
