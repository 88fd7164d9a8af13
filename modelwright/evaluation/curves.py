"""The data behind the pictures: JSON-able and of bounded size, whatever the number of rows and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.evaluation import metrics

if TYPE_CHECKING:
    from modelwright.evaluation.answers import Answers
    from modelwright.evaluation.metrics import Floats, Ints

MAX_POINTS = 200
"""Points of a curve."""
MAX_CLASSES = 20
"""Classes in a confusion matrix; the rarer ones are told together."""
MAX_CURVES = 5
"""Classes that get a curve of their own in a multi-class task: the most frequent."""
MAX_SCATTER = 800
"""Rows in a scatter picture."""
N_BARS = 30
OTHERS = "(other classes)"


def curves(answers: Answers, threshold: float | None, rng: np.random.Generator) -> dict[str, Any]:
    """Everything that the pictures of this task are drawn from.

    `threshold` is told beside the confusion; None where groups have their own.
    Classification: `confusion`, `per_class`, `roc`, `precision_recall`, `calibration`, `scores`.
    Regression: `scatter`, `residuals`, `calibration` (by range of the predicted value).
    """
    if answers.probabilities is None:
        return _of_values(answers, rng)
    made = {
        "confusion": confusion(answers),
        "per_class": per_class(answers),
        "calibration": calibration(answers),
        "scores": scores(answers),
        **_ranking(answers),
    }
    if answers.kind == "binary":
        made["confusion"]["threshold"] = threshold
    return made


def _of_values(answers: Answers, rng: np.random.Generator) -> dict[str, Any]:
    truth, predicted = answers.truth, answers.predicted
    rows = np.arange(truth.size)
    if truth.size > MAX_SCATTER:
        rows = np.sort(rng.choice(truth.size, size=MAX_SCATTER, replace=False))
    residuals = truth - predicted
    tallied, edges = np.histogram(residuals, bins=N_BARS, range=_inner_range(residuals))
    bins = metrics.bins_of_equal_mass(predicted)
    return {
        "scatter": {"actual": plain(truth[rows]), "predicted": plain(predicted[rows])},
        "residuals": {
            "edges": plain(edges),
            "counts": tallied.tolist(),
            "n_outside": int(residuals.size - tallied.sum()),
        },
        "calibration": [
            {
                "mean_told": float(predicted[bins == k].mean()),
                "seen": float(truth[bins == k].mean()),
                "n_rows": int((bins == k).sum()),
            }
            for k in np.unique(bins)
        ],
    }


def _inner_range(values: Floats) -> tuple[float, float]:
    """The span of all but the most extreme hundredth, so that one outlier does not flatten the picture."""
    low, high = (float(edge) for edge in np.quantile(values, [0.005, 0.995]))
    if values.size < 200:
        low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def confusion(answers: Answers) -> dict[str, Any]:
    """`labels`, and `counts[i][j]`: rows of class i that were answered with class j (rows, not weights)."""
    n_classes = len(answers.classes)
    cells = np.bincount(answers.truth * n_classes + answers.predicted, minlength=n_classes**2)
    table = cells.reshape(n_classes, n_classes)
    labels = list(answers.classes)
    if n_classes > MAX_CLASSES:
        kept = np.sort(np.argsort(-table.sum(axis=1), kind="stable")[: MAX_CLASSES - 1])
        place = np.full(n_classes, kept.size)
        place[kept] = np.arange(kept.size)
        small = np.zeros((kept.size + 1, kept.size + 1), dtype=table.dtype)
        np.add.at(small, (place[:, None], place[None, :]), table)
        labels, table = [labels[k] for k in kept] + [OTHERS], small
    return {"labels": labels, "counts": table.tolist()}


def per_class(answers: Answers) -> list[dict[str, Any]]:
    """Per class, most frequent first (at most 50): n_rows, precision, recall, f1; None where not defined."""
    sizes = np.bincount(answers.truth, minlength=len(answers.classes))
    told = []
    for k in np.argsort(-sizes, kind="stable")[:50]:
        truth, given = (answers.truth == k).astype(np.int64), (answers.predicted == k).astype(np.int64)
        of_class = (metrics.precision, metrics.recall, metrics.f1)
        values = [float(metric(truth, given, answers.weights)) for metric in of_class]
        plain = dict(zip(("precision", "recall", "f1"), (_or_none(v) for v in values), strict=True))
        told.append({"class": answers.classes[k], "n_rows": int(sizes[k]), **plain})
    return told


def calibration(answers: Answers) -> list[dict[str, Any]]:
    """Per bin of equal mass: mean probability told, share seen with its Wilson interval, rows.

    Reference: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    assert answers.probabilities is not None
    score, hit = metrics.confidence_and_hit(answers.truth, answers.probabilities)
    bins = metrics.bins_of_equal_mass(score)
    told = []
    for k in np.unique(bins):
        rows = bins == k
        n_rows, share = int(rows.sum()), float(hit[rows].mean())
        low, high = _wilson(share, n_rows)
        mean = float(score[rows].mean())
        told.append({"mean_told": mean, "seen": share, "low": low, "high": high, "n_rows": n_rows})
    return told


