"""Sequences: how many words or letters must be changed to make the answer the truth.

Reference: Levenshtein (1966), "Binary codes capable of correcting deletions, insertions and reversals".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from modelwright.evaluation.metrics import Floats, ratio


def edits(truth: Sequence[str], answer: Sequence[str]) -> int:
    """Least number of insertions, deletions and substitutions between two sequences of texts.

    Cost: proportional to the product of the lengths, a row at a time; 1,000 letters against 1,000 take 10 ms.

    >>> edits("kitten", "sitting"), edits([], ["a"]), edits("the cat sat".split(), "the cat".split())
    (3, 1, 1)
    """
    if not truth or not answer:
        return max(len(truth), len(answer))
    numbers = {token: index for index, token in enumerate(dict.fromkeys([*truth, *answer]))}
    said = np.array([numbers[token] for token in answer])
    along = np.arange(said.size + 1)
    row = along.copy()
    for done, token in enumerate(truth, start=1):
        best = np.empty_like(row)
        best[0] = done
        best[1:] = np.minimum(row[1:] + 1, row[:-1] + (said != numbers[token]))
        # An insertion costs 1 a step to the right: the running minimum of what is left after paying for it.
        row = np.minimum.accumulate(best - along) + along
    return int(row[-1])


def error_rate(errors: Floats, lengths: Floats, weights: Floats) -> Floats:
    """Edits over the length of the truth, pooled over sequences; `weights` (..., n)."""
    return ratio(weights @ errors, weights @ lengths)


def edit_counts(
    truths: Sequence[str], answers: Sequence[str], split: Callable[[str], Sequence[str]] = str.split
) -> tuple[Floats, Floats]:
    """Per sequence the edits needed and the length of the truth, float64 (n,); `split` makes the units."""
    pairs = [(split(truth), split(answer)) for truth, answer in zip(truths, answers, strict=True)]
    counted = np.array([edits(truth, answer) for truth, answer in pairs], dtype=np.float64)
    return counted, np.array([len(truth) for truth, _ in pairs], dtype=np.float64)


def word_error_rate(truths: Sequence[str], answers: Sequence[str]) -> float:
    """Word errors per word of the truth, all sequences pooled; above 1 when much is made up. NaN without words.

    >>> word_error_rate(["the cat sat"], ["the bat sat down"])
    0.666...
    """
    errors, lengths = edit_counts(truths, answers)
    return float(error_rate(errors, lengths, np.ones(len(errors))))


def character_error_rate(truths: Sequence[str], answers: Sequence[str]) -> float:
    """Letter errors per letter of the truth, blanks included.

    >>> character_error_rate(["abcd"], ["abce"])
    0.25
    """
    errors, lengths = edit_counts(truths, answers, tuple)
    return float(error_rate(errors, lengths, np.ones(len(errors))))
