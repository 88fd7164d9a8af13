"""Detectors of odd rows: each says how odd a row is beside others, in a scale of its own.

Values are standardised, (n, d), complete. A detector is learned on `known` rows and applied to any; rows that are the
known ones are not their own neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

N_NEAR, N_CORE = 20, 10
N_TREES = 500
LEAST_CLUSTER = 10
TRIMMED = 0.1
TINY = 1e-9


def near(values: np.ndarray, known: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the `n` nearest known rows, and their places, (n_rows, n). A row that is among them is left out."""
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    n = min(n, len(known) - 1)
    tree = NearestNeighbors(n_neighbors=n).fit(known)
    if values is known:
        found: tuple[np.ndarray, np.ndarray] = tree.kneighbors()
        return found
    far, places = tree.kneighbors(values, n_neighbors=n + 1)
    itself = (far[:, 0] == 0).astype(int)[:, None]
    kept = itself + np.arange(n)
    return np.take_along_axis(far, kept, axis=1), np.take_along_axis(places, kept, axis=1)


def distance(values: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """How far the twenty nearest rows are, as a logarithm. Reference: Ramaswamy, Rastogi and Shim (2000), "Efficient
    algorithms for mining outliers from large data sets", SIGMOD.

    >>> import numpy as np
    >>> x = np.append(np.arange(40.0), 80.0)[:, None]
    >>> int(distance(x, x).argmax())
    40
    """
    import numpy as np

    logarithm: np.ndarray = np.log(near(values, known, N_NEAR)[0].mean(axis=1) + TINY)
    return logarithm


def lof(values: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """How much sparser it is around a row than around its neighbours, as a logarithm. Reference: Breunig et al. (2000),
    "LOF: identifying density-based local outliers", SIGMOD."""
    import numpy as np

    base, base_places = near(known, known, N_NEAR)
    reach = base[:, -1]
    density = 1 / np.maximum(np.maximum(base, reach[base_places]).mean(axis=1), TINY)
    far, places = (base, base_places) if values is known else near(values, known, N_NEAR)
    own = 1 / np.maximum(np.maximum(far, reach[places]).mean(axis=1), TINY)
    logarithm: np.ndarray = np.log(density[places].mean(axis=1) / own)
    return logarithm


def glosh(values: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """How much sparser it is around a row than in the densest place of the cluster that is nearest, 0..1. Clusters are
    HDBSCAN's. Reference: Campello et al. (2015), "Hierarchical density estimates for data clustering, visualization and
    outlier detection", TKDD 10(1); the cluster is that of the nearest clustered row, in place of the tree's."""
    import numpy as np
    from sklearn.cluster import HDBSCAN
    from sklearn.neighbors import NearestNeighbors

    core = near(known, known, N_CORE)[0][:, -1]
    n = max(2, min(LEAST_CLUSTER, len(known) // 5))
    labels = HDBSCAN(min_cluster_size=n, min_samples=n, copy=True).fit(known).labels_
    own = core if values is known else near(values, known, N_CORE)[0][:, -1]
    if (labels < 0).all():
        labels = np.zeros(len(known), dtype=int)
    inside = np.flatnonzero(labels >= 0)
    nearest = NearestNeighbors(n_neighbors=1).fit(known[inside]).kneighbors(values)[1][:, 0]
    densest = {label: core[labels == label].min() for label in np.unique(labels[inside])}
    found: np.ndarray = 1 - np.array([densest[label] for label in labels[inside][nearest]]) / np.maximum(own, TINY)
    return np.asarray(np.clip(found, 0, 1))


def ellipse(values: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """Mahalanobis distance as a logarithm, its covariance shrunk and learned without the tenth that is farthest.
    Reference: Rousseeuw and Van Driessen (1999), Technometrics 41(3); Ledoit and Wolf (2004)."""
    import numpy as np
    from sklearn.covariance import LedoitWolf

    far = LedoitWolf().fit(known).mahalanobis(known)
    kept = known[far <= np.quantile(far, 1 - TRIMMED)]
    logarithm: np.ndarray = np.log(LedoitWolf().fit(kept).mahalanobis(values) + TINY)
    return logarithm


def isolation(values: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """How few random cuts set a row apart. Reference: Liu, Ting and Zhou (2008), "Isolation forest", ICDM."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=N_TREES, random_state=seed % 2**32).fit(known)
    odd: np.ndarray = -forest.score_samples(values)
    return odd


def tails(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """By column, (n, d): minus the logarithm of the share of known rows at least as far out on the same side.

    >>> import numpy as np
    >>> x = np.append(np.arange(99.0), 500.0)[:, None]
    >>> tails(x, x)[[0, 50, 99], 0].round(1).tolist()
    [4.6, 0.7, 4.6]
    """
    import numpy as np

    found = np.empty(values.shape)
    n = len(known)
    for column in range(values.shape[1]):
        ordered = np.sort(known[:, column])
        left = np.searchsorted(ordered, values[:, column], side="right") / n
        right = 1 - np.searchsorted(ordered, values[:, column], side="left") / n
        found[:, column] = -np.log(np.clip(np.minimum(left, right), 1 / (n + 1), 1))
    return found


def ecod(values: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """The tails of all columns together. Reference: Li et al. (2022), "ECOD: unsupervised outlier detection using
    empirical cumulative distribution functions", TKDE; either side counts, in place of the one to which a column
    leans, of which they take the larger."""
    total: np.ndarray = tails(values, known).sum(axis=1)
    return total


def spread(values: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """How many deviations a row lies from the middle, over all columns, as a logarithm."""
    import numpy as np

    logarithm: np.ndarray = np.log(np.abs(values - known.mean(axis=0)).sum(axis=1) + TINY)
    return logarithm


def histogram(values: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """How rarely the values of the columns are met, each for itself. Reference: Goldstein and Dengel (2012),
    "Histogram-based outlier score (HBOS)", KI."""
    import numpy as np

    n_bins = max(5, int(np.sqrt(len(known)) / 2))
    total = np.zeros(len(values))
    for column in range(values.shape[1]):
        counts, edges = np.histogram(known[:, column], bins=n_bins)
        total -= np.log((counts[np.digitize(values[:, column], edges[1:-1])] + 0.5) / len(known))
    return total
