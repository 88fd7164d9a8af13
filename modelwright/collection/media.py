"""Folders of images or sounds to a raw table: one row a file, its bytes in a Binary column.

What folders and names say becomes columns: `folder` (the class, in a folder of folders), `name_1`, `name_2`, ...
(fields of names such as `7_anna_3.wav`), `split` (a level named train, test or val). The bytes are those of the
files; nothing is decoded here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.collection.piece import Notes, Piece
from modelwright.collection.scratch import file_errors, scratch_path
from modelwright.collection.tree import SPLITS, Found, Tree, tree_of
from modelwright.core.data import Column
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.base import SourceSpec
    from modelwright.collection.reader import Surroundings

SMALL_BYTES = 256 * 2**20
"""Media up to this size are held in memory; more are written to scratch tables of about this size each."""

ABOUT_FILE = "the file's name"
ABOUT_PLACE = "where the file lies or how it is named: known of these files, not of new ones"
_FIELD = re.compile(r"[_-]")


def read_media(source: SourceSpec, around: Surroundings) -> Piece | None:
    """The table of a folder, pattern or zip of media, with the boxes or masks that lie beside them; else None.

    Raises `collection.mixed` for images and sounds in one folder, `collection.size` beyond `max_bytes`.
    """
    from modelwright.collection.annotations import read_annotated
    from modelwright.collection.idx import read_idx
    from modelwright.collection.reader import rename_columns
    from modelwright.collection.tsfile import read_ts

    tree = tree_of(source.source, around.max_bytes, around.max_ratio) if source.format == "auto" else None
    if tree is None:
        return None
    if source.member != "*":
        tree = replace(tree, files=tuple(one for one in tree.files if fnmatch(one.name, source.member)))

    around.tell("read", name=source.source)
    notes = Notes(source.source)
    _tell_skipped(tree, notes)
    read = Reader(around, source.source)
    piece = read_annotated(tree, read, notes) or read_idx(tree, read, notes) or read_ts(tree, read, notes)
    if piece is None and tree.media() and not _is_table_folder(tree):
        piece = _read_tree(tree, read, notes)
    if piece is None:
        return None
    piece = rename_columns(piece, source.columns, source.source)
    about = {**piece.about, "n_rows": piece.n_rows}
    return replace(piece, about=about, repairs=notes.repairs(), decisions=tuple(notes.decisions))


def natural_target(source: str) -> str | None:
    """The column that is to be predicted from a folder, pattern or file of media, where its form says so: `boxes`,
    `mask`, `label`, or the `folder` that each file lies in; None for anything else. Zips are not opened.

    >>> natural_target("homes.csv") is None
    True
    """
    from modelwright.collection.annotations import natural_annotation
    from modelwright.collection.idx import is_idx

    tree = tree_of(source, 0, 1.0) if not source.lower().endswith(".zip") else None
    if tree is None:
        return None
    annotated = natural_annotation(tree)
    if annotated:
        return annotated
    if any(is_idx(found.name) or found.name.lower().endswith((".ts", ".ts.gz")) for found in tree.files):
        return "label"
    media = tree.media()
    if not media or _is_table_folder(tree):
        return None
    return "folder" if any(_without_splits([found.folders for found in media])[1]) else None


def _is_table_folder(tree: Tree) -> bool:
    """Whether tables lie at the top, and media only below: then a table names the media, and is what is read."""
    from modelwright.collection.sniff import KNOWN_ENDINGS, endings_of

    tables = [found for found in tree.files if not found.folders and endings_of(found.name)[0] in KNOWN_ENDINGS]
    return bool(tables) and any(_names_media(found.path, tree) for found in tables)


def _names_media(path: Path, tree: Tree) -> bool:
    """Whether the beginning of a text file names one of the media files."""
    with file_errors(path), path.open("rb") as file:
        head = file.read(65536)
    return any(found.name.encode() in head for found in tree.media()[:50])


def _tell_skipped(tree: Tree, notes: Notes) -> None:
    for why, count in sorted(tree.skipped.items()):
        notes.repair("file_skipped", why=why, count=count)


@dataclass
class Reader:
    """Reads files' bytes, counts them against the limit and tells how far it is."""

    around: Surroundings
    name: str
    n_bytes: int = 0
    n_read: int = 0
    wanted: frozenset[str] | None = None

    def is_wanted(self, found: Found) -> bool:
        """Whether a file is to be read; all are, unless some are named."""
        return self.wanted is None or found.name in self.wanted

    def check(self, files: Sequence[Found]) -> None:
        """Refuse more bytes than the limit before the first is read."""
        size = sum(found.n_bytes for found in files)
        if size > self.around.max_bytes:
            raise UserError(
                "collection.size",
                f"the {len(files):,} files of `{self.name}` have {size:,} bytes, more than `max_bytes` "
                f"({self.around.max_bytes:,}).",
                hint="raise `max_bytes`, or give fewer files",
            )

    def bytes_of(self, found: Found, total: int) -> bytes:
        """The bytes of one file; progress is told about a hundred times."""
        with file_errors(found.path):
            data = found.path.read_bytes()
        self.n_bytes += len(data)
        self.n_read += 1
        if self.n_read % max(1, total // 100) == 0:
            self.around.tell("progress", done=self.n_read, total=total, text=self.name)
        return data


def binary_table(
    rows: Mapping[str, Sequence[Any]], files: Mapping[str, Sequence[Found | None]], reader: Reader
) -> pl.LazyFrame:
    """The table of `rows` (plain cells per column) and, per column of `files`, the bytes of each file.

    Beyond 256 MiB the table lies in scratch files of that size and is a scan of them.
    """
    import polars as pl

    wanted = [found for column in files.values() for found in column if found is not None]
    reader.check(wanted)
    n_rows = len(next(iter(files.values())))
    plain = pl.DataFrame(dict(rows))
    parts: list[pl.DataFrame] = []
    scratch: list[Path] = []
    start = 0
    while start < n_rows or not (parts or scratch):
        stop = _part_end(files, start, n_rows)
        binary = [
            pl.Series(name, [_bytes(found, reader, len(wanted)) for found in column[start:stop]], dtype=pl.Binary)
            for name, column in files.items()
        ]
        part = pl.DataFrame([*plain.slice(start, stop - start).get_columns(), *binary])
        start = stop
        if stop == n_rows and not scratch:
            parts.append(part)
            continue
        path = scratch_path(".parquet")
        part.write_parquet(path, compression="uncompressed", statistics=False, row_group_size=256)
        scratch.append(path)
    return parts[0].lazy() if parts else pl.scan_parquet(scratch, glob=False)


def _bytes(found: Found | None, reader: Reader, total: int) -> bytes | None:
    return None if found is None else reader.bytes_of(found, total)


def _part_end(files: Mapping[str, Sequence[Found | None]], start: int, n_rows: int) -> int:
    """The row after the last of a part of about `SMALL_BYTES`."""
    size, stop = 0, start
    while stop < n_rows and (size < SMALL_BYTES or stop == start):
        for column in files.values():
            found = column[stop]
            size += found.n_bytes if found else 0
        stop += 1
    return stop


def piece_of(table: pl.LazyFrame, n_rows: int, form: str, reader: Reader, known: Sequence[Column]) -> Piece:
    """The piece of a table of media."""
    about = {"name": reader.name, "bytes": reader.n_bytes, "format": form, "header": True}
    names = tuple(table.collect_schema().names())
    kept = tuple(column for column in known if column.name in names)
    return Piece(table=table, names=names, n_rows=n_rows, about=about, known=kept)


# A tree of folders -------------------------------------------------------------------------------------------


def _read_tree(tree: Tree, reader: Reader, notes: Notes) -> Piece:
    media = tree.media()
    counts = Counter(found.form for found in media)
    if len(counts) > 1:
        some = {found.form: found.name for found in reversed(media)}
        raise UserError(
            "collection.mixed",
            f"`{reader.name}` holds {counts['image']:,} images (such as {some['image']}) and {counts['audio']:,} "
            f"sounds (such as {some['audio']}).",
            hint=f"give the files of one kind by a pattern, such as '{reader.name.rstrip('/')}/**/*.png'",
        )
    others = len(tree.files) - len(media)
    if others:
        example = next(found.name for found in tree.files if not found.form)
        notes.repair("file_skipped", why=f"neither image nor sound, such as {example}", count=others)
    columns, known = places(media, notes)
    form = media[0].form or "image"
    fresh = [reader.is_wanted(found) for found in media]
    if not all(fresh):  # what places say is seen on all files, and the bytes are read of the wanted ones alone
        columns = {name: [cell for cell, wanted in zip(cells, fresh, strict=True) if wanted]
                   for name, cells in columns.items()}  # fmt: skip
        media = [found for found, wanted in zip(media, fresh, strict=True) if wanted]
    return piece_of(binary_table(columns, {form: media}, reader), len(media), form, reader, known)


def places(media: Sequence[Found], notes: Notes) -> tuple[dict[str, list[Any]], list[Column]]:
    """What names and folders say, as columns of texts, and what is known of the columns."""
    split, folders = _without_splits([found.folders for found in media])
    columns: dict[str, list[Any]] = {"file": [found.name for found in media]}
    depth = {len(below) for below in folders}
    if any(folders):
        columns["folder"] = ["/".join(below) or None for below in folders]
        if len(depth) == 1 and min(depth) > 1:
            for level in range(min(depth)):
                columns[f"folder_{level + 1}"] = [below[level] for below in folders]
    else:
        columns |= _name_fields([found.stem for found in media])
    if split is not None:
        columns["split"] = split
        notes.decide("split", "given", f"folders are named {', '.join(sorted({str(word) for word in split if word}))}")
    special = {
        "file": Column("file", "category", "id", why=ABOUT_FILE),
        "split": Column("split", "category", "split", why="a folder says which rows are held out"),
    }
    return columns, [special.get(name, Column(name, "category", "ignored", why=ABOUT_PLACE)) for name in columns]


def _without_splits(folders: list[tuple[str, ...]]) -> tuple[list[str | None] | None, list[tuple[str, ...]]]:
    """What each file's level named train or test says, and its folders without that level and without the
    levels that all files share."""
    split: list[str | None] = []
    rest = []
    for below in folders:
        level = next((index for index, name in enumerate(below) if name.lower() in SPLITS), None)
        split.append(None if level is None else SPLITS[below[level].lower()])
        rest.append(below if level is None else below[:level] + below[level + 1 :])
    if None in split or len(set(split)) < 2:
        return None, _without_shared(folders)
    return split, _without_shared(rest)


def _without_shared(folders: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Folders below the ones that all files share.

    >>> _without_shared([("sounds", "yes"), ("sounds", "no")]), _without_shared([("sounds",), ("sounds",)])
    ([('yes',), ('no',)], [(), ()])
    """
    shared = 0
    while folders and all(len(below) > shared and below[shared] == folders[0][shared] for below in folders):
        shared += 1
    return [below[shared:] for below in folders]


def _name_fields(stems: Iterable[str]) -> dict[str, list[str]]:
    """The fields of names that all have the same number of them, at least two.

    >>> _name_fields(["7_anna_3", "1_bert_0"])
    {'name_1': ['7', '1'], 'name_2': ['anna', 'bert'], 'name_3': ['3', '0']}
    """
    parts = [_FIELD.split(stem) for stem in stems]
    width = len(parts[0])
    if width < 2 or any(len(part) != width for part in parts):
        return {}
    return {f"name_{index + 1}": [part[index] for part in parts] for index in range(width)}
