"""Detection by COCO's definition: boxes found matched to boxes drawn, once per image; precision from the matches.

Found boxes of one image and class, the surest first, each take the drawn box they overlap most (intersection
over union at or above a threshold), if it is not taken. Crowds (a box around many) and boxes outside a range
of sizes are neither right nor wrong. At most 100 boxes per image and class count. Ties are broken as
pycocotools breaks them, so that numbers agree to the last digits (`tests/evaluation/test_boxes.py`).

Reference: Lin et al. (2014), "Microsoft COCO: common objects in context", and its evaluation code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.evaluation.metrics import Floats, Ints, Measure, mean_over

Bools = NDArray[np.bool_]

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Overlaps that a found box must reach: 0.5, 0.55 ... 0.95."""
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Ranges of a box's area in square pixels."""
RECALLS = np.linspace(0.0, 1.0, 101)
MOST = 100
"""Boxes per image and class that count."""
CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of many images, one after another: `image` and `of_class` (positions, int64 (n,)), `place`
    (float64 (n, 4): left, top, width, height in pixels), and `score` (of found boxes) or `crowd` (of drawn)."""

    image: Ints
    of_class: Ints
    place: Floats
    score: Floats = field(default_factory=lambda: np.zeros(0))
    crowd: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))

    @property
    def area(self) -> Floats:
        """Square pixels."""
        area: Floats = self.place[:, 2] * self.place[:, 3]
        return area

    def take(self, rows: Any) -> Boxes:
        """Some of the boxes, by position or mask."""
        return Boxes(
            self.image[rows],
            self.of_class[rows],
            self.place[rows],
            self.score[rows] if self.score.size else self.score,
            self.crowd[rows] if self.crowd.size else self.crowd,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Matches:
    """Images with their found boxes held against the drawn ones: all that average precision needs.

    Found boxes lie by class and then by falling score: `image`, `of_class`, `score` (n_found,), and by range
    of sizes and threshold whether each is right, `hit`, or does not count, `ignored`: both bool
    (4, 10, n_found). `n_drawn` (n_images, n_classes, 4) counts the drawn boxes that are to be found.
    """

    classes: tuple[str, ...]
    weights: Floats
    image: Ints
    of_class: Ints
    score: Floats
    hit: Bools
    ignored: Bools
    n_drawn: Floats
    kind: str = "detection"
    units: Ints | None = None

    @property
    def n_rows(self) -> int:
        """Number of images."""
        return len(self.n_drawn)

    @property
    def n_columns(self) -> int:
        """What one image costs in a draw, in cells of a metric."""
        return 1 + 4 * len(self.image) // max(1, self.n_rows)

    def take(self, rows: Ints) -> Matches:
        """The same for some images, each at most once."""
        place = np.full(self.n_rows, -1)
        place[rows] = np.arange(len(rows))
        kept = place[self.image] >= 0
        return Matches(
            classes=self.classes,
            weights=self.weights[rows],
            image=place[self.image[kept]],
            of_class=self.of_class[kept],
            score=self.score[kept],
            hit=self.hit[..., kept],
            ignored=self.ignored[..., kept],
            n_drawn=self.n_drawn[rows],
        )

    def measured(self, measure: Measure, weights: Floats | None = None) -> Floats:
        """The metric under `weights` of shape (..., n_images)."""
        weights = self.weights if weights is None else weights
        size = max(1, CELLS_AT_ONCE // max(1, len(self.image)))
        if weights.ndim == 1 or len(weights) <= size:
            number: Floats = measure.function(self, weights)
            return number
        parts = [measure.function(self, weights[start : start + size]) for start in range(0, len(weights), size)]
        return np.concatenate(parts)

    def n_errorless(self, metric: str) -> int:
        """Drawn boxes that an errorless share can speak for: those of the rarest class; none if nothing is found."""
        if self.score.size == 0:
            return 0
        sizes = self.n_drawn[:, :, 0].sum(axis=0)
        return int(sizes[sizes > 0].min()) if sizes.any() else 0

    def without(self) -> Matches:
        """The same images with nothing found: the baseline."""
        none = np.zeros(0, dtype=np.int64)
        empty = np.zeros((*self.hit.shape[:2], 0), dtype=bool)
        return Matches(
            classes=self.classes, weights=self.weights, image=none, of_class=none, score=np.zeros(0),
            hit=empty, ignored=empty, n_drawn=self.n_drawn,
        )  # fmt: skip


def match(drawn: Boxes, found: Boxes, *, n_images: int, classes: tuple[str, ...]) -> Matches:
    """Hold found boxes against drawn ones, image by image and class by class.

    Cost: 5,000 images with 36,000 drawn and 250,000 found boxes of 80 classes take some 6 s.

    >>> one = np.array([[10.0, 10.0, 50.0, 50.0]])
    >>> first = np.zeros(1, dtype=np.int64)
    >>> found = Boxes(first, first, one + [[5.0, 0.0, 0.0, 0.0]], score=np.array([0.9]))
    >>> matches = match(Boxes(first, first, one), found, n_images=1, classes=("cell",))
    >>> round(float(average_precision(matches, np.ones(1))), 3)
    0.7
    """
    n_classes = len(classes)
    found, group = _in_order(found, n_classes)
    crowd = drawn.crowd if drawn.crowd.size else np.zeros(len(drawn.image), dtype=bool)
    aside = crowd | _outside(drawn.area)
    n_drawn = np.zeros((n_images, n_classes, len(AREAS)))
    np.add.at(n_drawn, (drawn.image, drawn.of_class), (~aside.T).astype(float))
    hit = np.zeros((len(AREAS), len(THRESHOLDS), len(found.image)), dtype=bool)
    ignored = np.repeat(_outside(found.area)[:, None, :], len(THRESHOLDS), axis=1)
    for rows, places in _pairs(group, drawn.image * n_classes + drawn.of_class):
        taken = _matched(found, drawn, rows, places, aside, crowd)
        one = rows >= 0
        got = np.moveaxis(taken, (0, 1), (2, 3))[..., one]  # (4, 10, n)
        where = rows[one]
        hit[..., where] = got == 1
        ignored[..., where] = (got == 2) | (ignored[..., where] & (got == 0))
    order = np.lexsort((-found.score, found.of_class))
    return Matches(
        classes=classes,
        weights=np.ones(n_images),
        image=found.image[order],
        of_class=found.of_class[order],
        score=found.score[order],
        hit=hit[..., order],
        ignored=ignored[..., order],
        n_drawn=n_drawn,
    )


def _outside(area: Floats) -> Bools:
    """Per range of sizes (first axis), whether each area lies outside of it."""
    return np.array([(area < low) | (area > high) for low, high in AREAS.values()])


def _in_order(found: Boxes, n_classes: int) -> tuple[Boxes, Ints]:
    """Found boxes by image and class, the surest first, at most `MOST` of each; and their group's number."""
    group = found.image * n_classes + found.of_class
    order = np.lexsort((-found.score, group))
    group = group[order]
    first = np.searchsorted(group, group, side="left")
    kept = np.arange(group.size) - first < MOST
    return found.take(order[kept]), group[kept]


