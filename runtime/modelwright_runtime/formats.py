"""Rows and answers in the formats that callers speak: JSON, JSON lines, CSV and Arrow streams."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelwright_runtime.model import Model
from modelwright_runtime.refusals import RequestError

JSON, LINES, CSV, ARROW = (
    "application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"
)  # fmt: skip
NAMES = {
    b"": JSON, b"application/json": JSON, b"application/x-ndjson": LINES, b"application/jsonlines": LINES,
    b"text/csv": CSV, b"application/vnd.apache.arrow.stream": ARROW,
}  # fmt: skip
MAX_CELL_CHARACTERS = 10_000_000
_encode = msgspec.json.Encoder().encode


def read_rows(kind: str, body: bytes, model: Model) -> Any:
    """The rows of a body: a list of dicts, or a table of columns. Raises `RequestError` 400, 415 or 422."""
    if kind == LINES:
        return _lines(body, model)
    if kind == CSV:
        return _csv(body, model)
    return _arrow(body)


def rows_of(body: bytes, model: Model) -> list[Any]:
    """The rows of a JSON body: `{"rows": [...]}`, one object, or a bare list. Raises `RequestError` 400 or 422."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.ValidationError:
        raise _out_of_range(body, model) from None
    except RecursionError:
        raise RequestError(400, "request.json", "the body is nested too deeply.", shape(model)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        reason = "the body is empty" if not body.strip() else f"the body is no JSON: {problem}"
        hint = "JSON has no NaN and no Infinity; send null for a missing value"
        raise RequestError(
            400, "request.json", f"{reason}.", hint if b"NaN" in body or b"Infinity" in body else shape(model)
        ) from None
    if isinstance(value, dict) and "rows" in value and "rows" not in model.kinds:
        if len(value) > 1 or not isinstance(value["rows"], list):
            others = sorted(set(value) - {"rows"})
            problem_text = f"beside 'rows' there is {others[0][:60]!r}" if others else "'rows' is no list"
            raise RequestError(422, "request.shape", f"{problem_text}.", shape(model))
        value = value["rows"]
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise RequestError(422, "request.shape", "the body is neither an object nor a list.", shape(model))
    return value


def shape(model: Model) -> str:
    """What a body looks like."""
    names = ", ".join(f'"{name}": ...' for name in model.columns[:3])
    return f'send {{"rows": [{{{names}}}]}}'


def _out_of_range(body: bytes, model: Model) -> RequestError:
    """Name the cell whose number no float64 can hold; the decoder itself does not say where it is."""

    def size(text: str) -> float:
        return math.inf if math.isinf(float(text)) else 0.0

    try:
        value = json.loads(body, parse_float=size, parse_int=size)
    except (ValueError, RecursionError):  # something else is wrong further on
        value = None
    rows = value.get("rows", [value]) if isinstance(value, dict) else value
    for index, row in enumerate(rows if isinstance(rows, list) else []):
        for name, cell in row.items() if isinstance(row, dict) else ():
            if cell == math.inf:
                return RequestError(
                    422, "rows.cell", f"row {index}, column {name[:100]!r}: the number is beyond a 64-bit float.",
                    "send null for a missing value",
                )  # fmt: skip
    return RequestError(422, "request.json", "a number is beyond a 64-bit float.", shape(model))


def _lines(body: bytes, model: Model) -> list[Any]:
    rows = []
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(msgspec.json.decode(line))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
            raise RequestError(400, "request.json", f"line {number} is no JSON: {problem}.", shape(model)) from None
    if not rows:
        raise RequestError(400, "request.json", "the body is empty.", shape(model))
    return rows


def _csv(body: bytes, model: Model) -> list[dict[str, Any]]:
    """A header line, then a line per row; cells are read as those of a file are. Blank lines are passed over."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise RequestError(400, "request.csv", f"byte {problem.start:,} is no UTF-8.", "send UTF-8") from None
    if "\x00" in text:
        raise RequestError(400, "request.csv", "the body holds a zero byte.", "send plain CSV")
    header, _, _ = text.partition("\n")
    if not header.strip():
        raise RequestError(400, "request.csv", "the body is empty; its first line must name the columns.")
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t|", key=header.count), strict=True)
    rows: list[dict[str, Any]] = []
    names: list[str] = []
    try:
        for cells in reader:
            if not names:
                names = cells
                if len(set(names)) != len(names):
                    raise RequestError(422, "request.csv", "the header names a column twice.")
            elif len(cells) == len(names):
                rows.append(dict(zip(names, cells, strict=True)))
            elif cells:
                raise RequestError(
                    422, "request.csv",
                    f"line {reader.line_num}: {len(cells)} cells where the header names {len(names)}.",
                )  # fmt: skip
    except csv.Error as problem:
        raise RequestError(400, "request.csv", f"line {reader.line_num}: {problem}.") from None
    return rows


def _arrow(body: bytes) -> dict[str, Any]:
    pyarrow = _pyarrow()
    try:
        table = pyarrow.ipc.open_stream(body).read_all()
        table.validate(full=True)
    except (pyarrow.ArrowException, OSError, ValueError) as problem:
        first = str(problem).splitlines()[0][:200] if str(problem) else "no reason given"
        raise RequestError(400, "request.arrow", f"the body is no Arrow stream: {first}.") from None
    if len(set(table.column_names)) != table.num_columns:
        raise RequestError(422, "request.arrow", "the table names a column twice.")
    found: dict[str, Any] = {}
    for name in table.column_names:
        column = table.column(name)
        numeric = pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type)
        found[name] = column.to_numpy() if numeric else column.to_pylist()
    return found


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError:
        raise RequestError(
            415,
            "request.type",
            "this server does not read Arrow: pyarrow is not installed there.",
            "pip install 'modelwright-runtime[arrow]', or send application/json",
        ) from None
    return pyarrow


def n_rows_of(rows: Any) -> int:
    """How many rows a list or a table has."""
    return len(next(iter(rows.values()), ())) if isinstance(rows, Mapping) else len(rows)


def write_answers(kind: str, ids: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Answers as JSON lines, CSV or an Arrow stream: `id`, then the columns of the answers."""
    whole = {"id": ids, **columns}
    if kind == LINES:
        names = tuple(whole)
        rows = (dict(zip(names, cells, strict=True)) for cells in zip(*whole.values(), strict=True))
        return b"".join(_encode(row) + b"\n" for row in rows)
    if kind == CSV:
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(whole)
        writer.writerows(map(_cells, zip(*whole.values(), strict=True)))
        return file.getvalue().encode()
    pyarrow = _pyarrow()
    table = pyarrow.table({name: list(column) for name, column in whole.items()})
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _cells(row: Sequence[Any]) -> list[Any]:
    return [_encode(cell).decode() if isinstance(cell, list | dict) else cell for cell in row]
