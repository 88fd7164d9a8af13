"""Raw cells of one array input to its array: each column read as its `Reading` says, then `make_array`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelwright_runtime.arrays import make_array
from modelwright_runtime.cells import CategoryCells, Column, Notes, NumberCells, WholeCells
from modelwright_runtime.reading import CellError, Reading
from modelwright_runtime.signature import ArrayInput

Missing = dict[str, dict[int, str]]
"""Of each column of files or lists: the rows that have nothing, and why."""


class ArrayCells:
    """Reads the columns of one array input."""

    def __init__(self, input: ArrayInput, readings: Mapping[str, Reading], levels: Mapping[str, Sequence[str]]) -> None:
        self.input = input
        self.columns = tuple(dict.fromkeys(input.columns))
        own = dict(zip(input.columns, input.settings["levels"], strict=True)) if input.form == "codes" else {}
        self._readers = {name: _reader(input, readings[name], levels.get(name, own.get(name))) for name in self.columns}
        self._is_whole = input.form in ("image", "audio", "series")

    def feed(
        self, columns: Mapping[str, Column], notes: Notes, missing: Missing
    ) -> tuple[np.ndarray, dict[str, Sequence[Any]]]:
        """The array of raw columns, and the cells as read. What cannot be opened is noted and told in `missing`."""
        cells = {name: reader.many(columns[name], notes) for name, reader in self._readers.items()}
        if not self._is_whole:
            return make_array(self.input, cells), cells
        for name, read in cells.items():
            missing[name] = {row: "is missing" for row, cell in enumerate(read) if cell is None}

        def unreadable(row: int, column: str, reason: str) -> None:
            notes.unreadable(row, column, reason)
            missing[column][row] = reason

        return make_array(self.input, cells, unreadable=unreadable), cells


def _reader(input: ArrayInput, reading: Reading, levels: Sequence[str] | None) -> Any:
    if input.form in ("image", "audio", "series"):
        return WholeCells(reading)
    if input.form == "tokens":
        return CategoryCells(reading, None)
    if input.form == "codes" and reading.kind not in ("boolean", "number"):
        return CategoryCells(reading, levels)
    return NumberCells(reading)


def sizes_of(pictures: Sequence[bytes | None]) -> list[tuple[int, int] | None]:
    """Width and height of each picture as shown; None where there is none, or a broken one."""
    from modelwright_runtime.arrays.images import size_of

    sizes: list[tuple[int, int] | None] = []
    for picture in pictures:
        try:
            sizes.append(None if picture is None else size_of(picture))
        except CellError:
            sizes.append(None)
    return sizes
