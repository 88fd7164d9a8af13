"""What each metric is called, in words, and which way is good. Light: the Spec checks names against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Name:
    """A metric in words. Its values lie within `low..high` (None: no bound); `share` says that it is a share
    of rows or pairs, told as such and widened when no error at all was seen."""

    label: str
    meaning: str
    better: Literal["higher", "lower"]
    low: float | None = 0.0
    high: float | None = None
    share: bool = False


NAMES: dict[str, Name] = {
    "accuracy": Name("Accuracy", "share of rows answered right", "higher", 0.0, 1.0, share=True),
    "balanced_accuracy": Name(
        "Balanced accuracy", "share answered right, each class counted alike", "higher", 0.0, 1.0, share=True
    ),
    "precision": Name(
        "Precision", "of the rows given a class, the share that is of it", "higher", 0.0, 1.0, share=True
    ),
    "recall": Name("Recall", "of the rows of a class, the share found", "higher", 0.0, 1.0, share=True),
    "f1": Name("F1", "harmonic mean of precision and recall", "higher", 0.0, 1.0, share=True),
    "roc_auc": Name(
        "ROC AUC", "chance that a row of the class scores above one that is not", "higher", 0.0, 1.0, share=True
    ),
    "average_precision": Name(
        "Average precision", "precision, averaged over the recall gained", "higher", 0.0, 1.0, share=True
    ),
    "log_loss": Name("Log loss", "surprise at the true class, in nats", "lower"),
    "brier": Name("Brier score", "squared error of the probabilities", "lower", 0.0, 2.0),
    "calibration_error": Name(
        "Calibration error", "mean gap between probability told and share seen, 10 equal bins", "lower", 0.0, 1.0
    ),
    "rmse": Name("RMSE", "root of the mean squared error, in the target's unit", "lower"),
    "mae": Name("MAE", "mean absolute error, in the target's unit", "lower"),
    "r2": Name("R²", "share of the variance explained", "higher", None, 1.0),
    "median_absolute_error": Name("Median absolute error", "half of the rows are closer than this", "lower"),
    "mse": Name("MSE", "mean squared error", "lower"),
    "pinball_10": Name("Pinball 0.1", "mean error where answering too high costs nine times as much", "lower"),
    "pinball_50": Name("Pinball 0.5", "half of the mean absolute error", "lower"),
    "pinball_90": Name("Pinball 0.9", "mean error where answering too low costs nine times as much", "lower"),
}

_CLASSES = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "calibration_error",
)
AUTO: dict[str, tuple[str, ...]] = {
    "binary": _CLASSES,
    "multiclass": _CLASSES,
    "regression": ("rmse", "mae", "r2", "median_absolute_error", "mse", "pinball_10", "pinball_90"),
}
"""What is measured when nothing is asked for; `pinball_50` is half of `mae`, so it must be asked for."""

FALLBACK = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
"""The primary metric when the leaderboard names none that evaluation knows."""
