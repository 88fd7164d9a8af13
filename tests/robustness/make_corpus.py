"""Makes the corpus of bad input: `make(folder)` writes the files and returns what must happen to each.

Run `python tests/robustness/make_corpus.py FOLDER` to look at the files.
"""

# ruff: noqa: E501 (one case, one line: a table is easier to read than to fold)

from __future__ import annotations

import gzip
import json
import random
import sqlite3
import struct
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelwright.testing.collection import write_workbook

RNG = random.Random(7)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One bad input. Either `code` (the error it must give) or `rows` (it must be read, with that many rows).

    `names` and `cells` are checked where given (cells row by row, without row ids); `repair` must be among
    the recorded ones; `says` must be in the error's text. `settings` go to `SourceSpec`.
    """

    name: str
    code: str = ""
    rows: int = 0
    names: tuple[str, ...] = ()
    cells: tuple[tuple[Any, ...], ...] = ()
    repair: str = ""
    says: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The source, relative to the corpus' folder, or an address with `{folder}` in it."""
        return str(self.settings.get("source", self.name))


@dataclass(frozen=True, kw_only=True)
class RunCase:
    """A table that reads well and that a run must refuse, or must survive: `code` is "" when it must survive."""

    name: str
    text: str
    target: str
    code: str = ""


def _many(line: Callable[[int], str], n: int = 30) -> str:
    return "".join(line(i) for i in range(n))


def _usable(target: Callable[[int], object], n: int = 80, head: str = "size,colour,y") -> str:
    """Rows with two columns to learn from: no identifier, no constant."""
    return f"{head}\n" + _many(lambda i: f"{i * 7 % 13 + 0.5},{('red', 'blue', 'green')[i * 5 % 3]},{target(i)}\n", n)


