"""Which pairs are looked at: for each record the few most alike on the other side, in every view, in both directions.

All are held against all through inverted lists (a sparse product), a part of the rows at a time. Nothing is left out
in tables of ordinary size; in large ones the parts of texts that nearly every record has are not followed, and it is
told what share of the weight that was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from modelwright.cleaning.matching.similarity import View

MOST_LISTED = 1_500_000_000
"""Entries of inverted lists that are followed for one view: about 10 s."""
_AT_ONCE = 20_000_000  # entries of the product that are held


def candidates(
    views: Sequence[View], n_best: int, *, same: bool, most_listed: int = MOST_LISTED
) -> tuple[np.ndarray, float]:
    """Pairs of positions, int64 (n_pairs, 2), sorted; and the least share of weight that was followed in any view.

    `same` says that both sides are one table: then a record is no candidate for itself, and a pair is listed once.

    >>> from modelwright.cleaning.matching.similarity import views_of
    >>> left, right = {"name": ["oak table", "ash chair"]}, {"name": ["chair of ash", "table, oak"]}
    >>> candidates(views_of(left, right), 1, same=False)[0].tolist()
    [[0, 1], [1, 0]]
    """
    import numpy as np

    found, followed = [], 1.0
    for view in views:
        if view.shape == "codes":
            continue
        left, right, share = _affordable(view.left, view.right, most_listed)
        followed = min(followed, share)
        found.append(_best(left, right, n_best, same=same))
        if not same:
            found.append(_best(right, left, n_best, same=same)[:, ::-1])
    pairs = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    if same:
        pairs = np.sort(pairs, axis=1)
    n_right = views[0].right.shape[0] if views else 1
    keys = np.unique(pairs[:, 0] * n_right + pairs[:, 1])
    return np.column_stack([keys // n_right, keys % n_right]), followed


def _affordable(left: Any, right: Any, most_listed: int) -> tuple[Any, Any, float]:
    """Both sides with the rarest parts that can be followed at the price, and their share of the weight."""
    import numpy as np

    price = np.diff(left.tocsc().indptr).astype(np.float64) * np.diff(right.tocsc().indptr)
    if price.sum() <= most_listed:
        return left, right, 1.0
    order = np.argsort(price, kind="stable")
    kept = np.sort(order[: int(np.searchsorted(np.cumsum(price[order]), most_listed))])
    share = float(left[:, kept].power(2).sum() / max(left.power(2).sum(), 1e-12))
    return left[:, kept], right[:, kept], share


def _best(left: Any, right: Any, n_best: int, *, same: bool) -> np.ndarray:
    """For each row of `left` the rows of `right` with the largest products, as pairs."""
    import numpy as np

    turned = right.T.tocsr()
    lengths = np.diff(turned.indptr)
    per_row = np.zeros(left.shape[0])
    rows = np.repeat(np.arange(left.shape[0]), np.diff(left.indptr))
    np.add.at(per_row, rows, lengths[left.indices])
    edges = np.searchsorted(np.cumsum(per_row), np.arange(0, per_row.sum(), _AT_ONCE)[1:]).tolist()
    starts = sorted({0, *edges, left.shape[0]})
    parts = [
        _best_of_part(left[start:end] @ turned, n_best, start, same=same)
        for start, end in zip(starts, starts[1:], strict=False)
    ]
    return np.concatenate(parts) if parts else np.empty((0, 2), np.int64)


def _best_of_part(product: Any, n_best: int, start: int, *, same: bool) -> np.ndarray:
    """The largest entries of each row: one sort of whole numbers that hold row, likeness and column."""
    import numpy as np

    rows = np.repeat(np.arange(product.shape[0], dtype=np.uint64), np.diff(product.indptr))
    columns = product.indices.astype(np.uint64)
    kept = product.data > 0
    if same:
        kept &= columns != rows + np.uint64(start)
    rows, columns = rows[kept], columns[kept]
    unlike = ((1.0 - np.clip(product.data[kept], 0, 1)) * (2**16 - 1)).astype(np.uint64)
    bits = np.uint64(max(1, int(product.shape[1] - 1).bit_length()))
    keys = np.sort((((rows << np.uint64(16)) | unlike) << bits) | columns)
    rows, columns = (keys >> (bits + np.uint64(16))).astype(np.int64), (keys & ((1 << bits) - 1)).astype(np.int64)
    begins = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]]) if len(rows) else np.empty(0, np.int64)
    place = np.arange(len(rows)) - np.repeat(begins, np.diff(np.r_[begins, len(rows)]))
    best = place < n_best
    return np.column_stack([rows[best] + start, columns[best]])
