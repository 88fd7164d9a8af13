"""Average precision of boxes against pycocotools, over boxes with ties, crowds, empty images and wild sizes."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.evaluation.boxes import DETECTION, Boxes, Matches, class_precisions, match
from modelwright.evaluation.catalogue import METRICS
from modelwright.testing.evaluation import check_evidence

CLASSES = ("cell", "dog", "tree")


def scene(
    seed: int, n_images: int, *, n_most: int = 12, tied: bool = False, crowded: bool = True
) -> tuple[Boxes, Boxes]:
    """Drawn boxes, and found ones that are near to some of them; several images have none of one kind."""
    rng = np.random.default_rng(seed)

    def some(n_per_image: Any) -> tuple[Any, Any, Any]:
        image = np.repeat(np.arange(n_images), n_per_image)
        size = np.exp(rng.uniform(1, 6, size=(image.size, 2)))
        place = np.hstack([rng.uniform(0, 400, size=(image.size, 2)), size])
        return image, rng.integers(len(CLASSES), size=image.size), np.round(place, 0 if tied else 3)

    image, of_class, place = some(rng.integers(0, n_most, n_images) * (rng.random(n_images) < 0.8))
    crowd = (rng.random(image.size) < 0.15) & crowded
    drawn = Boxes(image, of_class, place, crowd=crowd)
    again = rng.integers(0, max(1, image.size), 2 * image.size) if image.size else np.zeros(0, dtype=int)
    near = place[again] * np.exp(rng.normal(scale=0.15, size=(again.size, 4)))
    wild = some(rng.integers(0, 4, n_images))
    found_image, found_class = np.append(image[again], wild[0]), np.append(of_class[again], wild[1])
    swapped = rng.random(found_class.size) < 0.1
    found_class = np.where(swapped, rng.integers(len(CLASSES), size=found_class.size), found_class)
    found_place = np.vstack([np.round(near, 0) if tied else near, wild[2]])
    score = rng.random(found_class.size)
    return drawn, Boxes(found_image, found_class, found_place, score=np.round(score, 1) if tied else score)


def theirs(drawn: Boxes, found: Boxes, n_images: int) -> list[float]:
    """The first six numbers of COCO's summary, and the precisions of each class."""
    tools = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = tools.COCO()
        coco.dataset = {
            "images": [{"id": k + 1} for k in range(n_images)],
            "categories": [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)],
            "annotations": [
                {"id": k + 1, "image_id": int(drawn.image[k]) + 1, "category_id": int(drawn.of_class[k]) + 1,
                 "bbox": drawn.place[k].tolist(), "area": float(drawn.area[k]), "iscrowd": int(drawn.crowd[k])}
                for k in range(len(drawn.image))
            ],
        }  # fmt: skip
        coco.createIndex()
        results = [
            {"image_id": int(found.image[k]) + 1, "category_id": int(found.of_class[k]) + 1,
             "bbox": found.place[k].tolist(), "score": float(found.score[k])}
            for k in range(len(found.image))
        ]  # fmt: skip
        told = coco.loadRes(results) if results else tools.COCO()
        if not results:
            told.dataset = {**coco.dataset, "annotations": []}
            told.createIndex()
        run = evaluation.COCOeval(coco, told, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    precision = run.eval["precision"][:, :, :, 0, -1]  # threshold, recall, class
    each = [precision[:, :, k].mean() if precision[0, 0, k] >= 0 else -1.0 for k in range(len(CLASSES))]
    return [*run.stats[:6].tolist(), *each]


def ours(drawn: Boxes, found: Boxes, n_images: int) -> list[float]:
    matches = match(drawn, found, n_images=n_images, classes=CLASSES)
    told = [float(measure.function(matches, matches.weights)) for measure in DETECTION]
    told += class_precisions(matches, matches.weights).tolist()
    return np.nan_to_num(told, nan=-1.0).tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000), st.integers(1, 8), st.booleans(), st.booleans())
def test_numbers_are_those_of_pycocotools(seed: int, n_images: int, tied: bool, crowded: bool) -> None:
    drawn, found = scene(seed, n_images, tied=tied, crowded=crowded)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mine = ours(drawn, found, n_images)
    np.testing.assert_allclose(mine, theirs(drawn, found, n_images), rtol=0, atol=1e-12)


def test_more_than_a_hundred_boxes_of_a_class_do_not_count() -> None:
    rng = np.random.default_rng(0)
    place = np.hstack([rng.uniform(0, 200, size=(400, 2)), rng.uniform(20, 90, size=(400, 2))])
    drawn = Boxes(np.zeros(60, dtype=int), np.zeros(60, dtype=int), place[:60], crowd=np.zeros(60, dtype=bool))
    found = Boxes(np.zeros(400, dtype=int), np.zeros(400, dtype=int), place[::-1], score=rng.random(400))
    np.testing.assert_allclose(ours(drawn, found, 1), theirs(drawn, found, 1), atol=1e-12)


def matches(seed: int, n_images: int = 12) -> Matches:
    return match(*scene(seed, n_images), n_images=n_images, classes=CLASSES)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", list(METRICS["detection"]))
def test_a_weight_is_the_image_so_many_times(name: str, seed: int) -> None:
    drawn, found = scene(seed, 12)

    def repeated(times: Any) -> Matches:
        rows = np.repeat(np.arange(12), times)
        parts = []
        for boxes in (drawn, found):
            kept = [np.flatnonzero(boxes.image == row) for row in rows]
            number = np.repeat(np.arange(rows.size), [one.size for one in kept])
            again = boxes.take(np.concatenate(kept))
            parts.append(Boxes(number, again.of_class, again.place, again.score, again.crowd))
        return match(*parts, n_images=rows.size, classes=CLASSES)

    check_evidence(METRICS["detection"][name], match(drawn, found, n_images=12, classes=CLASSES), repeated)


def test_some_images_are_as_if_the_others_were_not_there() -> None:
    every = matches(3)
    rows = np.array([1, 4, 5, 9])
    alone = np.zeros(12)
    alone[rows] = 1.0
    for measure in DETECTION:
        told, whole = every.take(rows).measured(measure), every.measured(measure, alone)
        np.testing.assert_allclose(told, whole, rtol=1e-12)


def test_nothing_found_is_zero_and_nothing_drawn_is_not_defined() -> None:
    drawn, found = scene(2, 6)
    none = matches(2, 6).without()
    assert float(none.measured(METRICS["detection"]["map"])) == 0.0
    empty = match(drawn.take([]), found, n_images=6, classes=CLASSES)
    assert np.isnan(float(empty.measured(METRICS["detection"]["map"])))
