"""Lists of numbers to float32 (n, n_columns, length): one column of lists per channel. The array is always finite.

Settings: `length`; `fit`: `pad_right` (from the start on), `pad_left` (the last values, as forecasts want them) or
`resample` (linear interpolation over the whole); `mean` and `scale` of each column, for the network to standardise
with. Padding and a series without a value are the column's mean, which standardises to 0. Gaps between two
values are filled by linear interpolation, gaps at an end by the nearest value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelwright_runtime.signature import ArrayInput

_LARGEST = 3.4028234663852886e38  # of float32


def row_shape(input: ArrayInput) -> tuple[int, ...]:
    """(n_columns, length)."""
    return (len(input.columns), int(input.settings["length"]))


def make(input: ArrayInput, columns: Mapping[str, Sequence[Any]], unreadable: Any) -> np.ndarray:
    """Every column as one channel."""
    length, fit = int(input.settings["length"]), str(input.settings.get("fit", "pad_right"))
    means = input.settings.get("mean") or [0.0] * len(input.columns)
    n_rows = len(columns[input.columns[0]])
    made = np.empty((n_rows, len(input.columns), length), dtype=np.float32)
    for index, name in enumerate(input.columns):
        whole = _at_once(columns[name], length)
        if whole is not None:
            made[:, index] = whole
            continue
        for row, cell in enumerate(columns[name]):
            try:
                made[row, index] = fitted(cell, length, fit, means[index])
            except (TypeError, ValueError, OverflowError):
                unreadable(row, name, "no list of numbers")
                made[row, index] = means[index]
    return made


def _at_once(cells: Sequence[Any], length: int) -> np.ndarray | None:
    """Cells that are all of the right length and without gaps; None when any is not."""
    if not len(cells) or any(cell is None or isinstance(cell, str) or len(cell) != length for cell in cells):
        return None
    try:
        whole = np.asarray(cells, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    if whole.ndim != 2 or not bool(np.isfinite(whole).all()):
        return None
    bounded: np.ndarray = np.clip(whole, -_LARGEST, _LARGEST)
    return bounded


def fitted(cell: Any, length: int, fit: str, filling: float = 0.0) -> np.ndarray:
    """One series as float64 of exactly `length`.

    >>> fitted([1.0, float("nan"), 3.0], 5, "pad_right", 9.0).tolist()
    [1.0, 2.0, 3.0, 9.0, 9.0]
    >>> fitted([1.0, 2.0, 3.0], 2, "pad_left").tolist()
    [2.0, 3.0]
    >>> fitted([0.0, 4.0], 5, "resample").tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    values = without_gaps(cell)
    if not len(values):
        return np.full(length, filling)
    if fit == "resample":
        if len(values) == length:
            return values
        places = np.linspace(0.0, len(values) - 1.0, length)
        return np.asarray(np.interp(places, np.arange(len(values)), values))
    made = np.full(length, filling)
    if fit == "pad_left":
        taken = values[-length:]
        made[length - len(taken) :] = taken
    else:
        taken = values[:length]
        made[: len(taken)] = taken
    return made


def without_gaps(cell: Any) -> np.ndarray:
    """A series as finite float64, gaps interpolated; empty when there is no value at all."""
    if cell is None:
        return np.empty(0)
    values = np.asarray(cell, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError("a series is a flat list of numbers")
    there = np.isfinite(values)
    if not there.all():
        places = np.flatnonzero(there)
        if not len(places):
            return np.empty(0)
        values = np.interp(np.arange(len(values)), places, values[places])
    return np.asarray(np.clip(values, -_LARGEST, _LARGEST))
