"""Local files of pictures and sound as rows: a folder of them, or a table whose cells are their paths.

Only for who asks on this machine: what comes over HTTP never names a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelwright_runtime.errors import UserError
from modelwright_runtime.model import Model
from modelwright_runtime.predictions import Predictions
from modelwright_runtime.reading import MAX_MEDIA_BYTES

ENDINGS = {
    "image": (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"),
    "audio": (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".au"),
}
_MAX_PATH = 1024
_ROW = re.compile(r"row (\d+), column '[^']*'")


def media_columns(model: Model) -> dict[str, str]:
    """The model's columns of files, with their kinds."""
    kinds = {reading.column: reading.kind for reading in model.signature.readings}
    return {name: kinds[name] for name in model.columns if kinds[name] in ENDINGS}


def folder_files(model: Model, folder: Path) -> list[Path]:
    """The pictures or sounds that a folder holds, at any depth, in the order of their names.

    Raises `UserError("predict.folder")` when the model takes no such files, more than one, or other columns too.
    """
    columns = media_columns(model)
    if len(columns) != 1 or set(model.columns) - set(columns) - {"file", "folder"}:
        needed = ", ".join(model.columns[:20])
        raise UserError(
            "predict.folder", f"{folder} is a folder, and {model.name!r} answers from {needed}.",
            hint="give a .csv or .jsonl with these columns; cells of pictures and sounds may be paths",
        )  # fmt: skip
    (kind,) = columns.values()
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS[kind] and path.is_file())
    found = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not found:
        raise UserError("predict.folder", f"{folder} holds no {kind} ({' '.join(ENDINGS[kind])}).")
    return found


def folder_rows(model: Model, folder: Path) -> Iterator[dict[str, Any]]:
    """One row per file of a folder: its bytes, and `file`, its path within the folder."""
    (column,) = media_columns(model) or {"": ""}
    for path in folder_files(model, folder):
        inner = path.relative_to(folder)
        yield {
            "file": inner.as_posix(),
            "folder": inner.parent.name or folder.name,
            column: _bytes_of(path, str(inner)),
        }


def answer_files(model: Model, rows: list[dict[str, Any]]) -> Predictions:
    """The answers to rows of a folder; what is refused is named by its file."""
    try:
        return model.predict([{name: row[name] for name in model.columns} for row in rows])
    except UserError as problem:
        found = _ROW.match(problem.message)
        if found is None:
            raise
        told = rows[int(found.group(1))]["file"] + problem.message[found.end() :]
        raise UserError(problem.code, told, hint="mend the file, or take it out of the folder") from None


def with_files(model: Model, rows: list[dict[str, Any]], folder: Path, first_row: int = 0) -> list[dict[str, Any]]:
    """Rows with the bytes of a file in place of its path; base64 and missing cells stay as they are.

    A relative path is taken from `folder`. Raises `UserError("predict.row")` for a path where no file is.
    """
    columns = media_columns(model)
    if not columns:
        return rows
    made = []
    for index, row in enumerate(rows):
        taken = dict(row)
        for name, kind in columns.items():
            if name in row:
                taken[name] = from_path(row[name], kind, folder, f"row {first_row + index}, column {name!r}")
        made.append(taken)
    return made


def from_path(cell: Any, kind: str, folder: Path, where: str) -> Any:
    """The bytes of the file that a cell names; the cell itself when it names none."""
    if not isinstance(cell, str) or not 0 < len(cell) <= _MAX_PATH or cell.startswith("data:") or "\0" in cell:
        return cell
    path = Path(cell.strip()).expanduser()
    path = path if path.is_absolute() else folder / path
    if not path.is_file():
        if path.suffix.lower() in ENDINGS[kind]:
            raise UserError("predict.row", f"{where}: there is no file {cell!r}.", hint=f"looked for {path}")
        return cell
    return _bytes_of(path, cell)


def _bytes_of(path: Path, name: str) -> bytes:
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_MEDIA_BYTES:
            raise UserError("predict.file", f"{name} has {size_bytes:,} bytes; at most {MAX_MEDIA_BYTES:,} are read.")
        return path.read_bytes()
    except OSError as problem:
        raise UserError("predict.file", f"{name} cannot be read: {problem.strerror}.") from None
