"""C text in the making: constant tables, statements, and where each array lies in a memory that is shared.

Arrays live in one static piece of memory a type; two that are never needed at once share a place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.packaging.targets._literals import (
    C_BYTES,
    c_type,
    index_expression,
    literal,
    rows_of,
    table_array,
)

if TYPE_CHECKING:
    import numpy as np

    from modelwright.packaging.targets._plan import Plan, Value

Read = Callable[[str], str]
"""C for the element of a value at an index, itself C."""


@dataclass(frozen=True)
class Buffer:
    """One array in the shared memory."""

    name: str
    kind: str
    size: int


@dataclass
class Writer:
    """What has been written so far of one model."""

    plan: Plan
    tables: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    helpers: set[str] = field(default_factory=set)
    table_bytes: int = 0
    _reads: dict[str, Read] = field(default_factory=dict)
    _buffers: dict[str, Buffer] = field(default_factory=dict)
    _scratch: list[Buffer] = field(default_factory=list)
    _shared: dict[tuple[str, bytes], str] = field(default_factory=dict)

    def value(self, name: str) -> Value:
        """A tensor's type, shape and constant."""
        return self.plan.values[name]

    def text(self, line: str) -> None:
        """Add one statement."""
        self.body.append(line)

    def table(self, array: np.ndarray, *, kind: str = "") -> str:
        """The name of a constant table; the same content is written once. Integers take as few bytes as they need."""
        import numpy as np

        flat = np.ascontiguousarray(np.asarray(array).ravel())
        if not kind:
            flat, kind = table_array(flat)
        key = (kind, flat.tobytes())
        if key not in self._shared:
            name = f"mw_table_{len(self._shared)}"
            self.tables.append(f"static const {kind} {name}[{max(1, flat.size)}] = {{\n{rows_of(flat, kind)}\n}};")
            self.table_bytes += C_BYTES[kind] * flat.size
            self._shared[key] = name
        return self._shared[key]

    def define(self, name: str, read: Read) -> None:
        """Say how the elements of a value are read: it is worked out where it is needed, if that is one place."""
        self._reads[name] = read
        if self.plan.uses[name] > 1 or name in self.plan.outputs:
            self.buffer(name)

    def alias(self, name: str, of: str) -> None:
        """The same elements in the same order under another name."""
        if of in self._buffers:
            self._buffers[name] = self._buffers[of]
            self._reads[name] = self._reads[of]
        else:
            self.define(name, self.read(of))

    def given(self, name: str, read: Read) -> None:
        """Say how an input of the graph is read: it lies with the caller and costs nothing to read again."""
        self._reads[name] = read

    def read(self, name: str) -> Read:
        """How the elements of a value are read."""
        value = self.value(name)
        if value.constant is not None:
            return self._constant(value)
        if name not in self._reads:
            raise UserError("target.graph", f"the graph reads {name!r} before it is made.")
        return self._reads[name]

    def _constant(self, value: Value) -> Read:
        import numpy as np

        array = np.asarray(value.constant).ravel()
        if array.size and bool((array == array[0]).all()):
            one = literal(array[0], c_type(value.dtype))
            return lambda index: one
        table = self.table(array)
        return lambda index: f"{table}[{index}]"

    def at(self, name: str, positions: np.ndarray) -> Read:
        """How a value is read where element `i` of the result is its element `positions[i]`."""
        import numpy as np

        if np.array_equal(positions, np.arange(self.value(name).size)):
            return self.read(name)
        if self.value(name).constant is None and len(np.unique(positions)) < positions.size:
            self.buffer(name)  # read more than once each
        read, where = self.read(name), self._positions(positions)
        return lambda index: read(where(index))

    def _positions(self, positions: np.ndarray) -> Callable[[str], str]:
        simple = index_expression(positions)
        if simple is not None:
            return simple
        table = self.table(positions)
        return lambda index: f"{table}[{index}]"

    def buffer(self, name: str) -> str:
        """The name of the array that a value lies in; it is filled now unless it is already."""
        value = self.value(name)
        if value.constant is not None:
            return self.table(value.constant)
        if name not in self._buffers:
            read = self._reads[name]
            made = self.room(name)
            self.text(f"for (i = 0; i < {value.size}; ++i) {made}[i] = {read('i')};")
        return self._buffers[name].name

    def room(self, name: str) -> str:
        """An array for a value that is not filled yet."""
        value = self.value(name)
        made = self.scratch(value.size, c_type(value.dtype))
        self._buffers[name] = made
        self._reads[name] = lambda index: f"{made.name}[{index}]"
        return made.name

    def scratch(self, size: int, kind: str) -> Buffer:
        """An array that no value has a name for."""
        made = Buffer(f"v{len(self._scratch)}", kind, size)
        self._scratch.append(made)
        return made

    def laid_out(self) -> tuple[list[str], dict[str, str], int]:
        """Static memory, pointers into it by name, and its bytes. Each array takes the lowest free place."""
        sizes: dict[str, int] = {}
        placed: list[tuple[Buffer, int, int]] = []
        lives = _lives(self.body)
        for buffer in self._scratch:
            first, last = lives.get(buffer.name, (0, 0))
            taken = sorted(
                (start, start + other.size)
                for other, start, end in placed
                if other.kind == buffer.kind and end >= first
            )
            place = 0
            for start, end in taken:
                if place + buffer.size <= start:
                    break
                place = max(place, end)
            placed.append((buffer, place, last))
            sizes[buffer.kind] = max(sizes.get(buffer.kind, 0), place + buffer.size)
        memory = [f"static {kind} {_memory(kind)}[{size}];" for kind, size in sorted(sizes.items())]
        pointers = {
            item.name: f"{item.kind} *const {item.name} = {_memory(item.kind)} + {place};" for item, place, _ in placed
        }
        return memory, pointers, sum(C_BYTES[kind] * size for kind, size in sizes.items())


def _lives(body: list[str]) -> dict[str, tuple[int, int]]:
    """In which statement each array is first and last spoken of; a loop is one statement."""
    lives: dict[str, tuple[int, int]] = {}
    number = depth = 0
    for line in body:
        for name in re.findall(r"\bv\d+\b", line):
            lives[name] = (lives.get(name, (number, 0))[0], number)
        depth += line.count("{") - line.count("}")
        number += depth == 0
    return lives


def _memory(kind: str) -> str:
    return f"mw_memory_{kind.removesuffix('_t').split()[-1].replace('*', 'text')}"


def broadcast(writer: Writer, name: str, shape: tuple[int, ...]) -> Read:
    """How a value is read as one of a larger shape."""
    import numpy as np

    value = writer.value(name)
    positions = np.broadcast_to(np.arange(value.size).reshape(value.shape), shape).ravel()
    return writer.at(name, positions)


def unsupported(operator: str, why: str = "") -> UserError:
    """The error for what cannot be compiled, with the way out."""
    told = f": {why}" if why else ""
    return UserError(
        "target.operator",
        f"the embedded target cannot say the operator {operator}{told}.",
        hint="train with models that it can (linear, tree, forest, boosting, bayes, or a network of plain layers over "
        "a table), or take the target `mobile`, which runs every package",
    )


def as_axis(axis: Any, rank: int) -> int:
    """A non-negative axis."""
    return int(axis) % max(rank, 1)
