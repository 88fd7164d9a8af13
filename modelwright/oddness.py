"""How odd a row is beside others: the mathematics that cleaning and unsupervised learning share.

Values are scaled, (n, d), complete. A detector is learned on `known` rows and applied to any, in a scale of its own;
rows that are the known ones are not their own neighbours. `unified` puts all on one scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

N_NEAR, N_CORE = 20, 10
N_TREES = 500
LEAST_CLUSTER = 10
TRIMMED = 0.1
TINY = 1e-9
MOST_USUAL = -2.0


def middle_of(scores: np.ndarray) -> tuple[float, float]:
    """The middle of scores and their middle deviation, scaled to that of a normal distribution.

    >>> import numpy as np
    >>> tuple(round(one, 4) for one in middle_of(np.array([1.0, 2, 3, 4, 50])))
    (3.0, 1.4826)
    """
    import numpy as np

    middle = float(np.median(scores))
    spread = 1.4826 * float(np.median(np.abs(scores - middle)))
    if spread <= 1e-12:
        spread = float(scores.std()) or 1.0
    return middle, spread


def unified(scores: np.ndarray) -> np.ndarray:
    """Scores as distances from their middle, in middle deviations; no row is more usual than -2.

    >>> import numpy as np
    >>> unified(np.array([1.0, 2, 3, 4, 50])).round(2).tolist()
    [-1.35, -0.67, 0.0, 0.67, 31.7]
    """
    import numpy as np

    middle, spread = middle_of(scores)
    found: np.ndarray = np.maximum((scores - middle) / spread, MOST_USUAL)
    return found


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """How far two scores order the rows alike, 0..1: their rank correlation, 0 where that is negative."""
    from scipy.stats import spearmanr

    if one.min() == one.max() or other.min() == other.max():
        return 0.0
    return max(0.0, float(spearmanr(one, other).statistic))


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


def densities(known: np.ndarray, n: int = N_NEAR) -> tuple[np.ndarray, np.ndarray]:
    """For each known row the distance to its `n`-th neighbour, and how dense it is around it (the local reachability
    density of Breunig et al.), (n_known,) each."""
    import numpy as np

    far, places = near(known, known, n)
    reach = far[:, -1]
    density: np.ndarray = 1 / np.maximum(np.maximum(far, reach[places]).mean(axis=1), TINY)
    return reach, density


def lof(values: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """How much sparser it is around a row than around its neighbours, as a logarithm. Reference: Breunig et al. (2000),
    "LOF: identifying density-based local outliers", SIGMOD."""
    import numpy as np

    reach, density = densities(known)
    far, places = near(values, known, N_NEAR)
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

    centre, precision = trimmed(known)
    apart = values - centre
    logarithm: np.ndarray = np.log(np.maximum((apart @ precision * apart).sum(axis=1), 0) + TINY)
    return logarithm


def trimmed(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre (d,) and precision (d, d) of the known rows without the tenth that is farthest from their centre; the
    covariance is shrunk. Reference: Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional
    covariance matrices"."""
    import numpy as np
    from sklearn.covariance import LedoitWolf

    far = LedoitWolf().fit(known).mahalanobis(known)
    inner = LedoitWolf().fit(known[far <= np.quantile(far, 1 - TRIMMED)])
    return inner.location_, inner.precision_


def isolation(values: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """How few random cuts set a row apart. Reference: Liu, Ting and Zhou (2008), "Isolation forest", ICDM."""
    odd: np.ndarray = -forest_of(known, seed).score_samples(values)
    return odd


def forest_of(known: np.ndarray, seed: int, n_trees: int = N_TREES, n_rows: int | None = None) -> Any:
    """An isolation forest of scikit-learn, each tree grown on `n_rows` of the known rows (256 where None)."""
    from sklearn.ensemble import IsolationForest

    most = "auto" if n_rows is None else min(n_rows, len(known))
    return IsolationForest(n_estimators=n_trees, max_samples=most, random_state=seed % 2**32).fit(known)


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

    total = np.zeros(len(values))
    for column in range(values.shape[1]):
        edges, rare = histogram_of(known[:, column])
        total += rare[np.searchsorted(edges, values[:, column], side="right")]
    return total


def histogram_of(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inner edges (k - 1,) of bins of equal width, and minus the logarithm of the share of known values in each."""
    import numpy as np

    n_bins = max(5, int(np.sqrt(len(known)) / 2))
    counts, edges = np.histogram(known, bins=n_bins)
    return edges[1:-1], -np.log((counts + 0.5) / len(known))
