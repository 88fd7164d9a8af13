"""Numbers and tables as C99 writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

C_BYTES = {
    "double": 8, "float": 4, "int32_t": 4, "uint32_t": 4, "int16_t": 2, "uint16_t": 2, "int8_t": 1, "uint8_t": 1,
    "const char *": 8,
}  # fmt: skip
_LINE = 110


def c_type(dtype: np.dtype[Any]) -> str:
    """The C type of the elements of a tensor; whole numbers are 32 bits wide."""
    kinds = {"f8": "double", "f4": "float", "b1": "uint8_t", "u1": "uint8_t", "i8": "int32_t", "i4": "int32_t"}
    name = dtype.str[1:]
    if name in kinds:
        return kinds[name]
    if dtype.kind in "OUS":
        return "const char *"
    raise UserError("target.operator", f"the embedded target has no numbers of the type {dtype}.",
                    hint="take the target `mobile`")  # fmt: skip


def literal(value: Any, kind: str) -> str:
    """One number.

    >>> literal(0.1, "double"), literal(3, "float"), literal(float("nan"), "float")
    ('0.1', '3.0f', '(float)NAN')
    """
    if kind not in ("double", "float"):
        return str(int(value))
    import numpy as np

    number = float(value)
    if number != number:
        return "NAN" if kind == "double" else "(float)NAN"
    if number in (float("inf"), float("-inf")):
        return ("-" if number < 0 else "") + ("INFINITY" if kind == "double" else "(float)INFINITY")
    text = repr(number) if kind == "double" else str(np.float32(number))
    if not any(mark in text for mark in ".en"):
        text += ".0"
    return text if kind == "double" else f"{text}f"


def integer_type(low: int, high: int) -> str:
    """The narrowest C type that holds low..high.

    >>> integer_type(0, 200), integer_type(-1, 200)
    ('uint8_t', 'int16_t')
    """
    for bits in (8, 16, 32):
        if low >= 0 and high < 2**bits:
            return f"uint{bits}_t"
        if -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1):
            return f"int{bits}_t"
    raise UserError("target.operator", f"the embedded target has no whole number as large as {high}.",
                    hint="take the target `mobile`")  # fmt: skip


def table_array(flat: np.ndarray) -> tuple[np.ndarray, str]:
    """A flat array and its C type: float64 that float32 says exactly becomes it, whole numbers the narrowest type."""
    import numpy as np

    if flat.dtype.kind in "iub":
        whole = flat.astype(np.int64)
        kind = integer_type(int(whole.min(initial=0)), int(whole.max(initial=0)))
        return whole.astype(kind.removesuffix("_t")), kind
    if flat.dtype == np.float64:
        with np.errstate(over="ignore"):
            narrow = flat.astype(np.float32)
        if not np.array_equal(narrow.astype(np.float64), flat, equal_nan=True):
            return flat, "double"
        return narrow, "float"
    return flat, c_type(flat.dtype)


def rows_of(flat: np.ndarray, kind: str) -> str:
    """The content of a table, in lines."""
    lines, line = [], ""
    for value in flat.tolist() or [0]:
        text = literal(value, kind) + ","
        if len(line) + len(text) > _LINE:
            lines.append(line)
            line = ""
        line += (" " if line else "  ") + text
    return "\n".join([*lines, line])


def index_expression(positions: np.ndarray) -> Callable[[str], str] | None:
    """C for `positions[i]` where a short formula says it; None where a table must.

    >>> import numpy as np
    >>> index_expression(np.array([0, 1, 0, 1]))("i"), index_expression(np.array([0, 0, 1, 1]))("i")
    ('(i % 2)', '(i / 2)')
    """
    import numpy as np

    n_cells, whole = positions.size, np.arange(positions.size)
    if n_cells == 0 or (positions == positions[0]).all():
        start = int(positions[0]) if n_cells else 0
        return lambda index: str(start)
    first, step = int(positions[0]), int(positions[1] - positions[0])
    if step and np.array_equal(positions, first + whole * step):
        times = "" if step == 1 else f" * {step}"
        plus = "" if first == 0 else f" + {first}"
        return lambda index: f"({index}{times}{plus})" if times or plus else index
    top = int(positions.max()) + 1
    if np.array_equal(positions, whole % top):
        return lambda index: f"({index} % {top})"
    if n_cells % top == 0 and np.array_equal(positions, whole // (n_cells // top)):
        return lambda index: f"({index} / {n_cells // top})"
    return None
