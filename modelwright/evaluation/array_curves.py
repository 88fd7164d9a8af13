"""The data behind the pictures of labels, forecasts, boxes and masks: JSON-able and of bounded size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from modelwright.evaluation import boxes, masks, metrics
from modelwright.evaluation.answers import Answers
from modelwright.evaluation.boxes import Matches
from modelwright.evaluation.curves import MAX_CURVES, N_BARS, calibration, plain, recall_points, scores
from modelwright.evaluation.forecasts import coverage
from modelwright.evaluation.metrics import Floats, Ints
from modelwright.evaluation.sums import Held, Sums

MAX_LISTED = 50
"""Classes in a table: the most frequent."""
MAX_CELLS = 200_000
"""Rows times labels that calibration looks at."""
MAX_STEPS = 200
"""Steps of a horizon that are drawn."""
N_DRAWS = 200


def label_curves(answers: Answers, rng: np.random.Generator) -> dict[str, Any]:
    """`per_class`, `precision_recall` of the commonest labels, `calibration` and `scores` over all labels."""
    assert answers.probabilities is not None
    truth, chances, given = answers.truth, answers.probabilities, answers.predicted
    sizes = truth.sum(axis=0)
    order = np.argsort(-sizes, kind="stable")
    listed = []
    for k in order[:MAX_LISTED]:
        values = [metric(truth[:, k], given[:, k], answers.weights) for metric in
                  (metrics.precision, metrics.recall, metrics.f1)]  # fmt: skip
        values.append(metrics.binary_average_precision(truth[:, k].astype(float), chances[:, k], answers.weights))
        names = ("precision", "recall", "f1", "average_precision")
        told = dict(zip(names, (or_none(float(value)) for value in values), strict=True))
        listed.append({"class": answers.classes[k], "n_rows": int(sizes[k]), **told})
    pooled = _pooled(answers, rng)
    return {
        "per_class": listed,
        "precision_recall": _recalled(answers, order),
        "calibration": calibration(pooled),
        "scores": scores(pooled),
    }


def _pooled(answers: Answers, rng: np.random.Generator) -> Answers:
    """Every label of every row as a question of its own, answered yes or no."""
    assert answers.probabilities is not None
    truth, chance = answers.truth.ravel(), answers.probabilities.ravel()
    if truth.size > MAX_CELLS:
        kept = np.sort(rng.choice(truth.size, size=MAX_CELLS, replace=False))
        truth, chance = truth[kept], chance[kept]
    return replace(
        answers,
        kind="binary",
        classes=("without the label", "with the label"),
        truth=truth,
        predicted=truth,
        probabilities=np.stack([1.0 - chance, chance], axis=1),
        weights=np.ones(truth.size),
    )


def _recalled(answers: Answers, order: Ints) -> list[dict[str, Any]]:
    assert answers.probabilities is not None
    made = []
    for k in order[:MAX_CURVES]:
        positive = answers.truth[:, k].astype(float)
        if not 0.0 < (positive * answers.weights).sum() < answers.weights.sum():
            continue
        hits, false = metrics.ranked(positive, answers.probabilities[:, k], answers.weights)
        share = float(hits[-1] / (hits[-1] + false[-1]))
        made.append({"class": answers.classes[k], "share": share, **recall_points(hits, false)})
    return made


def box_curves(matches: Matches, threshold: float) -> dict[str, Any]:
    """`per_class`, `precision_recall` at an overlap of 0.5, and `told`: what is right, wrong and missed from the
    score on that tells boxes best."""
    ones = matches.weights
    whole = boxes.class_precisions(matches, ones)
    half = boxes.class_precisions(matches, ones, thresholds=range(1))
    sizes = matches.n_drawn[:, :, 0].sum(axis=0)
    order = np.argsort(-sizes, kind="stable")
    listed = [
        {
            "class": matches.classes[k],
            "n_boxes": int(sizes[k]),
            "ap": or_none(float(whole[k])),
            "ap50": or_none(float(half[k])),
        }
        for k in order[:MAX_LISTED]
    ]
    counted = ~matches.ignored[0, 0]
    right = matches.hit[0, 0] & counted
    sure = matches.score >= threshold
    return {
        "per_class": listed,
        "precision_recall": [
            curve for k in order[:MAX_CURVES] if (curve := _box_curve(matches, right, counted, int(k), sizes[k]))
        ],
        "told": {
            "threshold": threshold,
            "right": int((right & sure).sum()),
            "wrong": int((counted & ~right & sure).sum()),
            "missed": int(sizes.sum() - (right & sure).sum()),
        },
    }


def _box_curve(matches: Matches, right: Any, counted: Any, k: int, n_drawn: float) -> dict[str, Any]:
    own = (matches.of_class == k) & counted
    hits = np.cumsum(right[own]).astype(float)
    if n_drawn == 0 or hits.size == 0 or hits[-1] == 0:
        return {}
    given = np.arange(1, hits.size + 1)
    best = np.maximum.accumulate((hits / given)[::-1])[::-1]
    rising = np.flatnonzero(np.diff(hits, prepend=0.0))
    kept = rising[np.unique(np.linspace(0, rising.size - 1, min(rising.size, 100)).astype(int))]
    return {"class": matches.classes[k], "share": 0.0, "x": plain(hits[kept] / n_drawn), "y": plain(best[kept])}


def mask_curves(sums: Sums) -> dict[str, Any]:
    """`confusion` in pixels, and `per_class` with the overlap and the share of the pixels."""
    iou, dice = (masks.class_overlap(sums, sums.weights, dice=flag) for flag in (False, True))
    pixels = sums.rows["pixels"].sum(axis=0)
    sizes = pixels.sum(axis=1)
    order = np.argsort(-sizes, kind="stable")
    listed = [
        {
            "class": sums.classes[k],
            "share_of_pixels": float(sizes[k] / max(sizes.sum(), 1.0)),
            "iou": or_none(float(iou[k])),
            "dice": or_none(float(dice[k])),
        }
        for k in order[:MAX_LISTED]
    ]
    shown = np.sort(order[:20])
    table = pixels[np.ix_(shown, shown)].astype(int)
    return {
        "per_class": listed,
        "confusion": {"labels": [sums.classes[k] for k in shown], "counts": table.tolist(), "unit": "pixels"},
    }


def forecast_curves(
    model: Sums, base: Sums, others: dict[str, Held], base_name: str, rng: np.random.Generator
) -> dict[str, Any]:
    """`steps`: mean absolute error by step ahead, with its interval, of the model and of what needs no model;
    `spread`: how errors are spread; `coverage` of each quantile."""
    steps = model.rows["steps"]
    shown = np.unique(np.linspace(0, steps.shape[1] - 1, min(steps.shape[1], MAX_STEPS)).astype(int))
    value, low, high = _step_errors(model, rng)
    lines = {"model": value, base_name: _step_mean(base, base.weights)}
    lines |= {name: _step_mean(one, one.weights) for name, one in others.items() if isinstance(one, Sums)}
    made: dict[str, Any] = {
        "steps": {
            "step": (shown + 1).tolist(),
            "low": plain(low[shown]),
            "high": plain(high[shown]),
            "lines": [{"name": name, "values": plain(values[shown])} for name, values in lines.items()],
        },
        "spread": _spread(steps),
    }
    if "below" in model.rows:
        seen = coverage(model, model.weights)
        made["coverage"] = [
            {"level": float(level), "seen": float(share)}
            for level, share in zip(model.plain["levels"], seen, strict=True)
        ]
    return made


def _step_mean(sums: Sums, weights: Floats) -> Floats:
    steps = sums.rows["steps"]
    known = np.isfinite(steps)
    return metrics.ratio(weights @ np.where(known, steps, 0.0), weights @ known.astype(float))


def _step_errors(sums: Sums, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    from modelwright.evaluation.bootstrap import counts

    value = _step_mean(sums, sums.weights)
    n_units = sums.n_rows if sums.units is None else int(sums.units.max()) + 1
    drawn = np.concatenate(list(counts(n_units, N_DRAWS, rng)))
    drawn = drawn if sums.units is None else drawn[:, sums.units]
    means = _step_mean(sums, drawn * sums.weights)
    with np.errstate(invalid="ignore"):
        off = np.nanquantile(means - value, [0.025, 0.975], axis=0) if np.isfinite(means).any() else np.zeros((2, 1))
    return value, np.maximum(value + off[0], 0.0), value + off[1]


def _spread(steps: Floats) -> dict[str, Any]:
    errors = steps[np.isfinite(steps)]
    if errors.size == 0:
        return {"edges": [0.0, 1.0], "counts": [0], "n_outside": 0}
    reach = float(np.quantile(errors, 0.995)) or 1.0
    tallied, edges = np.histogram(errors, bins=N_BARS, range=(0.0, reach))
    return {"edges": plain(edges), "counts": tallied.tolist(), "n_outside": int(errors.size - tallied.sum())}


def or_none(value: float) -> float | None:
    """JSON has no NaN."""
    return value if np.isfinite(value) else None
