"""Many labels a row: truth and answers are tables of 0 and 1, shape (n, n_labels), probabilities likewise.

Reference: Zhang and Zhou (2014), "A review on multi-label learning algorithms".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from modelwright.evaluation.metrics import (
    Floats,
    Ints,
    Measure,
    Takes,
    binary_average_precision,
    binary_roc_auc,
    mean_over,
    ratio,
)


def _tallies(truth: Ints, predicted: Ints, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Per label (last axis): weight rightly given, weight that has it, weight given it."""
    n_labels = truth.shape[1]
    tallied = weights @ np.hstack([truth & predicted, truth, predicted]).astype(np.float64)
    return tallied[..., :n_labels], tallied[..., n_labels : 2 * n_labels], tallied[..., 2 * n_labels :]


def micro_f1(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """F1 over all labels of all rows together.

    >>> float(micro_f1(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]]), np.ones(2)))
    0.8
    """
    right, had, given = (tally.sum(axis=-1) for tally in _tallies(truth, predicted, weights))
    return ratio(2.0 * right, had + given)


def macro_f1(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """The mean of each label's F1, over the labels that occur in the truth or in the answers."""
    right, had, given = _tallies(truth, predicted, weights)
    return mean_over(ratio(2.0 * right, had + given, 0.0), had + given > 0)


def subset_accuracy(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """Share of rows whose labels are all right."""
    return ratio(weights @ (truth == predicted).all(axis=1).astype(float), weights.sum(axis=-1))


def hamming_loss(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """Share of labels that are wrong, given or missing."""
    return ratio(weights @ (truth != predicted).mean(axis=1), weights.sum(axis=-1))


def log_loss(truth: Ints, probabilities: Floats, weights: Floats) -> Floats:
    """Mean binary cross-entropy over labels, in nats; probabilities are kept off 0 and 1 by float64's epsilon."""
    epsilon = np.finfo(np.float64).eps
    of_truth = np.where(truth == 1, probabilities, 1.0 - probabilities)
    return ratio(weights @ -np.log(np.clip(of_truth, epsilon, 1.0)).mean(axis=1), weights.sum(axis=-1))


def _over_labels(metric: Callable[..., Floats], truth: Ints, probabilities: Floats, weights: Floats) -> Floats:
    each = [metric(truth[:, k].astype(float), probabilities[:, k], weights) for k in range(truth.shape[1])]
    stacked = np.stack(each, axis=-1)
    return mean_over(stacked, np.isfinite(stacked))


def average_precision(truth: Ints, probabilities: Floats, weights: Floats) -> Floats:
    """Mean average precision: that of each label, over the labels that some row has."""
    return _over_labels(binary_average_precision, truth, probabilities, weights)


def roc_auc(truth: Ints, probabilities: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve of each label, over the labels that some rows have and some have not."""
    return _over_labels(binary_roc_auc, truth, probabilities, weights)


_REVIEW = "Zhang and Zhou (2014), A review on multi-label learning algorithms"


def _measure(name: str, function: Callable[..., Floats], takes: Takes) -> Measure:
    return Measure(name, function, takes, _REVIEW)


MULTILABEL = (
    _measure("micro_f1", micro_f1, "labels"),
    _measure("macro_f1", macro_f1, "labels"),
    _measure("average_precision", average_precision, "probabilities"),
    _measure("roc_auc", roc_auc, "probabilities"),
    _measure("subset_accuracy", subset_accuracy, "labels"),
    _measure("hamming_loss", hamming_loss, "labels"),
    _measure("log_loss", log_loss, "probabilities"),
)
