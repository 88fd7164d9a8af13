"""Held-out pictures with boxes: raw answers decoded as serving decodes them, matched with the drawn boxes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.data import Decision
from modelwright.evaluation.answers import stranger_reason
from modelwright.evaluation.asking import Asked
from modelwright.evaluation.boxes import MOST, Boxes, Matches, match
from modelwright.evaluation.metrics import Floats
from modelwright.evaluation.pixels import Size, in_pixels, picture_sizes

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright_runtime.signature import Signature, Task

LEAST_SCORE = 0.01
"""Boxes less sure than this do not enter average precision."""


@dataclass(frozen=True, eq=False)
class Part:
    """Boxes of some rows: per picture the drawn ones as (label, place, crowd), the found as arrays in pixels."""

    drawn: list[list[tuple[str, tuple[float, float, float, float], bool]]]
    found: list[tuple[Floats, Floats, Any]]


def box_part(task: Task, signature: Signature, chunk: Dataset, raw: np.ndarray) -> Part:
    """The boxes of some rows, drawn and found, in pixels of each picture."""
    drawn = [[drawn_box(box) for box in boxes] for boxes in chunk.column(task.target).to_list()]
    sizes = picture_sizes(signature, chunk)
    return Part(drawn, [found_boxes(signature, one, size) for one, size in zip(raw, sizes, strict=True)])


def drawn_box(box: dict[str, Any]) -> tuple[str, tuple[float, float, float, float], bool]:
    """Label, left, top, width and height, and whether it is drawn around a crowd."""
    place = (float(box["x"]), float(box["y"]), float(box["width"]), float(box["height"]))
    return str(box["label"]), place, bool(box.get("crowd"))


def found_boxes(
    signature: Signature, raw: np.ndarray, size: Size | None, *, score: float = LEAST_SCORE
) -> tuple[Floats, Floats, Any]:
    """Left, top, width and height in pixels (n, 4), scores (n,) and classes (n,) of one picture; none without it."""
    from modelwright_runtime.detection import decode_boxes

    if size is None:
        return np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64)
    corners, scores, classes = decode_boxes(raw, score=score, most=MOST)
    return in_pixels(signature, corners.astype(np.float64), size), scores.astype(np.float64), classes


def asked_boxes(task: Task, rows: Dataset, parts: list[Part], weights: Floats) -> Asked:
    """All pictures as matches; the baseline finds nothing."""
    drawn = [boxes for part in parts for boxes in part.drawn]
    found = [boxes for part in parts for boxes in part.found]
    strangers = tuple(sorted({label for boxes in drawn for label, _, _ in boxes} - set(task.classes)))
    classes = (*task.classes, *strangers)
    place = {name: index for index, name in enumerate(classes)}
    truth = Boxes(
        image=np.repeat(np.arange(len(drawn)), [len(boxes) for boxes in drawn]),
        of_class=np.array([place[label] for boxes in drawn for label, _, _ in boxes], dtype=np.int64),
        place=np.array([at for boxes in drawn for _, at, _ in boxes], dtype=np.float64).reshape(-1, 4),
        crowd=np.array([crowd for boxes in drawn for _, _, crowd in boxes], dtype=bool),
    )
    answer = Boxes(
        image=np.repeat(np.arange(len(found)), [len(one[1]) for one in found]),
        of_class=np.concatenate([one[2] for one in found]),
        place=np.concatenate([one[0] for one in found]),
        score=np.concatenate([one[1] for one in found]),
    )
    matches = replace(match(truth, answer, n_images=len(drawn), classes=classes), weights=weights)
    threshold, losses = _best_threshold(matches)
    decisions = [Decision("evaluation", "classes", "counted as missed", stranger_reason(strangers))] * bool(strangers)
    return Asked(
        task=task,
        rows=rows,
        model=matches,
        base=matches.without(),
        base_name="no boxes",
        losses=losses,
        decisions=tuple(decisions),
        facts={"box_threshold": threshold},
    )


def _best_threshold(matches: Matches) -> tuple[float, Floats]:
    """The score from which boxes are best told (most right, fewest wrong or missed, at an overlap of 0.5), and
    per picture the boxes that are then wrong or missed."""
    right = matches.hit[0, 0] & ~matches.ignored[0, 0]
    counted = ~matches.ignored[0, 0]
    order = np.argsort(-matches.score, kind="stable")
    n_drawn = matches.n_drawn[:, :, 0].sum(axis=1)
    hits, given = np.cumsum(right[order]), np.cumsum(counted[order])
    threshold = 0.5
    if order.size and n_drawn.sum():
        quality = 2.0 * hits / (given + n_drawn.sum())
        threshold = float(matches.score[order][int(quality.argmax())])
    told = matches.score >= threshold
    n_images = matches.n_rows
    n_right = np.bincount(matches.image[right & told], minlength=n_images)
    n_wrong = np.bincount(matches.image[counted & ~right & told], minlength=n_images)
    return threshold, n_wrong + n_drawn - n_right
