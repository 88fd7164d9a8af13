"""Raw cells of one array input to its array: each column read as its `Reading` says, then `make_array`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelwright_runtime.arrays import make_array
from modelwright_runtime.cells import CategoryCells, Column, Notes, NumberCells, WholeCells
from modelwright_runtime.reading import Reading
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

    def feed(self, columns: Mapping[str, Column], notes: Notes, missing: Missing) -> np.ndarray:
        """The array of raw columns. Of files and lists, rows that have nothing are told in `missing`."""
        if not self._is_whole:
            return make_array(
                self.input, {name: read.many(columns[name], notes) for name, read in self._readers.items()}
            )
        cells = {}
        for name, reader in self._readers.items():
            cells[name], missing[name] = reader.many(columns[name], notes)

        def unreadable(row: int, column: str, reason: str) -> None:
            notes.unreadable(row, column, reason)
            missing[column][row] = reason

        return make_array(self.input, cells, unreadable=unreadable)

    def sizes(self, columns: Mapping[str, Column], missing: Missing) -> list[tuple[int, int] | None]:
        """Width and height of each picture as shown; None where there is none, or a broken one."""
        from modelwright_runtime.arrays.images import size_of

        (name,) = self.columns
        cells, _ = self._readers[name].many(columns[name], Notes())
        return [None if row in missing[name] else size_of(cell) for row, cell in enumerate(cells)]


def _reader(input: ArrayInput, reading: Reading, levels: Sequence[str] | None) -> Any:
    if input.form in ("image", "audio", "series"):
        return WholeCells(reading)
    if input.form == "tokens":
        return CategoryCells(reading, None)
    if input.form == "codes" and reading.kind not in ("boolean", "number"):
        return CategoryCells(reading, levels)
    return NumberCells(reading)
