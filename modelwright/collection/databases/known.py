"""Rows at the last value of a cursor, remembered so that they are known when they are read again.

Each cell has a digest of its own: when a column comes or goes in between, rows are still known by the others.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelwright.core.store import Store, canonical

if TYPE_CHECKING:
    import polars as pl

INLINE_ROWS = 20
"""So many rows are told in the manifest itself; more lie in a file of the store."""

Marks = list[dict[str, str]]


def marks_of(rows: pl.DataFrame) -> Marks:
    """A digest of each cell that is not missing, row by row."""
    return [
        {name: hashlib.sha256(repr(cell).encode()).hexdigest()[:12] for name, cell in row.items() if cell is not None}
        for row in rows.iter_rows(named=True)
    ]


def kept(store: Store, marks: Marks) -> Marks | str:
    """The marks as a state holds them: themselves, or the digest of a file."""
    return marks if len(marks) <= INLINE_ROWS else store.put(canonical(marks))


def recalled(store: Store, state: Mapping[str, Any]) -> Marks:
    """The marks that a state holds."""
    held = state.get("at_last", [])
    found: Marks = json.loads(store.get(held)) if isinstance(held, str) else held
    return found


def known_among(rows: pl.DataFrame, known: Marks, columns: Sequence[str]) -> list[bool]:
    """Which rows are among the known ones; each known row is met once. `columns` are those that the known rows had.

    >>> import polars as pl
    >>> known = marks_of(pl.DataFrame({"a": [1], "gone": ["x"]}))
    >>> known_among(pl.DataFrame({"a": [1, 1, 2], "new": [5, 6, 7]}), known, ("a", "gone"))
    [True, False, False]
    """
    both = sorted(set(columns) & set(rows.columns))
    left = Counter(tuple(mark.get(name) for name in both) for mark in known)
    found = []
    for mark in marks_of(rows.select(both)):
        key = tuple(mark.get(name) for name in both)
        found.append(left[key] > 0)
        left[key] -= left[key] > 0
    return found
