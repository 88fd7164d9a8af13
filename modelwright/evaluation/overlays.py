"""Boxes, masks and forecasts of some rows beside the truth, as what is drawn over a picture or after a history."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.evaluation.box_answers import drawn_box, found_boxes
from modelwright.evaluation.boxes import Boxes, match
from modelwright.evaluation.curves import plain
from modelwright.evaluation.masks import class_overlap, count_pixels
from modelwright.evaluation.media import N_POINTS, mask_uri
from modelwright.evaluation.metrics import Floats, Ints
from modelwright.evaluation.pixels import class_mask, picture_sizes, read_mask
from modelwright.evaluation.sums import Sums
from modelwright.evaluation.text import short

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.core.values import Trained
    from modelwright.evaluation.asking import Asked

MAX_BOXES = 60
"""Boxes drawn on one picture."""
MASK_SIDE = 256
COLOURS = (
    (0, 0, 0, 0), (11, 98, 164, 150), (194, 78, 0, 150), (0, 122, 90, 150), (163, 71, 138, 150), (138, 101, 0, 150),
    (90, 90, 200, 150), (200, 60, 90, 150),
)  # fmt: skip
WRONG = ((0, 0, 0, 0), (0, 122, 90, 160), (220, 90, 0, 190), (150, 60, 190, 190))
"""Nothing, rightly marked, missed, wrongly marked."""


def box_overlays(trained: Trained, asked: Asked, rows: Dataset, raw: np.ndarray) -> list[dict[str, Any]]:
    """Per picture its drawn boxes, and those told from the threshold on: right or wrong at an overlap of 0.5."""
    threshold = float(asked.facts["box_threshold"])
    place = {name: index for index, name in enumerate(asked.model.classes)}
    made = []
    sizes = picture_sizes(trained.signature, rows)
    for cell, one, size in zip(rows.column(asked.task.target).to_list(), raw, sizes, strict=True):
        drawn = [drawn_box(box) for box in cell]
        at, scores, classes = found_boxes(trained.signature, one, size, score=threshold)
        truth = Boxes(
            np.zeros(len(drawn), dtype=np.int64),
            np.array([place[label] for label, _, _ in drawn], dtype=np.int64),
            np.array([where for _, where, _ in drawn], dtype=np.float64).reshape(-1, 4),
            crowd=np.array([crowd for _, _, crowd in drawn], dtype=bool),
        )
        answer = Boxes(np.zeros(len(at), dtype=np.int64), classes, at, score=scores)
        matches = match(truth, answer, n_images=1, classes=asked.model.classes)
        order = np.lexsort((-scores, classes))[: len(matches.score)]
        hit = np.zeros(len(at), dtype=bool)
        hit[order] = matches.hit[0, 0]
        shares = np.array([*(size or (1, 1))] * 2, dtype=np.float64)
        told = [
            {"kind": "drawn", "label": short(label, 24), "place": plain(np.array(where) / shares)}
            for label, where, _ in drawn[:MAX_BOXES]
        ] + [
            {
                "kind": "right" if hit[k] else "wrong",
                "label": short(asked.model.classes[classes[k]], 24),
                "score": plain(scores[[k]])[0],
                "place": plain(at[k] / shares),
            }
            for k in range(min(len(at), MAX_BOXES))
        ]
        n_right = int(hit.sum())
        words = f"{n_right} of {len(drawn)} found, {len(at) - n_right} told that are not there"
        made.append({"truth": f"{len(drawn)} boxes", "answer": words, "right": None, "boxes": told})
    return made


def mask_overlays(trained: Trained, asked: Asked, rows: Dataset, raw: np.ndarray) -> list[dict[str, Any]]:
    """Per picture the true mask, the answered one, and where they differ, as small transparent pictures."""
    assert isinstance(asked.model, Sums)
    classes = asked.task.classes
    made = []
    sizes = picture_sizes(trained.signature, rows)
    for cell, one, size in zip(rows.column(asked.task.target).to_list(), raw, sizes, strict=True):
        truth, _ = read_mask(cell, classes)
        answer = class_mask(trained.signature, one, size, truth.shape)
        parts = [thinned(one) for one in (truth, answer, _difference(truth, answer))]
        counts = count_pixels(truth, answer, len(classes))[None]
        dice = np.nanmean(class_overlap(replace(asked.model, rows={"pixels": counts}), np.ones(1), dice=True))
        made.append(
            {
                "truth": "",
                "answer": f"Dice {dice:.3f}",
                "right": None,
                "masks": {
                    "truth": mask_uri(parts[0], _palette(len(classes))),
                    "answer": mask_uri(parts[1], _palette(len(classes))),
                    "difference": mask_uri(parts[2], [*WRONG, (0, 0, 0, 0)]),
                },
            }
        )
    return made


def _difference(truth: Ints, answer: Ints) -> Ints:
    """0 where both say background, 1 where both say the same thing, 2 where it was missed, 3 where made up."""
    same, unknown = truth == answer, truth < 0
    kinds = np.where(same, np.where(truth > 0, 1, 0), np.where(answer == 0, 2, 3))
    marked: Ints = np.where(unknown, -1, kinds)
    return marked


def _palette(n_classes: int) -> list[tuple[int, int, int, int]]:
    """Colours by class, the first transparent, and last the one of pixels that are no class."""
    return [COLOURS[0] if k == 0 else COLOURS[1 + (k - 1) % (len(COLOURS) - 1)] for k in range(n_classes)] + [
        (0, 0, 0, 0)
    ]


def thinned(mask: Ints) -> Ints:
    """A mask no longer than `MASK_SIDE` on its longest side: every so many pixels."""
    height, width = mask.shape
    scale = min(1.0, MASK_SIDE / max(height, width))
    rows, columns = (
        np.minimum(((np.arange(max(1, round(n * scale))) + 0.5) / scale).astype(int), n - 1) for n in (height, width)
    )
    return mask[np.ix_(rows, columns)]


def futures(trained: Trained, asked: Asked, rows: Dataset, raw: Floats) -> list[dict[str, Any]]:
    """Per window its history, the truth, the forecast, its outermost quantiles, and the baseline's forecast."""
    from modelwright.evaluation.background import Background
    from modelwright.evaluation.forecast_answers import futures_of

    season = int(asked.facts["season"])
    told = futures_of(asked.task, trained.signature, rows, np.asarray(raw), Background(season=season), season)
    base = told.naive(season)
    horizon = told.truth.shape[1]
    kept = np.unique(np.linspace(0, horizon - 1, min(horizon, N_POINTS)).astype(int))
    made = []
    for row in range(rows.n_rows):
        history = told.histories[row][-max(2 * horizon, 2 * season, 24) :]
        looked_at = np.unique(np.linspace(0, max(len(history) - 1, 0), min(len(history), N_POINTS)).astype(int))
        one: dict[str, Any] = {
            "history": {"step": (looked_at - len(history) + 1).tolist(), "values": _plain(history[looked_at])},
            "step": (kept + 1).tolist(),
            "truth": _plain(told.truth[row, kept]),
            "forecast": _plain(told.forecast[row, kept]),
            "baseline": _plain(base[row, kept]),
        }
        if told.quantiles is not None:
            low, high = told.levels[0], told.levels[-1]
            one["low"], one["high"] = (_plain(told.quantiles[row, kept, k]) for k in (0, -1))
            one["levels"] = [low, high]
        off = np.nanmean(np.abs(told.truth[row] - told.forecast[row])) if np.isfinite(told.truth[row]).any() else 0.0
        made.append({"truth": "", "answer": f"off by {off:.4g} on average", "right": None, "future": one})
    return made


def _plain(values: Floats) -> list[float | None]:
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]
