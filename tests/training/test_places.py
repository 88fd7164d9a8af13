"""Boxes and masks: what is planned for them, what is learned, and where they are told from."""

from __future__ import annotations

import numpy as np
import pytest

from modelwright.augmentation.defaults import default_steps
from modelwright.evaluation.boxes import Boxes, average_precision, match
from modelwright.training.network.found import found_in
from modelwright.training.network.plan import plan_loop
from modelwright.training.network.spec import DeepSpec
from modelwright.training.threshold import choose_threshold
from modelwright_runtime.detection import decode_boxes
from modelwright_runtime.signature import ArrayInput, Task

torch = pytest.importorskip("torch")

CELLS = Task(kind="detection", target="boxes", classes=("a", "b"))
MASK = Task(kind="segmentation", target="mask", classes=("0", "255"))


def drawn_and_answered(n: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Pictures with up to three boxes of two classes, and answers near some of them, with others that are wrong."""
    rng = np.random.default_rng(0)
    truth = np.full((n, 3, 5), -1.0)
    answers = np.zeros((n, 8, 6))
    for row in range(n):
        for index in range(rng.integers(1, 4)):
            low = rng.uniform(0, 0.7, 2)
            truth[row, index] = (rng.integers(2), *low, *(low + rng.uniform(0.1, 0.3, 2)))
            answers[row, index, :4] = truth[row, index, 1:] + rng.normal(0, 0.02, 4)
            answers[row, index, 4 + int(truth[row, index, 0])] = rng.uniform(0.3, 0.9)
        for index in range(3, 8):
            low = rng.uniform(0, 0.7, 2)
            answers[row, index] = (*low, *(low + 0.2), *rng.uniform(0, 0.6, 2))
    return truth, answers


def test_average_precision_is_evaluations_to_the_width_of_its_grid() -> None:
    truth, answers = drawn_and_answered()
    own = found_in(truth, answers, 2).average_precision()
    parts = [decode_boxes(answer, score=0.01) for answer in answers]
    rows, places = np.nonzero(truth[..., 0] >= 0)
    corners = [truth[rows, places, 1:], np.concatenate([part[0] for part in parts])]
    left_top_size = [np.concatenate([box[:, :2], box[:, 2:] - box[:, :2]], axis=1) * 1000 for box in corners]
    matches = match(
        Boxes(rows, truth[rows, places, 0].astype(np.int64), left_top_size[0]),
        Boxes(
            np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts]),
            np.concatenate([part[2] for part in parts]),
            left_top_size[1],
            score=np.concatenate([part[1] for part in parts]).astype(float),
        ),
        n_images=len(truth),
        classes=("a", "b"),
    )
    theirs = float(average_precision(matches, np.ones(len(truth)), thresholds=range(1)))
    assert 0.3 < own < 1.0
    assert own == pytest.approx(theirs, abs=0.01)


def test_boxes_are_told_from_the_score_that_serves_best() -> None:
    truth = np.array([[[0, 0.1, 0.1, 0.3, 0.3], [0, 0.6, 0.6, 0.9, 0.9]]])
    right = [[0.1, 0.1, 0.3, 0.3, 0.4], [0.6, 0.6, 0.9, 0.9, 0.35]]
    answers = np.array([[*right, [0.3, 0.6, 0.4, 0.8, 0.2], [0.6, 0.1, 0.8, 0.2, 0.1]]])
    one = Task(kind="detection", target="boxes", classes=("a",))
    threshold, told = choose_threshold("auto", one, truth, answers, np.ones(1))
    assert 0.2 < threshold <= 0.35
    assert told is not None and "F1 1.000" in told.reason
    assert choose_threshold(0.7, one, truth, answers, np.ones(1))[0] == 0.7


def test_nothing_found_and_nothing_drawn() -> None:
    nothing = found_in(np.full((2, 1, 5), -1.0), np.zeros((2, 4, 6)), 2)
    assert nothing.average_precision() == 0.0 and nothing.threshold() == (0.5, 0.0)
    missed = found_in(np.array([[[0, 0, 0, 1, 1]]], dtype=float), np.zeros((1, 4, 6)), 2)
    assert missed.average_precision() == 0.0


def test_a_thing_is_found_once() -> None:
    truth = np.array([[[0, 0.0, 0.0, 0.5, 0.5]]])
    answers = np.array([[[0.0, 0.0, 0.5, 0.5, 0.9], [0.0, 0.0, 0.28, 0.5, 0.8]]])  # they share 0.56 and 0.5
    assert found_in(truth, answers, 1).right.sum() == 1


def test_few_pictures_are_learned_in_many_small_steps() -> None:
    loop, _ = plan_loop(DeepSpec(), 12, 1e8, "standard", patient=True, about="places")
    assert loop.batch_size == 4 and loop.epochs * 12 / 4 == pytest.approx(500, rel=0.01)
    slow, told = plan_loop(DeepSpec(), 300, 1e10, "standard", patient=True, about="places")
    assert slow.epochs < 10 and "budget" in told[0].reason


@pytest.mark.parametrize(("task", "turned"), [(CELLS, False), (MASK, True)])
def test_grey_pictures_with_places_are_mirrored(task: Task, turned: bool) -> None:
    grey = ArrayInput(form="image", columns=("p",), settings={"height": 96, "width": 96, "channels": 1})
    steps, _ = default_steps([grey], [task], 20)
    methods = [step.method for step in steps]
    assert "scale" in methods and ("rotate" in methods) == turned
    assert ("flip" in methods) == (task is MASK)  # a class of one letter is a letter


def test_the_loss_of_boxes_knows_the_grid_of_a_wide_picture() -> None:
    """A map of 12 x 27 has as many cells as one of 18 x 18: the number alone would mislead."""
    from modelwright.networks import NetworkSpec, build
    from modelwright.training.network.base import _with_cells

    wide = ArrayInput(form="image", columns=("p",), settings={"height": 192, "width": 432, "channels": 1})
    small = {"image_unet": {"channels": 2, "start": 4, "stride": 16}}
    network = build(NetworkSpec.model_validate({"encoders": {"image": small}}), (wide,), (CELLS,))
    use = _with_cells(None, network.heads[0])
    assert use is not None and [list(one) for one in use.settings["cells"]] == [[12, 27]]


def test_a_rare_class_is_answered_soon() -> None:
    """No class waits for the bias of the head: the map has both signs."""
    from modelwright.networks import NetworkSpec, build
    from modelwright.training.loop.examples import Examples
    from modelwright.training.loop.fit import fit
    from modelwright.training.loop.spec import LoopSpec
    from modelwright.training.objectives.base import make_objective

    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    mask = torch.ones(8, 32, 32, dtype=torch.int64)
    for row in range(8):
        mask[row, :, 3 * row : 3 * row + 3] = 0
    pictures = (mask * 80 + 80 + torch.randn(8, 32, 32, generator=rng) * 20).clamp(0, 255).to(torch.uint8)
    image = ArrayInput(form="image", columns=("p",), settings={"height": 32, "width": 32, "channels": 1})
    network = build(NetworkSpec(), (image,), (MASK,), n_rows=8)
    loop = LoopSpec(max_steps=60, batch_size=4, optimizer={"adamw": {"learning_rate": 0.006}}, clip_norm=1.0)
    done = fit(network, Examples((pictures[..., None],), (mask,)), loop, objective=make_objective((None,), (MASK,)))
    with torch.no_grad():
        answer = done.network(pictures[..., None])[0].argmax(1)
        assert 0.2 < float((network.encoder(0).map(pictures[..., None]) < 0).float().mean()) < 0.8
    both = ((answer == 0) & (mask == 0)).sum()
    assert 2 * both / ((answer == 0).sum() + (mask == 0).sum()) > 0.9
