"""Which pairs are the same thing, without a single known pair: what would the best partner be, were there none?

Pairs that are each other's best are taken out, and the best among what is left are sought once more. Where a record
has one partner, this second round shows how alike records are that are *not* the same: decoys. A pair of the first
round is judged by how much more often such a pair comes in the first round than among decoys; the weights of columns
are learned from that and the rounds played again with them. At last as many pairs are taken as make the expected F1
largest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from modelwright.cleaning.matching.similarity import Compared

N_ROUNDS = 2  # of learning the weights of columns; more gain nothing on the tables that this was made on
N_STEPS = 6  # of weighing decoys
N_FOLDS = 5
LEAST_PAIRS = 20  # of first and second round, for weights to be learned at all
SURE_LIKENESS, LIKELY = 0.9, 0.95  # with fewer pairs: from which likeness a pair is taken, and how sure it is


@dataclass(frozen=True, eq=False)
class Decided:
    """`best` are positions among the compared pairs, each record at most once; `chance` that each is the same thing;
    `threshold` the least chance that is taken; `expected_f1` what is expected of those taken. `score` is the learned
    likeness of every compared pair, `share` what each feature adds to it (n_pairs, n_features)."""

    best: np.ndarray
    chance: np.ndarray
    threshold: float
    expected_f1: float
    score: np.ndarray
    share: np.ndarray
    began_with: tuple[str, str]


def decide(compared: Compared, n_left: int, *, same: bool, rng: np.random.Generator) -> Decided:
    """Choose pairs without known ones. `n_left` is the number of records on the left; `same` says it is one table.

    Reference: Elias and Gygi (2007), "Target-decoy search strategy", Nature Methods 4, for decoys; Lipton et al.
    (2014), "Optimal thresholding of classifiers to maximize F1 measure", ECML, for the threshold; Elkan and Noto
    (2008), "Learning classifiers from only positive and unlabeled data", KDD, for the weights.
    """
    import numpy as np

    ends = np.column_stack([compared.left, compared.right + (0 if same else n_left)])
    start, score = _starting_score(compared, ends)
    share = np.zeros_like(compared.likeness)
    best, behind = mutual_best(score, ends)
    if len(best) < LEAST_PAIRS or len(second_round(score, ends, best)[0]) < LEAST_PAIRS:
        chance = np.where(score[best] >= SURE_LIKENESS, LIKELY, score[best] / 2) if len(best) else np.empty(0)
        return Decided(best, chance, 0.5, float("nan"), score, share, start)
    for turn in range(N_ROUNDS + 1):
        best, chance = _chances(score, compared.likeness, ends, rng)
        if turn < N_ROUNDS:
            share = _learned(compared.likeness, best, chance)
            score = share.sum(axis=1)
    threshold, expected = best_threshold(chance)
    return Decided(best, chance, threshold, expected, score, share, start)


def mutual_best(score: np.ndarray, ends: np.ndarray, alive: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that are the best of both their ends, and the score of the best other pair of either end.

    >>> import numpy as np
    >>> ends = np.array([[0, 3], [0, 4], [1, 3], [1, 4]])
    >>> best, behind = mutual_best(np.array([0.9, 0.2, 0.8, 0.1]), ends)
    >>> best.tolist(), behind.tolist()
    ([0], [0.8])
    """
    import numpy as np

    pairs = np.arange(len(score)) if alive is None else np.flatnonzero(alive)
    order = pairs[np.argsort(-score[pairs], kind="stable")]
    nodes, who = ends[order].T.ravel(), np.concatenate([order, order])
    place = np.argsort(np.concatenate([np.arange(len(order))] * 2), kind="stable")
    nodes, who = nodes[place], who[place]
    known, first = np.unique(nodes, return_index=True)
    n_nodes = int(ends.max()) + 1 if len(ends) else 0
    top = np.full(n_nodes, -1)
    top[known] = who[first]
    rest = np.ones(len(nodes), dtype=bool)
    rest[first] = False
    known, second = np.unique(nodes[rest], return_index=True)
    behind = np.full(n_nodes, score[pairs].min() if len(pairs) else 0.0)
    behind[known] = score[who[rest][second]]
    best = np.unique(top[top >= 0])
    best = best[(top[ends[best, 0]] == best) & (top[ends[best, 1]] == best)]
    return best, np.maximum(behind[ends[best, 0]], behind[ends[best, 1]])


