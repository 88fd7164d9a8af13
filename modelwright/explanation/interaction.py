"""Which columns work on the answer together, and not each for itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from modelwright.explanation.mixing import Mixer, Sample
    from modelwright.explanation.outcome import Outcome

N_ROWS = 30


@dataclass(frozen=True)
class Together:
    """Of all that two columns say together, the `share` (0 to 1) that is not the sum of what each says by itself;
    `size` is how far, as a standard deviation of the answer, that part reaches."""

    columns: tuple[str, str]
    share: float
    size: float


def together(mixer: Mixer, outcome: Outcome, places: Sequence[int], rows: Sample) -> tuple[Together, ...]:
    """Friedman's H squared for each two of these columns, on at most 30 rows, the strongest (by `size`) first.

    A hint, no measurement: on few rows, and where columns go together, H is too large. Cost: 900 answers for each
    column and each two.

    Reference: Friedman and Popescu (2008), "Predictive learning via rule ensembles", section 8.1.
    """
    import numpy as np

    rows = rows.take(np.arange(min(rows.n_rows, N_ROWS)))
    n = rows.n_rows

    def mean(columns: Sequence[int]) -> np.ndarray:
        taken = np.zeros((n * n, len(mixer.columns)), dtype=bool)
        taken[:, list(columns)] = True
        answers = mixer.mixed(rows, rows, (np.repeat(np.arange(n), n), np.tile(np.arange(n), n)), taken)
        curve = outcome.of(answers, 0).reshape(n, n).mean(axis=1)
        return np.asarray(curve - curve.mean())

    alone = {place: mean([place]) for place in places}
    found = []
    for one, two in combinations(places, 2):
        both = mean([one, two])
        rest, whole = float(((both - alone[one] - alone[two]) ** 2).mean()), float((both**2).mean())
        share = min(1.0, rest / whole) if whole > 0 else 0.0
        found.append(Together((mixer.columns[one], mixer.columns[two]), share, float(np.sqrt(rest))))
    return tuple(sorted(found, key=lambda one: -one.size))
