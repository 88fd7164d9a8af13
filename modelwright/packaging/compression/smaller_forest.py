"""Fewer trees: the first half, quarter or eighth of a forest or a boosting, its leaves balanced anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.packaging.compression.case import Compression, Variant

if TYPE_CHECKING:
    from modelwright.packaging.compression.case import Case

SHARES = (0.5, 0.25, 0.125)
LEAST = 8


def _make(case: Case) -> list[Variant]:
    """Reference: Bernard, Heutte and Adam (2009), "On the selection of decision trees in random forests"."""
    return [made for share in SHARES if (made := _cut(case, share)) is not None]


def _cut(case: Case, share: float) -> Variant | None:
    import numpy as np

    from modelwright.packaging.compression import edit, forests

    model = edit.read(case.trained.graph)
    asked = forests.matrices(model, case.calibration)
    fewer = False
    for node in forests.nodes(model):
        whole = forests.trees_of(node)
        n_outputs = whole.value.shape[1]
        rounds = -(-max(LEAST, int(whole.n_trees * share)) // n_outputs)  # a round has a tree for each output
        if rounds * n_outputs >= whole.n_trees:
            continue
        fewer = True
        part = whole.keep(np.flatnonzero(whole.tree < rounds * n_outputs))
        forests.put(node, forests.balanced(part, whole, asked[node.input[0]]))
    if not fewer:
        return None
    if case.trained.task.is_classification:
        edit.normalise(model)
    return Variant(name=f"smaller_forest {share:g}", graph=edit.written(model), signature=case.trained.signature)


def suits_trees(case: Case) -> str:
    """Whether there are trees that can be changed."""
    from modelwright.packaging.compression import edit, forests

    return "" if forests.nodes(edit.read(case.trained.graph)) else "the graph holds no trees"


COMPRESSION = Compression(name="smaller_forest", suits=suits_trees, make=_make)
