"""Small parts to larger ones, so that a dataset that grows by a little at a time stays quick to read.

Of parts of one size class (a factor of 8), eight are merged into one of the next: each byte is rewritten a few times
in all, and a dataset of n bytes has some log n parts. Rows keep their order and their ids.

Reference: O'Neil, Cheng, Gawlick and O'Neil (1996), "The log-structured merge-tree", Acta Informatica 33.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modelwright.core.data import ROW_ID
from modelwright.core.parts import Part, scan
from modelwright.core.store import Store

FAN = 8
SMALLEST_BYTES = 1 << 14
LARGEST_BYTES = 32 * 2**20
"""A part of this size is merged no more."""


def merged(store: Store, parts: Sequence[Part], columns: Mapping[str, str]) -> tuple[Part, ...]:
    """The same rows in fewer parts, where the last ones are many and small; else the parts as they are."""
    kept = list(parts)
    while (n_last := _n_to_merge(kept)) > 1:
        kept = [*kept[:-n_last], _one(store, kept[-n_last:], columns)]
    return tuple(kept)


def _n_to_merge(parts: Sequence[Part]) -> int:
    """How many parts at the end are to become one: at least `FAN` of the same size class or smaller."""
    best, largest, n_bytes = 0, 0, 0
    for n_last, part in enumerate(reversed(parts), start=1):
        n_bytes += part.n_bytes
        if part.n_bytes >= LARGEST_BYTES or n_bytes > 2 * LARGEST_BYTES:
            break
        largest = max(largest, _class(part))
        if sum(_class(one) == largest for one in parts[len(parts) - n_last :]) >= FAN:
            best = n_last
    return best


def _class(part: Part) -> int:
    number, size = 0, SMALLEST_BYTES
    while size < part.n_bytes:
        number, size = number + 1, size * FAN
    return number


def _one(store: Store, parts: Sequence[Part], columns: Mapping[str, str]) -> Part:
    from modelwright.collection.versions.writing import write_part

    frame = scan(store, parts, columns).collect()
    first = parts[0].first_row
    expected = first
    for part in parts:
        if part.first_row is None or part.first_row != expected:
            return write_part(store, frame, None)
        expected = part.first_row + part.n_rows
    return write_part(store, frame.drop(ROW_ID), first)
