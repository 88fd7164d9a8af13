"""Files of rows to files of answers with the standard library alone: CSV, JSON lines and folders, streamed."""

from __future__ import annotations

import contextlib
import csv
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import msgspec

from modelwright_runtime.cells import MAX_NOTES
from modelwright_runtime.errors import SystemFault, UserError
from modelwright_runtime.media import answer_files, folder_rows, with_files
from modelwright_runtime.model import Model
from modelwright_runtime.predictions import Predictions

_CHUNK_ROWS = 10_000
_DELIMITERS = ",;\t|"
_encode = msgspec.json.Encoder().encode


def predict_file(model: Model, rows: str, output: str = "-") -> tuple[int, list[str]]:
    """Answer `rows` (.csv with a header, .jsonl, or a folder) into `output` (.csv, .jsonl, or `-` for CSV on stdout).

    One line per row, in its order: `prediction`, and `probability_<class>` for each class; lists are JSON in a CSV.
    Of a folder each picture or sound is a row, in the order of their names, and the answers begin with its `file`.
    In a column of pictures or sounds a cell may be a path, from the folder of the file of rows on. Rows are numbered
    from 0 in the warnings. A file is written aside and renamed when it is whole. Returns how many rows there
    were, and the warnings (at most 100). Raises `UserError` `predict.file`, `predict.row`, `predict.folder` or
    `rows.missing_column`.
    """
    is_folder = Path(rows).is_dir()
    if not is_folder:
        _check_ending(rows, (".csv", ".jsonl"), "the file of rows")
    if output != "-":
        _check_ending(output, (".csv", ".jsonl"), "the output")
    n_rows, warnings = 0, list[str]()
    first = ["file"] if is_folder else []
    with contextlib.nullcontext(sys.stdin) if is_folder else _source(rows) as source, _target(output) as target:
        write = _lines_writer(target) if output.endswith(".jsonl") else _csv_writer(target, first)
        size = min(_CHUNK_ROWS, model.rows_at_once)
        given = folder_rows(model, Path(rows)) if is_folder else _rows(source, rows)
        while chunk := list(itertools.islice(given, size)):
            if is_folder:
                answered = answer_files(model, chunk)
            else:
                answered = model.predict(with_files(model, chunk, Path(rows).parent, n_rows))
            write(answered, [{name: row[name] for name in first} for row in chunk])
            for note in answered.warnings[: MAX_NOTES - len(warnings)]:
                warnings.append(f"row {n_rows + note.row}, column {note.column!r}: {note.message}")
            n_rows += len(chunk)
        if not n_rows:  # the header all the same
            write(model.predict([]), [])
    return n_rows, warnings


def _check_ending(path: str, endings: tuple[str, ...], what: str) -> None:
    if not path.endswith(endings):
        raise UserError("predict.file", f"{what} must end in {' or '.join(endings)}; got {path!r}.")


@contextlib.contextmanager
def _source(path: str) -> Iterator[TextIO]:
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            yield file
    except FileNotFoundError:
        raise UserError("predict.file", f"there is no file {path}.") from None
    except UnicodeDecodeError as problem:
        raise UserError(
            "predict.file", f"{path} is not UTF-8: byte {problem.object[problem.start]:#x}.", hint="save it as UTF-8"
        ) from None
    except IsADirectoryError:
        raise UserError("predict.file", f"{path} is a folder.") from None
    except OSError as problem:
        raise SystemFault("predict.disk", f"reading or writing failed: {problem.strerror}.") from None


@contextlib.contextmanager
def _target(path: str) -> Iterator[TextIO]:
    if path == "-":
        yield sys.stdout
        return
    place = Path(path)
    aside = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        with aside.open("w", encoding="utf-8", newline="") as file:
            yield file
        aside.replace(place)
    except FileNotFoundError:
        raise UserError("predict.file", f"there is no folder {place.parent}.") from None
    finally:
        aside.unlink(missing_ok=True)


_MAX_CELL_CHARACTERS = 131_072  # the csv module's own limit, which other code of the process may have raised


def _rows(source: TextIO, path: str) -> Iterator[dict[str, Any]]:
    return _json_rows(source, path) if path.endswith(".jsonl") else _csv_rows(source, path)


def _csv_rows(source: TextIO, path: str) -> Iterator[dict[str, Any]]:
    header = source.readline()
    if not header.strip():
        raise UserError("predict.file", f"{path} is empty; its first line must name the columns.")
    delimiter = max(_DELIMITERS, key=header.count)
    names = next(csv.reader([header.rstrip("\r\n")], delimiter=delimiter))
    reader = csv.reader(source, delimiter=delimiter)
    try:
        for cells in reader:
            if cells and len(cells) != len(names):
                raise UserError(
                    "predict.row",
                    f"{path}, line {reader.line_num + 1}: {len(cells)} cells where the header names {len(names)}.",
                )
            if max(map(len, cells), default=0) > _MAX_CELL_CHARACTERS:
                raise UserError("predict.row", f"{path}, line {reader.line_num + 1}: a cell is longer than 131,072.")
            if cells:
                yield dict(zip(names, cells, strict=True))
    except csv.Error as problem:
        raise UserError("predict.row", f"{path}, line {reader.line_num + 1}: {problem}.") from None


def _json_rows(source: TextIO, path: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(source, start=1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as problem:
            raise UserError("predict.row", f"{path}, line {number} is no JSON: {problem}.") from None
        if not isinstance(row, dict):
            raise UserError("predict.row", f"{path}, line {number} is no object of column names and values.")
        yield row


Known = list[dict[str, Any]]


def _lines_writer(target: TextIO) -> Callable[[Predictions, Known], None]:
    def write(answered: Predictions, known: Known) -> None:
        target.writelines(
            _encode(first | row).decode() + "\n" for first, row in zip(known, answered.rows(), strict=True)
        )

    return write


def _csv_writer(target: TextIO, first: list[str]) -> Callable[[Predictions, Known], None]:
    writer = csv.writer(target, lineterminator="\n")
    begun = False

    def write(answered: Predictions, known: Known) -> None:
        nonlocal begun
        if not begun:
            writer.writerow([*first, *answered.names()])
            begun = True
        for given, row in zip(known, answered.rows(), strict=True):
            writer.writerow([*given.values(), *map(_csv_cell, row.values())])

    return write


def _csv_cell(value: Any) -> Any:
    return _encode(value).decode() if isinstance(value, (list, dict)) else value
