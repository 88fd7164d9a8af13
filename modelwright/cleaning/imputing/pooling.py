"""Pooling: one answer of many, each found on a table whose gaps were filled with another draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """A pooled estimate with its interval. `fraction_missing_information` (0..1) is the share of the uncertainty that
    comes from the gaps; `degrees` are those of the t distribution behind `low` and `high`."""

    estimate: float
    standard_error: float
    low: float
    high: float
    fraction_missing_information: float
    degrees: float


def pool(
    estimates: Sequence[float] | np.ndarray, variances: Sequence[float] | np.ndarray, *, degrees: float = math.inf,
    level: float = 0.95,
) -> Pooled:  # fmt: skip
    """Pool any estimator's answers by Rubin's rules: `estimates` (m,), with their squared standard errors (m,).

    `degrees` are the estimator's own degrees of freedom with complete data (n - k for a regression); the interval's are
    those of Barnard and Rubin. Raises UserError `impute.pool` unless there are at least two finite estimates with
    variances of 0 or more, and a level between 0 and 1.

    Reference: Rubin (1987), "Multiple imputation for nonresponse in surveys"; Barnard and Rubin (1999), "Small-sample
    degrees of freedom with multiple imputation", Biometrika 86(4).

    >>> pooled = pool([4.9, 5.2, 5.0, 5.3, 5.1], [0.04] * 5, degrees=98)
    >>> round(pooled.estimate, 2), round(pooled.standard_error, 3), round(pooled.fraction_missing_information, 2)
    (5.1, 0.265, 0.49)
    """
    import numpy as np
    from scipy.stats import t

    told, within = np.asarray(estimates, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    _check(told, within, degrees, level)
    m, estimate = len(told), float(told.mean())
    inner, between = float(within.mean()), float(told.var(ddof=1))
    added = (1 + 1 / m) * between
    total = inner + added
    if total == 0:
        return Pooled(
            estimate=estimate, standard_error=0.0, low=estimate, high=estimate, fraction_missing_information=0.0,
            degrees=degrees,
        )  # fmt: skip
    share = added / total
    free = _degrees(share, m, degrees)
    half = float(t.ppf((1 + level) / 2, free)) * math.sqrt(total) if math.isfinite(free) else _normal(level, total)
    ratio = added / inner if inner else math.inf
    missing = (ratio + 2 / (free + 3)) / (ratio + 1) if math.isfinite(ratio) else 1.0
    return Pooled(
        estimate=estimate, standard_error=math.sqrt(total), low=estimate - half, high=estimate + half,
        fraction_missing_information=missing if between else 0.0, degrees=free,
    )  # fmt: skip


def _check(estimates: np.ndarray, variances: np.ndarray, degrees: float, level: float) -> None:
    import numpy as np

    fits = estimates.ndim == 1 and estimates.shape == variances.shape and len(estimates) >= 2
    if not fits or not (np.isfinite(estimates).all() and np.isfinite(variances).all() and (variances >= 0).all()):
        raise UserError(
            "impute.pool",
            f"pooling needs two or more finite estimates with as many variances of 0 or more; "
            f"got shapes {estimates.shape} and {variances.shape}.",
            hint="give squared standard errors, one for each draw",
        )
    if not 0 < level < 1 or not degrees > 0:
        raise UserError("impute.pool", f"`level` lies between 0 and 1, `degrees` above 0; got {level} and {degrees}.")


def _degrees(share: float, m: int, complete: float) -> float:
    """Barnard and Rubin's degrees of freedom."""
    old = (m - 1) / share**2 if share > 1e-12 else math.inf
    if math.isinf(complete):
        return old
    observed = (complete + 1) / (complete + 3) * complete * (1 - share)
    return 1 / (1 / old + 1 / observed) if observed > 0 else old


def _normal(level: float, total: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(total)
