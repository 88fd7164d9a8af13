"""What the category steps share: levels by frequency, and a block of texts to integer codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph

LARGEST_TABLE = 1_000_000
"""Entries of one shared table of codes (8 bytes each); beyond it each column gets an encoder of its own."""


def by_frequency(x: np.ndarray, *, min_count: int = 1, max_levels: int | None = None) -> list[list[str]]:
    """For each column of str objects (n, k), its levels, most frequent first, ties in text order.

    Missing ("") is a level like any other.

    >>> import numpy as np
    >>> by_frequency(np.array([["b"], ["a"], ["b"], [""]], dtype=object), min_count=1)
    [['b', '', 'a']]
    """
    from collections import Counter

    levels = []
    for index in range(x.shape[1]):
        counts = Counter(x[:, index].tolist())
        ranked = sorted((-count, level) for level, count in counts.items() if count >= min_count)
        levels.append([level for _, level in ranked[:max_levels]])
    return levels


def codes(levels: Sequence[Sequence[str]], x: np.ndarray) -> np.ndarray:
    """Positions of texts (n, k) within their column's levels: int64 of shape (n, k), -1 when not there."""
    import numpy as np

    made = np.empty(x.shape, dtype=np.int64)
    for index, known in enumerate(levels):
        position = {level: code for code, level in enumerate(known)}
        made[:, index] = [position.get(text, -1) for text in x[:, index].tolist()]
    return made


def emit_codes(levels: Sequence[Sequence[str]], graph: Graph, x: str) -> str:
    """`codes` as nodes: one encoder over the block, then a table (column, text) to code."""
    import numpy as np

    union = sorted({level for known in levels for level in known})
    n_columns, width = len(levels), len(union) + 1
    if n_columns == 1:
        return _encode(graph, x, list(levels[0]), default=-1)
    if n_columns * width > LARGEST_TABLE:
        columns = [graph.node("Gather", x, graph.constant([index], "int64"), axis=1) for index in range(n_columns)]
        coded = [_encode(graph, column, list(levels[index]), -1) for index, column in enumerate(columns)]
        return graph.node("Concat", *coded, axis=1)
    position = {level: index for index, level in enumerate(union)}
    table = np.full((n_columns, width), -1, dtype=np.int64)
    for index, known in enumerate(levels):
        table[index, [position[level] for level in known]] = np.arange(len(known))
    shared = _encode(graph, x, union, default=len(union))
    offsets = graph.constant(np.arange(n_columns)[None] * width, "int64")
    return graph.node("Gather", graph.constant(table.ravel(), "int64"), graph.node("Add", shared, offsets))


def _encode(graph: Graph, x: str, known: list[str], default: int) -> str:
    import numpy as np

    return graph.node(
        "LabelEncoder",
        x,
        domain="ai.onnx.ml",
        # an encoder needs a key; a column without levels gets one that stands for the default
        keys_strings=known or [""],
        values_int64s=np.arange(len(known)) if known else np.array([default]),
        default_int64=default,
    )
