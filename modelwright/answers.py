"""Files of rows to files of answers: `wright predict`, one line per input row, in its order."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.core.store import disk_faults, write_atomically

if TYPE_CHECKING:
    import polars as pl

    from modelwright.sequences.layout import Layout
    from modelwright_runtime.model import Model

WRITERS = (".csv", ".parquet", ".jsonl")


def predict_file(package: Path, rows: str, output: str) -> tuple[int, tuple[str, ...]]:
    """Read raw rows in any format that collection takes, answer them with a package, write the answers.

    `rows` may be a folder of pictures or sounds, for a model that answers from one: each file is a row, and the
    answers begin with its `file`. In a table, a cell of pictures or sounds may be a path, from the table's folder on.
    A model of series takes cases (lists in cells) or long rows, one for each step: then there is one line for each
    window, or for each series. Returns the number of lines and the warnings. Raises UserError when a column that the
    model needs is missing.
    """
    import polars as pl

    from modelwright_runtime import load
    from modelwright_runtime.media import media_columns

    _check_output(output)
    model = load(package)
    if Path(rows).is_dir() and media_columns(model):
        return _predict_folder(model, rows, output)
    table, keys = read_rows(model, rows)
    answers = model.predict(table)
    made = pl.DataFrame(answers.columns(), strict=False)
    keys = keys.rename({name: f"{name}_of_row" for name in keys.columns if name in made.columns})
    write_table(pl.concat([keys, made], how="horizontal"), output)
    return made.height, tuple(map(str, answers.warnings))


def read_rows(model: Model, rows: str) -> tuple[dict[str, list[Any]], pl.DataFrame]:
    """The rows of a file as columns that a model takes, and what names each line of answers.

    Rows of a table have no name (then the frame has no column). Long rows of a model of series become a case for each
    window, with the row it ends at, or for each series.
    """
    import polars as pl

    from modelwright.collection.base import collect
    from modelwright_runtime.media import from_path, media_columns

    frame = collect(rows).frame.drop("__row__")
    layout = _layout(model)
    if layout is not None and not _are_cases(frame, model, layout):
        from modelwright.sequences import cases_to_answer

        cases, keys = cases_to_answer(frame, layout)
        return {name: cases[name].to_list() for name in model.columns}, keys
    table = {name: frame[name].to_list() for name in frame.columns}
    for name, kind in media_columns(model).items() if "://" not in rows else ():
        folder = Path(rows).parent
        cells = table.get(name, [])
        table[name] = [from_path(cell, kind, folder, f"row {row}, column {name!r}") for row, cell in enumerate(cells)]
    return table, pl.DataFrame()


def _layout(model: Model) -> Layout | None:
    """How the model's training rows were made into cases, when they were."""
    from modelwright.sequences import Layout

    plain = model.facts.get("data", {}).get("source", {}).get("sequences")
    return Layout.from_plain(plain) if plain else None


def _are_cases(frame: pl.DataFrame, model: Model, layout: Layout) -> bool:
    """Whether rows hold whole series in their cells, and are not steps of series."""
    if not set(model.columns) <= set(frame.columns):
        return False
    for name in set(layout.inputs.values()) & set(model.columns):
        if frame[name].dtype.is_nested():
            return True
        first = next((cell for cell in frame[name].to_list() if cell is not None), None)
        if isinstance(first, str) and (first.strip().startswith("[") or any(mark in first.strip() for mark in "; ")):
            return True
    return False


def _predict_folder(model: Model, folder: str, output: str) -> tuple[int, tuple[str, ...]]:
    """Answer every file of a folder, some at a time: pictures are large."""
    import itertools

    import polars as pl

    from modelwright_runtime.media import answer_files, folder_rows

    rows, parts, warnings = folder_rows(model, Path(folder)), list[pl.DataFrame](), list[str]()
    while chunk := list(itertools.islice(rows, model.rows_at_once)):
        answers = answer_files(model, chunk)
        files = [row["file"] for row in chunk]
        parts.append(pl.DataFrame({"file": files, **answers.columns()}, strict=False))
        warnings += [f"{files[note.row]}: {note.message}" for note in answers.warnings]
    frame = pl.concat(parts)
    write_table(frame, output)
    return frame.height, tuple(warnings)


def write_table(frame: pl.DataFrame, output: str) -> None:
    """Write a table by the ending of its name; `-` prints CSV."""
    _check_output(output)
    if output == "-":
        sys.stdout.write(_flat(frame).write_csv())
        return
    buffer = io.BytesIO()
    ending = Path(output).suffix
    if ending == ".csv":
        _flat(frame).write_csv(buffer)
    elif ending == ".parquet":
        frame.write_parquet(buffer)
    else:
        _in_base64(frame).write_ndjson(buffer)
    with disk_faults(Path(output)):
        write_atomically(Path(output), buffer.getvalue())


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists and objects as JSON text and files as base64: a CSV has no others."""
    import polars as pl

    frame = _in_base64(frame)
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    texts = [
        pl.Series(name, [None if cell is None else json.dumps(cell) for cell in frame[name].to_list()], dtype=pl.String)
        for name in nested
    ]
    return frame.with_columns(texts)


def _in_base64(frame: pl.DataFrame) -> pl.DataFrame:
    """Files in cells as base64, which texts can hold."""
    import polars as pl

    binary = [name for name, dtype in frame.schema.items() if dtype == pl.Binary]
    return frame.with_columns(pl.col(name).bin.encode("base64") for name in binary)


def _check_output(output: str) -> None:
    if output != "-" and Path(output).suffix not in WRITERS:
        raise UserError(
            "predict.output", f"`--output` must be -, or end in {', '.join(WRITERS)}; got {output!r}.",
            hint="for example -o answers.csv",
        )  # fmt: skip
