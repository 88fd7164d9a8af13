"""What is measured in a group: shares of its rows, the ranking, errors of values; each with its interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modelwright.proportions import Z, wilson

if TYPE_CHECKING:
    import numpy as np

LEAST_AUC = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class Judged:
    """Rows with what is true of them and what they are told, all of shape (n,).

    Of classes `truth` and `told` are Booleans: whether the `outcome` is true, and is told; `score` is the chance that
    the model gives it, if it gives one. Of values (`outcome` is then their name) both are float64, and there is no
    score.
    """

    outcome: str
    truth: np.ndarray
    told: np.ndarray
    score: np.ndarray | None = None

    @property
    def of_values(self) -> bool:
        """Whether numbers are answered, and not classes."""
        return bool(self.truth.dtype.kind == "f")

    def take(self, rows: np.ndarray) -> Judged:
        """Some rows, by position or by a mask."""
        score = None if self.score is None else self.score[rows]
        return replace(self, truth=self.truth[rows], told=self.told[rows], score=score)


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of a group: its name in words, and what a row of its denominator is called. `judged`: a difference in
    it is one of how the model treats groups, and not of the groups themselves."""

    label: str
    among: str
    judged: bool = True
    is_share: bool = True


MEASURES = {
    "base_rate": Measure("true share", "rows", judged=False),
    "selection": Measure("predicted", "rows"),
    "accuracy": Measure("right", "rows"),
    "true_positive_rate": Measure("found (true positive rate)", "rows of which it is true"),
    "false_positive_rate": Measure("false alarms (false positive rate)", "rows of which it is not true"),
    "precision": Measure("true where predicted (precision)", "rows it is predicted for"),
    "calibration": Measure("mean chance less true share", "rows", is_share=False),
    "roc_auc": Measure("ranking (ROC AUC)", "rows of the rarer class", is_share=False),
    "mean_value": Measure("true mean", "rows", judged=False, is_share=False),
    "mean_error": Measure("predicted less true, on average", "rows", is_share=False),
    "mae": Measure("mean absolute error", "rows", is_share=False),
}
"""What is measured, in the order in which it is told. A false negative rate is 1 less the true positive rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measure of one group: `value` with its 95 % interval, over `n` rows of its denominator. A share has `hits` of
    these; anything else the standard `error` of its value."""

    measure: str
    value: float
    low: float
    high: float
    n: int
    hits: float | None = None
    error: float = 0.0

    def bounds(self, z: float) -> tuple[float, float]:
        """The interval at another normal quantile: Wilson's of a share, that of the log-odds of a ranking, else
        normal."""
        return _bounds(self.measure, self.value, self.hits, self.n, self.error, z)


def _bounds(measure: str, value: float, hits: float | None, n: int, error: float, z: float) -> tuple[float, float]:
    from math import exp, log

    if hits is not None:
        low, high = wilson(hits, n, z)
        return float(low), float(high)
    if measure != "roc_auc":
        return value - z * error, value + z * error
    if error == 0.0 or not LEAST_AUC < value < 1 - LEAST_AUC:  # no pair is out of order: as a share of the rarer class
        low, high = wilson(value * n, n, z)
        return float(low), float(high)
    odds, reach = log(value / (1 - value)), z * error / (value * (1 - value))
    return 1 / (1 + exp(reach - odds)), 1 / (1 + exp(-reach - odds))


def figures_of(judged: Judged) -> dict[str, Figure]:
    """All measures that these rows define, by name.

    References: Wilson (1927); DeLong, DeLong and Clarke-Pearson (1988) for the ranking.

    >>> import numpy as np
    >>> rows = Judged(outcome="hired", truth=np.array([True, True, False]), told=np.array([True, False, False]))
    >>> {name: round(one.value, 2) for name, one in figures_of(rows).items()}
    {'base_rate': 0.67, 'selection': 0.33, 'accuracy': 0.67, 'true_positive_rate': 0.5, 'false_positive_rate': 0.0,
     'precision': 1.0}
    """
    import numpy as np

    made: dict[str, Figure | None]
    if judged.of_values:
        gaps = judged.told - judged.truth
        found = {"mean_value": judged.truth, "mean_error": gaps, "mae": np.abs(gaps)}
        made = {name: _mean(name, values) for name, values in found.items()}
        return {name: one for name, one in made.items() if one is not None}
    everything = np.ones(len(judged.truth), dtype=bool)
    shares = {
        "base_rate": (judged.truth, everything), "selection": (judged.told, everything),
        "accuracy": (judged.told == judged.truth, everything), "true_positive_rate": (judged.told, judged.truth),
        "false_positive_rate": (judged.told, ~judged.truth), "precision": (judged.truth, judged.told),
    }  # fmt: skip
    made = {name: _share(name, hit, among) for name, (hit, among) in shares.items()}
    if judged.score is not None:
        made["calibration"] = _mean("calibration", judged.score - judged.truth)
        made["roc_auc"] = _ranking(judged.truth, judged.score)
    return {name: one for name, one in made.items() if one is not None}


def _share(measure: str, hit: np.ndarray, among: np.ndarray) -> Figure | None:
    n, hits = int(among.sum()), float((hit & among).sum())
    if not n:
        return None
    low, high = wilson(hits, n)
    return Figure(measure=measure, value=hits / n, low=float(low), high=float(high), n=n, hits=hits)


def _mean(measure: str, values: np.ndarray) -> Figure | None:
    n = len(values)
    if n < 2:
        return None
    value, error = float(values.mean()), float(values.std(ddof=1)) / n**0.5
    return Figure(measure=measure, value=value, low=value - Z * error, high=value + Z * error, n=n, error=error)


def _ranking(truth: np.ndarray, score: np.ndarray) -> Figure | None:
    """ROC AUC with DeLong's error, by mid-ranks (Sun and Xu 2014)."""
    from scipy.stats import rankdata

    n_true, n_false = int(truth.sum()), int((~truth).sum())
    if not n_true or not n_false:
        return None
    ranks = rankdata(score)
    of_true = (ranks[truth] - rankdata(score[truth])) / n_false
    of_false = 1.0 - (ranks[~truth] - rankdata(score[~truth])) / n_true
    spread = sum(one.var(ddof=1) / len(one) for one in (of_true, of_false) if len(one) > 1)
    value, error, n = float(of_true.mean()), float(spread) ** 0.5, min(n_true, n_false)
    low, high = _bounds("roc_auc", value, None, n, error, Z)
    return Figure(measure="roc_auc", value=value, low=low, high=high, n=n, error=error)
