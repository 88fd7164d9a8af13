"""Generators that make only some of the kinds of things they were shown: mode collapse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.rng import stream
from modelwright.training.doctor.base import Symptom, Verdict, sure
from modelwright.training.doctor.chart import Chart
from modelwright.training.doctor.describe import describe

if TYPE_CHECKING:
    import numpy as np

MOST_BINS = 40
ROWS_A_BIN = 10
MISSING = 0.3  # share of the kinds of real rows that are hardly made at all
ROUNDS = 12


def mode_collapse(generated: np.ndarray, real: np.ndarray, *, seed: int = 0) -> Verdict | None:
    """Compare rows from a generator with real ones, float (n, ...) each: how many kinds of the real ones are missing.

    The real rows are put into bins of like rows; a bin is missing when the generated rows in it are far fewer
    than chance allows, and less than a quarter of the real share. None with under 100 rows of either.

    Reference: Richardson and Weiss (2018), "On GANs and GMMs".

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> centres = rng.normal(size=(8, 5)) * 6
    >>> real = centres[rng.integers(8, size=600)] + rng.normal(size=(600, 5))
    >>> poor = centres[rng.integers(2, size=600)] + rng.normal(size=(600, 5))
    >>> mode_collapse(poor, real).fault
    'mode_collapse'
    >>> mode_collapse(real[:300], real[300:]).confidence < 0.3
    True
    """
    import numpy as np

    if min(len(generated), len(real)) < 10 * ROWS_A_BIN:
        return None
    both = describe((np.concatenate([real, generated]),))
    scale = both[: len(real)].std(0)
    both = both / np.where(scale > 0, scale, 1.0)
    n_bins = min(MOST_BINS, len(real) // ROWS_A_BIN)
    centres = _centres(both[: len(real)], n_bins, stream(seed, "doctor", "modes"))
    where = _nearest(both, centres)
    own = np.bincount(where[: len(real)], minlength=n_bins) / len(real)
    made = np.bincount(where[len(real) :], minlength=n_bins) / len(generated)
    pooled = (own * len(real) + made * len(generated)) / (len(real) + len(generated))
    error = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / len(real) + 1 / len(generated)))
    missing = float(own[((own - made) / error > 2.5) & (made < own / 4)].sum())
    return Verdict(
        "mode_collapse", sure(missing, MISSING, factor=1.5), {"missing_share": missing, "bins": n_bins},
        f"The generator makes hardly any of the kinds that {missing:.0%} of the real rows belong to: it has found a "
        "few answers that pass, and repeats them. Lower its learning rate, and let the judge see whole batches.",
        {"what": "learning_rate", "times": 0.316},
    )  # fmt: skip


def _centres(rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Middles of bins of like rows (Lloyd 1982), begun far from each other (Arthur and Vassilvitskii 2007)."""
    import numpy as np

    chosen = [rows[rng.integers(len(rows))]]
    nearest = ((rows - chosen[0]) ** 2).sum(1)
    for _ in range(n - 1):
        chosen.append(rows[rng.choice(len(rows), p=nearest / max(nearest.sum(), 1e-300))])
        nearest = np.minimum(nearest, ((rows - chosen[-1]) ** 2).sum(1))
    centres = np.stack(chosen)
    for _ in range(ROUNDS):
        where = _nearest(rows, centres)
        sums = np.stack([np.bincount(where, column, minlength=n) for column in rows.T], 1)
        counts = np.bincount(where, minlength=n)[:, None]
        centres = np.where(counts > 0, sums / np.maximum(counts, 1), centres)
    return centres


def _nearest(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    found: np.ndarray = ((centres**2).sum(1)[None] - 2 * rows @ centres.T).argmin(1)
    return found


def find(chart: Chart) -> Verdict | None:
    """What `Doctor.see_generated` was last shown.

    >>> find(Chart(facts={})) is None
    True
    """
    shown = chart.facts.get("generated")
    return Verdict(**shown) if shown else None


SYMPTOM = Symptom(name="mode_collapse", moments=("look", "validation"), find=find, caused_by=("not_finite",))
