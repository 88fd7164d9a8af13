"""MACE: a person either knows the answer or gives one without looking, by a habit of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.labelling.truth.base import Answers, Truth, TruthSpec, clamped, normalised, skills, started

if TYPE_CHECKING:
    import numpy as np

PRIOR_KNOWS = 0.5
"""Beta(0.5, 0.5) on how often a person knows: most know nearly always or nearly never (Hovy et al., section 2)."""
PRIOR_HABIT = 10.0
"""Dirichlet(10) on habits: a habit is believed after tens of answers (the same section)."""


def mace(answers: Answers, spec: TruthSpec, known: np.ndarray | None = None) -> Truth:
    """Variational EM from even chances of knowing (no random restarts: the same answers give the same truth).

    Unlike the paper's, the model learns how common the classes are: where one is rare, its answers would otherwise
    be explained as a habit.

    Reference: Hovy, Berg-Kirkpatrick, Vaswani and Hovy (2013), "Learning whom to trust with MACE".

    >>> from modelwright.labelling.truth import answers_of
    >>> said = ["x", "x", "x", "y", "y", "x", "x", "x", "x", "y", "y", "x"]
    >>> answers = answers_of([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], ["a", "b", "c"] * 4, said)
    >>> found = mace(answers, TruthSpec())
    >>> found.best.tolist(), bool(found.ability[2] < found.ability[0])
    ([0, 1, 0, 1], True)
    """
    import numpy as np

    task, worker, n_classes = answers.task, answers.worker, answers.n_classes
    cell = worker * n_classes + answers.label
    place = task * n_classes + answers.label
    posterior, moved, n_rounds = started(answers, known), 1.0, 0
    knows, blind = np.full(answers.n_workers, 0.5), np.full(answers.n_workers * n_classes, 0.5 / n_classes)
    while moved > spec.tolerance and n_rounds < spec.most_rounds:
        hit = knows[worker] + blind[cell]
        flat = np.bincount(place, np.log(hit) - np.log(blind[cell]), answers.n_tasks * n_classes)
        prior = (posterior.sum(axis=0) + 1) / (answers.n_tasks + n_classes)
        log = flat.reshape(answers.n_tasks, n_classes) + np.log(prior)
        was, posterior = posterior, clamped(normalised(log), known)
        knew = posterior[task, answers.label] * knows[worker] / hit
        knows, blind = _rates(answers, knew, cell)
        moved, n_rounds = float(np.abs(posterior - was).max()), n_rounds + 1
    confusion, ability = skills(answers, posterior, 1.0)
    return Truth(
        method="mace", posterior=posterior, prior=prior, ability=ability, confusion=confusion,
        n_rounds=n_rounds, converged=moved <= spec.tolerance,
    )  # fmt: skip


def _rates(answers: Answers, knew: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of knowing (n_workers,) and of saying each class blindly (n_workers * n_classes,), as geometric means."""
    import numpy as np
    from scipy.special import digamma

    n_workers, n_classes = answers.n_workers, answers.n_classes
    n_knew = np.bincount(answers.worker, knew, n_workers) + PRIOR_KNOWS
    n_blind = np.bincount(answers.worker, 1 - knew, n_workers) + PRIOR_KNOWS
    together = digamma(n_knew + n_blind)
    said = np.bincount(cell, 1 - knew, n_workers * n_classes).reshape(n_workers, n_classes) + PRIOR_HABIT
    habit = digamma(said) - digamma(said.sum(axis=1, keepdims=True))
    blind = np.exp((digamma(n_blind) - together)[:, None] + habit)
    return np.exp(digamma(n_knew) - together), blind.ravel()
