"""Categories to int64 codes and numbers to float32, one column each.

Settings of `codes`: `levels`, the texts of each column in the order of their codes from 2 on; 0 is missing, 1 is a
level that training did not know. A boolean's levels are "0" and "1".

Settings of `numbers`: `mean` and `scale` of each column, for the network to standardise with; `shift`, taken off
each column in float64 first (numbers far from 0 would lose their differences in float32); `parts`, for each column
None, or the part of a datetime that it is (`modelwright_runtime.dates.PARTS`); `origins`, from when days are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelwright_runtime.arrays._prepared import prepared
from modelwright_runtime.dates import PARTS, parts_of
from modelwright_runtime.signature import ArrayInput

_LARGEST = 3.4028234663852886e38  # of float32


def row_shape(input: ArrayInput) -> tuple[int, ...]:
    """(n_columns,)."""
    return (len(input.columns),)


def make(input: ArrayInput, columns: Mapping[str, Sequence[Any]], unreadable: Any) -> np.ndarray:
    """All columns side by side."""
    return _codes(input, columns) if input.form == "codes" else _numbers(input, columns)


def _codes(input: ArrayInput, columns: Mapping[str, Sequence[Any]]) -> np.ndarray:
    tables = prepared(input.settings, "codes", _tables)
    n_rows = len(columns[input.columns[0]])
    made = np.empty((n_rows, len(input.columns)), dtype=np.int64)
    for index, name in enumerate(input.columns):
        cells = columns[name]
        listed = cells.tolist() if isinstance(cells, np.ndarray) else cells
        made[:, index] = np.fromiter(map(tables[index].__getitem__, listed), dtype=np.int64, count=n_rows)
    return made


class _Codes(dict[Any, int]):
    """Cell to code. Cells are texts; booleans and whole numbers count as their texts."""

    def __missing__(self, cell: Any) -> int:
        if cell is None or cell == "" or cell != cell:
            return 0
        if isinstance(cell, (bool, int, float)):
            text = str(int(cell)) if float(cell).is_integer() else str(cell)
            return self.get(text, 1)
        return 1


def _tables(settings: Mapping[str, Any]) -> list[_Codes]:
    return [_Codes((level, code) for code, level in enumerate(levels, start=2)) for levels in settings["levels"]]


def _numbers(input: ArrayInput, columns: Mapping[str, Sequence[Any]]) -> np.ndarray:
    settings = input.settings
    parts = settings.get("parts") or [None] * len(input.columns)
    origins = settings.get("origins") or [0.0] * len(input.columns)
    n_rows = len(columns[input.columns[0]])
    made = np.empty((n_rows, len(input.columns)), dtype=np.float64)
    taken: dict[tuple[str, float], list[Any]] = {}
    for index, (name, part) in enumerate(zip(input.columns, parts, strict=True)):
        if part is None:
            made[:, index] = np.asarray(columns[name], dtype=np.float64)
            continue
        moment = name, origins[index]
        if moment not in taken:
            taken[moment] = parts_of(np.asarray(columns[name], dtype=np.float64), origins[index], np.floor)
        made[:, index] = taken[moment][PARTS.index(part)]
    if settings.get("shift"):
        made -= np.asarray(settings["shift"], dtype=np.float64)
    return np.clip(made, -_LARGEST, _LARGEST).astype(np.float32)
