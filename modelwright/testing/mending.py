"""The suite of mending: what every method keeps, whoever made it.

`check_mending(method)` runs a method over tables made to hurt, over quiet ones in which nothing is wrong, and over
those that its author gives; `check_findings` judges what it said of one table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID, Dataset

if TYPE_CHECKING:
    import polars as pl

    from modelwright.cleaning.findings import Findings
    from modelwright.cleaning.mend import Method

HOSTILE = (
    "undefined", "NULL", "nil", "True", "1.000,00", "1/0", "-0", "1e9999", "NaN", "Infinity", "0x0", "--", "=1+1",
    "@SUM(1)", ",./;'[]\\-=", "<script>alert(1)</script>", "' OR 1=1 --", "Robert'); DROP TABLE rows;--",
    "../../etc/passwd", "$(touch x)", "{{7*7}}", "%s%n%p", "\u202etest\u202c", "\ufeff", "\u200b", "\u2400",
    "Z\u0351\u036b\u0343\u036aalgo", "田中さんにあげて下さい", "مُنَاقَشَةُ", "👩‍👩‍👧‍👦", "Ω≈ç√∫˜µ≤≥÷",
    "ﷺ", "\u00a0", " ", "\t", "\u2028",
)  # fmt: skip

MOST_ROWS = 1000  # of a table made to hurt: promises do not grow with the rows, and each table is looked at three times


def check_mending(
    method: Method, tables: Iterable[tuple[str, pl.DataFrame]] = (), *, hostile: Sequence[str] = HOSTILE
) -> None:
    """Assert that a method keeps its promises: on awkward tables, on quiet ones, and on `tables` (name, raw frame).

    Whatever it says obeys the contract (`check_findings`); the same seed says the same; rows in another order are said
    the same of, by their ids; the input is not changed; and a table in which nothing is wrong (tiny, empty, one row,
    all null, one column, `hostile` cells that are as their owners meant them) gets no proposal.

    >>> from modelwright.cleaning.blanks import MEND
    >>> check_mending(MEND)
    """
    from modelwright.testing.cleaning import awkward_tables

    short = [(name, frame) for name, frame in awkward_tables() if frame.height <= MOST_ROWS]
    for name, frame in [*short, *damaged_tables(), *tables]:
        _check_on(method, name, frame)
    for name, frame in quiet_tables(hostile):
        _check_on(method, name, frame, quiet=True)


def check_findings(method: Method, raw: Dataset, found: Findings) -> None:
    """Assert the contract: rows and columns exist, `before` is the cell, reasons are said, confidence is in 0..1."""
    from modelwright.cleaning.findings import KINDS, schemas

    rows = set(raw.frame[ROW_ID].to_list())
    for kind in KINDS:
        table = getattr(found, kind)
        assert dict(table.schema) == schemas()[kind], f"{kind} has other columns or types"
        assert set(table[ROW_ID].to_list()) <= rows, f"{kind} names rows that there are not"
        assert table["reason"].is_not_null().all() and (table["reason"] != "").all(), f"{kind} without reason"
        assert set(table["method"].to_list()) <= {method.name}, f"{kind} under another method's name"
        if "column" in table.columns:
            columns = set(table["column"].to_list()) - ({None} if kind == "flags" else set())
            assert columns <= set(raw.schema.names), f"{kind} names columns that there are not"
        if "confidence" in table.columns:
            sure = table["confidence"]
            assert sure.is_between(0, 1).all() and not sure.is_null().any(), f"{kind}: a confidence outside 0..1"
        else:
            assert table["score"].is_finite().all() and not table["score"].is_null().any(), "a score that is no number"
    for row, twin in found.rows.select(ROW_ID, "twin_of").iter_rows():
        assert twin is None or (twin in rows and twin != row), f"row {row} names row {twin} as its twin"
    _check_before(method, raw, found.cells)


def _check_before(method: Method, raw: Dataset, cells: pl.DataFrame) -> None:
    from modelwright.cleaning.overlay import texts_of

    if method.on == "typed":
        return
    place = {row: index for index, row in enumerate(raw.frame[ROW_ID].to_list())}
    texts = {name: texts_of(raw.frame[name]).to_list() for name in cells["column"].unique()}
    for row, column, before, after in cells.select(ROW_ID, "column", "before", "after").iter_rows():
        said = texts[column][place[row]]
        assert before == said, f"row {row} of {column}: before is {before!r}, the cell {said!r}"
        assert before != after, f"row {row} of {column}: {before!r} would become itself"


def _check_on(method: Method, name: str, frame: pl.DataFrame, *, quiet: bool = False) -> None:
    data = Dataset.from_frame(frame)
    before = frame.clone()
    try:
        found = said_of(method, data)
        check_findings(method, data, found)
        assert data.frame.drop(ROW_ID).equals(before), "the input was changed"
        _check_same(found, said_of(method, data), "a second look")
        if frame.height > 1:
            other = Dataset.from_frame(data.frame.sample(fraction=1, shuffle=True, seed=1))
            _check_same(found, said_of(method, other), "another order of rows")
        if quiet:
            n = found.cells.height + found.media.height + found.rows.height
            assert n == 0, f"{n} proposals where nothing is wrong, e.g. {_first(found)}"
    except AssertionError as problem:
        raise AssertionError(f"{method.name} on the table {name!r}: {problem}") from problem


def said_of(method: Method, data: Dataset, *, seed: int = 0) -> Findings:
    """What a method says of a raw table: a typed method of the table as cleaning reads it."""
    from modelwright.cleaning.base import CleanSpec, clean

    table = data if method.on == "raw" else clean(data, CleanSpec(skip=("duplicates",))).kept
    return method.propose(table, method.spec(), seed=seed, watch=None)


def _check_same(first: Findings, other: Findings, when: str) -> None:
    from modelwright.cleaning.findings import KINDS

    for kind in KINDS:
        one, two = getattr(first, kind), getattr(other, kind)
        keys = [name for name in one.columns if name not in ("confidence", "score")]
        assert one.sort(keys).select(keys).equals(two.sort(keys).select(keys)), f"{when} says other {kind}"
        figure = "score" if kind == "flags" else "confidence"
        gap = (one.sort(keys)[figure] - two.sort(keys)[figure]).abs().max()
        assert gap is None or gap < 1e-6, f"{when} gives {kind} another {figure}"


def _first(found: Findings) -> str:
    for table in (found.cells, found.media, found.rows):
        if table.height:
            return repr(table.drop("after").row(0) if "media" in table.columns else table.row(0))
    return ""


def quiet_tables(hostile: Sequence[str]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Tables in which nothing is wrong."""
    import polars as pl

    text = {"name": pl.String, "city": pl.String}
    people = {
        "name": ["Ada", "Bo", "Cy", "Di", "Eva", "Finn", "Gus", "Hal"],
        "age": ["31", "45", "27", "52", "38", "61", "44", "29"],
        "city": ["Oslo", "Bergen", "Oslo", "Bergen", "Oslo", "Oslo", "Bergen", "Oslo"],
    }  # fmt: skip
    yield "no rows", pl.DataFrame(schema=text)
    yield "no columns", pl.DataFrame()
    yield "one row", pl.DataFrame({"name": ["Ada"], "city": ["Oslo"]})
    yield "all null", pl.DataFrame({"name": [None] * 30, "city": [None] * 30}, schema=text)
    yield "all empty", pl.DataFrame({"name": [""] * 30, "city": [""] * 30})
    yield "tiny and clean", pl.DataFrame(people)
    yield "one column", pl.DataFrame({"city": people["city"] * 4})
    yield "hostile cells", pl.DataFrame({"said": list(hostile), "n": [str(n) for n in range(len(hostile))]})
    # Polars itself reads a name such as `^.*$` as a pattern, here as everywhere
    names = [name for name in dict.fromkeys(hostile) if name != ROW_ID and not (name[:1] == "^" and name[-1:] == "$")]
    yield "hostile names", pl.DataFrame({name: [str(index), str(index + 1)] for index, name in enumerate(names)})


def damaged_tables() -> Iterator[tuple[str, pl.DataFrame]]:
    """A seeded table with typos, stray blanks, blank cells and a repeated row, for a method to say something of."""
    import random

    import polars as pl

    dice = random.Random(0)
    cities = {"Oslo": "0150", "Bergen": "5003", "Stavanger": "4006"}
    rows = []
    for row in range(240):
        city = dice.choice(list(cities))
        rows.append({"id": f"P-{row:04d}", "city": city, "zip": cities[city], "size": f"{dice.gauss(50, 4):.1f}"})
    for place, cell in ((7, "Bergn"), (30, " Oslo"), (31, "Oslo  "), (90, ""), (120, "Stavangxr")):
        rows[place]["city"] = cell
    rows[55]["size"], rows[56]["size"], rows[57]["zip"] = "5000", "n/a", "9999"
    yield "damaged", pl.DataFrame([*rows, rows[3]])
