"""Boxes and masks follow their pictures: against the analytic transform, and against pixels."""

from __future__ import annotations

import math

import pytest

from modelwright.augmentation import augment
from modelwright.core.use import Use
from modelwright_runtime.signature import ArrayInput, Task

torch = pytest.importorskip("torch")
from modelwright.augmentation import _warp, affine, crop, elastic, flip
from modelwright.training.loop.batch import Batch

torch.set_num_threads(1)
HEIGHT, WIDTH = 96, 128
INPUTS = (ArrayInput(form="image", columns=("photo",)),)
TASKS = (Task(kind="detection", target="boxes", classes=("a", "b")), Task(kind="segmentation", target="mask"))
PLACES = {
    "flip": (flip.place, flip.FlipSpec(way="both")),
    "crop": (crop.place, crop.CropSpec()),
    "zoom": (crop.place_zoomed, crop.ZoomSpec()),
    "rotate": (affine.place_rotated, affine.RotateSpec(degrees=40)),
    "scale": (affine.place_scaled, affine.ScaleSpec(factor=1.5)),
    "shear": (affine.place_sheared, affine.ShearSpec(degrees=20)),
    "elastic": (elastic.place, elastic.ElasticSpec(share=1.0)),
}


def rectangles(n: int) -> tuple[torch.Tensor, Batch]:
    """Pictures of one bright rectangle each, with its box and its mask."""
    rng = torch.Generator().manual_seed(n)
    x = torch.zeros(n, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    mask = torch.zeros(n, HEIGHT, WIDTH, dtype=torch.int64)
    boxes = torch.full((n, 2, 5), -1.0)
    pixels = torch.zeros(n, 4)
    for row in range(n):
        left, top = int(torch.randint(30, 60, (1,), generator=rng)), int(torch.randint(25, 40, (1,), generator=rng))
        right, bottom = left + int(torch.randint(12, 40, (1,), generator=rng)), top + 20 + row % 9
        x[row, top:bottom, left:right], mask[row, top:bottom, left:right] = 255, 1
        pixels[row] = torch.tensor([left, top, right, bottom])
        shares = pixels[row] / torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])
        boxes[row, 0] = torch.cat([torch.tensor([float(row % 2)]), shares])
    return pixels, Batch((x,), (boxes, mask))


def scaled(boxes: torch.Tensor) -> torch.Tensor:
    return boxes * torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])


@pytest.mark.parametrize("name", [name for name in PLACES if name != "elastic"])
def test_boxes_are_those_of_the_analytic_transform(name: str) -> None:
    place, spec = PLACES[name]
    pixels, batch = rectangles(40)
    warp = place(spec, 40, HEIGHT, WIDTH, torch.Generator().manual_seed(2))
    found = _warp.carry(batch, INPUTS, TASKS, warp).targets[0][:, 0]
    forth = torch.linalg.inv(warp.matrix)
    checked = 0
    for row in range(40):
        left, top, right, bottom = pixels[row].tolist()
        corners = torch.tensor([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]]).double()
        moved = (forth[row] @ corners.T)[:2]
        low, high = moved.min(1).values, moved.max(1).values
        cut = torch.cat([low, high]).clamp(min=0)
        cut = torch.minimum(cut, torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT]))
        visible = (cut[2:] - cut[:2]).clamp(min=0).prod() / (high - low).prod()
        if visible >= 0.25:
            assert found[row, 0] == row % 2
            assert float((scaled(found[row, 1:]) - cut).abs().max()) < 0.01
            checked += 1
        else:
            assert found[row].tolist() == [-1, 0, 0, 0, 0]
    assert checked >= 20


@pytest.mark.parametrize("name", PLACES)
def test_boxes_and_masks_lie_where_the_pixels_are(name: str) -> None:
    """The least box around the moved mask is the moved box, to the pixel that the mask's edge is rounded to."""
    place, spec = PLACES[name]
    pixels, batch = rectangles(30)
    warp = place(spec, 30, HEIGHT, WIDTH, torch.Generator().manual_seed(3))
    moved = _warp.carry(batch, INPUTS, TASKS, warp)
    boxes, mask = moved.targets
    agreeing = (moved.inputs[0][..., 0] > 127) == (mask == 1)
    assert float(agreeing[mask >= 0].double().mean()) > 0.997
    checked = 0
    for row in range(30):
        there = (mask[row] == 1).nonzero()
        if boxes[row, 0, 0] < 0 or not len(there):
            continue
        low, high = there.min(0).values.flip(0), there.max(0).values.flip(0) + 1
        seen = torch.cat([low, high]).double()
        # A turned rectangle's corner is a point: up to half a diagonal of a pixel more can be missing at a tip.
        limit = 0.51 if name in ("flip", "crop", "scale", "zoom") else 1.5
        assert float((scaled(boxes[row, 0, 1:]) - seen).abs().max()) <= limit, row
        checked += 1
    assert checked >= 20


