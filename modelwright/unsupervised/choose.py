"""How many groups, and by which method: what halves of the rows, learned apart, agree upon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.rng import stream, stream_seed

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Watch
    from modelwright.unsupervised.base import Clustering, Grouping

N_HALVINGS = 6
MOST_HALVED = 4_000
"""Rows that are halved to choose: more would not change what they agree upon."""
LEAST_STRENGTH = 0.8
LEAST_AGREEMENT = 0.65
"""Below, halves agree poorly: Steinley (2004), "Properties of the Hubert-Arabie adjusted Rand index"."""
TOLERANCE = 0.1
"""What is so near to the best agreement is agreed upon nearly as well."""
NO_GROUP = -1


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """What is known of one method with one number of groups.

    `agreement` is the adjusted Rand index of what two halves make of all rows, its mean over the halvings, and
    `agreements` each of them; `strength` the prediction strength. `stability` has for each group of the whole table
    the mean Jaccard index with the group that is most like it in what a half makes of all rows.
    """

    method: str
    n: int
    agreements: tuple[float, ...] = ()
    strengths: tuple[float, ...] = ()
    stability: tuple[float, ...] = ()
    criterion: float | None = None

    @property
    def agreement(self) -> float:
        """The mean over the halvings; NaN where it was not looked at."""
        return sum(self.agreements) / len(self.agreements) if self.agreements else float("nan")

    @property
    def strength(self) -> float:
        """The mean prediction strength and its standard error."""
        import numpy as np

        if not self.strengths:
            return float("nan")
        return float(np.mean(self.strengths) + np.std(self.strengths) / np.sqrt(len(self.strengths)))


def judged(
    points: np.ndarray,
    method: Clustering,
    spec: Any,
    numbers: Sequence[int],
    *,
    seed: int,
    n_halvings: int = N_HALVINGS,
) -> list[Trial]:
    """What halves of the rows agree upon, for each number of groups that the method can serve.

    Reference: Lange et al. (2004), "Stability-based validation of clustering solutions", Neural Computation 16;
    Tibshirani and Walther (2005), "Cluster validation by prediction strength", JCGS 14(3); Hennig (2007),
    "Cluster-wise assessment of cluster stability", CSDA 52.
    """
    import numpy as np
    from sklearn.metrics import adjusted_rand_score

    points = drawn(points, MOST_HALVED, seed, "halved")
    whole = method.fit(points, numbers, spec=spec, seed=stream_seed(seed, "unsupervised", method.name, "whole"))
    groups = {n: one.groups(points) for n, one in whole.items()}
    found: dict[int, list[tuple[float, float, np.ndarray]]] = {n: [] for n in whole}
    for halving in range(n_halvings if any(n > 1 for n in whole) else 0):
        chance = stream(seed, "unsupervised", "halving", halving)
        first = np.zeros(len(points), dtype=bool)
        first[chance.permutation(len(points))[: len(points) // 2]] = True
        wanted = list(whole) if method.rule != "own" else []
        chance_of_fit = stream_seed(seed, "unsupervised", method.name, halving)
        fits = [method.fit(points[rows], wanted, spec=spec, seed=chance_of_fit) for rows in (first, ~first)]
        for n in whole:
            pair = [_of_number(one, n, method.rule) for one in fits]
            if n < 2 or pair[0] is None or pair[1] is None:
                continue
            one, other = (grouping.groups(points) for grouping in pair if grouping is not None)
            strength = (strength_of(one[~first], other[~first]) + strength_of(other[first], one[first])) / 2
            alike = (jaccard(groups[n], one) + jaccard(groups[n], other)) / 2
            found[n].append((float(adjusted_rand_score(one, other)), strength, alike))
    return [_trial(method.name, n, whole[n], told) for n, told in found.items()]


def _of_number(fits: Mapping[int, Grouping], n: int, rule: str) -> Grouping | None:
    """The division into n groups; a method that chooses the number itself has one of its own."""
    if rule == "own":
        return next(iter(fits.values()), None)
    return fits.get(n)


def _trial(method: str, n: int, grouping: Grouping, told: list[tuple[float, float, np.ndarray]]) -> Trial:
    import numpy as np

    stability = np.mean([alike for _, _, alike in told], axis=0) if told else np.zeros(0)
    return Trial(
        method=method, n=n, agreements=tuple(one for one, _, _ in told), strengths=tuple(one for _, one, _ in told),
        stability=tuple(stability.tolist()), criterion=grouping.criterion,
    )  # fmt: skip


def strength_of(told: np.ndarray, own: np.ndarray) -> float:
    """Of the group that fares worst, the share of pairs of its rows that the other half's division puts together.

    >>> import numpy as np
    >>> strength_of(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]))
    0.3333333333333333
    """
    import numpy as np

    least = 1.0
    for group in np.unique(own):
        counts = np.unique(told[own == group], return_counts=True)[1]
        total = int(counts.sum())
        if total > 1:
            least = min(least, float((counts * (counts - 1)).sum() / (total * (total - 1))))
    return least


def jaccard(groups: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each group (but that of none) the Jaccard index with the one of the other division that is most like it.

    >>> import numpy as np
    >>> jaccard(np.array([0, 0, 1, 1]), np.array([1, 1, 1, 0])).round(2).tolist()
    [0.67, 0.5]
    """
    import numpy as np

    made = []
    for group in range(int(groups.max()) + 1):
        own = groups == group
        overlaps = [float((own & (others == other)).sum() / (own | (others == other)).sum())
                    for other in np.unique(others) if other != NO_GROUP]  # fmt: skip
        made.append(max(overlaps, default=0.0))
    return np.array(made)


