"""Dawid and Skene: every person has confusions of their own; truth and confusions are found in turn (EM)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.labelling.truth.base import Answers, Truth, TruthSpec, clamped, normalised, skills, started

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

SMOOTHING = 0.01
"""Answers added to each cell of a confusion: keeps a class that a person never named possible, and no more."""
LONGEST_LEAP = 50.0
"""Plain rounds that one leap may stand for, about."""


def dawid_skene(answers: Answers, spec: TruthSpec, known: np.ndarray | None = None) -> Truth:
    """Maximum likelihood by EM from the shares of the votes; a round costs one pass over the answers.

    Of every three rounds one starts from where the two before it were heading (SQUAREM); it ends only where a plain
    round moves nothing.

    References: Dawid and Skene (1979), Applied Statistics 28(1); Varadhan and Roland (2008), "Simple and globally
    convergent methods for accelerating the convergence of any EM algorithm".

    >>> from modelwright.labelling.truth import answers_of
    >>> answers = answers_of([0, 0, 1, 1, 2, 2], ["a", "b"] * 3, ["x", "x", "y", "y", "x", "x"])
    >>> dawid_skene(answers, TruthSpec()).confusion[0].round(1).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    import numpy as np

    n_workers, n_classes = answers.n_workers, answers.n_classes
    said = answers.by_worker_and_label
    by_cell = said.T.tocsr()

    def a_round(posterior: np.ndarray) -> np.ndarray:
        log_prior = np.log((np.einsum("tc->c", posterior) + 1) / (answers.n_tasks + n_classes))
        counts = (by_cell @ posterior).reshape(n_workers, n_classes, n_classes) + SMOOTHING
        log = np.log(counts) - np.log(counts.sum(axis=1, keepdims=True))
        return clamped(normalised(said @ log.reshape(-1, n_classes) + log_prior), known)

    posterior, n_rounds, converged = _settled(a_round, started(answers, known), spec)
    confusion, ability = skills(answers, posterior, SMOOTHING)
    prior = posterior.mean(axis=0)
    return Truth(
        method="dawid_skene", posterior=posterior, prior=prior, ability=ability, confusion=confusion,
        n_rounds=n_rounds, converged=converged,
    )  # fmt: skip


def _settled(
    a_round: Callable[[np.ndarray], np.ndarray], posterior: np.ndarray, spec: TruthSpec
) -> tuple[np.ndarray, int, bool]:
    """Rounds until one moves nothing by more than the tolerance: where it ended, how many, and whether it did."""
    import numpy as np

    n_rounds = 0
    while n_rounds < spec.most_rounds:
        first = a_round(posterior)
        second = a_round(first)
        n_rounds += 2
        step = first - posterior
        if float(np.abs(step).max()) <= spec.tolerance:
            return second, n_rounds, True
        bend = second - first - step
        leap = float(np.sqrt((step**2).sum() / max((bend**2).sum(), 1e-300)))
        leap = min(max(leap, 1.0), LONGEST_LEAP)
        ahead = np.clip(posterior + 2 * leap * step + leap**2 * bend, 1e-12, 1)
        posterior = a_round(ahead / ahead.sum(axis=1, keepdims=True))
        n_rounds += 1
    return posterior, n_rounds, False
