"""The figures of one target: where the model errs, by kind of task; words and SVG, ready for the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelwright.evaluation import example_pictures, pictures, text
from modelwright.evaluation.unlabelled_figures import figures_of

if TYPE_CHECKING:
    from modelwright.core.values import Report


def errors(report: Report) -> dict[str, Any]:
    """The confusion matrix with shares of each true class, in words too."""
    matrix = report.curves.get("confusion")
    if not matrix:
        return {}
    labels = [text.short(str(label), 24) for label in matrix["labels"]]
    rows = []
    for i, counts in enumerate(matrix["counts"]):
        total = sum(counts)
        cells = [
            {
                "n": f"{n:,}",
                "share": round(100 * n / total) if total else 0,
                "right": i == j,
                "none": n == 0,
            }
            for j, n in enumerate(counts)
        ]
        rows.append({"label": labels[i], "cells": cells, "total": f"{total:,}"})
    threshold = matrix.get("threshold")
    return {
        "labels": labels,
        "rows": rows,
        "unit": str(matrix.get("unit", "rows")),
        "readings": _readings(matrix),
        "threshold": text.figure(threshold) if threshold is not None else "",
        "positive": labels[-1] if threshold is not None else "",
    }


def _readings(matrix: Mapping[str, Any]) -> list[str]:
    """The confusion matrix in words: what is found and missed, or the commonest confusions."""
    labels = [text.short(str(label), 40) for label in matrix["labels"]]
    counts = matrix["counts"]
    if "threshold" in matrix:
        found, missed, false = counts[1][1], counts[1][0], counts[0][1]
        return [
            f"Of {found + missed:,} rows that are {labels[1]}, {found:,} are found and {missed:,} missed.",
            f"Of {found + false:,} rows said to be {labels[1]}, {found:,} are and {false:,} are not.",
        ]
    mixed = [(n, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if i != j and n > 0]
    if not mixed:
        return ["Nothing was given a wrong class."]
    worst = sorted(mixed, key=lambda cell: (-cell[0], cell[1], cell[2]))[:3]
    unit = str(matrix.get("unit", "rows"))
    return [
        f"{labels[i]} taken for {labels[j]}: {n:,} {unit.removesuffix('s') if n == 1 else unit}." for n, i, j in worst
    ]


def figures(report: Report) -> list[dict[str, Any]]:
    """Picture, title, what to see in it, and a legend, for this kind of task."""
    by_kind: dict[str, Callable[[Report], list[dict[str, Any]]]] = {
        "regression": _value_figures,
        "multilabel": _label_figures,
        "forecast": _forecast_figures,
        "detection": _box_figures,
        **dict.fromkeys(text.UNLABELLED, figures_of),
        "segmentation": lambda _: [],  # what errs is told by pixels and by class, and shown
    }
    made = by_kind.get(report.task, _class_figures)(report)
    return [{"legend": [], **one, "picture": drawn(one["picture"])} for one in made if one["picture"]]


def _value_figures(report: Report) -> list[dict[str, Any]]:
    curves = report.curves
    points, residuals = curves["scatter"], curves["residuals"]
    n_shown = len(points["actual"])
    sample = f" {n_shown:,} of {report.n_rows:,} rows are drawn." if n_shown < report.n_rows else ""
    outside = f" {residuals['n_outside']:,} rows lie outside." if residuals["n_outside"] else ""
    return [
        {
            "title": "Actual against predicted",
            "picture": pictures.scatter_picture(points["actual"], points["predicted"]),
            "note": "On the line, the answer is exact." + sample,
        },
        {
            "title": "Residuals",
            "picture": pictures.residual_picture(points["actual"], points["predicted"]),
            "note": "A shape other than a level cloud is something the model has not learnt.",
        },
        {
            "title": "Spread of the error",
            "picture": pictures.histogram_picture(residuals["edges"], residuals["counts"], "Actual − predicted"),
            "note": "Right of the line, the answer was too low." + outside,
        },
        {
            "title": "Calibration",
            "picture": pictures.value_calibration_picture(curves["calibration"]),
            "note": "Rows in ten groups by predicted value: does the mean come true?",
        },
        *_quantile_figures(report),
    ]


def _quantile_figures(report: Report) -> list[dict[str, Any]]:
    levels = report.curves.get("coverage")
    if not levels:
        return []
    picture = example_pictures.coverage_picture(levels)
    note = "On the dashed line, nine tenths of the truth lie below the quantile 0.9."
    return [{"title": "Quantiles", "picture": picture, "note": note}]


def _class_figures(report: Report) -> list[dict[str, Any]]:
    curves = report.curves
    binary = report.task == "binary"
    legend = [] if binary else [text.short(str(line["class"]), 30) for line in curves["roc"]]
    of = "" if binary else " One line for each of the commonest classes, against the rest."
    made: list[dict[str, Any]] = [
        {
            "title": "ROC curve",
            "picture": pictures.curve_picture(curves["roc"], roc=True),
            "note": "The closer to the upper left, the better; the dashed line is chance." + of,
            "legend": legend,
        },
        {
            "title": "Precision and recall",
            "picture": pictures.curve_picture(curves["precision_recall"], roc=False),
            "note": "What is found, and how much of what is claimed is true."
            + (" Dashed: claiming every row." if binary else of),
            "legend": legend,
        },
        {
            "title": "Calibration",
            "picture": pictures.calibration_picture(curves["calibration"], top_class=not binary),
            "note": "On the dashed line, a chance of 70% comes true 70 times in 100. Bars are 95% intervals.",
        },
    ]
    spread = curves["scores"]
    threshold = curves["confusion"].get("threshold")
    by_class = "The further apart the two, the better. The upright line is the threshold."
    by_hit = "Wrong answers should be the unsure ones: if they sit on the right, do not trust the chances."
    made.append(
        {
            "title": "Probabilities by true class" if binary else "How sure, when right and when wrong",
            "picture": pictures.scores_picture(spread["edges"], spread["counts"], threshold),
            "note": by_class if binary else by_hit,
        }
    )
    return made


def _label_figures(report: Report) -> list[dict[str, Any]]:
    curves = report.curves
    spread = curves["scores"]
    return [
        {
            "title": "Precision and recall",
            "picture": pictures.curve_picture(curves["precision_recall"], roc=False),
            "note": "What is found, and how much of what is claimed is true: the commonest labels.",
            "legend": [text.short(str(line["class"]), 30) for line in curves["precision_recall"]],
        },
        {
            "title": "Calibration",
            "picture": pictures.calibration_picture(curves["calibration"], top_class=False),
            "note": "On the dashed line, a chance of 70% comes true 70 times in 100. All labels together.",
        },
        {
            "title": "Probabilities by truth",
            "picture": pictures.scores_picture(spread["edges"], spread["counts"], 0.5),
            "note": "Every label of every row. The further apart the two, the better.",
        },
    ]


def _forecast_figures(report: Report) -> list[dict[str, Any]]:
    curves = report.curves
    steps, spread = curves["steps"], curves["spread"]
    outside = f" {spread['n_outside']:,} steps lie outside." if spread["n_outside"] else ""
    made: list[dict[str, Any]] = [
        {
            "title": "Error by step ahead",
            "picture": example_pictures.steps_picture(steps),
            "note": "How far off the forecast is the further it looks ahead; the band is the 95% interval.",
            "legend": [text.short(str(line["name"]), 40) for line in steps["lines"]],
        },
        {
            "title": "Spread of the error",
            "picture": pictures.histogram_picture(spread["edges"], spread["counts"], "Absolute error", unit="Steps"),
            "note": "Steps of all windows by how far off they are." + outside,
        },
    ]
    if "coverage" in curves:
        made.append(
            {
                "title": "Coverage",
                "picture": example_pictures.coverage_picture(curves["coverage"]),
                "note": "On the dashed line, nine tenths of the truth lie below the quantile 0.9.",
            }
        )
    return made


def _box_figures(report: Report) -> list[dict[str, Any]]:
    curves = report.curves
    lines = curves["precision_recall"]
    return [
        {
            "title": "Precision and recall at an overlap of 0.5",
            "picture": pictures.curve_picture(lines, roc=False),
            "note": "How many of the drawn boxes are found, and how many of those told are right.",
            "legend": [text.short(str(line["class"]), 30) for line in lines] if len(lines) > 1 else [],
        }
    ]


_HEADS = {
    "n_rows": "Rows",
    "n_boxes": "Boxes",
    "share_of_pixels": "Share of pixels",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "average_precision": "Average precision",
    "ap": "AP",
    "ap50": "AP at 0.5",
    "iou": "IoU",
    "dice": "Dice",
}


def per_class(report: Report) -> dict[str, Any]:
    """Measures of each class as a table: heads and rows; {} when there are only two classes and a matrix."""
    listed: Sequence[Mapping[str, Any]] = report.curves.get("per_class", ())
    if not listed or (len(listed) <= 2 and report.task in ("binary", "multiclass")):
        return {}
    keys = [key for key in listed[0] if key in _HEADS]
    return {
        "heads": [_HEADS[key] for key in keys],
        "rows": [
            {"label": text.short(str(one["class"])), "cells": [_cell(key, one[key]) for key in keys]} for one in listed
        ],
        "open": report.task in ("detection", "segmentation", "multilabel") and len(listed) <= 12,
    }


def _cell(key: str, value: Any) -> str:
    if key.startswith("n_"):
        return f"{value:,}"
    return text.percent(value) if key == "share_of_pixels" else text.figure(value)


def told_boxes(report: Report) -> list[str]:
    """What becomes of boxes from the best threshold on, in words."""
    told = report.curves.get("told")
    if not told:
        return []
    n_drawn = told["right"] + told["missed"]
    return [
        f"From a score of {text.figure(told['threshold'])} on, boxes are told best.",
        f"Of {n_drawn:,} drawn boxes, {told['right']:,} are then found and {told['missed']:,} missed.",
        f"Of {told['right'] + told['wrong']:,} told boxes, {told['wrong']:,} are wrong.",
    ]


def drawn(picture: str) -> Any:
    """Mark a picture as safe: the modules that draw have escaped every text in it."""
    from markupsafe import Markup

    return Markup(picture)