CASES_FOR_RUN: tuple[RunCase, ...] = (
    RunCase(name="one_class.csv", text=_usable(lambda i: "yes"), target="y", code="clean.target"),
    RunCase(name="constant_number.csv", text=_usable(lambda i: 3.5), target="y", code="clean.target"),
    RunCase(name="no_such_target.csv", text=_usable(lambda i: i % 2, head="size,colour,price"), target="prise", code="clean.target"),
    RunCase(name="empty_target.csv", text=_usable(lambda i: ""), target="y", code="clean.target"),
    RunCase(name="question_target.csv", text=_usable(lambda i: "?"), target="y", code="clean.target"),
    RunCase(name="identifier_target.csv", text=_usable(lambda i: f"user-{i:05d}", 200), target="y", code="clean.target"),
    RunCase(name="all_duplicates.csv", text="a,y\n" + "1,yes\n" * 50, target="y", code="clean.target"),
    RunCase(name="one_row.csv", text="a,y\n1,2\n", target="y", code="clean.target"),
    RunCase(name="two_rows.csv", text="a,y\n1,yes\n2,no\n", target="y", code="split.rows"),
    RunCase(name="only_target.csv", text="y\n" + _many(lambda i: f"{i}\n"), target="y", code="train.features"),
    RunCase(name="only_identifier_features.csv", text="id,y\n" + _many(lambda i: f"u{i:05d},{i % 2}\n", 60), target="y", code="train.features"),
    RunCase(name="class_of_one.csv", text=_usable(lambda i: "rare" if i == 5 else "ab"[i % 2]), target="y"),
    RunCase(name="mostly_missing_target.csv", text=_usable(lambda i: i // 10 % 2 if i % 10 == 0 else "", 800), target="y"),
    RunCase(name="target_named_twice.csv", text=_usable(lambda i: i % 2, head="size,y,y"), target="y"),
    RunCase(name="infinite_number_in_target.csv", text=_usable(lambda i: "inf" if i == 3 else i * 1.5), target="y"),
    RunCase(name="notes_above.csv", text="made by hand\n" + _usable(lambda i: i % 2), target="y"),
    RunCase(name="odd_names.csv", text=_usable(lambda i: i % 2, head='"size; cm","a,b ""c""",y'), target="y"),
)  # fmt: skip
"""For the command line: each must end as it says, with exit code 2 where a code is given."""

A_TABLE = b"name,age,city\nann,31,Oslo\nbob,45,Rome\ncid,27,Oslo\n"
A_ROWS = (("ann", "31", "Oslo"), ("bob", "45", "Rome"), ("cid", "27", "Oslo"))
A_NAMES = ("name", "age", "city")


def text_files() -> dict[str, tuple[bytes, Case]]:
    """Text tables, odd and broken."""
    found: dict[str, tuple[bytes, Case]] = {}

    def add(name: str, raw: bytes, **expected: Any) -> None:
        found[name] = (raw, Case(name=name, **expected))

    same = {"rows": 3, "names": A_NAMES, "cells": A_ROWS}
    add("plain.csv", A_TABLE, **same)
    add("crlf.csv", A_TABLE.replace(b"\n", b"\r\n"), **same)
    add("cr_only.csv", A_TABLE.replace(b"\n", b"\r"), **same)
    add("mixed_line_ends.csv", A_TABLE.replace(b"\n", b"\r\n", 2), **same)
    add("no_last_newline.csv", A_TABLE[:-1], **same)
    add("blank_lines_at_end.csv", A_TABLE + b"\n\n\r\n", **same)
    add("blank_lines_within.csv", A_TABLE.replace(b"bob", b"\n\nbob"), repair="blank_line", **same)
    add("blank_lines_before.csv", b"\n\n" + A_TABLE, **same)
    add("semicolons.csv", A_TABLE.replace(b",", b";"), **same)
    add("tabs.csv", A_TABLE.replace(b",", b"\t"), **same)
    add("pipes.txt", A_TABLE.replace(b",", b"|"), **same)
    add("tabs.tsv", A_TABLE.replace(b",", b"\t"), **same)
    add("sep_line.csv", b"sep=;\r\n" + A_TABLE.replace(b",", b";"), repair="set_aside", **same)
    add(
        "blanks_between.dat",
        b"1 2.5 3\n4 5.5 6\n7   8.5 9 \n",
        rows=3,
        cells=(("1", "2.5", "3"), ("4", "5.5", "6"), ("7", "8.5", "9")),
    )
    add("no_ending", A_TABLE, **same)
    add("quoted_all.csv", b'"name","age","city"\n"ann","31","Oslo"\n"bob","45","Rome"\n"cid","27","Oslo"\n', **same)
    add("single_quotes.csv", b"'name','age','city'\n'ann','31','Oslo'\n'bob','45','Rome'\n'cid','27','Oslo'\n", **same)
    add(
        "quotes_none.csv",
        b'item,size\nscrew,5"\nnail,3"\nbolt,1"\n',
        rows=3,
        cells=(("screw", '5"'), ("nail", '3"'), ("bolt", '1"')),
    )
    add("quote_in_the_middle.csv", b'a,b\n1,x "y" z\n2,w\n', rows=2, cells=(("1", 'x "y" z'), ("2", "w")))
    add("quotes_then_text.csv", b'a,b\n1,"x"y\n2,w\n', rows=2, cells=(("1", "xy"), ("2", "w")))
    add("blank_before_quote.csv", b'a,b\n1, "x"\n2, w\n', rows=2, cells=(("1", ' "x"'), ("2", " w")))
    add("newline_in_quotes.csv", b'a,b\n1,"x\ny"\n2,"z\r\nw"\n', rows=2, cells=(("1", "x\ny"), ("2", "z\r\nw")))
    add("delimiter_in_quotes.csv", b'a,b\n1,"x,y"\n2,"z,,w"\n', rows=2, cells=(("1", "x,y"), ("2", "z,,w")))
    add(
        "newline_in_header.csv",
        b'"a\nunit",b\n1,2\n3,4\n',
        rows=2,
        names=("a\nunit", "b"),
        cells=(("1", "2"), ("3", "4")),
    )
    add("unclosed_quote.csv", b'a,b\n1,"x\n2,y\n3,z\n', code="collection.unclosed_quote", says="line 2")
    add("unclosed_last_quote.csv", b'a,b\n1,x\n2,"y\n', code="collection.unclosed_quote", says="line 3")
    add(
        "quoting_off.csv",
        b'a,b\n1,"x\n2,y\n3,z\n',
        rows=3,
        settings={"quote": ""},
        cells=(("1", '"x'), ("2", "y"), ("3", "z")),
    )
    add(
        "short_rows.csv",
        b"a,b,c\n1,2,3\n4,5\n6\n7,8,9\n",
        rows=4,
        repair="padded",
        cells=(("1", "2", "3"), ("4", "5", None), ("6", None, None), ("7", "8", "9")),
    )
    add("one_long_row.csv", b"a,b\n1,2\n3,4,5\n6,7\n", rows=2, repair="set_aside", cells=(("1", "2"), ("6", "7")))
    add("many_long_rows.csv", b"a,b\n1,2\n3,4,5\n6,7,8\n9,1\n", code="collection.long_rows", says="line 3")
    add(
        "long_rows_of_blanks.csv",
        b"a,b\n1,2,,\n3,4\n5,6,\n",
        rows=3,
        repair="trimmed",
        cells=(("1", "2"), ("3", "4"), ("5", "6")),
    )
    add(
        "delimiter_at_each_end.csv",
        b"a,b\n1,2,\n3,4,\n5,6,\n",
        rows=3,
        names=("a", "b"),
        repair="trimmed",
        cells=(("1", "2"), ("3", "4"), ("5", "6")),
    )
    add(
        "row_names.csv",
        b'"x","y"\n"1",10,3\n"2",20,4\n"3",30,5\n',
        rows=3,
        names=("column_1", "x", "y"),
        repair="header_shifted",
    )
    add("short_header.csv", b"a,b\n1,2,3,4\n5,6,7,8\n", rows=2, names=("a", "b", "column_3", "column_4"))
    add("long_header.csv", b"a,b,c\n1,2\n3,4\n", rows=2, repair="padded", cells=(("1", "2", None), ("3", "4", None)))
    add("notes_above.csv", b"Report of 2020\nmade by hand\n" + A_TABLE, repair="set_aside", **same)
    add("notes_above_padded.csv", b"Report of 2020,,\n,,\n" + A_TABLE, repair="set_aside", **same)
    add("total_below.csv", A_TABLE + b"Total: 3 rows\n", rows=4, repair="padded")
    add("bom.csv", b"\xef\xbb\xbf" + A_TABLE, **same)
    add("bom_quoted.csv", b'\xef\xbb\xbf"name",age,city\nann,31,Oslo\nbob,45,Rome\ncid,27,Oslo\n', **same)
    add("bom_only.csv", b"\xef\xbb\xbf", code="collection.empty")
    add("bom_and_nul.csv", b"\xef\xbb\xbf" + A_TABLE.replace(b"bob", b"b\0ob"), repair="nul_removed", **same)
    add("utf16_bom.csv", A_TABLE.decode().encode("utf-16"), **same)
    add("utf16_big_endian.csv", b"\xfe\xff" + A_TABLE.decode().encode("utf-16-be"), **same)
    add("utf16_no_bom.csv", A_TABLE.decode().encode("utf-16-le"), **same)
    add("utf32.csv", A_TABLE.decode().encode("utf-32"), **same)
    add("utf16_cut.csv", A_TABLE.decode().encode("utf-16")[:-1], code="collection.encoding")
    latin = "name,city\nJosé,Málaga\nZoë,Zürich\nBjörn,Åre\n"
    cells = (("José", "Málaga"), ("Zoë", "Zürich"), ("Björn", "Åre"))
    add("utf8.csv", latin.encode(), rows=3, cells=cells)
    add("latin1.csv", latin.encode("latin-1"), rows=3, cells=cells)
    add("cp1252.csv", "a,b\n1,5 €\n2,“x” – y\n".encode("cp1252"), rows=2, cells=(("1", "5 €"), ("2", "“x” – y")))
    add(
        "mixed_encodings.csv",
        "name,city\nJosé,Málaga\n".encode() + "Zoë,Zürich\n".encode("latin-1") + "Björn,Åre\n".encode(),
        rows=3,
        repair="encoding",
        cells=cells,
    )
    add(
        "encoding_given.csv",
        "a,b\n1,Ж\n2,Я\n".encode("cp1251"),
        rows=2,
        settings={"encoding": "cp1251"},
        cells=(("1", "Ж"), ("2", "Я")),
    )
    add("encoding_wrong.csv", b"a,b\n1,\xff\n", code="collection.encoding", settings={"encoding": "utf-16"})
    add("ascii_given.csv", b"a,b\n1,2\n", rows=1, settings={"encoding": "ascii"})
    add("utf8_cut_character.csv", "a,b\n1,é\n2,é".encode()[:-1], rows=2, repair="encoding")
    add("nul_bytes.csv", A_TABLE.replace(b"bob", b"b\0o\0b"), repair="nul_removed", **same)
    add("nul_in_header.csv", A_TABLE.replace(b"age", b"a\0ge"), repair="nul_removed", **same)
    add("control_z_at_end.csv", A_TABLE + b"\x1a", rows=4, repair="padded")
    add("empty.csv", b"", code="collection.empty")
    add("one_blank.csv", b" ", code="collection.empty")
    add("blank_lines_only.csv", b"\n\n\r\n   \n", code="collection.empty")
    add("only_delimiters.csv", b",,,\n,,,\n,,,\n", code="collection.empty")
    add("only_semicolons.csv", b";;;\n;;;\n", code="collection.empty")
    add("only_quotes.csv", b'"","",""\n"","",""\n', code="collection.empty")
    add("header_only.csv", b"name,age,city\n", code="collection.no_rows", says="name, age, city")
    add("header_only_no_newline.csv", b"name,age,city", code="collection.no_rows")
    add("one_row.csv", b"name,age\nann,31\n", rows=1, cells=(("ann", "31"),))
    add("one_row_no_header.csv", b"1.5,2,3\n", rows=1, names=("column_1", "column_2", "column_3"))
    add("one_cell.csv", b"5", rows=1, names=("column_1",))
    add("one_column.csv", b"x\n1\n2\n3\n", rows=3, names=("x",))
    add("one_column_with_gaps.csv", b"x\n1\n\n3\n\n", rows=3, cells=(("1",), ("",), ("3",)))
    add("header_said_yes.csv", b"1,2\n3,4\n", rows=1, names=("1", "2"), settings={"header": "yes"})
    add("header_said_no.csv", b"a,b\n3,4\n", rows=2, settings={"header": "no"})
    add("header_of_years.csv", b"2019,2020\n3,4\n5,6\n", rows=2, names=("2019", "2020"), settings={"header": "yes"})
    add("columns_given.csv", b"1,x\n2,y\n", rows=2, names=("n", "s"), settings={"columns": ("n", "s")})
    add("columns_too_few.csv", b"1,x\n2,y\n", code="collection.columns", settings={"columns": ("n",)})
    add(
        "ten_thousand_columns.csv",
        (",".join(f"c{i}" for i in range(10_000)) + "\n" + (",".join("1" * 10_000) + "\n") * 3).encode(),
        rows=3,
    )
    add("ten_thousand_columns_no_header.csv", ((",".join("1" * 10_000) + "\n") * 3).encode(), rows=3)
    add("names_twice.csv", b"a,a,b,a\n1,2,3,4\n", rows=1, names=("a", "a_2", "b", "a_3"), repair="name")
    add("names_blank.csv", b"a,,b,\n1,2,3,4\n", rows=1, names=("a", "column_2", "b", "column_4"), repair="name")
    add("names_with_blanks.csv", b" a , b\n1,2\n", rows=1, names=("a", "b"), repair="name")
    add("names_all_the_same.csv", b"x,x,x\n1,2,3\n", rows=1, names=("x", "x_2", "x_3"), repair="name")
    add("name_reserved.csv", b"__row__,b\n1,2\n", rows=1, names=("column_1", "b"), repair="name")
    add("name_of_2000_letters.csv", b"a" * 2000 + b",b\n1,2\n3,4\n", rows=2)
    add("header_twice.csv", A_TABLE + A_TABLE, rows=7, names=A_NAMES)
    add("cell_of_1_mib.csv", b"a,b\n1," + b"x" * 2**20 + b"\n2,y\n", rows=2)
    add("quoted_cell_of_1_mib.csv", b'a,b\n1,"' + b"x\n" * 2**19 + b'"\n2,y\n', rows=2)
    add("formula_cells.csv", b"a,b\n1,=1+1\n2,@SUM(A1)\n", rows=2, cells=(("1", "=1+1"), ("2", "@SUM(A1)")))
    add("comment_lines.csv", b"# made by a machine\n# in 2020\n" + A_TABLE, repair="set_aside", **same)
    add("decimal_commas.csv", b"a;b\n1,5;2,25\n3,5;4,75\n", rows=2, cells=(("1,5", "2,25"), ("3,5", "4,75")))
    add(
        "decimal_commas_no_header.csv",
        b"1,5;2,25;x\n3,5;4,75;y\n3,5;4,75;x\n",
        rows=3,
        names=("column_1", "column_2", "column_3"),
    )
    add(
        "unicode_blanks.csv",
        "a,b\n1\u00a0000,x\u2028y\n2\u00a0000,z\u0085w\n".encode(),
        rows=2,
        cells=(("1\u00a0000", "x\u2028y"), ("2\u00a0000", "z\u0085w")),
    )
    add("form_feed.csv", b"a,b\n1,x\x0cy\n2,z\n", rows=2, cells=(("1", "x\x0cy"), ("2", "z")))
    add(
        "emoji_delimiter.csv",
        "a☃b\n1☃2\n3☃4\n".encode(),
        rows=2,
        settings={"delimiter": "☃"},
        cells=(("1", "2"), ("3", "4")),
    )
    add("junk.csv", RNG.randbytes(5000), code="collection.binary")
    add("junk_small.csv", bytes(range(60)), code="collection.binary")
    add("image.csv", b"\x89PNG\r\n\x1a\n" + RNG.randbytes(500), code="collection.binary", says="PNG")
    add("photo.csv", b"\xff\xd8\xff\xe0" + RNG.randbytes(500), code="collection.binary", says="JPEG")
    add("page.csv", b"<!DOCTYPE html><html><body>404</body></html>", code="collection.binary", says="web page")
    add("document.csv", b"%PDF-1.7\n%\xe2\xe3\n", code="collection.binary", says="PDF")
    add("program.csv", b"\x7fELF" + RNG.randbytes(200), code="collection.binary")
    add("database.csv", b"SQLite format 3\0" + bytes(200), code="collection.binary", says="SQLite")
    add("zeros.csv", bytes(1000), code="collection.binary")
    return found


def json_files() -> dict[str, tuple[bytes, Case]]:
    """JSON and JSON lines, odd and broken."""
    found: dict[str, tuple[bytes, Case]] = {}

    def add(name: str, raw: str | bytes, **expected: Any) -> None:
        found[name] = (raw.encode() if isinstance(raw, str) else raw, Case(name=name, **expected))

    add("records.json", '[{"a": 1, "b": "x"}, {"a": 2, "b": null}]', rows=2, cells=((1, "x"), (2, None)))
    add("records_bom.json", b'\xef\xbb\xbf[{"a": 1}]', rows=1)
    add("records_utf16.json", '[{"a": "é"}]'.encode("utf-16"), rows=1, cells=(("é",),))
    add("records_latin1.json", '[{"a": "é"}]'.encode("latin-1"), rows=1, cells=(("é",),))
    add("records_no_ending", '[{"a": 1}]', rows=1)
    add("keys_differ.json", '[{"a": 1}, {"b": 2}]', rows=2, names=("a", "b"), cells=((1, None), (None, 2)))
    add(
        "nested.json",
        '[{"a": {"b": 1, "c": {"d": 2}}, "e": [1, 2]}]',
        rows=1,
        names=("a.b", "a.c", "e"),
        cells=((1, '{"d": 2}', "[1, 2]"),),
    )
    add("nested_clash.json", '[{"a": {"b": 1}, "a.b": 2}]', rows=1)
    add(
        "mixed_types.json",
        '[{"a": 1}, {"a": "x"}, {"a": true}, {"a": 2.5}]',
        rows=4,
        cells=(("1",), ("x",), ("true",), ("2.5",)),
    )
    add(
        "big_integers.json",
        '[{"a": 1}, {"a": 123456789012345678901234567890}]',
        rows=2,
        cells=(("1",), ("123456789012345678901234567890",)),
    )
    add("half_character.json", '[{"a": "\\ud800"}]', rows=1, repair="surrogate")
    add("half_character_name.json", '[{"\\ud800": 1}]', rows=1, repair="surrogate")
    add("keys_blank.json", '[{"": 1, " ": 2}]', rows=1, repair="name")
    add("scalars.json", "[1, 2, 3]", code="collection.json_shape", says="element 1")
    add("one_scalar.json", "42", code="collection.json_shape")
    add("one_text.json", '"x"', code="collection.json_shape")
    add("null.json", "null", code="collection.json_shape")
    add("arrays.json", "[[1, 2], [3, 4]]", code="collection.json_shape")
    add("object.json", '{\n "a": 1,\n "b": 2}', code="collection.json_shape", says="keys")
    add("wrapped.json", '{\n"data": [{"a": 1}]\n}', code="collection.json_shape")
    add("empty_array.json", "[]", code="collection.empty")
    add("empty_objects.json", "[{}, {}]", code="collection.empty")
    add("one_odd_element.json", '[{"a": 1}, 5]', code="collection.json_shape", says="element 2")
    add("cut.json", '[{"a": 1}, {"a": ', code="collection.json", says="line 1")
    add("comma_at_end.json", '[{"a": 1},]', code="collection.json")
    add("not_a_number.json", '[{"a": NaN}]', code="collection.json", says="NaN")
    add("single_quotes.json", "[{'a': 1}]", code="collection.json")
    add("deep.json", "[" * 100_000, code="collection.json", says="deep")
    add("deep_cell.json", '[{"a": ' + "[" * 100_000 + "]" * 100_000 + "}]", code="collection.json")
    add("blank.json", "  \n", code="collection.json")
    add("text.json", "hello, world", code="collection.json")
    add("lines.jsonl", '{"a": 1}\n{"a": 2}\n', rows=2)
    add("lines_with_gaps.jsonl", '{"a": 1}\n\n{"a": 2}\r\n\n', rows=2)
    add("lines_named_json.json", '{"a": 1}\n{"a": 2}\n', rows=2)
    add("lines_one_broken.jsonl", '{"a": 1}\n{"a": \n{"a": 3}\n', code="collection.json", says="line 2")
    add("lines_one_scalar.jsonl", '{"a": 1}\n7\n', code="collection.json_shape", says="line 2")
    add("lines_deep.jsonl", '{"a": 1}\n' + "[" * 100_000 + "\n", code="collection.json", says="line 2")
    add("lines_empty.jsonl", "", code="collection.empty")
    add("lines_blank.jsonl", "\n\n", code="collection.empty")
    add("lines_as_csv_given.jsonl", '{"a": 1}\n', code="collection.no_rows", settings={"format": "csv"})
    return found


def typed_files(folder: Path) -> list[Case]:
    """Parquet, Arrow, Excel and SQLite files, good, odd and broken."""
    import polars as pl
    import pyarrow as pa
    from pyarrow import feather

    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
    frame.write_parquet(folder / "good.parquet")
    whole = (folder / "good.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (folder / "flipped.parquet").write_bytes(whole[:4] + bytes(code ^ 255 for code in whole[4:60]) + whole[60:])
    (folder / "footer.parquet").write_bytes(whole[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1")
    (folder / "magic_only.parquet").write_bytes(b"PAR1PAR1")
    (folder / "text.parquet").write_bytes(A_TABLE)
    (folder / "parquet_named.csv").write_bytes(whole)
    frame.head(0).write_parquet(folder / "no_rows.parquet")
    pa.parquet = __import__("pyarrow.parquet").parquet  # the submodule is not loaded with the package
    pa.parquet.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), folder / "twice.parquet")
    nested = pa.table({"s": [{"x": 1, "y": [1, 2]}], "l": [[1, 2]], "d": [__import__("decimal").Decimal("1.50")]})
    pa.parquet.write_table(nested, folder / "nested.parquet")
    pa.parquet.write_table(pa.table({"t": pa.array([b"\xff\x00", b"ok"])}), folder / "bytes.parquet")
    zeros = pa.table({"a": pa.array(["0" * 2**20] * 80)})
    pa.parquet.write_table(zeros, folder / "bomb.parquet", compression="zstd", use_dictionary=False)
    frame.write_ipc(folder / "good.arrow")
    feather.write_feather(frame.to_arrow(compat_level=pl.CompatLevel.oldest()), folder / "good.feather")
    (folder / "one.feather").write_bytes(b"FEA1" + bytes(100))
    frame.write_ipc_stream(folder / "stream.arrow")
    arrow = (folder / "good.arrow").read_bytes()
    (folder / "cut.arrow").write_bytes(arrow[: len(arrow) // 2])
    (folder / "junk.arrow").write_bytes(b"ARROW1" + RNG.randbytes(300))
    (folder / "cut_stream.arrow").write_bytes((folder / "stream.arrow").read_bytes()[:50])
    write_workbook(folder / "good.xlsx", {"people": [["name", "age"], ["ann", 31], ["bob", 45.5]], "empty": []})
    write_workbook(folder / "no_header.xlsx", {"s": [[1.5, 2.0], [3.5, 4.0]]})
    write_workbook(folder / "no_rows.xlsx", {"s": [["name", "age"]]})
    write_workbook(folder / "blank.xlsx", {"s": []})
    write_workbook(folder / "mixed.xlsx", {"s": [["a", "b"], [1, "x"], ["two", None], [True, "y"]]})
    book = (folder / "good.xlsx").read_bytes()
    (folder / "cut.xlsx").write_bytes(book[: len(book) // 2])
    (folder / "text.xlsx").write_bytes(A_TABLE)
    (folder / "workbook_named.csv").write_bytes(book)
    with zipfile.ZipFile(folder / "hollow.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<not xml")
    read = {"rows": 3, "cells": ((1, "x"), (2, None), (3, "z"))}
    return [
        Case(name="good.parquet", **read),
        Case(name="parquet_named.csv", **read),
        *(Case(name=f"{name}.parquet", code="collection.parquet") for name in ("cut", "flipped", "footer", "magic_only", "text")),
        Case(name="no_rows.parquet", code="collection.no_rows"),
        Case(name="twice.parquet", rows=1, names=("a", "a_2"), repair="name"),
        Case(name="nested.parquet", rows=1, names=("s.x", "s.y", "l", "d"), cells=((1, "[1, 2]", "[1, 2]", 1.5),)),
        Case(name="bytes.parquet", rows=2, cells=(("ff00",), ("ok",))),
        Case(name="bomb.parquet", code="collection.archive_size"),
        *(Case(name=name, **read) for name in ("good.arrow", "good.feather", "stream.arrow")),
        Case(name="one.feather", code="collection.arrow", says="version 1"),
        *(Case(name=f"{name}.arrow", code="collection.arrow") for name in ("cut", "junk", "cut_stream")),
        Case(name="good.xlsx", rows=2, names=("name", "age"), cells=(("ann", 31.0), ("bob", 45.5))),
        Case(name="workbook_named.csv", rows=2, names=("name", "age")),
        Case(name="sheet_wrong", code="collection.sheet", says="people", settings={"source": "good.xlsx", "sheet": "peeple"}),
        Case(name="sheet_empty", code="collection.empty", settings={"source": "good.xlsx", "sheet": "empty"}),
        Case(name="no_header.xlsx", rows=2, names=("column_1", "column_2")),
        Case(name="no_rows.xlsx", code="collection.no_rows"),
        Case(name="blank.xlsx", code="collection.empty"),
        Case(name="mixed.xlsx", rows=3, names=("a", "b")),
        Case(name="cut.xlsx", code="collection.archive"),
        Case(name="text.xlsx", code="collection.excel"),
        Case(name="hollow.xlsx", code="collection.excel"),
    ]  # fmt: skip


def archives(folder: Path) -> list[Case]:
    """gzip, zip and zstd, good, odd and harmful."""
    import pyarrow as pa

    packed = gzip.compress(A_TABLE)
    files = {
        "good.csv.gz": packed,
        "gzip_named.csv": packed,
        "two_parts.csv.gz": gzip.compress(A_TABLE[:20]) + gzip.compress(A_TABLE[20:]),
        "cut.csv.gz": packed[:-12],
        "cut_early.csv.gz": packed[:15],
        "flipped.csv.gz": packed[:20] + bytes([packed[20] ^ 255]) + packed[21:],
        "junk_after.csv.gz": packed + b"junk",
        "not_gzip.csv.gz": A_TABLE,
        "empty_inside.csv.gz": gzip.compress(b""),
        "empty.csv.gz": b"",
        "bomb.csv.gz": gzip.compress(b"0" * (80 * 2**20), 9),
        "image.csv.gz": gzip.compress(b"\x89PNG\r\n\x1a\n" + bytes(100)),
        "good.csv.zst": bytes(pa.Codec("zstd").compress(A_TABLE, asbytes=True)),
        "empty_zip.zip": b"PK\x05\x06" + bytes(18),
    }
    files["cut.csv.zst"] = files["good.csv.zst"][:-10]
    for name, raw in files.items():
        (folder / name).write_bytes(raw)

    def zipped(name: str, members: Mapping[str, bytes]) -> bytes:
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, raw in members.items():
                archive.writestr(member, raw)
        return (folder / name).read_bytes()

    good = zipped("good.zip", {"a.csv": A_TABLE})
    zipped("two.zip", {"a.csv": A_TABLE, "b.csv": A_TABLE, "README.md": b"hello", "__MACOSX/._a.csv": b"\0"})
    zipped("other_columns.zip", {"a.csv": A_TABLE, "b.csv": b"u,v,w,x\n1,2,3,4\n"})
    zipped("climbs.zip", {"../../etc/cron.csv": A_TABLE})
    zipped("climbs_absolute.zip", {"/etc/cron.csv": A_TABLE})
    zipped("climbs_windows.zip", {"..\\..\\cron.csv": A_TABLE})
    zipped("nested.zip", {"inner.zip": good})
    zipped("bomb.zip", {"a.csv": b"0" * (80 * 2**20)})
    zipped("only_readme.zip", {"one/README.md": b"hello", "two.md": b"x"})
    (folder / "cut.zip").write_bytes(good[:-30])
    (folder / "flipped.zip").write_bytes(good[:40] + bytes(code ^ 255 for code in good[40:50]) + good[50:])
    (folder / "locked.zip").write_bytes(_locked(good))
    (folder / "folder.csv").mkdir()
    (folder / "parts").mkdir()
    for number in range(3):
        (folder / "parts" / f"part_{number}.csv").write_bytes(A_TABLE)
    (folder / "parts" / "notes.md").write_text("not a table")
    (folder / "headless").mkdir()
    (folder / "headless" / "a.csv").write_bytes(A_TABLE)
    (folder / "headless" / "b.csv").write_bytes(A_TABLE.partition(b"\n")[2])
    same = {"rows": 3, "cells": A_ROWS}
    size = "collection.archive_size"
    return [
        *(Case(name=name, **same) for name in ("good.csv.gz", "gzip_named.csv", "two_parts.csv.gz", "good.csv.zst", "good.zip")),
        *(Case(name=name, code="collection.archive") for name in ("cut.csv.gz", "cut_early.csv.gz", "flipped.csv.gz", "junk_after.csv.gz", "not_gzip.csv.gz", "cut.csv.zst", "cut.zip", "flipped.zip", "empty_zip.zip")),
        Case(name="locked.zip", code="collection.archive", says="password"),
        Case(name="nested.zip", code="collection.archive", says="another archive"),
        Case(name="only_readme.zip", code="collection.archive", says="README.md"),
        Case(name="empty_inside.csv.gz", code="collection.empty"),
        Case(name="empty.csv.gz", code="collection.empty"),
        Case(name="image.csv.gz", code="collection.binary"),
        Case(name="bomb.csv.gz", code=size),
        Case(name="bomb.zip", code=size),
        Case(name="small_limit", code=size, settings={"source": "good.csv.gz"}, limits={"max_bytes": 10}),
        Case(name="two.zip", rows=6, names=A_NAMES),
        Case(name="one_of_two", settings={"source": "two.zip", "member": "b*"}, **same),
        Case(name="other_columns.zip", code="collection.stack"),
        *(Case(name=name, code="collection.archive_name") for name in ("climbs.zip", "climbs_absolute.zip", "climbs_windows.zip")),
        Case(name="folder.csv", code="collection.missing"),
        Case(name="parts", rows=9, names=A_NAMES),
        Case(name="parts/*.csv", rows=9, names=A_NAMES),
        Case(name="headless", rows=6, names=A_NAMES),
        Case(name="parts/*.tsv", code="collection.missing"),
    ]  # fmt: skip


def _locked(raw: bytes) -> bytes:
    """The same zip with the flag of a password set in both headers."""
    central = raw.rindex(b"PK\x01\x02")
    marked = bytearray(raw)
    marked[6] |= 1
    marked[central + 8] |= 1
    return bytes(marked)


def places(folder: Path) -> list[Case]:
    """Paths, databases and addresses that are not what they should be."""
    connection = sqlite3.connect(folder / "shop.db")
    with connection:
        connection.execute('CREATE TABLE "odd ""name" (a INTEGER, b TEXT)')
        connection.execute('INSERT INTO "odd ""name" VALUES (1, \'x\')')
        connection.execute("CREATE TABLE orders (n INTEGER, price REAL, note)")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", [(1, 2.5, "x"), (2, None, 7), (3, 1.0, b"\xff")])
        connection.execute("CREATE TABLE hollow (a INTEGER)")
    connection.close()
    (folder / "not_a.db").write_bytes(A_TABLE * 50)
    (folder / "cut.db").write_bytes((folder / "shop.db").read_bytes()[:3000])
    shop = "sqlite:///{folder}/shop.db"

    def base(name: str, address: str = shop, **expected: Any) -> Case:
        settings = {"source": address, **expected.pop("settings", {})}
        return Case(name=name, settings=settings, **expected)

    return [
        Case(name="no_such.csv", code="collection.missing"),
        Case(name="plian.csv", code="collection.missing", says="plain.csv"),
        Case(name="no_such_folder/a.csv", code="collection.missing"),
        Case(name="plain.csv/inside.csv", code="collection.missing"),
        Case(name="x" * 5000, code="collection.missing"),
        Case(name="nul\0name.csv", code="collection.missing"),
        base("scheme_ftp", "ftp://example.org/a.csv", code="collection.scheme"),
        base("scheme_file", "file:///etc/passwd", code="collection.scheme"),
        base("scheme_s3", "s3://bucket/a.csv", code="collection.scheme"),
        base("url_refused", "http://127.0.0.1:9/a.csv", code="collection.url"),
        base("url_broken", "http://[::1/a.csv", code="collection.url"),
        base("url_blank", "http://exa mple/a.csv", code="collection.url"),
        base("checksum", "plain.csv", code="collection.checksum", settings={"sha256": "00" * 32}),
        base("table_of_a_file", "plain.csv", code="collection.database", settings={"table": "x"}),
        base("database_alone", code="collection.database"),
        base("database_orders", rows=3, settings={"table": "orders"}, cells=((1, 2.5, "x"), (2, None, "7"), (3, 1.0, "ff"))),
        base("database_odd_name", rows=1, settings={"table": 'odd "name'}, cells=((1, "x"),)),
        base("database_query", rows=1, settings={"query": "SELECT count(*) AS n FROM orders"}, cells=((3,),)),
        base("database_twice", rows=1, settings={"query": "SELECT 1 AS a, 2 AS a"}, names=("a", "a_2")),
        base("database_no_table", code="collection.table", says="orders", settings={"table": "order"}),
        base("database_no_rows", code="collection.no_rows", settings={"table": "hollow"}),
        base("database_wrong_sql", code="collection.query", settings={"query": "SELEC 1"}),
        base("database_two_statements", code="collection.query", settings={"query": "SELECT 1; SELECT 2"}),
        base("database_writes", code="collection.query", settings={"query": "DELETE FROM orders"}),
        base("database_injects", code="collection.table", settings={"table": 'orders"; DROP TABLE orders; --'}),
        base("not_a_database", "sqlite:///{folder}/not_a.db", code="collection.database", settings={"table": "x"}),
        base("cut_database", "sqlite:///{folder}/cut.db", code="collection.query", settings={"table": "orders"}),
        base("no_database", "sqlite:///{folder}/none.db", code="collection.missing", settings={"table": "x"}),
    ]  # fmt: skip


def make(folder: Path) -> list[Case]:
    """Write the corpus into an empty folder; what must happen to each, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for name, (raw, case) in {**text_files(), **json_files()}.items():
        (folder / name).write_bytes(raw)
        cases.append(case)
    return [*cases, *typed_files(folder), *archives(folder), *places(folder)]


if __name__ == "__main__":
    made = make(Path(sys.argv[1]))
    sys.stdout.write(json.dumps({"cases": len(made), "for_run": len(CASES_FOR_RUN)}) + "\n")