def _wilson(share: float, n_rows: int, z: float = 1.959964) -> tuple[float, float]:
    centre = (share + z * z / (2 * n_rows)) / (1 + z * z / n_rows)
    half = z / (1 + z * z / n_rows) * np.sqrt(share * (1 - share) / n_rows + (z / (2 * n_rows)) ** 2)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def scores(answers: Answers) -> dict[str, Any]:
    """How probabilities are spread: `edges` (0 to 1) and `counts` by group.

    Binary: the probability of class 1, by true class. Else: that of the answer, when wrong and when right.
    """
    assert answers.probabilities is not None
    edges = np.linspace(0.0, 1.0, N_BARS + 1)
    score, hit = metrics.confidence_and_hit(answers.truth, answers.probabilities)
    groups = answers.classes if answers.kind == "binary" else ("wrong", "right")
    counts = {
        name: np.histogram(np.clip(score[hit == k], 0.0, 1.0), bins=edges)[0].tolist() for k, name in enumerate(groups)
    }
    return {"edges": plain(edges), "counts": counts}


def _ranking(answers: Answers) -> dict[str, Any]:
    """ROC and precision-recall curves: of class 1, or of the most frequent classes against the rest."""
    assert answers.probabilities is not None
    sizes = np.bincount(answers.truth, minlength=len(answers.classes))
    wanted = [1] if answers.kind == "binary" else list(np.argsort(-sizes, kind="stable")[:MAX_CURVES])
    roc, recalled = [], []
    for k in wanted:
        positive = (answers.truth == k).astype(float)
        if not 0.0 < (positive * answers.weights).sum() < answers.weights.sum():
            continue
        hits, false = metrics.ranked(positive, answers.probabilities[:, k], answers.weights)
        curve = {
            "class": answers.classes[k],
            "n_rows": int(sizes[k]),
            "share": float(hits[-1] / (hits[-1] + false[-1])),
        }
        roc.append({**curve, **_roc_points(hits, false)})
        recalled.append({**curve, **recall_points(hits, false)})
    return {"roc": roc, "precision_recall": recalled}


def _roc_points(hits: Floats, false: Floats) -> dict[str, list[float]]:
    x = np.concatenate([[0.0], false / false[-1]])
    y = np.concatenate([[0.0], hits / hits[-1]])
    kept = _along(x + y)
    return {"x": plain(x[kept]), "y": plain(y[kept])}


def recall_points(hits: Floats, false: Floats) -> dict[str, list[float]]:
    """A precision-recall curve from the weights of right and wrong rows at or above each score."""
    x, y = hits / hits[-1], hits / np.maximum(hits + false, 1e-300)
    kept = _along(x)
    return {"x": plain(x[kept]), "y": plain(y[kept])}


def _along(position: Floats) -> Ints:
    """At most `MAX_POINTS` positions, evenly spaced along a rising coordinate, both ends included."""
    if position.size <= MAX_POINTS:
        return np.arange(position.size)
    wanted = np.linspace(position[0], position[-1], MAX_POINTS)
    kept = np.unique(np.searchsorted(position, wanted))
    return np.unique(np.append(np.clip(kept, 0, position.size - 1), [0, position.size - 1]))[-MAX_POINTS:]


def plain(values: Floats) -> list[float]:
    """Six significant digits: the pictures need no more, and the record stays small."""
    return [float(f"{value:.6g}") for value in values]


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None