def test_a_wave_and_its_inverse_agree() -> None:
    warp = elastic.place(elastic.ElasticSpec(share=1.0), 50, HEIGHT, WIDTH, torch.Generator().manual_seed(0))
    assert warp.wave is not None
    points = torch.rand(50, 40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(9)) * torch.tensor(
        [WIDTH, HEIGHT]
    )
    back = warp.wave.undo(points)
    assert float((back + warp.wave.at(back) - points).abs().max()) < 0.01


def test_masks_of_another_size_follow() -> None:
    _, batch = rectangles(8)
    halved = batch.targets[1][:, ::2, ::2]
    task = (TASKS[1],)
    warp = affine.place_rotated(affine.RotateSpec(degrees=30), 8, HEIGHT, WIDTH, torch.Generator().manual_seed(1))
    whole = _warp.carry(Batch(batch.inputs, (batch.targets[1],)), INPUTS, task, warp).targets[0]
    half = _warp.carry(Batch(batch.inputs, (halved,)), INPUTS, task, warp).targets[0]
    assert float((whole[:, ::2, ::2] == half).double().mean()) > 0.98


def test_what_leaves_the_picture_is_dropped_and_what_comes_in_is_unknown() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 0.4, 0.1, 0.6], [1, 0.5, 0.4, 0.6, 0.6], [-1, 0, 0, 0, 0]]])
    mask = torch.ones(1, HEIGHT, WIDTH, dtype=torch.int64)
    batch = Batch((torch.zeros(1, HEIGHT, WIDTH, 1, dtype=torch.uint8),), (boxes, mask))
    warp = _warp.Warp(torch.eye(3, dtype=torch.float64)[None].clone(), HEIGHT, WIDTH)
    warp.matrix[0, 0, 2] = 12.0  # what is shown moves 12 of 128 pixels to the left: 6 % of the first box is left
    found, masked = _warp.carry(batch, INPUTS, TASKS, warp).targets
    assert found[0, :, 0].tolist() == [-1, 1, -1] and found[0, 0, 1:].tolist() == [0, 0, 0, 0]
    assert torch.allclose(found[0, 1, 1:], torch.tensor([0.5 - 12 / 128, 0.4, 0.6 - 12 / 128, 0.6]))
    assert (masked[..., :116] == 1).all() and (masked[..., 116:] == -1).all()


def test_a_chain_is_sampled_once_and_equals_its_parts() -> None:
    pixels, batch = rectangles(12)
    uses = [Use(method="rotate"), Use(method="flip", settings={"share": 1.0}), Use(method="scale")]
    joined = augment(batch, INPUTS, TASKS, uses, seed=1, epoch=0, step=0)
    assert joined.inputs[0].shape == batch.inputs[0].shape
    turned = affine.place_rotated(affine.RotateSpec(), 12, HEIGHT, WIDTH, torch.Generator().manual_seed(1))
    larger = affine.place_scaled(affine.ScaleSpec(), 12, HEIGHT, WIDTH, torch.Generator().manual_seed(2))
    once = _warp.join(turned, larger)
    assert once is not None
    apart = _warp.carry(_warp.carry(batch, INPUTS, TASKS, turned), INPUTS, TASKS, larger)
    together = _warp.carry(batch, INPUTS, TASKS, once)
    far = (together.inputs[0].int() - apart.inputs[0].int()).abs() > 64
    assert float(far.double().mean()) < 0.01
    # The box of a box is no smaller than the box of the thing itself.
    assert ((apart.targets[0][:, 0, 3:] - together.targets[0][:, 0, 3:]) > -0.01).all()


def test_elastic_after_a_turn_is_one_warp_and_boxes_follow() -> None:
    _, batch = rectangles(20)
    turned = affine.place_rotated(affine.RotateSpec(), 20, HEIGHT, WIDTH, torch.Generator().manual_seed(1))
    waved = elastic.place(elastic.ElasticSpec(share=1.0), 20, HEIGHT, WIDTH, torch.Generator().manual_seed(2))
    assert _warp.join(waved, turned) is None
    warp = _warp.join(turned, waved)
    assert warp is not None
    boxes, mask = _warp.carry(batch, INPUTS, TASKS, warp).targets
    for row in range(20):
        there = (mask[row] == 1).nonzero()
        seen = torch.cat([there.min(0).values.flip(0), there.max(0).values.flip(0) + 1]).double()
        assert float((scaled(boxes[row, 0, 1:]) - seen).abs().max()) < 1.6


def test_turns_go_clockwise() -> None:
    x = torch.zeros(1, 41, 41, 1, dtype=torch.uint8)
    x[0, 2:6, 18:23] = 255  # at twelve o'clock
    angle = torch.tensor([math.pi / 2])
    spec = affine.RotateSpec(degrees=90)
    for seed in range(30):
        warp = affine.place_rotated(spec, 1, 41, 41, torch.Generator().manual_seed(seed))
        angle = torch.atan2(warp.matrix[0, 0, 1], warp.matrix[0, 0, 0])
        if angle > 1.2:
            y = _warp.moved_pictures(x, warp)
            assert y[0, :, 30:].sum() > y[0, :, :11].sum()
            return
    raise AssertionError("no turn was large enough")
