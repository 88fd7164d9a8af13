"""What is shown of each row: found in the table by looking, kept beside the labels as it was when they were given."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID
from modelwright.core.errors import UserError, nearest
from modelwright.labelling.base import Kind, LabelSpec

if TYPE_CHECKING:
    from modelwright.core.data import Dataset

ROWS_AT_ONCE = 500
MOST_SHOWN_LETTERS = 200_000
_SHORT_LETTERS = 400
_MOST_SHOWN_COLUMNS = 30
_MEDIA: dict[str, str] = {"image": "image", "boxes": "image", "masks": "image", "audio": "audio"}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One row as it is shown: `main` are the cells that are labelled, `more` those beside them; `mark` names them.

    `size` is a picture's width and height, None when it cannot be read.
    """

    row: int
    name: str
    mark: str
    main: tuple[Any, ...]
    more: tuple[tuple[str, str], ...]
    size: tuple[int, int] | None = None


def found_columns(data: Dataset, spec: LabelSpec) -> LabelSpec:
    """The spec with its columns named: those that were given, checked, or those of the kind that are found.

    Raises `UserError("labelling.column")` when none fits.
    """
    names = [name for name in data.schema.names if name != spec.target]
    for name in (*spec.columns, *(spec.show or ())):
        if name not in names:
            raise UserError("labelling.column", f"there is no column {name!r} to label.", hint=nearest(name, names))
    columns = spec.columns or _columns_of(data, spec.kind, names)
    if spec.kind == "pairs" and len(columns) != 2:
        raise UserError(
            "labelling.column", f"a pair is two columns; got {', '.join(columns) or 'none'}.",
            hint="name them: --columns left,right",
        )  # fmt: skip
    types = data.table.collect_schema()
    told = _naming(data) if spec.kind in _MEDIA else ""  # a file's name stands above it
    short = [name for name in names if name not in (*columns, told) and _is_short(types[name])]
    show = spec.show if spec.show is not None else tuple(short[:_MOST_SHOWN_COLUMNS])
    return spec.but(columns=columns, show=tuple(name for name in show if name not in columns))


def _naming(data: Dataset) -> str:
    """The column that names a row for people, or ""."""
    ids = [*(name for name in ("file", "name", "id") if name in data.schema), *data.schema.of_role("id"), ""]
    return ids[0]


def _is_short(dtype: Any) -> bool:
    import polars as pl

    return dtype != pl.Binary and not dtype.is_nested()


def _columns_of(data: Dataset, kind: Kind, names: Sequence[str]) -> tuple[str, ...]:
    import polars as pl

    types = data.table.collect_schema()
    if kind in _MEDIA:
        found = [name for name in names if types[name] == pl.Binary]
        return (_one(found, kind, "no column holds files"),)
    if kind == "series":
        lists = [name for name in names if isinstance(types[name], pl.List) and types[name].inner.is_numeric()]  # type: ignore[attr-defined]
        if lists:
            return (lists[0],)
        numbers = [name for name in names if types[name].is_numeric()]
        if len(numbers) < 2:
            raise UserError("labelling.column", "no column holds a series.", hint="name it: --columns values")
        return tuple(numbers)
    texts = [name for name in names if types[name] == pl.String]
    if kind == "pairs":
        both = [name for name in names if types[name] in (pl.String, pl.Binary)]
        return tuple(both[:2]) if len(both) == 2 else tuple(_two_sides(both))
    if not texts:
        return ()  # a table of numbers: all of its columns are shown
    means = data.table.head(1000).select(pl.col(texts).str.len_chars().mean()).collect().row(0, named=True)
    longest = max(texts, key=lambda name: means[name] or 0.0)
    return (longest,) if kind == "spans" or (means[longest] or 0.0) >= 12 else ()


def _one(found: Sequence[str], kind: str, why: str) -> str:
    if not found:
        raise UserError("labelling.column", f"{why} to label as {kind}.", hint="name it: --columns NAME")
    return found[0]


def _two_sides(names: Sequence[str]) -> Iterator[str]:
    """Columns named alike but for their side: title_a and title_b, left and right."""
    for one, other in (("a", "b"), ("left", "right"), ("1", "2"), ("first", "second")):
        for name in names:
            if name.endswith(one) and (twin := name[: len(name) - len(one)] + other) in names:
                yield from (name, twin)
                return


def shown_rows(data: Dataset, spec: LabelSpec) -> Iterator[Shown]:
    """Every row as it is shown, in the table's order; a few hundred rows are in memory at a time."""
    columns = list(dict.fromkeys([*spec.columns, *(spec.show or ())]))
    naming = _naming(data)
    wanted = list(dict.fromkeys([ROW_ID, *columns, *([naming] if naming else [])]))
    table = data.table.select(wanted)
    for start in range(0, data.n_rows, ROWS_AT_ONCE):
        for cells in table.slice(start, ROWS_AT_ONCE).collect().iter_rows(named=True):
            yield _shown(cells, spec, naming)


def _shown(cells: Mapping[str, Any], spec: LabelSpec, naming: str) -> Shown:
    main = [_plain(cells[name]) for name in spec.columns]
    if spec.kind == "series" and len(spec.columns) > 1:
        main = [main]
    more = tuple((name, _text(cells[name])) for name in spec.show or ())
    size = picture_size(main[0]) if _MEDIA.get(spec.kind) == "image" and isinstance(main[0], bytes) else None
    name = _text(cells[naming])[:500] if naming else str(cells[ROW_ID])
    return Shown(row=cells[ROW_ID], name=name, mark=mark_of(cells, spec.columns or spec.show or ()), main=tuple(main),
                 more=more, size=size)  # fmt: skip


def mark_of(cells: Mapping[str, Any], columns: Sequence[str]) -> str:
    """Names what was labelled: 16 hexadecimal digits of the cells' digest, the same wherever the row stands.

    >>> mark_of({"text": "Hello", "id": 4}, ["text"])
    'f409721880f965c9'
    """
    digest = hashlib.sha256()
    for name in columns:
        cell = _plain(cells[name])
        data = cell if isinstance(cell, bytes) else json.dumps(cell, ensure_ascii=True).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def _plain(cell: Any) -> Any:
    """A cell as JSON or bytes."""
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if cell is None or isinstance(cell, (str, bytes, bool, int)):
        return cell
    if isinstance(cell, (list, tuple)):
        return [_plain(one) for one in cell]
    if isinstance(cell, dict):
        return {str(name): _plain(one) for name, one in cell.items()}
    return str(cell)


def _text(cell: Any) -> str:
    text = "" if cell is None else str(cell)
    return text if len(text) <= _SHORT_LETTERS else f"{text[:_SHORT_LETTERS]} ... ({len(text):,} letters)"


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the header; None of what is no picture, or one too large to open."""
    import warnings

    from modelwright.core.optional import need

    picture = need("PIL.Image", extra="deep", why="reading the sizes of pictures")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", picture.DecompressionBombWarning)
            with picture.open(io.BytesIO(data)) as opened:
                width, height = opened.size
    except (OSError, ValueError, SyntaxError, picture.DecompressionBombError, picture.DecompressionBombWarning):
        return None
    return int(width), int(height)
