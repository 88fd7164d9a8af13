"""Branches cut back to leaves where little depends on them, by the rows that pass there.

Weights of networks are not pruned one by one: zeros that lie anywhere make no product faster and no file smaller here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.packaging.compression.case import Compression, Variant
from modelwright.packaging.compression.smaller_forest import suits_trees

if TYPE_CHECKING:
    import numpy as np

    from modelwright.packaging.compression.case import Case
    from modelwright.packaging.compression.forests import Trees

SHARES = (0.5, 0.2)
N_ROWS = 1000


def _make(case: Case) -> list[Variant]:
    return [_cut_back(case, share) for share in SHARES]


def _cut_back(case: Case, share: float) -> Variant:
    import numpy as np

    from modelwright.packaging.compression import edit, forests

    model = edit.read(case.trained.graph)
    spread = np.unique(np.linspace(0, case.rows.n_rows - 1, min(case.rows.n_rows, N_ROWS)).astype(int))
    asked = forests.matrices(model, case.feeds(spread))
    for node in forests.nodes(model):
        whole = forests.trees_of(node)
        forests.put(node, pruned(whole, asked[node.input[0]], share))
    return Variant(name=f"prune {share:g}", graph=edit.written(model), signature=case.trained.signature)


def pruned(whole: Trees, x: np.ndarray, share: float) -> Trees:
    """Keep about this share of the decisions: those below which the leaves differ most on the rows of `x`.

    A branch that becomes a leaf gives the mean of what its rows were given (of its leaves, where no row came).
    Reference: Breiman et al. (1984), "Classification and Regression Trees", chapter 3.
    """
    import numpy as np

    n, reached = len(whole.tree), whole.leaves_of(x)
    count = np.bincount(reached.ravel(), minlength=n) + 1e-3
    inner = whole.feature >= 0
    count = np.where(inner, 0.0, count)
    total = whole.value * count[:, None]
    square = (whole.value**2).sum(axis=1) * count
    for level in reversed(_levels(whole)):  # from the deepest decisions up
        for child in (whole.left[level], whole.right[level]):
            count[level] += count[child]
            total[level] += total[child]
            square[level] += square[child]
    mean = total / count[:, None]
    spread = square - (mean**2).sum(axis=1) * count
    n_kept = max(1, int(inner.sum() * share))
    bound = np.sort(spread[inner])[-n_kept]
    stays = inner & (spread >= bound)
    there = np.zeros(n, dtype=bool)
    there[whole.roots] = True
    for level in _levels(whole):
        open_ones = level[there[level] & stays[level]]
        there[whole.left[open_ones]] = there[whole.right[open_ones]] = True
    feature = np.where(stays, whole.feature, -1)
    value = np.where((inner & ~stays)[:, None], mean, whole.value)
    from dataclasses import replace

    return replace(whole, feature=feature, value=value).keep(np.flatnonzero(there))


def _levels(whole: Trees) -> list[np.ndarray]:
    """The decisions, depth by depth."""
    import numpy as np

    levels, at = [], whole.roots
    while len(at := at[whole.feature[at] >= 0]):
        levels.append(at)
        at = np.concatenate([whole.left[at], whole.right[at]])
    return levels


COMPRESSION = Compression(name="prune", suits=suits_trees, make=_make)
