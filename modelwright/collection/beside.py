"""Tables whose cells name images or sounds: the files' bytes in a column beside the paths."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from modelwright.collection.tree import MEDIA_ENDINGS, Found, MediaForm
from modelwright.core.data import Column

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.base import SourceSpec
    from modelwright.collection.piece import Piece
    from modelwright.collection.reader import Surroundings

HEAD_BYTES = 65536
PEEKED_ROWS = 100
LEAST_NAMED = 0.9


def media_columns(frame: pl.DataFrame, folder: Path) -> dict[str, MediaForm]:
    """The text columns of a table's first rows that name files of images or sounds below `folder`."""
    import polars as pl

    found: dict[str, MediaForm] = {}
    for name, dtype in frame.schema.items():
        cells = [cell for cell in frame[name].to_list() if cell and cell.strip()] if dtype == pl.String else []
        if not cells or not _form(cells[0]):  # thousands of columns: one cell tells of most that they are none
            continue
        if sum(_form(cell) is not None for cell in cells) < LEAST_NAMED * len(cells):
            continue
        forms = [_form(cell) for cell in cells if file_of(cell, folder) is not None]
        if forms:
            found[name] = "image" if 2 * forms.count("image") >= len(forms) else "audio"
    return found


def _form(cell: str) -> MediaForm | None:
    return MEDIA_ENDINGS.get(PurePosixPath(cell.strip()).suffix.lower())


def file_of(cell: str | None, folder: Path) -> Found | None:
    """The file that a cell names, from the table's folder on; None where there is none, or it lies outside."""
    name = (cell or "").strip().replace("\\", "/")
    if not name:
        return None
    where = PurePosixPath(name)
    path = folder / name
    try:
        if where.is_absolute() or ".." in where.parts:
            path = path.resolve()
            if not path.is_relative_to(folder.resolve()):
                return None
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            return None
        stat = path.stat()
    except (OSError, ValueError):
        return None
    return Found(name, path, stat.st_size, stat.st_mtime_ns)


def with_media(piece: Piece, folder: Path, around: Surroundings) -> Piece:
    """The piece with a Binary column for each column that names files; the piece itself when none does.

    A cell that names no file of the folder gives null, and is told. The paths stay, as identifiers.
    """
    import polars as pl

    from modelwright.collection.media import ABOUT_FILE, Reader, binary_table
    from modelwright.collection.piece import Notes

    forms = media_columns(piece.table.head(PEEKED_ROWS).collect(), folder)
    if not forms:
        return piece
    notes = Notes(str(piece.about.get("name", folder)))
    paths = piece.table.select(list(forms)).collect()
    files: dict[str, Sequence[Found | None]] = {}
    for name, form in forms.items():
        made = _free(form if len(forms) == 1 else f"{name}_{form}", [*piece.names, *files])
        files[made] = [file_of(cell, folder) for cell in paths[name].to_list()]
        for cell, file in zip(paths[name].to_list(), files[made], strict=True):
            if file is None and cell and cell.strip():
                notes.repair("file_absent", why="no file of that name in the table's folder; null", detail=cell)
        notes.decide(name, f"names files, read as `{made}`", f"its cells are paths of existing {form} files")
    reader = Reader(around, notes.source)
    media = binary_table({}, files, reader)
    known = tuple(Column(name, "category", "id", why=ABOUT_FILE) for name in forms)
    return replace(
        piece,
        table=pl.concat([piece.table, media], how="horizontal"),
        names=(*piece.names, *files),
        known=(*piece.known, *known),
        repairs=(*piece.repairs, *notes.repairs()),
        decisions=(*piece.decisions, *notes.decisions),
    )


def _free(name: str, taken: Sequence[str]) -> str:
    number, free = 2, name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def named_files(path: Path, source: SourceSpec) -> list[Found]:
    """All files that a table beside media names, for its fingerprint; [] for any other table.

    Only a table whose beginning holds an ending of such files is read whole.
    """
    from modelwright.collection.base import CollectSpec
    from modelwright.collection.reader import Surroundings, read_path

    if not _may_name(path):
        return []
    around = Surroundings.of(CollectSpec(sources=(source,)), keep=None, watch=None)
    files = []
    for piece in read_path(path, str(path), source, around):
        forms = media_columns(piece.table.head(PEEKED_ROWS).collect(), path.parent)
        for column in piece.table.select(list(forms)).collect().get_columns() if forms else ():
            files += [file_of(cell, path.parent) for cell in column.to_list()]
    return [file for file in files if file is not None]


def _may_name(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(path) as packed:
                head = packed.read(HEAD_BYTES)
        except (OSError, EOFError, zlib.error):
            return False  # its reader tells what is wrong with it
    head = head.lower()
    return any(ending.encode() in head for ending in MEDIA_ENDINGS)
