"""The metrics, as small pure functions of arrays.

Every function takes the truth, the answers and `weights` of shape (..., n), and returns an array of shape
(...): one number for one vector of weights, a thousand for a thousand. The bootstrap is therefore the same
function, called with counts as weights, and no row is ever sorted twice. Where a metric is not defined
(a class is absent, the truth is constant) the number is NaN, without a warning.

Classes are positions (int); in a binary task 1 is the positive class. Weights are non-negative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Function = Callable[..., Floats]
Takes = Literal["labels", "probabilities", "values", "sums", "matches", "said", "beside"]

N_BINS = 10
"""Bins of equal mass in `calibration_error`: 10, as most papers have it."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric as evaluation runs it: `takes` says which answers the function wants beside the truth.

    `sums` and `matches`: the function takes one value with truth and answers summed up, and the weights. `said` is the
    answer where costs decide, `beside` what is told beside it; not defined where that is absent.
    """

    name: str
    function: Function
    takes: Takes
    reference: str
    version: int = 1


def ratio(top: Floats, bottom: Floats, otherwise: float = np.nan) -> Floats:
    """`top / bottom`, and `otherwise` where `bottom` is zero."""
    top, bottom = np.broadcast_arrays(np.asarray(top, dtype=float), np.asarray(bottom, dtype=float))
    divided: Floats = np.divide(top, bottom, out=np.full(top.shape, otherwise), where=bottom > 0)
    return divided


def _mean(losses: Floats, weights: Floats) -> Floats:
    return ratio(weights @ losses, weights.sum(axis=-1))


def mean_over(values: Floats, present: NDArray[np.bool_]) -> Floats:
    """Mean over the last axis of what is present; NaN where nothing is."""
    kept = np.where(present, values, 0.0)
    return ratio(kept.sum(axis=-1), present.sum(axis=-1).astype(float))


def _one_hot(classes: Ints, n_classes: int) -> Floats:
    return np.asarray(classes[:, None] == np.arange(n_classes), dtype=np.float64)


def _tallies(truth: Ints, predicted: Ints, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Per class (last axis): weight answered rightly, weight of the class, weight given the class."""
    n_classes = int(max(truth.max(initial=0), predicted.max(initial=0), 1)) + 1
    of_class = _one_hot(truth, n_classes)
    right = of_class * (truth == predicted)[:, None]
    # One product in place of three: the weights (a thousand draws, say) are read from memory once.
    tallied = weights @ np.hstack([right, of_class, _one_hot(predicted, n_classes)])
    return tallied[..., :n_classes], tallied[..., n_classes : 2 * n_classes], tallied[..., 2 * n_classes :]


