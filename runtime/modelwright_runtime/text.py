"""Short texts to TF-IDF weights: the same function in training and in serving (ONNX has no tokeniser)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from modelwright_runtime.signature import TextInput

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The case-folded words of a text, and each pair of neighbours.

    >>> words("Not good!")
    ['not', 'good', 'not good']
    """
    single = _WORD.findall(text.casefold())
    return single + [f"{first} {second}" for first, second in zip(single, single[1:], strict=False)]


@lru_cache(maxsize=64)
def _positions(vocabulary: tuple[str, ...]) -> dict[str, int]:
    return {word: index for index, word in enumerate(vocabulary)}


def weigh(texts: Sequence[str], text: TextInput) -> np.ndarray:
    """TF-IDF weights with 1 + log(count) and rows of length 1: float32 of shape (n, len(vocabulary)).

    Reference: Salton and Buckley (1988), "Term-weighting approaches in automatic text retrieval".

    >>> one = TextInput(column="t", vocabulary=("good", "bad"), idf=(1.0, 1.0))
    >>> weigh(["good, good and bad"], one).round(2).tolist()
    [[0.86..., 0.50...]]
    """
    position = _positions(text.vocabulary)
    weights = np.zeros((len(texts), len(text.vocabulary)), dtype=np.float64)
    for row, line in enumerate(texts):
        for word in words(line):
            index = position.get(word)
            if index is not None:
                weights[row, index] += 1.0
    present = weights > 0
    weights[present] = 1.0 + np.log(weights[present])
    weights *= np.asarray(text.idf, dtype=np.float64)
    lengths = np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return (weights / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
