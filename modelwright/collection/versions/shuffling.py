"""Rows of a version in any order, read in place: what a training loop asks for, batch after batch.

Cells of bytes, texts and series lie in memory-mapped Arrow parts, and a batch copies its own rows and nothing else.
Cells of fixed width (8 bytes each) are held in memory. A part that is Parquet is laid out as Arrow in a scratch file
first.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.collection.versions.manifest import Version, find
from modelwright.core.data import ROW_ID
from modelwright.core.errors import UserError, nearest
from modelwright.core.parts import Part, scan, types
from modelwright.core.rng import stream
from modelwright.core.store import Store

if TYPE_CHECKING:
    import numpy as np

IN_PLACE = ("Binary", "String", "List(Float64)", "List(Float32)")


@dataclass(frozen=True, eq=False)
class _InPlace:
    """Cells of one column that are read where they lie. Row i of all lies in `maps[part]`, from `ends[i + part]` to
    `ends[i + part + 1]`, which with `begin` are places in the file; `valid` is None where none is missing."""

    word: str
    maps: list[mmap.mmap]
    begin: int
    ends: np.ndarray
    valid: np.ndarray | None

    def take(self, positions: np.ndarray, part_of: np.ndarray | None) -> list[Any]:
        if part_of is None:
            cells = self.maps[0]
            starts, ends = self.ends[positions] + self.begin, self.ends[positions + 1] + self.begin
            raw = [cells[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        else:
            at = positions + part_of
            files = map(self.maps.__getitem__, part_of.tolist())
            starts, ends = self.ends[at].tolist(), self.ends[at + 1].tolist()
            raw = [cells[start:end] for cells, start, end in zip(files, starts, ends, strict=True)]
        made = raw if self.word == "Binary" else [self._told(cell) for cell in raw]
        if self.valid is not None:
            made = [cell if there else None for cell, there in zip(made, self.valid[positions].tolist(), strict=True)]
        return made

    def _told(self, raw: bytes) -> Any:
        import numpy as np

        if self.word == "String":
            return raw.decode("utf-8")
        return np.frombuffer(raw, dtype=np.float64 if self.word == "List(Float64)" else np.float32)


@dataclass(frozen=True, eq=False)
class RowReader:
    """The rows of a version, by their position in it. `open_reader` makes one; it may be kept for many epochs."""

    n_rows: int
    starts: np.ndarray
    in_place: dict[str, _InPlace]
    held: dict[str, Any]
    names: tuple[str, ...]

    def take(self, positions: np.ndarray) -> dict[str, Any]:
        """The rows at these positions (0 .. n_rows - 1), in this order: by column name an array for numbers without
        gaps, else a list with None where a cell is missing (bytes, texts, arrays of a series); `__row__` has the ids.
        """
        import numpy as np

        part_of = None
        if len(self.starts) > 1:
            part_of = np.searchsorted(self.starts, positions, side="right") - 1
        made: dict[str, Any] = {}
        for name in self.names:
            if name in self.in_place:
                made[name] = self.in_place[name].take(positions, part_of)
            else:
                held = self.held[name]
                made[name] = held[positions] if isinstance(held, np.ndarray) else held.gather(positions).to_list()
        return made

    def shuffled(self, *, batch_rows: int = 64, seed: int = 0, epoch: int = 0) -> Iterator[dict[str, Any]]:
        """Every row once, in an order that seed and epoch decide, in batches (the last one may be smaller)."""
        order = stream(seed, "shuffled", epoch).permutation(self.n_rows)
        for start in range(0, self.n_rows, batch_rows):
            yield self.take(order[start : start + batch_rows])


def shuffled(
    store: Store, label: str | Version, *, batch_rows: int = 64, seed: int = 0, epoch: int = 0,
    columns: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Every row of a version once, in batches, in an order that seed and epoch decide (see `RowReader`).

    >>> import tempfile, polars as pl
    >>> from modelwright.collection.versions import append
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store.open(folder)
    ...     _ = append(store, "dots", pl.DataFrame({"image": [b"a", b"bc", b"d"], "label": [0, 1, 0]}))
    ...     [batch["image"] for batch in shuffled(store, "dots", batch_rows=2)]
    [[b'a', b'bc'], [b'd']]
    """
    yield from open_reader(store, label, columns=columns).shuffled(batch_rows=batch_rows, seed=seed, epoch=epoch)


