"""Features of the `datasets` library to our columns: names of classes, bytes of files, lists of numbers and labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from modelwright.collection.frames import arrow_columns
from modelwright.collection.piece import Notes
from modelwright.collection.plain import _plain, column_names
from modelwright.core.data import Column, Kind
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import polars as pl

_LISTS = ("List", "LargeList", "Sequence")


def known_of(features: Mapping[str, Any]) -> tuple[Column, ...]:
    """The columns whose kind the features tell."""
    kinds = {name: _kind(feature) for name, feature in features.items()}
    return tuple(Column(name, kind) for name, kind in kinds.items() if kind is not None)


def _kind(feature: Any) -> Kind | None:
    form = type(feature).__name__
    if form in ("Image", "Audio"):
        return "image" if form == "Image" else "audio"
    if form == "ClassLabel":
        return "category"
    inner = _inner(feature)
    if inner == "numbers":
        return "series"
    return "labels" if inner in ("texts", "classes") else None


def _inner(feature: Any) -> str:
    """What a flat list holds: numbers, texts, classes, or "" for anything else."""
    if type(feature).__name__ not in _LISTS:
        return ""
    item = feature.feature
    if type(item).__name__ == "ClassLabel":
        return "classes"
    if type(item).__name__ != "Value":
        return ""
    word = str(item.dtype)
    if word in ("string", "large_string"):
        return "texts"
    return "numbers" if word.startswith(("int", "uint", "float")) else ""


def columns_of(
    table: Any, features: Mapping[str, Any], has: Callable[[str], bool], notes: Notes
) -> list[pl.Series]:  # fmt: skip
    """The columns of one batch (a table of pyarrow), named. `has` says whether a path is a file of the dataset."""
    found: list[tuple[str, pl.Series]] = []
    given = arrow_columns(table)
    labels = [label for label, _ in given]
    for label, column in given:
        feature: Any = features.get(label)
        form, inner = type(feature).__name__, _inner(feature)
        if form in ("Image", "Audio"):
            found.append((label, _files(column, label, has, notes)))
        elif form == "ClassLabel":
            found.append((label, _named(column, feature.names)))
        elif inner:
            found.append((label, _list(column, feature, inner)))
        else:
            found += _plain(label, column, labels)
    names = column_names([label for label, _ in found], notes.source, Notes(""))
    return [column.alias(name) for name, (_, column) in zip(names, found, strict=True)]


def _named(column: pl.Series, names: list[str]) -> pl.Series:
    """Codes as the names of their classes; -1, which stands for no class, is missing."""
    import polars as pl

    codes = pl.Series(range(len(names)), dtype=pl.Int64)
    return column.cast(pl.Int64).replace_strict(codes, pl.Series(names, dtype=pl.String), default=None,
                                                return_dtype=pl.String)  # fmt: skip


def _list(column: pl.Series, feature: Any, inner: str) -> pl.Series:
    import polars as pl

    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    if inner == "numbers":
        return column.cast(pl.List(pl.Float64))
    if inner == "classes":
        names = dict(enumerate(feature.feature.names))
        cells = [None if cell is None else [names[code] for code in cell if code in names] for cell in column.to_list()]
        return pl.Series(column.name, cells, dtype=pl.List(pl.String))
    return column.cast(pl.List(pl.String))


def _files(column: pl.Series, label: str, has: Callable[[str], bool], notes: Notes) -> pl.Series:
    """The bytes of pictures or sounds: in the table, or in files of the dataset, and of nothing else."""
    import polars as pl

    cells: list[bytes | None] = []
    for cell in column.to_list():
        if isinstance(cell, dict) and cell.get("bytes") is None and cell.get("path"):
            cells.append(_read(str(cell["path"]), label, has, notes))
        else:
            cells.append(cell["bytes"] if isinstance(cell, dict) else cell if isinstance(cell, bytes) else None)
    return pl.Series(column.name, cells, dtype=pl.Binary)


def _read(path: str, label: str, has: Callable[[str], bool], notes: Notes) -> bytes | None:
    import fsspec  # type: ignore[import-untyped]

    from modelwright_runtime.reading import MAX_MEDIA_BYTES

    if "://" not in path and not path.startswith(("/", "~")) and ".." not in path:
        notes.repair("file", why=f"`{label}` names files that the dataset does not hold", detail=path[:200])
        return None
    if not has(path):
        raise UserError(
            "collection.hub_path", f"`{label}` names `{path[:200]}`, which is no file of the dataset.",
            hint="a dataset that reaches beyond its own files is made to do harm or by mistake; take it apart by hand",
        )  # fmt: skip
    with fsspec.open(path, "rb") as file:
        raw: bytes = file.read(MAX_MEDIA_BYTES + 1)
    if len(raw) > MAX_MEDIA_BYTES:
        notes.repair("file", why=f"`{label}` has files of more than {MAX_MEDIA_BYTES:,} bytes", detail=path[:200])
        return None
    return raw