def second_round(score: np.ndarray, ends: np.ndarray, best: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mutual best pairs among those that are left when `best` are gone."""
    import numpy as np

    alive = np.ones(len(score), dtype=bool)
    alive[best] = False
    return mutual_best(score, ends, alive)


def best_threshold(chance: np.ndarray) -> tuple[float, float]:
    """The chance from which pairs are taken, so that the expected F1 is largest; and that F1.

    >>> import numpy as np
    >>> best_threshold(np.array([1.0, 1.0, 0.1]))[0]
    1.0
    """
    import numpy as np

    ranked = np.sort(chance)[::-1]
    expected = 2 * np.cumsum(ranked) / (np.arange(1, len(ranked) + 1) + ranked.sum())
    at = int(expected.argmax())
    return float(ranked[at]), float(expected[at])


def _starting_score(compared: Compared, ends: np.ndarray) -> tuple[tuple[str, str], np.ndarray]:
    """The likeness whose best pairs stand out most from their second round, ties broken by all others."""
    import numpy as np

    whole = compared.likeness.sum(axis=1)
    found: tuple[float, tuple[str, str], np.ndarray] | None = None
    for index, name in enumerate(compared.features):
        if name[1] not in ("letters", "words"):
            continue
        score = compared.likeness[:, index] + 1e-6 * whole
        best, behind = mutual_best(score, ends)
        decoys, behind_decoys = second_round(score, ends, best)
        gained = 0.0
        if len(best) >= N_FOLDS and len(decoys) >= N_FOLDS:
            first, second = score[best] - behind, score[decoys] - behind_decoys
            gained = (1 - _unmatched(score[best] + first, score[decoys] + second)) * len(best)
        if found is None or gained > found[0]:
            found = (gained, name, score)
    if found is None:
        return ("", ""), np.zeros(len(whole))
    return found[1], found[2]


def _unmatched(first: np.ndarray, decoys: np.ndarray) -> float:
    """The share of the first round that looks like decoys: how much of it lies where decoys lie."""
    import numpy as np

    shares = [1.0]
    for edge in np.quantile(decoys, [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]):
        shares.append(((first <= edge).sum() + 1) / len(first) / max(float((decoys <= edge).mean()), 1e-9))
    return float(min(shares))


def _chances(
    score: np.ndarray, likeness: np.ndarray, ends: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The first round's pairs and their chances, from decoys; decoys of pairs that are believed weigh most."""
    import numpy as np
    from scipy.special import expit

    best, behind = mutual_best(score, ends)
    decoys, behind_decoys = second_round(score, ends, best)
    both = np.concatenate([best, decoys])
    seen = np.column_stack([score[both], score[both] - np.concatenate([behind, behind_decoys]), likeness[both]])
    seen = (seen - seen.mean(axis=0)) / (seen.std(axis=0) + 1e-9)
    n, fold = len(best), rng.integers(N_FOLDS, size=len(both))
    is_first = np.arange(len(both)) < n
    odds = _held_out(seen, is_first, np.ones(len(both)), fold)
    chance = _calibrated(odds[:n], odds[n:])
    for _ in range(N_STEPS):
        believed = np.zeros(int(ends.max()) + 1)
        believed[ends[best, 0]] = chance
        believed[ends[best, 1]] = chance
        weight = np.maximum(believed[ends[decoys, 0]], believed[ends[decoys, 1]])
        rows = np.concatenate([np.arange(n), np.arange(len(both))])
        weights = np.concatenate([chance, 1 - chance, weight])
        odds = _held_out(seen[rows], np.arange(len(rows)) < n, weights, fold[rows])[:n]
        unbelieved = (1 - chance).sum() + 1
        chance = expit(odds + np.log((unbelieved + weight.sum()) / unbelieved))
    return best, chance


def _held_out(seen: np.ndarray, is_true: np.ndarray, weights: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The log odds of each row by a logistic regression on the other folds."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    odds = np.zeros(len(is_true))
    for k in range(N_FOLDS):
        out = fold == k
        if not out.any():
            continue
        fitted = LogisticRegression(C=1.0, max_iter=300)
        fitted.fit(seen[~out], is_true[~out], sample_weight=weights[~out] + 1e-9)
        odds[out] = fitted.decision_function(seen[out])
    return odds


def _calibrated(first: np.ndarray, decoys: np.ndarray) -> np.ndarray:
    """The chance of each pair of the first round: one less what decoys alone would put there."""
    import numpy as np
    from sklearn.isotonic import IsotonicRegression

    odds = np.concatenate([first, decoys])
    is_first = np.concatenate([np.ones(len(first)), np.zeros(len(decoys))])
    rising = IsotonicRegression(out_of_bounds="clip").fit(odds, is_first).predict(first)
    rising = np.clip(rising, 1e-6, 1 - 1e-6)
    ratio = rising / (1 - rising) * len(decoys) / len(first)
    chance: np.ndarray = np.clip(1 - _unmatched(first, decoys) / ratio, 0, 1)
    return chance


def _learned(likeness: np.ndarray, best: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """What each feature adds to the likeness of each pair, by weights that tell believed pairs from all others."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    mean, spread = likeness.mean(axis=0), likeness.std(axis=0) + 1e-9
    scaled = (likeness - mean) / spread
    others = np.ones(len(likeness))
    others[best] = 1 - chance
    fitted = LogisticRegression(C=1.0, max_iter=500).fit(
        np.vstack([scaled, scaled[best]]), np.repeat([False, True], [len(scaled), len(best)]),
        sample_weight=np.concatenate([others, chance]),
    )  # fmt: skip
    share: np.ndarray = scaled * fitted.coef_[0]
    return share