def _pairs(found: Ints, drawn: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Groups that have both kinds of boxes, in tables of equal width: positions of found boxes (n, d) in their
    order, and of drawn boxes (n, g) in reverse; -1 where there is none."""
    order = np.argsort(drawn, kind="stable")
    groups = np.intersect1d(found, drawn)
    edges = [
        (np.searchsorted(of, groups, "left"), np.searchsorted(of, groups, "right")) for of in (found, drawn[order])
    ]
    n_found, n_drawn = edges[0][1] - edges[0][0], edges[1][1] - edges[1][0]
    by_size = np.lexsort((n_found, n_drawn))
    start = 0
    while start < groups.size:
        stop = _fitting(n_found[by_size], n_drawn[by_size], start)
        some = by_size[start:stop]
        rows = _padded(edges[0][0][some], n_found[some])
        places = _padded(edges[1][0][some], n_drawn[some])[:, ::-1]
        yield rows, np.where(places >= 0, order[places], -1)
        start = stop


def _fitting(n_found: Ints, n_drawn: Ints, start: int) -> int:
    """How far the groups go whose table still fits in memory at once."""
    widest = np.maximum.accumulate(n_found[start:])
    per_group = n_drawn[start:] * (widest + len(AREAS) * len(THRESHOLDS))
    cells = per_group * np.arange(1, per_group.size + 1)
    return start + max(1, int(np.searchsorted(cells, CELLS_AT_ONCE, side="right")))


def _padded(first: Ints, length: Ints) -> Ints:
    """Rows `first, first + 1, ...` of each length, filled with -1."""
    steps = np.arange(int(length.max()))
    return np.where(steps < length[:, None], first[:, None] + steps, -1)


def _matched(found: Boxes, drawn: Boxes, rows: Ints, places: Ints, aside: Bools, crowd: Bools) -> NDArray[np.int8]:
    """Per found box (n, d), range of sizes and threshold: 0 nothing, 1 a box to be found, 2 one set aside."""
    shared = _overlap(found.place[rows], drawn.place[places], crowd[places])
    shared[np.broadcast_to((places < 0)[:, None, :], shared.shape)] = -1.0
    apart = np.moveaxis(aside[:, places], 0, 1)[:, :, None, :]  # (n, areas, 1, g)
    many = crowd[places][:, None, None, :]
    n, width = rows.shape
    taken = np.zeros((n, len(AREAS), len(THRESHOLDS), places.shape[1]), dtype=bool)
    least = np.minimum(THRESHOLDS, 1.0 - 1e-10)[:, None]
    got = np.zeros((n, width, len(AREAS), len(THRESHOLDS)), dtype=np.int8)
    for rank in range(width):
        overlap = shared[:, rank, None, None, :]
        able = (overlap >= least) & (~taken | many) & (rows[:, rank] >= 0)[:, None, None, None]
        counted = np.where(able & ~apart, overlap, -1.0)
        best, there = counted.argmax(axis=-1), counted.max(axis=-1) >= 0.0
        others = np.where(able & apart, overlap, -1.0)
        second = ~there & (others.max(axis=-1) >= 0.0)
        best = np.where(there, best, others.argmax(axis=-1))
        n_at, area_at, threshold_at = np.nonzero(there | second)
        taken[n_at, area_at, threshold_at, best[n_at, area_at, threshold_at]] = True
        got[:, rank] = there + 2 * second
    return got


def _overlap(found: Floats, drawn: Floats, crowd: Bools) -> Floats:
    """Intersection over union (over the found box's area for crowds), shape (n, d, g)."""
    one, two = found[:, :, None, :], drawn[:, None, :, :]
    wide = np.minimum(one[..., 0] + one[..., 2], two[..., 0] + two[..., 2]) - np.maximum(one[..., 0], two[..., 0])
    tall = np.minimum(one[..., 1] + one[..., 3], two[..., 1] + two[..., 3]) - np.maximum(one[..., 1], two[..., 1])
    meets = (wide > 0) & (tall > 0)
    within = np.where(meets, wide * tall, 0.0)
    own = one[..., 2] * one[..., 3]
    union = np.where(crowd[:, None, :], own, own + two[..., 2] * two[..., 3] - within)
    shared: Floats = np.divide(within, union, out=np.zeros_like(within), where=meets)
    return shared


def class_precision(matches: Matches, weights: Floats, k: int, *, area: int, threshold: int) -> Floats:
    """Average precision of class k: the best precision at or beyond each of 101 recalls; NaN without boxes.

    Only right boxes raise recall and precision, so the curve is looked at there alone.
    """
    first, last = np.searchsorted(matches.of_class, [k, k + 1])
    n_drawn = weights @ matches.n_drawn[:, k, area]
    right = matches.hit[area, threshold, first:last]
    places = np.flatnonzero(right)
    if places.size == 0:
        return np.where(n_drawn > 0, 0.0, np.nan)
    drawn = weights[..., matches.image[first : first + places[-1] + 1]]
    counted = np.cumsum(drawn * ~matches.ignored[area, threshold, first : first + places[-1] + 1], axis=-1)[..., places]
    hits = np.cumsum(drawn[..., places], axis=-1)
    precision = hits / (counted + np.spacing(1))
    best = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = hits / np.asarray(n_drawn)[..., None]
    reached = np.searchsorted(RECALLS, np.nan_to_num(recall), side="right")
    told = np.diff(reached, axis=-1, prepend=0)
    return np.where(n_drawn > 0, (best * told).sum(axis=-1) / len(RECALLS), np.nan)


def class_precisions(matches: Matches, weights: Floats, *, area: int = 0, thresholds: range = range(10)) -> Floats:
    """Average precision of every class, the mean over thresholds: shape (..., n_classes)."""
    of_class = [
        np.mean([class_precision(matches, weights, k, area=area, threshold=t) for t in thresholds], axis=0)
        for k in range(len(matches.classes))
    ]
    return np.stack(of_class, axis=-1)


def average_precision(
    matches: Matches, weights: Floats, *, area: int = 0, thresholds: range = range(len(THRESHOLDS))
) -> Floats:
    """The mean over the classes that are there to be found: COCO's AP."""
    of_class = class_precisions(matches, weights, area=area, thresholds=thresholds)
    return mean_over(of_class, np.isfinite(of_class))


_COCO = "Lin et al. (2014), Microsoft COCO, arXiv:1405.0312"


def _measure(name: str, function: Callable[..., Floats]) -> Measure:
    return Measure(name, function, "matches", _COCO)


DETECTION = (
    _measure("map", average_precision),
    _measure("map50", partial(average_precision, thresholds=range(1))),
    _measure("map75", partial(average_precision, thresholds=range(5, 6))),
    _measure("map_small", partial(average_precision, area=1)),
    _measure("map_medium", partial(average_precision, area=2)),
    _measure("map_large", partial(average_precision, area=3)),
)
