"""Simple learners that ask what the inputs say of the targets, without any network: NumPy alone.

Neighbours and a ridge fit, both judged by leaving each row out. As both are linear in the targets, shuffling
the targets a hundred times costs next to nothing, and says what chance alone would give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

N_NEIGHBOURS = 5
N_SHUFFLES = 40
RIDGES = (1e-2, 1.0)


@dataclass(frozen=True)
class Skill:
    """How well left-out rows are told: 0 is guessing, 1 is every row; and how far that is from chance.

    `sigmas` is the distance from the mean of shuffled targets in their deviations.
    """

    skill: float
    sigmas: float


def standardised(x: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and deviation 1; what is not finite becomes 0."""
    import numpy as np

    x = np.where(np.isfinite(x), x, np.nan).astype(np.float64)
    with np.errstate(all="ignore"):
        scale = np.nanmax(np.abs(x), axis=0, initial=0.0)
        x = x / np.where(scale > 0, scale, 1.0)  # squares of huge numbers overflow
        counts = np.maximum(np.isfinite(x).sum(0), 1)
        centred = x - np.nansum(x, 0) / counts
        deviation = np.sqrt(np.nansum(centred**2, 0) / counts)
    kept = deviation > 1e-12
    made: np.ndarray = np.nan_to_num(centred[:, kept] / deviation[kept])
    return made


def targets_of(y: np.ndarray) -> np.ndarray:
    """Targets as columns with mean 0: one per class, or the number itself. Classes are integers."""
    import numpy as np

    if np.issubdtype(y.dtype, np.integer):
        columns = (y[:, None] == np.unique(y)[None, :]).astype(np.float64)
    else:
        columns = y.reshape(len(y), -1).astype(np.float64)
        columns = columns / np.maximum(columns.std(0), 1e-12)
    centred: np.ndarray = columns - columns.mean(0)
    return centred


def neighbours(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Skill:
    """Each row told by the five rows most like it. `x` as `standardised` makes it.

    Reference: Fix and Hodges (1951), "Discriminatory analysis: nonparametric discrimination".
    """
    import numpy as np

    squares = (x**2).sum(1)
    distance = squares[:, None] + squares[None, :] - 2 * x @ x.T
    np.fill_diagonal(distance, np.inf)
    nearest = np.argpartition(distance, N_NEIGHBOURS, axis=1)[:, :N_NEIGHBOURS]
    return _judged(lambda columns: columns[nearest].mean(1), y, rng)


def ridge(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Skill:
    """A linear fit, each row told by the fit to the others; the better of two strengths.

    Reference: Allen (1974), "The relationship between variable selection and data augmentation", for the
    closed form of leaving one out.
    """
    import numpy as np

    kernel = x @ x.T / max(x.shape[1], 1)
    values, vectors = np.linalg.eigh(kernel)
    best = Skill(-1.0, -1.0)
    for strength in RIDGES:
        shrink = np.clip(values, 0, None) / (np.clip(values, 0, None) + strength * max(values.mean(), 1e-12))
        hat = (vectors * shrink) @ vectors.T
        lever = np.clip(1.0 - np.diag(hat), 1e-6, None)[:, None]

        def left_out(columns: np.ndarray, hat: np.ndarray = hat, lever: np.ndarray = lever) -> np.ndarray:
            answer: np.ndarray = columns - (columns - hat @ columns) / lever
            return answer

        best = max(best, _judged(left_out, y, rng), key=lambda skill: skill.sigmas)
    return best


def _judged(answer: Callable[[np.ndarray], np.ndarray], y: np.ndarray, rng: np.random.Generator) -> Skill:
    import numpy as np

    columns = targets_of(y)
    told, power = answer(columns), max(float((columns**2).sum()), 1e-12)
    orders = np.stack([rng.permutation(len(y)) for _ in range(N_SHUFFLES)], 1)
    shuffled = columns[orders]  # (rows, shuffles, columns)
    by_chance = answer(shuffled.reshape(len(y), -1)).reshape(shuffled.shape)
    chance = (by_chance * shuffled).sum((0, 2)) / power
    own = float((told * columns).sum()) / power
    if np.issubdtype(y.dtype, np.integer):
        guess = float(np.bincount(columns.argmax(1)).max() / len(y))
        right = float((_with_means(told, y).argmax(1) == columns.argmax(1)).mean())
        skill = (right - guess) / max(1 - guess, 1e-12)
    else:
        skill = 1.0 - float(((told - columns) ** 2).sum()) / power
    return Skill(skill, float((own - chance.mean()) / max(chance.std(), 1e-12)))


def _with_means(told: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Answers about centred columns as shares of classes again."""
    import numpy as np

    _, counts = np.unique(y, return_counts=True)
    shares: np.ndarray = told + counts / len(y)
    return shares


def single_skills(x: np.ndarray, y: np.ndarray, *, n_bins: int = 16) -> np.ndarray:
    """How well each column alone tells the targets, 0..1: the commonest class, or the mean, in each of its bins.

    Bins are its values where they are few, else equal shares of the rows; each row is left out of its own bin.
    """
    import numpy as np

    columns = targets_of(y)
    classes = np.issubdtype(y.dtype, np.integer)
    means = columns + (np.unique(y, return_counts=True)[1] / len(y) if classes else 0.0)
    guess = np.bincount(columns.argmax(1)).max() / len(y) if classes else 0.0
    skills = np.zeros(x.shape[1])
    for index in range(x.shape[1]):
        bins = _bins(x[:, index], n_bins)
        n = np.bincount(bins)
        if len(n) < 2:
            continue
        sums = np.stack([np.bincount(bins, column) for column in means.T], 1)
        others = (sums[bins] - means) / np.maximum(n[bins] - 1, 1)[:, None]
        if classes:
            right = float((others.argmax(1) == columns.argmax(1)).mean())
            skills[index] = (right - guess) / max(1 - guess, 1e-12)
        else:
            skills[index] = 1.0 - float(((others - columns) ** 2).sum() / max((columns**2).sum(), 1e-12))
    return skills.clip(0.0, 1.0)


def _bins(column: np.ndarray, n_bins: int) -> np.ndarray:
    import numpy as np

    values, inverse = np.unique(column, return_inverse=True)
    if len(values) <= 2 * n_bins:
        return np.asarray(inverse)
    edges = np.quantile(column, np.linspace(0, 1, n_bins + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, column))
