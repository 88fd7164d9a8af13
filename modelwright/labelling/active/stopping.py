"""When to stop: the answers no longer change, although labels still come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

SAME = 0.99
N_ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Whether more labels still teach. `kappas` are the agreements of each round's answers with the round before."""

    stop: bool
    kappas: tuple[float, ...]
    reason: str


def progress(answers: Sequence[np.ndarray]) -> Progress:
    """Judge rounds by their models' answers (class codes) to one fixed set of rows that nobody need label.

    Stops when the last three rounds each agreed with the one before at a kappa of 0.99 or more on average: what is
    learned now changes one answer in a hundred or fewer. It looks at no truth, so it cannot say how good the model is.

    Reference: Bloodgood and Vijay-Shanker (2009), "A method for stopping active learning based on stabilizing
    predictions and the need for user-adjustable stopping".

    >>> import numpy as np
    >>> rounds = [np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]), *[np.array([0, 1, 0, 1])] * 4]
    >>> progress(rounds[:3]).stop, progress(rounds).stop
    (False, True)
    """
    from modelwright.labelling.agreement.cohen import cohen

    kappas = []
    for before, after in zip(answers, answers[1:], strict=False):
        kappa = cohen(before, after)
        kappas.append(1.0 if kappa != kappa and (before == after).all() else kappa)  # one class only, twice
    last = kappas[-N_ROUNDS:]
    if len(last) < N_ROUNDS:
        return Progress(
            stop=False, kappas=tuple(kappas), reason=f"{N_ROUNDS - len(last)} more rounds are needed to judge"
        )
    mean = sum(last) / N_ROUNDS
    told = f"the last {N_ROUNDS} rounds agree with the ones before at a kappa of {mean:.3f}"
    return Progress(stop=mean >= SAME, kappas=tuple(kappas), reason=told)
