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
    "top_3_accuracy": Name(
        "Top-3 accuracy", "share with the class among the three likeliest", "higher", 0.0, 1.0, True
    ),
    "top_5_accuracy": Name("Top-5 accuracy", "share with the class among the five likeliest", "higher", 0.0, 1.0, True),
    "micro_f1": Name("Micro F1", "F1 over all labels of all rows together", "higher", 0.0, 1.0, True),
    "macro_f1": Name("Macro F1", "F1 of each label, each counted alike", "higher", 0.0, 1.0, True),
    "subset_accuracy": Name("Exact match", "share of rows whose labels are all right", "higher", 0.0, 1.0, True),
    "hamming_loss": Name("Hamming loss", "share of labels that are wrong", "lower", 0.0, 1.0, True),
    "mase": Name("MASE", "mean error over that of repeating the season before, within the history", "lower"),
    "smape": Name("sMAPE", "error in percent of the mean of truth and forecast", "lower", 0.0, 200.0),
    "weighted_quantile_loss": Name(
        "Weighted quantile loss", "error of the forecast quantiles over the size of the truth", "lower"
    ),
    "coverage_error": Name(
        "Coverage error", "mean gap between a quantile's level and the share of the truth below it", "lower", 0.0, 1.0
    ),
    "map": Name("mAP", "precision averaged over recall, classes and overlaps of 0.5 to 0.95", "higher", 0.0, 1.0, True),
    "map50": Name("mAP at 0.5", "the same, where half an overlap is enough", "higher", 0.0, 1.0, True),
    "map75": Name("mAP at 0.75", "the same, where three quarters are asked", "higher", 0.0, 1.0, True),
    "map_small": Name("mAP, small", "of things under 32 x 32 pixels", "higher", 0.0, 1.0, True),
    "map_medium": Name("mAP, medium", "of things between 32 x 32 and 96 x 96 pixels", "higher", 0.0, 1.0, True),
    "map_large": Name("mAP, large", "of things over 96 x 96 pixels", "higher", 0.0, 1.0, True),
    "mean_iou": Name("Mean IoU", "overlap over union with the true mask, each class alike", "higher", 0.0, 1.0, True),
    "mean_dice": Name("Mean Dice", "twice the overlap over both masks, each class alike", "higher", 0.0, 1.0, True),
    "iou": Name("IoU", "overlap over union with the true mask", "higher", 0.0, 1.0, True),
    "dice": Name("Dice", "twice the overlap over both masks together", "higher", 0.0, 1.0, True),
    "pixel_accuracy": Name("Pixel accuracy", "share of pixels answered right", "higher", 0.0, 1.0, True),
    "cost": Name("Mean cost", "what a row costs by the stated costs of answers", "lower"),
    "pinball": Name("Pinball loss", "error of the quantiles told, each side weighed by its level", "lower"),
    "coverage": Name("Coverage", "share of rows whose truth is in their interval or set", "higher", 0.0, 1.0, True),
    "width": Name("Width", "mean width of the intervals, in the target's unit", "lower"),
    "set_size": Name("Set size", "mean number of classes in a set", "lower"),
    "pinball_10": Name("Pinball 0.1", "mean error where answering too high costs nine times as much", "lower"),
    "pinball_50": Name("Pinball 0.5", "half of the mean absolute error", "lower"),
    "pinball_90": Name("Pinball 0.9", "mean error where answering too low costs nine times as much", "lower"),
}

WITHOUT_TARGET: dict[str, Name] = {
    "rank_agreement": Name(
        "Agreement in rank", "how far detectors of two halves of the rows order other rows alike", "higher", -1.0, 1.0
    ),
    "uniformity_gap": Name(
        "Gap to an even spread", "how far scores of rows not learned from are from what they say", "lower", 0.0, 1.0
    ),
    "agreement": Name(
        "Agreement of halves",
        "how far groups learned on two halves of the rows agree, beyond chance",
        "higher",
        -1.0,
        1.0,
    ),
    "silhouette": Name(
        "Silhouette", "how much nearer held-out rows are to their group than to the next one", "higher", -1.0, 1.0
    ),
    "adjusted_rand": Name(
        "Adjusted Rand index", "pairs of rows told as by the labels, beyond chance", "higher", -1.0, 1.0
    ),
    "trustworthiness": Name(
        "Trustworthiness", "how far neighbours on the map are neighbours in the table", "higher", 0.0, 1.0, share=True
    ),
    "explained_variance": Name(
        "Variance kept", "share of the variance of held-out rows that the coordinates hold", "higher", None, 1.0
    ),
    "label_neighbours": Name(
        "Neighbours of one label",
        "share of the ten nearest rows on the map with a row's label",
        "higher",
        0.0,
        1.0,
        True,
    ),
}
"""What is measured of models without a target; none of these can be asked for by name."""
EVERY = {**NAMES, **WITHOUT_TARGET}

BESIDE = ("cost", "pinball", "coverage", "width", "set_size")
"""What tasks have beside the metrics of their kind: those with costs, quantiles, intervals or sets."""

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
    "multilabel": (
        "micro_f1", "macro_f1", "average_precision", "roc_auc", "subset_accuracy", "hamming_loss", "log_loss",
    ),
    "forecast": ("mase", "smape", "mae", "rmse"),
    "detection": ("map", "map50", "map75", "map_small", "map_medium", "map_large"),
    "segmentation": ("mean_iou", "mean_dice", "pixel_accuracy"),
}  # fmt: skip
"""What is measured when nothing is asked for; `pinball_50` is half of `mae`, so it must be asked for."""

FALLBACK = {
    "binary": "roc_auc",
    "multiclass": "log_loss",
    "regression": "rmse",
    "multilabel": "average_precision",
    "forecast": "mase",
    "detection": "map",
    "segmentation": "mean_iou",
}
"""The primary metric when the leaderboard names none that evaluation knows."""


def unasked(kind: str, n_classes: int, *, quantiles: bool) -> tuple[str, ...]:
    """What `auto` measures for a task: `AUTO`, and what its classes or quantiles make sense of.

    >>> unasked("segmentation", 2, quantiles=False)[-2:]
    ('iou', 'dice')
    """
    more: tuple[str, ...] = ()
    if kind == "multiclass":
        more = tuple(f"top_{k}_accuracy" for k in (3, 5) if n_classes >= 2 * k)
    elif kind == "segmentation" and n_classes == 2:
        more = ("iou", "dice")
    elif kind == "forecast" and quantiles:
        more = ("weighted_quantile_loss", "coverage_error")
    return (*AUTO[kind], *more)
