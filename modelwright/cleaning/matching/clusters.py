"""Pairs to groups of the same thing, with a check against chains: A like B like C does not make A the same as C."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LEAST_KNIT = 0.5  # of the pairs within a group: more than this must themselves be alike


def groups(pairs: np.ndarray, chance: np.ndarray, n_rows: int) -> np.ndarray:
    """A group's number for each row: connected rows, a chain cut at its weakest links until it is knit.

    `pairs` are positions (n_pairs, 2), `chance` what speaks for each. The number is that of the group's first row. A
    group of three or more is knit when more than half of its pairs are among `pairs`.

    >>> import numpy as np
    >>> chain = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    >>> groups(chain, np.array([0.9, 0.6, 0.9, 0.5]), 6).tolist()
    [0, 0, 2, 2, 4, 5]
    """
    import numpy as np

    label = np.arange(n_rows)
    waiting = [(pairs, chance)] if len(pairs) else []
    while waiting:
        pairs, chance = waiting.pop()
        found = _connected(pairs)
        for number in np.unique(found):
            inside = found == number
            rows = np.unique(pairs[inside])
            if inside.sum() > LEAST_KNIT * len(rows) * (len(rows) - 1) / 2:
                label[rows] = rows[0]
                continue
            order = np.argsort(-chance[inside], kind="stable")
            stays = order[: len(order) - max(1, len(order) // 10)]
            if len(stays):
                waiting.append((pairs[inside][stays], chance[inside][stays]))
    return label


def _connected(pairs: np.ndarray) -> np.ndarray:
    """The number of the connected part that each pair lies in."""
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows, at = np.unique(pairs, return_inverse=True)
    at = at.reshape(pairs.shape)
    graph = coo_matrix((np.ones(len(at)), (at[:, 0], at[:, 1])), shape=(len(rows), len(rows)))
    number: np.ndarray = connected_components(graph, directed=False)[1]
    return number[at[:, 0]]
