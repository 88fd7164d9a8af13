"""BALD: rows that several models disagree on, and not those that every model finds hard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.labelling.active.uncertainty import spread_of

if TYPE_CHECKING:
    import numpy as np


def bald(probabilities: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """What a label would tell of the model: entropy of the mean less the mean entropy, as a share of the most.

    `probabilities` are (n_models, n_rows, n_classes): members of a committee (other seeds, other rows), or passes of
    one network with dropout.

    Reference: Houlsby et al. (2011), "Bayesian active learning for classification and preference learning".

    >>> import numpy as np
    >>> one = np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])
    >>> bald(one, rng=np.random.default_rng(0)).round(2).tolist()
    [1.0, 0.0]
    """
    import numpy as np

    doubt = spread_of(probabilities.mean(axis=0)) - spread_of(probabilities).mean(axis=0)
    found: np.ndarray = np.maximum(doubt, 0) / max(np.log(probabilities.shape[-1]), 1e-12)
    return found
