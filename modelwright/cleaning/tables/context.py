"""What the rest of a row says of a cell: the votes of all dependencies, each with the weight it has earned.

log P(v | row) = log b(v) + sum over dependencies d of w_d (log P_d(v) - log b(v)), normalised. With w_d = 1 this is
naive Bayes, which counts twice what two columns say that are the same thing (a hospital's name and its number); so the
weights are fitted to foretell the table's own cells, each from the rest of its row. No label is needed: a table that
is mostly right teaches what right looks like, and the fit allows one cell in fifty to be wrong.

Reference: Besag (1975), "Statistical analysis of non-lattice data", The Statistician 24, for fitting each cell given
the others; Rekatsinas et al. (2017), "HoloClean", PVLDB 10(11), for doing so to repair tables; Hinton (2002) for the
product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.cleaning.tables.coded import Coded
from modelwright.cleaning.tables.composed import Composed
from modelwright.cleaning.tables.dependencies import Dependency

if TYPE_CHECKING:
    import numpy as np

Evidence = Dependency | Composed

MOST_FITTED = 3000  # cells that the weights are fitted to
N_FREQUENT = 5
WRONG = 0.02  # share of cells that the fit lets be wrong
LEAST_WEIGHT = 0.01
BY_CHANCE = 1e-3  # what a wrong cell would be foretold with


@dataclass(frozen=True, eq=False)
class Said:
    """What the context says of some values in some rows: `log` (float64, shape (k,)) is log P(v | row) up to a
    constant of the row; `each` (shape (k, n_dependencies)) is what each dependency adds to it."""

    log: np.ndarray
    each: np.ndarray


@dataclass(frozen=True, eq=False)
class Context:
    """What is asked about a column: its evidence, each with its weight, and how sound each of its texts is (0..1)."""

    column: Coded
    deps: Sequence[Evidence]
    weights: np.ndarray
    sound: np.ndarray

    def say(self, rows: np.ndarray, values: np.ndarray, base: np.ndarray, *, trusted: bool = True) -> Said:
        """What the rest of `rows` says of `values` (codes, -1: any text that the column does not have); `base` is b of
        each.

        Where the values are not `trusted`, a vote for one counts as far as the text is sound: what is misspelled twice
        in a group is misspelled.
        """
        import numpy as np

        own = self.column.codes[rows]
        start = np.log(base)
        worth = 1.0 if trusted else np.where(values >= 0, self.sound[np.maximum(values, 0)], 1.0)
        each = np.zeros((len(rows), len(self.deps)))
        for place, dep in enumerate(self.deps):
            n_for, n_all = dep.count(rows, values, own)
            share = (n_for * worth + dep.mixed * base) / (n_all + dep.mixed)
            each[:, place] = self.weights[place] * (np.log(share) - start)
        return Said(start + each.sum(axis=1), each)


def context_of(column: Coded, deps: Sequence[Evidence], sound: np.ndarray) -> Context:
    """The evidence that has earned a weight."""
    weights = weigh(column, deps)
    used = [place for place in range(len(deps)) if weights[place] > LEAST_WEIGHT]
    return Context(column, [deps[place] for place in used], weights[used], sound)


def weigh(column: Coded, deps: Sequence[Evidence]) -> np.ndarray:
    """The weights of the dependencies, float64 in 0..1, fitted to foretell the column's own cells.

    >>> import numpy as np, polars as pl
    >>> from modelwright.cleaning.tables.coded import code
    >>> from modelwright.cleaning.tables.dependencies import dependencies
    >>> table = [code(pl.Series(name, list("aabbccdd") * 9)) for name in ("x", "y", "z")]
    >>> found = dependencies(table[0], table[1:], np.ones(4))
    >>> weights = weigh(table[0], found)
    >>> len(weights), bool(weights.sum() > 0.2)
    (2, True)
    """
    import numpy as np
    from scipy.optimize import minimize

    if not deps:
        return np.zeros(0)
    voters = np.flatnonzero(column.codes >= 0)
    rows = voters[np.linspace(0, len(voters) - 1, min(MOST_FITTED, len(voters))).astype(np.int64)]
    start, more = _candidates(column, deps, rows)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        score = start + more @ weights
        share = np.exp(score - score.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        own = share[:, 0]
        kept = (1 - WRONG) * own + WRONG * BY_CHANCE
        slope = more[:, 0] - np.einsum("rv,rvd->rd", share, more)
        pull = ((1 - WRONG) * own / kept)[:, None] * slope
        return float(-np.log(kept).sum() + 0.5 * weights @ weights), -pull.sum(axis=0) + weights

    first = np.full(len(deps), 1 / len(deps))
    done = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(deps), options={"maxiter": 60})
    return np.asarray(done.x, np.float64)


def _candidates(column: Coded, deps: Sequence[Evidence], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row its own value and the likely others: b's logarithm (r, k), and each dependency's gain (r, k, d)."""
    import numpy as np

    own = column.codes.astype(np.int64)
    frequent = np.argsort(-column.counts, kind="stable")[:N_FREQUENT]
    values = [own[rows], *(np.full(len(rows), value) for value in frequent)]
    for dep in deps:
        values += dep.rivals(own, rows)
    named = np.stack(values, axis=1)
    again = named < 0
    for place in range(1, named.shape[1]):
        again[:, place] |= (named[:, :place] == named[:, [place]]).any(axis=1)
    base = column.base[np.maximum(named, 0)]
    start = np.where(again, -np.inf, np.log(base))
    more = np.zeros((*named.shape, len(deps)))
    who = np.repeat(rows, named.shape[1])
    for place, dep in enumerate(deps):
        n_for, n_all = dep.count(who, named.ravel(), column.codes[who])
        ratio = (n_for + dep.mixed * base.ravel()) / ((n_all + dep.mixed) * base.ravel())
        more[:, :, place] = np.log(ratio).reshape(named.shape)
    more[again] = 0.0
    return start, more
