"""What a row is worth by one model's doubt: three readings of the same probabilities, and chance to compare with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def margin(probabilities: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """1 minus the distance of the two likeliest classes. Two classes that cannot be told apart are worth most.

    Reference: Scheffer, Decomain and Wrobel (2001), "Active hidden Markov models for information extraction".

    >>> import numpy as np
    >>> margin(np.array([[0.6, 0.3, 0.1]]), rng=np.random.default_rng(0)).round(2).tolist()
    [0.7]
    """
    import numpy as np

    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities))
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    found: np.ndarray = 1 - (two[:, 1] - two[:, 0])
    return found


def least_confident(probabilities: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """1 minus the probability of the likeliest class.

    Reference: Lewis and Gale (1994), "A sequential algorithm for training text classifiers".

    >>> import numpy as np
    >>> least_confident(np.array([[0.6, 0.3, 0.1]]), rng=np.random.default_rng(0)).round(2).tolist()
    [0.4]
    """
    found: np.ndarray = 1 - probabilities.max(axis=1)
    return found


def entropy(probabilities: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Entropy of the classes, as a share of the largest possible.

    Reference: Shannon (1948); in active learning Dagan and Engelson (1995), "Committee-based sampling".

    >>> import numpy as np
    >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]]), rng=np.random.default_rng(0)).round(2).tolist()
    [1.0, 0.0]
    """
    most = max(math.log(probabilities.shape[-1]), 1e-12)
    found: np.ndarray = spread_of(probabilities) / most
    return found


def random(probabilities: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Chance alone: what every other method is to beat.

    >>> import numpy as np
    >>> random(np.full((3, 2), 0.5), rng=np.random.default_rng(0)).shape
    (3,)
    """
    drawn: np.ndarray = rng.random(size=(probabilities.shape[-2],))
    return drawn


def spread_of(probabilities: np.ndarray) -> np.ndarray:
    """Entropy along the last axis, in nats.

    >>> import numpy as np
    >>> float(spread_of(np.array([0.5, 0.5])).round(3))
    0.693
    """
    import numpy as np

    terms = probabilities * np.log(np.maximum(probabilities, 1e-12))
    found: np.ndarray = np.asarray(np.maximum(-np.sum(terms, axis=-1), 0))
    return found
