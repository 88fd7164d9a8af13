"""Majority: every answer counts alike. Nothing is learned, so nothing can go wrong; people who err count in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.labelling.truth.base import Answers, Truth, TruthSpec, skills, started

if TYPE_CHECKING:
    import numpy as np


def majority(answers: Answers, spec: TruthSpec, known: np.ndarray | None = None) -> Truth:
    """Shares of the votes as the posterior; a person's ability is how often the others' majority agrees.

    >>> from modelwright.labelling.truth import answers_of
    >>> found = majority(answers_of([1, 1, 1, 2], ["a", "b", "c", "a"], ["x", "x", "y", "y"]), TruthSpec())
    >>> found.best.tolist(), found.confidence.round(2).tolist()
    ([0, 1], [0.67, 1.0])
    """
    posterior = started(answers, known)
    prior = posterior.mean(axis=0)
    confusion, ability = skills(answers, posterior, 1.0)
    return Truth(
        method="majority", posterior=posterior, prior=prior, ability=ability, confusion=confusion, n_rounds=0,
        converged=True,
    )  # fmt: skip