def numbers_of(trials: Sequence[Trial], rule: str) -> tuple[int, str]:
    """How many groups a method finds by its rule, and the rule in words; 1 where there are none to speak of."""
    if rule == "criterion":
        best = max(trials, key=lambda one: (one.criterion or -float("inf"), -one.n))
        return best.n, "the best integrated completed likelihood"
    several = [one for one in trials if one.n > 1 and one.agreements]
    if rule == "strength":
        strong = [one.n for one in several if one.strength >= LEAST_STRENGTH]
        return max(strong, default=1), f"the most groups with a prediction strength of {LEAST_STRENGTH}"
    best_agreement = max((one.agreement for one in several), default=0.0)
    if rule == "own":
        return (several[0].n if several else 1), "dense groups that persist, as the method finds them"
    told = "the most groups that halves of the rows bear out"
    return (max(one.n for one in _borne_out(several)) if best_agreement >= LEAST_AGREEMENT else 1), told


def _borne_out(trials: Sequence[Trial]) -> list[Trial]:
    """Those of which the weakest group too is found again (prediction strength) where halves agree beyond chance, and
    those that halves agree upon nearly as well as upon any. Agreement hardly notices one group too many among several,
    so it counts near its best only; strength asks much of many groups, and is met by one group of nearly all rows."""
    best = max(one.agreement for one in trials)
    return [
        one
        for one in trials
        if one.agreement >= best - TOLERANCE or (one.strength >= LEAST_STRENGTH and one.agreement >= LEAST_AGREEMENT)
    ]


def best_of(candidates: Sequence[Trial]) -> Trial:
    """Of the methods' proposals the one with the most groups among those that halves bear out; of equals the mixture's,
    which gives chances."""
    return max(_borne_out(candidates), key=lambda one: (one.n, one.method == "mixture", one.agreement))


def drawn(points: np.ndarray, most: int, seed: int, name: str) -> np.ndarray:
    """At most so many of the points, in their order."""
    import numpy as np

    if len(points) <= most:
        return points
    return points[np.sort(stream(seed, "unsupervised", name).permutation(len(points))[:most])]


def tell(watch: Watch, done: int, total: int, text: str) -> None:
    """How far the work is."""
    watch({"stage": "unsupervised", "event": "progress", "done": done, "total": total, "text": text})
