"""Columns to what is counted of them: typed rows of training and raw rows as they were served, told alike.

A text is told by its length in characters and by one of 16 classes of its words (the class of its least word hash: a
one-row MinHash, so that rows stay independent of each other); a picture by bytes, width, height, grey level and
contrast of a 16 x 16 thumbnail; a sound by bytes, seconds and level; a series by length, mean and spread.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelwright.monitoring.reference import N_WORDS

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright_runtime.reading import Reading

NUMBERS = ("number", "boolean", "datetime")
Values = Any  # float64 of shape (n,), NaN where missing; or a Polars series of texts, null where missing
MOST_EXAMPLES = 5


@dataclass(frozen=True)
class Read:
    """One raw column read: its values, and how many cells could not be read, were not finite or of another type."""

    values: Values
    n_unreadable: int = 0
    examples: tuple[str, ...] = field(default=())


def typed_views(frame: pl.DataFrame, kinds: dict[str, str]) -> Iterator[tuple[str, str, str, Values]]:
    """(name, column, of, values) for each thing that is counted of typed columns."""
    from modelwright.core.inputs import numbers

    for column, kind in kinds.items():
        if kind in NUMBERS:
            yield column, column, "number", numbers(frame, [column])[:, 0]
        elif kind == "category":
            yield column, column, "category", frame[column].cast(str)
        else:
            yield from ((f"{column} · {of}", column, of, values) for of, values in made_of(frame[column], kind).items())


def made_of(cells: pl.Series, kind: str) -> dict[str, Values]:
    """What is counted of a column whose cells are no single values."""
    import numpy as np
    import polars as pl

    if kind == "text":
        texts = cells.cast(pl.String)
        lengths = texts.str.len_chars().cast(pl.Float64).fill_null(math.nan).to_numpy()
        words = [None if text is None else words_class(text) for text in texts.to_list()]
        return {"length": lengths, "words": pl.Series("words", words, dtype=pl.String)}
    tell: Callable[[Any], dict[str, float]] = {"image": _picture, "audio": _sound, "series": _series}.get(kind, _length)
    told = [{} if cell is None else tell(cell) for cell in cells.to_list()]
    names = {
        "image": ("bytes", "width", "height", "grey", "contrast"),
        "audio": ("bytes", "seconds", "level"),
        "series": ("length", "mean", "spread"),
    }.get(kind, ("length",))
    return {name: np.array([one.get(name, math.nan) for one in told], dtype=np.float64) for name in names}


def words_class(text: str) -> str:
    """One of 16 classes, by the least hash of the words: texts with the same share of words fall alike.

    >>> words_class("a b") == words_class("B  a")
    True
    """
    return str(min((zlib.crc32(word.encode()) for word in text.lower().split()), default=0) * 2654435761 % N_WORDS)


def _picture(cell: bytes) -> dict[str, float]:
    import io

    import numpy as np

    from modelwright.core.optional import need
    from modelwright_runtime.arrays import images
    from modelwright_runtime.reading import CellError

    image = need("PIL.Image", extra="deep", why="a column of pictures")
    try:
        width, height = images.size_of(cell)
        with image.open(io.BytesIO(cell)) as opened:
            opened.draft("L", (64, 64))
            grey = np.asarray(opened.convert("L").resize((16, 16)), dtype=np.float64) / 255
    except (CellError, OSError):
        return {}
    return {"bytes": len(cell), "width": width, "height": height, "grey": grey.mean(), "contrast": grey.std()}


def _sound(cell: bytes) -> dict[str, float]:
    import numpy as np

    from modelwright_runtime.arrays import audio
    from modelwright_runtime.reading import CellError

    try:
        samples, rate_hz = audio.read(cell)
    except CellError:
        return {}
    level = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if samples.size else 0.0
    return {"bytes": len(cell), "seconds": len(samples) / rate_hz, "level": level}


def _series(cell: Sequence[float | None]) -> dict[str, float]:
    import numpy as np

    values = np.array([math.nan if value is None else value for value in cell], dtype=np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return {"length": float(len(cell))}
    return {"length": float(len(cell)), "mean": float(values.mean()), "spread": float(values.std())}


def _length(cell: Any) -> dict[str, float]:
    return {"length": float(len(cell))}


def read_column(cells: pl.Series, reading: Reading) -> Read:
    """A raw column as the model reads it: what cannot be read counts as missing, and is counted."""
    import polars as pl

    if reading.kind in NUMBERS:
        return _read_numbers(cells, reading)
    if reading.kind in ("category", "text"):
        if cells.dtype == pl.String:
            return _through_distinct(cells, reading, pl.String)
        return _read_each(cells, reading, pl.String)
    return _read_whole(cells, reading)


def _read_numbers(cells: pl.Series, reading: Reading) -> Read:
    import numpy as np
    import polars as pl

    if reading.kind == "number" and cells.dtype.is_numeric():
        values = cells.cast(pl.Float64)
        array = values.to_numpy() if not values.null_count() else values.fill_null(math.nan).to_numpy()
        return _bounded(array, reading)
    if reading.kind == "datetime" and isinstance(cells.dtype, pl.Datetime):
        return Read((cells.dt.timestamp("us").cast(pl.Float64) / 1e6).fill_null(math.nan).to_numpy())
    if cells.dtype == pl.String:
        read = _through_distinct(cells, reading, pl.Float64)
        return Read(read.values.fill_null(math.nan).to_numpy(), read.n_unreadable, read.examples)
    if cells.dtype == pl.Null:
        return Read(np.full(len(cells), math.nan))
    read = _read_each(cells, reading, pl.Float64)
    return Read(read.values.fill_null(math.nan).to_numpy(), read.n_unreadable, read.examples)


def _bounded(values: np.ndarray, reading: Reading) -> Read:
    """What `read_cell` says of plain numbers: none infinite, none impossible, no sentinels."""
    import numpy as np

    bad = np.isinf(values)
    n_bad = int(np.count_nonzero(bad))
    outside = bad if n_bad else None
    with np.errstate(invalid="ignore"):
        for beyond in (
            None if reading.low is None else values < reading.low,
            None if reading.high is None else values > reading.high,
            np.isin(values, reading.sentinels) if reading.sentinels else None,
        ):
            if beyond is not None:
                outside = beyond if outside is None else outside | beyond
    if outside is not None and outside.any():
        values = np.where(outside, math.nan, values)
    return Read(values, n_bad, ("infinite",) if n_bad else ())


def _through_distinct(cells: pl.Series, reading: Reading, dtype: Any) -> Read:
    """Each distinct text is read once."""
    import polars as pl

    from modelwright_runtime.reading import CellError, read_cell

    distinct = cells.drop_nulls().unique()
    meanings: list[Any] = []
    broken: list[str] = []
    plain = True
    for cell in distinct.to_list():
        try:
            meanings.append(read_cell(cell, reading))
        except CellError:
            meanings.append(None)
            broken.append(cell)
        plain = plain and meanings[-1] == cell
    if plain:
        return Read(cells if cells.dtype == dtype else cells.cast(dtype))
    told = pl.Series("meaning", meanings, dtype=dtype)
    values = cells.replace_strict(distinct, told, default=None, return_dtype=dtype)
    n_broken = int(cells.is_in(broken).sum()) if broken else 0
    return Read(values, n_broken, tuple(cell[:60] for cell in sorted(broken)[:MOST_EXAMPLES]))


def _read_each(cells: pl.Series, reading: Reading, dtype: Any) -> Read:
    """Cells of mixed or other types, one by one."""
    import polars as pl

    from modelwright_runtime.reading import CellError, read_cell

    values: list[Any] = []
    broken: list[str] = []
    for cell in cells.to_list():
        try:
            values.append(read_cell(cell, reading))
        except CellError:
            values.append(None)
            broken.append(str(cell)[:60])
    return Read(pl.Series(cells.name, values, dtype=dtype), len(broken), tuple(sorted(set(broken))[:MOST_EXAMPLES]))


def _read_whole(cells: pl.Series, reading: Reading) -> Read:
    import polars as pl

    from modelwright_runtime.reading import CellError, read_whole

    values: list[Any] = []
    n_broken = 0
    for cell in cells.to_list():
        try:
            values.append(read_whole(cell, reading))
        except CellError:
            values.append(None)
            n_broken += 1
    dtype = pl.List(pl.Float64) if reading.kind == "series" else pl.Object if reading.kind == "labels" else pl.Binary
    return Read(pl.Series(cells.name, values, dtype=dtype), n_broken)
