"""Outliers without labels: detectors of two schools, the surer one heard; and the columns that make a row odd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from modelwright import oddness
from modelwright.core.errors import UserError, nearest
from modelwright.core.rng import stream, stream_seed

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Watch

GLOBAL = ("isolation", "ecod", "spread", "histogram")
LOCAL = ("distance", "ellipse", "glosh")
DETECTORS = (*GLOBAL, *LOCAL, "lof")
Detector = Literal["together", "isolation", "ecod", "spread", "histogram", "distance", "ellipse", "glosh", "lof"]
LEAST_ROWS = 20
MOST_KNOWN = 10_000
"""Rows that detectors are learned on; of larger tables a sample, and all rows are held beside it."""
FAR_OUT = 10.0  # deviations, beyond which a value says no more


@dataclass(frozen=True, eq=False, kw_only=True)
class Outliers:
    """`score` (n,): how odd each row is, in middle deviations from the middle row, larger is odder. `columns` (n, d):
    how much each column has to do with it. `scores` has each detector's own, in the same unit. `surer` (n,) says which
    school the score is of: "global" (odd beside all rows) or "local" (odd beside rows like it). `agreement` (0..1) is
    the rank correlation of the two schools, by which the local one is weighed."""

    score: np.ndarray
    columns: np.ndarray
    scores: Mapping[str, np.ndarray]
    surer: np.ndarray
    agreement: float = 1.0

    @property
    def ranked(self) -> np.ndarray:
        """Places of the rows, the oddest first."""
        import numpy as np

        order: np.ndarray = np.argsort(-self.score, kind="stable")
        return order


def outliers(
    values: np.ndarray, *, detector: Detector = "together", seed: int = 0, watch: Watch | None = None
) -> Outliers:  # fmt: skip
    """Say how odd each row of `values` (n, d) is: finite numbers, of any scale.

    `together` hears isolation forest, ECOD, histograms and the distance from the middle on what is odd beside the whole
    table; distances to neighbours, a trimmed Mahalanobis distance and GLOSH on what is odd beside rows like it. Each is
    put on the scale of its own middle and a school's detectors are averaged. The local school is weighed by how far it
    agrees with the global one in the order of all rows: where neighbours say something else altogether, odd rows lie
    together or the table is too wide for distances. Of the two the surer one is then heard. No label has a part in it.

    Detectors are learned on at most 10,000 rows. A column's part is how far the row lies from the middle of its
    neighbours in it, over what is usual for the column, and how far out in the column's tail.

    Raises UserError `outliers.values` unless there are 20 rows of finite numbers, `outliers.detector` for an unknown
    detector.

    Reference: Kriegel et al. (2011), "Interpreting and unifying outlier scores", SDM; Aggarwal and Sathe (2015),
    "Theoretical foundations and algorithms for outlier ensembles", SIGKDD Explorations 17(1).

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(300, 3)); x[:, 1] = x[:, 0] + 0.1 * x[:, 1]
    >>> x[7, :2] = 4.0, -4.0
    >>> found = outliers(x)
    >>> 7 in found.ranked[:2], sorted(np.argsort(-found.columns[7])[:2].tolist())
    (True, [0, 1])
    """
    import numpy as np

    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) < LEAST_ROWS or not values.shape[1] or not np.isfinite(values).all():
        raise UserError(
            "outliers.values", f"outliers need 20 rows or more of finite numbers; got the shape {values.shape}"
            f"{'' if np.isfinite(values).all() else ', with missing values'}.", hint="fill gaps first",
        )  # fmt: skip
    if detector not in ("together", *DETECTORS):
        raise UserError(
            "outliers.detector", f"there is no detector {detector!r}.", hint=nearest(detector, ("together", *DETECTORS))
        )
    z = _standard(values)
    known = z
    if len(z) > MOST_KNOWN:
        known = z[np.sort(stream(seed, "outliers").choice(len(z), size=MOST_KNOWN, replace=False))]
    scores = {}
    for name in (*GLOBAL, *LOCAL) if detector == "together" else (detector,):
        scores[name] = _heard(name, z, known, seed)
        if watch is not None:
            watch({"stage": "mending", "event": "detector", "detector": name})
    beside_all, beside_near = _school(scores, GLOBAL, len(z)), _school(scores, (*LOCAL, "lof"), len(z))
    agreement = oddness.agreement(beside_all, beside_near) if detector == "together" else 1.0
    beside_near = agreement * beside_near
    return Outliers(
        score=np.maximum(beside_all, beside_near), columns=_parts(z, known), scores=scores, agreement=agreement,
        surer=np.where(beside_all >= beside_near, "global", "local"),
    )  # fmt: skip


def _school(scores: Mapping[str, np.ndarray], names: tuple[str, ...], n: int) -> np.ndarray:
    """The mean of a school's detectors, on the scale of its middle; minus infinity where none was heard."""
    import numpy as np

    heard = [scores[name] for name in names if name in scores]
    return oddness.unified(np.mean(heard, axis=0)) if heard else np.full(n, -np.inf)


def _standard(values: np.ndarray) -> np.ndarray:
    import numpy as np

    spread = values.std(axis=0)
    usable = spread > 1e-12 * np.maximum(np.abs(values.mean(axis=0)), 1e-300)
    z = (values - values.mean(axis=0)) / np.where(usable, spread, 1)
    return np.clip(np.where(usable, z, 0), -FAR_OUT, FAR_OUT)


def _heard(name: str, z: np.ndarray, known: np.ndarray, seed: int) -> np.ndarray:
    found = getattr(oddness, name)(z, known, stream_seed(seed, "outliers", name))
    return oddness.unified(found)


def _parts(z: np.ndarray, known: np.ndarray) -> np.ndarray:
    """How much each column has to do with a row's oddness, (n, d): its squared difference from the middle of the row's
    neighbours, over what is usual for the column, and its own tail."""
    import numpy as np

    _, places = oddness.near(z, known, oddness.N_NEAR)
    apart = np.empty(z.shape)
    for begin in range(0, len(z), 20_000):
        rows = slice(begin, begin + 20_000)
        apart[rows] = np.abs(z[rows] - np.median(known[places[rows]], axis=1))
    usual = np.maximum(apart.mean(axis=0), 1e-3)
    tail = np.maximum(oddness.tails(z, known) - 3, 0)  # beyond the farthest twentieth
    parts: np.ndarray = apart / usual + tail
    return parts
