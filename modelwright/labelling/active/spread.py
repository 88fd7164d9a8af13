"""Rows that are unlike each other: for a batch, and for a start without any model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MOST_COMPARED = 1_000
"""`typical` looks at so many rows, drawn evenly: it is for starts, where one row in ten stands for its like."""
N_NEAR = 20
N_ROUNDS = 5


def spread_out(features: np.ndarray, value: np.ndarray, n: int) -> np.ndarray:
    """Positions of n rows of high value and far from each other: each is the best of value times distance to those
    chosen before (greedy k-centre, weighted). Rows come with the best first; the first is the most valuable.

    Reference: Sener and Savarese (2018), "Active learning for convolutional neural networks: a core-set approach".

    >>> import numpy as np
    >>> spread_out(np.array([[0.0], [0.1], [5.0]]), np.array([1.0, 0.9, 0.5]), 2).tolist()
    [0, 2]
    """
    import numpy as np

    points = np.ascontiguousarray(features, dtype=np.float32)
    lengths = np.einsum("ij,ij->i", points, points)
    chosen = [int(np.argmax(value))]
    far = np.full(len(points), np.inf)
    open_rows = np.ones(len(points), dtype=bool)
    for _ in range(min(n, len(points)) - 1):
        last = chosen[-1]
        open_rows[last] = False
        far = np.minimum(far, np.maximum(lengths + lengths[last] - 2 * (points @ points[last]), 0))
        rank = np.where(open_rows, np.maximum(value, 1e-12) * np.sqrt(far + 1e-12), -1.0)
        chosen.append(int(np.argmax(rank)))
    return np.array(chosen, dtype=np.int64)


def typical(features: np.ndarray, labelled: np.ndarray, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Positions of n unlabelled rows that stand for many: the rows are put into as many clusters as there will be
    labels, and of the largest clusters without a label the densest row of each is taken.

    Looks at 1,000 rows at most, so it costs the same for any table. May give fewer than n when rows are few.

    Reference: Hacohen, Dekel and Weinshall (2022), "Active learning on a budget: opposite strategies suit high and low
    budgets" (TypiClust).

    >>> import numpy as np
    >>> points = np.repeat([[0.0, 0], [9, 0], [0, 9]], [40, 30, 20], axis=0)
    >>> rows = typical(points, np.zeros(90, dtype=bool), 3, rng=np.random.default_rng(0))
    >>> sorted(((rows >= 40).astype(int) + (rows >= 70)).tolist())
    [0, 1, 2]
    """
    import numpy as np

    left, known = np.flatnonzero(~labelled), np.flatnonzero(labelled)
    kept_known = rng.permutation(known)[: MOST_COMPARED // 2]
    kept = np.concatenate([kept_known, rng.permutation(left)[: MOST_COMPARED - len(kept_known)]])
    points = np.ascontiguousarray(features[kept], dtype=np.float32)
    n_clusters = min(len(kept_known) + n, len(kept))
    cluster = _clusters(points, n_clusters, rng)
    is_open = ~labelled[kept]
    covered = np.zeros(n_clusters, dtype=bool)
    covered[cluster[~is_open]] = True
    sizes = np.bincount(cluster[is_open], minlength=n_clusters)
    ranked = np.lexsort((-sizes, covered))
    ranked = ranked[sizes[ranked] > 0][:n]
    return kept[[_densest(points, np.flatnonzero((cluster == number) & is_open)) for number in ranked]]


def _densest(points: np.ndarray, members: np.ndarray) -> int:
    """The member whose nearest members are nearest."""
    import numpy as np

    own = points[members]
    lengths = np.einsum("ij,ij->i", own, own)
    far = np.maximum(lengths[:, None] + lengths - 2 * own @ own.T, 0)
    n_near = min(N_NEAR, len(members))
    near = np.sqrt(np.partition(far, n_near - 1, axis=1)[:, :n_near]).mean(axis=1)
    return int(members[np.argmin(near)])


def _clusters(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Lloyd's k-means from a k-means++ start: the cluster of each row."""
    import numpy as np

    lengths = np.einsum("ij,ij->i", points, points)
    first = int(rng.integers(len(points)))
    centres, far = [first], np.full(len(points), np.inf)
    for _ in range(n - 1):
        last = centres[-1]
        far = np.minimum(far, np.maximum(lengths + lengths[last] - 2 * (points @ points[last]), 0))
        sums = np.cumsum(far)
        drawn = int(np.searchsorted(sums, rng.random() * sums[-1])) if sums[-1] > 0 else int(rng.integers(len(points)))
        centres.append(min(drawn, len(points) - 1))
    middles = points[centres].copy()
    cluster = np.zeros(len(points), dtype=np.int64)
    for _ in range(N_ROUNDS):
        halves = 0.5 * np.einsum("ij,ij->i", middles, middles)
        cluster = np.argmax(points @ middles.T - halves, axis=1)
        counts = np.bincount(cluster, minlength=n)
        filled = counts > 0
        starts = (np.cumsum(counts) - counts)[filled]
        sums = np.add.reduceat(points[np.argsort(cluster, kind="stable")], starts, axis=0)
        middles[filled] = sums / counts[filled, None]
    return cluster