def accuracy(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """Share of the weight that is answered rightly.

    >>> float(accuracy(np.array([0, 1, 1]), np.array([0, 1, 0]), np.ones(3)))
    0.666...
    """
    return _mean((truth == predicted).astype(float), weights)


def balanced_accuracy(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """Mean recall over the classes that occur."""
    right, support, _ = _tallies(truth, predicted, weights)
    return mean_over(ratio(right, support, 0.0), support > 0)


def precision(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """Of the rows given class 1, the share that is of it; 0 when none is given it."""
    right, support, given = (tally[..., 1] for tally in _tallies(truth, predicted, weights))
    return np.where(support + given > 0, ratio(right, given, 0.0), np.nan)


def recall(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """Of the rows of class 1, the share given it; not defined when there is none."""
    right, support, _ = (tally[..., 1] for tally in _tallies(truth, predicted, weights))
    return ratio(right, support)


def f1(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """Harmonic mean of precision and recall of class 1."""
    right, support, given = (tally[..., 1] for tally in _tallies(truth, predicted, weights))
    return ratio(2.0 * right, support + given)


def macro_precision(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """Mean precision over the classes that occur in the truth or in the answers."""
    right, support, given = _tallies(truth, predicted, weights)
    return mean_over(ratio(right, given, 0.0), support + given > 0)


def macro_recall(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """Mean recall over the classes that occur in the truth or in the answers."""
    right, support, given = _tallies(truth, predicted, weights)
    return mean_over(ratio(right, support, 0.0), support + given > 0)


def macro_f1(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """Mean F1 over the classes that occur in the truth or in the answers."""
    right, support, given = _tallies(truth, predicted, weights)
    return mean_over(ratio(2.0 * right, support + given, 0.0), support + given > 0)


def ranked(positive: Floats, score: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of positives and of negatives at or above each distinct score, from the highest score down.

    Both have shape (..., n_distinct). Rows of one score enter together, so ties are shared fairly.
    """
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    in_order = weights[..., order]
    of_positive = in_order * positive[order]
    above = np.cumsum(in_order, axis=-1)[..., last]
    positive_above = np.cumsum(of_positive, axis=-1)[..., last]
    return positive_above, above - positive_above


def binary_roc_auc(positive: Floats, score: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve; not defined when one class is absent."""
    hits, false = ranked(positive, score, weights)
    before = np.concatenate([np.zeros_like(hits[..., :1]), hits[..., :-1]], axis=-1)
    widths = np.diff(false, axis=-1, prepend=0.0)
    area = (widths * (hits + before)).sum(axis=-1) / 2.0
    return ratio(area, hits[..., -1] * false[..., -1])


def binary_average_precision(positive: Floats, score: Floats, weights: Floats) -> Floats:
    """Precision at each score, weighted by the recall gained there; not defined without positives."""
    hits, false = ranked(positive, score, weights)
    gained = np.diff(hits, axis=-1, prepend=0.0)
    return ratio((gained * ratio(hits, hits + false, 0.0)).sum(axis=-1), hits[..., -1])


def _one_versus_rest(metric: Function, truth: Ints, probabilities: Floats, weights: Floats) -> Floats:
    """The metric of class 1 when there are two classes; else its mean over the classes where it is defined."""
    if probabilities.shape[1] == 2:
        return metric((truth == 1).astype(float), probabilities[:, 1], weights)
    each = [
        metric((truth == k).astype(float), probabilities[:, k], weights)
        for k in range(probabilities.shape[1])
        if (truth == k).any()
    ]
    if not each:
        return np.full(weights.shape[:-1], np.nan)
    stacked = np.stack(each, axis=-1)
    return mean_over(stacked, np.isfinite(stacked))


def roc_auc(truth: Ints, probabilities: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve: of class 1 for two classes, else one versus rest, each class counted alike.

    >>> p = np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]])
    >>> float(roc_auc(np.array([0, 0, 1, 1]), p, np.ones(4)))
    0.75
    """
    return _one_versus_rest(binary_roc_auc, truth, probabilities, weights)


def average_precision(truth: Ints, probabilities: Floats, weights: Floats) -> Floats:
    """Average precision: of class 1 for two classes, else one versus rest, each class counted alike."""
    return _one_versus_rest(binary_average_precision, truth, probabilities, weights)


def top_k_accuracy(truth: Ints, probabilities: Floats, weights: Floats, *, k: int) -> Floats:
    """Share of the weight whose class is among the k likeliest; of equals, the earlier class goes first.

    Not defined where there are no more than k classes, for it would always be 1.

    >>> p = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    >>> float(top_k_accuracy(np.array([1, 0]), p, np.ones(2), k=2))
    0.5
    """
    n_classes = probabilities.shape[1]
    if n_classes <= k:
        return np.full(weights.shape[:-1], np.nan)
    of_truth = probabilities[np.arange(truth.size), truth][:, None]
    earlier = np.arange(n_classes) < truth[:, None]
    ahead = (probabilities > of_truth) | ((probabilities == of_truth) & earlier)
    return _mean((ahead.sum(axis=1) < k).astype(float), weights)


def log_loss(truth: Ints, probabilities: Floats, weights: Floats) -> Floats:
    """Mean of minus the logarithm of the true class's probability, in nats.

    Probabilities are kept within float64's epsilon of 0 and 1, as scikit-learn does.
    """
    epsilon = np.finfo(np.float64).eps
    of_truth = probabilities[np.arange(truth.size), truth]
    return _mean(-np.log(np.clip(of_truth, epsilon, 1.0 - epsilon)), weights)


def brier(truth: Ints, probabilities: Floats, weights: Floats) -> Floats:
    """Mean squared error of the probabilities: of class 1 for two classes (0..1), else summed (0..2)."""
    squares = (probabilities - _one_hot(truth, probabilities.shape[1])) ** 2
    return _mean(squares[:, 1] if probabilities.shape[1] == 2 else squares.sum(axis=1), weights)


def bins_of_equal_mass(score: Floats, n_bins: int = N_BINS) -> Ints:
    """For each row its bin, 0 and up; rows of one score share a bin, so there may be fewer bins."""
    edges = np.unique(np.quantile(score, np.linspace(0.0, 1.0, n_bins + 1)[1:-1]))
    return np.searchsorted(edges, score, side="right").astype(np.int64)


def confidence_and_hit(truth: Ints, probabilities: Floats) -> tuple[Floats, Floats]:
    """What calibration compares: probability of class 1 and being it; else that of the likeliest class."""
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], (truth == 1).astype(float)
    return probabilities.max(axis=1), (probabilities.argmax(axis=1) == truth).astype(float)


def calibration_error(truth: Ints, probabilities: Floats, weights: Floats) -> Floats:
    """Expected calibration error over 10 bins of equal mass: mean gap between probability and share.

    For two classes it is about the probability of class 1, else about that of the likeliest class. It leans
    high on few rows: even a perfectly calibrated model has a gap in every bin, by chance.
    """
    score, hit = confidence_and_hit(truth, probabilities)
    bins = bins_of_equal_mass(score)
    gaps = weights @ (_one_hot(bins, int(bins.max()) + 1) * (score - hit)[:, None])
    return ratio(np.abs(gaps).sum(axis=-1), weights.sum(axis=-1))


def mse(truth: Floats, values: Floats, weights: Floats) -> Floats:
    """Mean squared error."""
    return _mean((truth - values) ** 2, weights)


def rmse(truth: Floats, values: Floats, weights: Floats) -> Floats:
    """Root of the mean squared error."""
    root: Floats = np.sqrt(mse(truth, values, weights))
    return root


def mae(truth: Floats, values: Floats, weights: Floats) -> Floats:
    """Mean absolute error."""
    return _mean(np.abs(truth - values), weights)


def r2(truth: Floats, values: Floats, weights: Floats) -> Floats:
    """Share of the truth's variance that is explained; not defined when the truth is constant."""
    if truth.size == 0 or truth.min() == truth.max():
        return np.full(weights.shape[:-1], np.nan)
    centred = truth - truth.mean()  # a variance from raw squares would lose digits
    total = weights.sum(axis=-1)
    spread = weights @ centred**2 - ratio((weights @ centred) ** 2, total)
    spread = np.where(spread > 1e-12 * np.maximum(weights @ centred**2, 1e-300), spread, 0.0)
    return 1.0 - ratio(weights @ (truth - values) ** 2, spread)


def median_absolute_error(truth: Floats, values: Floats, weights: Floats) -> Floats:
    """The absolute error that half of the weight is within (between two middle rows: their mean)."""
    errors = np.abs(truth - values)
    order = np.argsort(errors, kind="stable")
    below = np.cumsum(weights[..., order], axis=-1)
    half = below[..., -1:] / 2.0
    lower = np.argmax(below >= half, axis=-1)
    upper = np.argmax(below > half, axis=-1)
    middle = (errors[order][lower] + errors[order][upper]) / 2.0
    return np.where(below[..., -1] > 0, middle, np.nan)


def pinball(truth: Floats, values: Floats, weights: Floats, *, quantile: float) -> Floats:
    """Mean quantile loss: `quantile` per unit answered too low, `1 - quantile` per unit too high."""
    short = truth - values
    return _mean(np.maximum(quantile * short, (quantile - 1.0) * short), weights)


_ROC = "Hanley and McNeil (1982), The meaning and use of the area under a ROC curve"
_RETRIEVAL = "van Rijsbergen (1979), Information Retrieval, chapter 7"
_GNEITING = "Gneiting (2011), Making and evaluating point forecasts"

SHARED = (
    Measure("accuracy", accuracy, "labels", "Sokolova and Lapalme (2009), A systematic analysis of measures"),
    Measure("balanced_accuracy", balanced_accuracy, "labels", "Brodersen et al. (2010), Balanced accuracy"),
    Measure("roc_auc", roc_auc, "probabilities", _ROC),
    Measure("average_precision", average_precision, "probabilities", "Davis and Goadrich (2006), PR and ROC"),
    Measure("log_loss", log_loss, "probabilities", "Good (1952), Rational decisions"),
    Measure("brier", brier, "probabilities", "Brier (1950), Verification of forecasts"),
    Measure("calibration_error", calibration_error, "probabilities", "Nixon et al. (2019), arXiv:1904.01685"),
)
BINARY = (
    Measure("precision", precision, "labels", _RETRIEVAL),
    Measure("recall", recall, "labels", _RETRIEVAL),
    Measure("f1", f1, "labels", _RETRIEVAL),
)
MULTICLASS = (
    Measure("precision", macro_precision, "labels", _RETRIEVAL),
    Measure("recall", macro_recall, "labels", _RETRIEVAL),
    Measure("f1", macro_f1, "labels", _RETRIEVAL),
    *(
        Measure(
            f"top_{k}_accuracy",
            partial(top_k_accuracy, k=k),
            "probabilities",
            "Russakovsky et al. (2015), ImageNet Large Scale Visual Recognition Challenge",
        )
        for k in (3, 5)
    ),
)
REGRESSION = (
    Measure("rmse", rmse, "values", _GNEITING),
    Measure("mae", mae, "values", _GNEITING),
    Measure("r2", r2, "values", "Kvålseth (1985), Cautionary note about R²"),
    Measure("median_absolute_error", median_absolute_error, "values", "Hampel (1974), The influence curve"),
    Measure("mse", mse, "values", _GNEITING),
    *(
        Measure(
            f"pinball_{percent}",
            partial(pinball, quantile=percent / 100),
            "values",
            "Koenker and Bassett (1978), Regression quantiles",
        )
        for percent in (10, 50, 90)
    ),
)
