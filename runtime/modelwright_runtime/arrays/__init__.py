"""Cells to the arrays that a network takes: one function for training and for serving, NumPy and Pillow only.

Settings are plain data, learned from training rows by `modelwright.features.arrays`. Each form's module says which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from modelwright_runtime.errors import UserError
from modelwright_runtime.signature import ArrayInput, Signature

Unreadable = Callable[[int, str, str], None]
"""Told of a cell that cannot be read: its row in the call, its column, the reason. The cell counts as missing."""

_MAX_CELLS_AT_WORK = 2**25  # 128 MB of float32
_WHERE = {
    "image": "images", "audio": "audio", "series": "series", "tokens": "tokens", "codes": "codes", "numbers": "codes",
}  # fmt: skip


def refuse(row: int, column: str, reason: str) -> None:
    """What happens to an unreadable cell where nobody says otherwise: `UserError("rows.cell")`."""
    raise UserError("rows.cell", f"row {row}, column {column!r}: {reason}.", hint="mend the cell, or leave it empty")


def make_array(
    input: ArrayInput, columns: Mapping[str, Sequence[Any]], *, unreadable: Unreadable = refuse
) -> np.ndarray:
    """The array that `input` says, of shape and dtype as in `ArrayInput`, from one cell per row and column.

    Cells are None where missing; images and audio are the encoded files' bytes, series lists of numbers or arrays,
    texts and categories str, numbers float (datetimes seconds since 1970, booleans 0 and 1). A missing image is
    black, missing sound silence, a missing series its column's mean, a missing text padding. A cell that cannot be
    decoded is told to `unreadable(row, column, reason)` and then counts as missing; by default it is refused.

    >>> numbers = ArrayInput(form="numbers", columns=("a", "b"))
    >>> make_array(numbers, {"a": [1.0, None], "b": [2.0, 3.0]}).tolist()
    [[1.0, 2.0], [nan, 3.0]]
    >>> words = ArrayInput(form="tokens", columns=("t",), settings={
    ...     "level": "word", "casefold": True, "length": 3, "vocabulary": ["good", "!"]})
    >>> make_array(words, {"t": ["Good film!", None]}).tolist()
    [[2, 1, 3], [0, 0, 0]]
    """
    made: np.ndarray = _module(input).make(input, columns, unreadable)
    return made


def row_shape(input: ArrayInput) -> tuple[int, ...]:
    """The shape of one row of the array.

    >>> row_shape(ArrayInput(form="image", columns=("photo",), settings={"height": 8, "width": 6, "channels": 3}))
    (8, 6, 3)
    """
    shape: tuple[int, ...] = _module(input).row_shape(input)
    return shape


def n_cells_at_work(input: ArrayInput) -> int:
    """How many numbers a network of usual size holds for one row, roughly: for bounding what it is fed at once.

    Layers widen each value of the input to some 16 channels; attention holds a square of a text's length.
    """
    shape = row_shape(input)
    n_values = int(np.prod(shape))
    return n_values * max(16, 2 * shape[0]) if input.form == "tokens" else n_values * 16


def rows_at_once(signature: Signature) -> int:
    """How many rows one call of the graph is fed: `n_rows_at_once`, or fewer where arrays make rows large."""
    per_row = sum(n_cells_at_work(input) for input in signature.arrays)
    return max(1, min(signature.n_rows_at_once, _MAX_CELLS_AT_WORK // per_row)) if per_row else signature.n_rows_at_once


def _module(input: ArrayInput) -> Any:
    if input.form not in _WHERE:
        raise UserError("package.signature", f"an array input has the unknown form {input.form!r}.")
    return import_module(f"{__name__}.{_WHERE[input.form]}")