def open_reader(store: Store, label: str | Version, *, columns: Sequence[str] = ()) -> RowReader:
    """A reader of the rows of a version by position; `columns` are those to be read, all if none are named."""
    import numpy as np

    version = label if isinstance(label, Version) else find(store, label)
    for name in columns:
        if name not in version.types:
            raise UserError(
                "schema.column", f"{version.label} has no column {name!r}.", hint=nearest(name, version.types)
            )
    names = tuple(columns) or version.schema.names
    parts = [_laid_out(store, version, part) for part in version.parts]
    maps = [_mapped(path) for path, _, _ in parts]
    in_place: dict[str, _InPlace] = {}
    for name in names:
        if version.types[name] in IN_PLACE and parts:
            column = _in_place(name, version.types[name], parts, maps)
            if column is not None:
                in_place[name] = column
    held = _held(store, version, [name for name in names if name not in in_place])
    starts = np.cumsum([0, *(part.n_rows for part in version.parts)])[:-1]
    return RowReader(version.n_rows, starts, in_place, held, (ROW_ID, *names))


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _laid_out(store: Store, version: Version, part: Part) -> tuple[Path, Part, list[str]]:
    """The part as one Arrow file of one batch with these columns, in the version's types."""
    import polars as pl

    from modelwright.collection.scratch import scratch_path

    path = store.sure(part.digest)
    if part.form == "arrow":
        held = pl.scan_ipc(path, glob=False, hive_partitioning=False).collect_schema()
        if all(held.get(name) in (None, types()[word]) for name, word in version.types.items() if word in IN_PLACE):
            return path, part, list(held)
    words = {name: word for name, word in version.types.items() if word in IN_PLACE}
    aside = scratch_path(".arrow")
    whole = scan(store, [part], words).drop(ROW_ID).collect().rechunk()
    whole.write_ipc(aside, compat_level=pl.CompatLevel.oldest(), record_batch_size=max(part.n_rows, 1))
    return aside, Part(part.digest, "arrow", part.n_rows, 0, part.first_row, 0), list(words)


def _in_place(
    name: str, word: str, parts: list[tuple[Path, Part, list[str]]], maps: list[mmap.mmap]
) -> _InPlace | None:  # fmt: skip
    """Where the cells of a column lie; None where they cannot be read in place (missing values inside of lists)."""
    import numpy as np

    from modelwright.collection.arrowfile import batches

    width = {"List(Float64)": 8, "List(Float32)": 4}.get(word, 1)
    begins, ends = [], []
    valid: list[np.ndarray | None] = []
    for (_, part, held), cells in zip(parts, maps, strict=True):
        if name not in held:  # the column is younger than this part
            begins.append(0)
            ends.append(np.zeros(part.n_rows + 1, dtype=np.int64))
            valid.append(np.zeros(part.n_rows, dtype=bool))
            continue
        (batch,) = batches(cells)
        marks, offsets, *rest = batch.columns[held.index(name)]
        if width > 1 and rest[0][1]:
            return None
        begins.append(rest[-1][0])
        table = np.frombuffer(cells, dtype=np.int64, count=batch.n_rows + 1, offset=offsets[0])
        ends.append(table[part.offset : part.offset + part.n_rows + 1] * width if width > 1 else
                    table[part.offset : part.offset + part.n_rows + 1])  # fmt: skip
        valid.append(_valid(cells, marks, part))
    there = None
    if not all(one is None for one in valid):
        full = [np.ones(part.n_rows, dtype=bool) for _, part, _ in parts]
        there = np.concatenate([other if one is None else one for one, other in zip(valid, full, strict=True)])
    if len(ends) == 1:
        return _InPlace(word, maps, begins[0], ends[0], there)
    return _InPlace(
        word, maps, 0, np.concatenate([one + begin for one, begin in zip(ends, begins, strict=True)]), there
    )


def _valid(cells: mmap.mmap, marks: tuple[int, int], part: Part) -> np.ndarray | None:
    """Which cells of a part are there; None if all are."""
    import numpy as np

    begin, size = marks
    if not size:
        return None
    bits = np.unpackbits(np.frombuffer(cells, dtype=np.uint8, count=size, offset=begin), bitorder="little")
    there: np.ndarray = bits[part.offset : part.offset + part.n_rows].astype(bool)
    return None if there.all() else there


def _held(store: Store, version: Version, names: list[str]) -> dict[str, Any]:
    """Columns of fixed width in memory, and the row ids: arrays for numbers without gaps, else Series."""
    import polars as pl

    frame = scan(store, version.parts, {name: version.types[name] for name in names}).collect().rechunk()
    made: dict[str, Any] = {}
    for column in frame.get_columns():
        plain = column.dtype.is_numeric() or column.dtype == pl.Boolean
        made[column.name] = column.to_numpy() if plain and not column.null_count() else column
    return made
