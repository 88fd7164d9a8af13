"""Communities of a weighted graph by greedy modularity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

LEAST_GAIN = 1e-7
MOST_ROUNDS = 20


def louvain(weights: Any, rng: np.random.Generator) -> np.ndarray:
    """The community of each node, int64 (n,): a symmetric sparse matrix of weights, of modularity with resolution 1.

    Nodes move to the neighbouring community that gains most, in a drawn order, until none gains; communities then
    become nodes, and so on.

    Reference: Blondel et al. (2008), "Fast unfolding of communities in large networks", J. Stat. Mech. P10008.

    >>> import numpy as np
    >>> from scipy.sparse import block_diag
    >>> two = block_diag([np.ones((4, 4)), np.ones((3, 3))]).tocsr()
    >>> louvain(two, np.random.default_rng(0)).tolist()
    [0, 0, 0, 0, 1, 1, 1]
    """
    import numpy as np
    from scipy.sparse import csr_matrix

    graph = csr_matrix(weights, dtype=np.float64)
    found = np.arange(graph.shape[0])
    for _ in range(MOST_ROUNDS):
        moved = _moved(graph, rng)
        numbers, own = np.unique(moved, return_inverse=True)
        if len(numbers) == graph.shape[0]:
            break
        found = own[found]
        belongs = csr_matrix((np.ones(len(own)), (np.arange(len(own)), own)))
        graph = csr_matrix(belongs.T @ graph @ belongs)
    return _in_order(found)


def _moved(graph: Any, rng: np.random.Generator) -> np.ndarray:
    """One round of moving nodes between communities."""
    import numpy as np

    n = graph.shape[0]
    begins, places, values = graph.indptr.tolist(), graph.indices.tolist(), graph.data.tolist()
    degrees = np.asarray(graph.sum(axis=1)).ravel().tolist()
    total = sum(degrees) or 1.0
    own = list(range(n))
    mass = list(degrees)
    for _ in range(MOST_ROUNDS):
        gained = 0.0
        for node in rng.permutation(n).tolist():
            here, degree = own[node], degrees[node]
            tied: dict[int, float] = {here: 0.0}
            for at in range(begins[node], begins[node + 1]):
                other = places[at]
                if other != node:
                    tied[own[other]] = tied.get(own[other], 0.0) + values[at]
            mass[here] -= degree
            stay = tied[here] - degree * mass[here] / total
            best, gain = here, stay + 1e-12
            for community, weight in tied.items():
                value = weight - degree * mass[community] / total
                if value > gain:
                    best, gain = community, value
            mass[best] += degree
            own[node] = best
            gained += gain - stay if best != here else 0.0
        if gained / total < LEAST_GAIN:
            break
    return np.array(own)


def _in_order(found: np.ndarray) -> np.ndarray:
    """Communities numbered as they are first met."""
    import numpy as np

    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.asarray(rank[inverse.ravel()])


def merged(weights: Any, communities: np.ndarray) -> dict[int, np.ndarray]:
    """Communities joined two by two, those first that are tied most closely for their sizes (average linkage): for
    each number of groups from theirs down to 1 the group of each node.

    >>> import numpy as np
    >>> tied = np.array([[0, 5, 1, 0], [5, 0, 0, 0], [1, 0, 0, 4], [0, 0, 4, 0]])
    >>> merged(tied, np.arange(4))[2].tolist()
    [0, 0, 1, 1]
    """
    import numpy as np

    n = int(communities.max()) + 1
    flags = np.eye(n)[communities]
    ties = np.asarray(flags.T @ (weights @ flags))
    group, alive = np.arange(n), list(range(n))
    found = {n: communities}
    while len(alive) > 1:
        degree = ties.sum(axis=1)
        some = np.array(alive)
        linkage = ties[np.ix_(some, some)] / np.maximum(np.outer(degree[some], degree[some]), 1e-12)
        np.fill_diagonal(linkage, -1.0)
        one, other = (int(some[at]) for at in np.unravel_index(int(linkage.argmax()), linkage.shape))
        one, other = min(one, other), max(one, other)
        ties[one] += ties[other]
        ties[:, one] += ties[:, other]
        ties[other] = ties[:, other] = 0.0
        group[group == other] = one
        alive.remove(other)
        found[len(alive)] = _in_order(group[communities])
    return found
