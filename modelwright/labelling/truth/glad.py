"""GLAD: one ability for a person, one difficulty for a task; an answer is right with sigmoid(ability * ease)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.labelling.truth.base import Answers, Truth, TruthSpec, clamped, normalised, skills, started

if TYPE_CHECKING:
    import numpy as np

N_STEPS = 2
"""Newton steps on abilities and eases in each round; both searches are concave on their own."""


def glad(answers: Answers, spec: TruthSpec, known: np.ndarray | None = None) -> Truth:
    """EM: the truth given abilities and eases, then damped Newton steps on both under a normal prior (mean 1).

    A wrong answer is any other class with equal chance and all classes are equally common beforehand, so it suits
    classes that are confused evenly.

    Reference: Whitehill et al. (2009), "Whose vote should count more: optimal integration of labels from labelers of
    unknown expertise".

    >>> from modelwright.labelling.truth import answers_of
    >>> answers = answers_of([0, 0, 0, 1, 1, 1], ["a", "b", "c"] * 2, ["x", "x", "y", "y", "y", "x"])
    >>> glad(answers, TruthSpec()).best.tolist()
    [0, 1]
    """
    import numpy as np
    from scipy.special import expit

    task, worker, label = answers.task, answers.worker, answers.label
    ability, log_ease = np.ones(answers.n_workers), np.ones(answers.n_tasks)
    posterior, moved, n_rounds = started(answers, known), 1.0, 0
    log_others = np.log(max(answers.n_classes - 1, 1))
    while moved > spec.tolerance and n_rounds < spec.most_rounds:
        right = posterior[task, label]
        for _ in range(N_STEPS):
            ability, log_ease = _step(answers, right, ability, log_ease)
        logit = ability[worker] * np.exp(log_ease)[task]
        # log P(right) - log P(this wrong class): a sum per task and class, as what all classes share falls away
        gain = logit + log_others
        flat = np.bincount(task * answers.n_classes + label, gain, answers.n_tasks * answers.n_classes)
        was, posterior = posterior, normalised(flat.reshape(answers.n_tasks, -1))
        posterior = clamped(posterior, known)
        moved, n_rounds = float(np.abs(posterior - was).max()), n_rounds + 1
    confusion, _ = skills(answers, posterior, 1.0)
    logit = ability[worker] * np.exp(log_ease)[task]
    n_answers = np.bincount(worker, minlength=answers.n_workers)
    mean = np.bincount(worker, expit(logit), answers.n_workers) / np.maximum(n_answers, 1)
    return Truth(
        method="glad", posterior=posterior, prior=posterior.mean(axis=0), ability=mean, confusion=confusion,
        n_rounds=n_rounds, converged=moved <= spec.tolerance,
    )  # fmt: skip


def _step(
    answers: Answers, right: np.ndarray, ability: np.ndarray, log_ease: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One Newton step on every ability, then one on every log ease; each at most 1 long."""
    import numpy as np
    from scipy.special import expit

    task, worker = answers.task, answers.worker
    ease = np.exp(log_ease)[task]
    chance = expit(ability[worker] * ease)
    slope = np.bincount(worker, ease * (right - chance), answers.n_workers) - (ability - 1)
    bend = np.bincount(worker, ease**2 * chance * (1 - chance), answers.n_workers) + 1
    ability = ability + np.clip(slope / bend, -1, 1)
    logit = ability[worker] * ease
    chance = expit(logit)
    slope = np.bincount(task, logit * (right - chance), answers.n_tasks) - (log_ease - 1)
    bend = np.bincount(task, logit**2 * chance * (1 - chance), answers.n_tasks) + 1
    return ability, log_ease + np.clip(slope / bend, -1, 1)
