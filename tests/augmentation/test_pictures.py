"""Pictures: what the methods promise, against straight computations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.augmentation import augment
from modelwright.core.use import Use
from modelwright_runtime.signature import ArrayInput, Task

torch = pytest.importorskip("torch")
from modelwright.augmentation import _sample, _warp, elastic, noise
from modelwright.augmentation._wave import Wave
from modelwright.training.loop.batch import Batch

torch.set_num_threads(1)
INPUTS = (ArrayInput(form="image", columns=("photo",)),)
TASK = (Task(kind="multiclass", target="y", classes=("a", "b", "c")),)


def pictures(n: int = 6, height: int = 20, width: int = 31, channels: int = 3, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, height, width, channels), dtype=torch.uint8, generator=rng)


def through(x: torch.Tensor, *uses: Use, step: int = 0, seed: int = 0) -> torch.Tensor:
    batch = Batch((x,), (torch.zeros(len(x), dtype=torch.int64),))
    return augment(batch, INPUTS, TASK, uses, seed=seed, epoch=0, step=step).inputs[0]


def use(method: str, **settings: object) -> Use:
    return Use(method=method, settings=settings)


def test_flip_mirrors_the_chosen_rows() -> None:
    x = pictures(40)
    y = through(x, use("flip"))
    mirrored = torch.tensor([torch.equal(b, a.flip(1)) for a, b in zip(x, y, strict=True)])
    same = torch.tensor([torch.equal(b, a) for a, b in zip(x, y, strict=True)])
    assert (mirrored ^ same).all() and 8 < mirrored.sum() < 32
    assert torch.equal(through(x, use("flip", way="down", share=1.0)), x.flip(1))


def test_crop_shifts_by_whole_pixels_and_goes_on_with_the_border() -> None:
    x = pictures(8, 24, 16)
    rng = torch.Generator().manual_seed(5)
    from modelwright.augmentation.crop import CropSpec, place

    warp = place(CropSpec(reach=0.25), 8, 24, 16, rng)
    y = _warp.moved_pictures(x, warp)
    for row in range(8):
        right, low = warp.matrix[row, :2, 2].int().tolist()
        lines = np.clip(np.arange(24) + low, 0, 23)
        columns = np.clip(np.arange(16) + right, 0, 15)
        assert np.array_equal(y[row].numpy(), x[row].numpy()[lines][:, columns])
    assert warp.matrix[:, 0, 2].abs().max() <= 4 and warp.matrix[:, 1, 2].abs().max() <= 6


def test_whole_moves_by_blending_are_the_same_bits() -> None:
    """On a device other than the CPU rows are blended, not copied: the answer must not differ."""
    x = pictures(5, 21, 33)
    warp = _warp.around_centre(torch.diag_embed(torch.tensor([[-1.0, 1.0]] * 5, dtype=torch.float64)), 21, 33)
    warp.matrix[:, 0, 2] += torch.tensor([0.0, 3, -4, 40, -50], dtype=torch.float64)
    across, down = _warp._places(warp, torch.arange(5), x.device)
    assert torch.equal(_sample.bilinear(x, across, down), _warp.moved_pictures(x, warp))


@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 12), st.integers(0, 10_000))
def test_blending_is_bilinear(channels: int, height: int, width: int, seed: int) -> None:
    x = pictures(3, height, width, channels, seed)
    rng = np.random.default_rng(seed)
    across = rng.integers(-2 * 256, (width + 2) * 256, (3, 4, 5))
    down = rng.integers(-2 * 256, (height + 2) * 256, (3, 4, 5))
    found = _sample.bilinear(x, torch.tensor(across, dtype=torch.int32), torch.tensor(down, dtype=torch.int32))
    exact = np.empty((3, 4, 5, channels))
    for place in np.ndindex(3, 4, 5):
        u = min(max(across[place] / 256, 0), width - 1)
        v = min(max(down[place] / 256, 0), height - 1)
        j, i = min(int(u), width - 1), min(int(v), height - 1)
        j1, i1 = min(j + 1, width - 1), min(i + 1, height - 1)
        picture = x[place[0]].numpy().astype(float)
        upper = picture[i, j] * (1 - u + j) + picture[i, j1] * (u - j)
        lower = picture[i1, j] * (1 - u + j) + picture[i1, j1] * (u - j)
        exact[place] = upper * (1 - v + i) + lower * (v - i)
    assert np.abs(found.numpy() - exact).max() <= 1.01


def test_noise_is_normal_independent_and_of_the_deviation_asked_for() -> None:
    grey = torch.full((4, 200, 250, 3), 128, dtype=torch.uint8)
    y = noise.noisy(grey, torch.full((4,), 10.0), torch.Generator().manual_seed(3)).double() - 128
    n = y.numel()
    assert abs(float(y.mean())) < 5 * 10 / n**0.5
    assert abs(float(y.std()) - (100 + 1 / 12) ** 0.5) < 5 * 10 / (2 * n) ** 0.5  # rounding adds 1/12
    assert abs(float((y**4).mean() / (y**2).mean() ** 2) - 3) < 0.03
    for one, other in ((y[:, :, 1:], y[:, :, :-1]), (y[:, 1:], y[:, :-1]), (y[..., 1:], y[..., :-1]), (y[1:], y[:-1])):
        assert abs(float((one * other).mean())) / 100 < 5 / one.numel() ** 0.5
    draw = noise._normal(torch.Generator().manual_seed(4), torch.device("cpu"))
    z = torch.cat([draw(100_000).clone() for _ in range(10)])
    edges = torch.linspace(-3.5, 3.5, 29)
    seen = torch.histc(z, 28, -3.5, 3.5) / 1e6
    expected = torch.special.ndtr(edges[1:]) - torch.special.ndtr(edges[:-1])
    assert float((seen - expected).abs().max()) < 0.0015


def test_noise_draws_each_rows_strength() -> None:
    y = through(torch.full((200, 30, 30, 1), 128, dtype=torch.uint8), use("noise", deviation=20, least=5, share=1.0))
    deviations = y.double().flatten(1).std(1)
    assert 4.5 < deviations.min() < 7 and 17 < deviations.max() < 21.5


def test_a_waves_deviation_and_correlation_are_those_of_smoothed_noise() -> None:
    rows = torch.arange(300)
    moving = elastic.place(elastic.ElasticSpec(share=1.0), 300, 60, 50, torch.Generator().manual_seed(1)).wave
    assert moving is not None
    field = moving.field(rows, 60, 50, torch.eye(2).double().expand(300, 2, 2), torch.device("cpu")).double()
    smooth = 0.12 * 50
    assert abs(float(field.std()) / (0.03 * 50) - 1) < 0.03
    for distance in (3, 6, 12):
        seen = (field[:, 0, :, distance:] * field[:, 0, :, :-distance]).mean() / field[:, 0].var()
        assert abs(float(seen) - np.exp(-(distance**2) / (4 * smooth**2))) < 0.04
    assert abs(float((field[:, 0] * field[:, 1]).mean() / field.var())) < 0.04
    points = torch.stack(torch.meshgrid(torch.arange(50) + 0.5, torch.arange(60) + 0.5, indexing="xy"), -1)
    few = Wave(moving.knots[:5], moving.across, moving.down)
    at = few.at(points.double().expand(5, 60, 50, 2))
    assert float((at.permute(0, 3, 1, 2) - field[:5]).abs().max()) < 1e-4


def test_the_same_step_gives_the_same_bits_and_inputs_stay() -> None:
    x = pictures()
    before = x.clone()
    uses = (use("crop"), use("flip"), use("noise", share=1.0), use("elastic"))
    first, again, other = (through(x, *uses, step=step) for step in (7, 7, 8))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(x, before) and first.dtype == torch.uint8 and first.shape == x.shape


@pytest.mark.parametrize("size", [(20, 31), (160, 203)])
def test_parts_enlarged_are_bilinear_and_mirrored(size: tuple[int, int]) -> None:
    """Large pictures go another way than small ones; both must say the same, but for the part's own border."""
    from modelwright.augmentation import crop

    smooth = torch.nn.functional.interpolate(
        torch.rand(6, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 255, size, mode="bicubic"
    ).clamp(0, 255)
    x = smooth.permute(0, 2, 3, 1).to(torch.uint8).contiguous()
    warp = crop.place_zoomed(crop.ZoomSpec(), 6, *size, torch.Generator().manual_seed(0))
    mirrored = _warp.around_centre(torch.diag_embed(torch.tensor([[-1.0, 1.0]] * 6, dtype=torch.float64)), *size)
    both = _warp.join(warp, mirrored)
    assert both is not None
    for one in (warp, both):
        places = _warp._places(one, torch.arange(6), x.device)
        far = (_warp.moved_pictures(x, one).int() - _sample.bilinear(x, *places).int()).abs()
        assert float(far[:, 4:-4, 4:-4].max()) <= 2
    assert torch.equal(_warp.moved_pictures(x, both), _warp.moved_pictures(x, warp).flip(2)) or size == (20, 31)


@pytest.mark.parametrize("shape", [(12, 10, 3), (7, 9, 3), (8, 8, 1), (6, 6, 4), (250, 210, 3)])
def test_colours_are_those_of_the_formula(shape: tuple[int, int, int]) -> None:
    import math

    from modelwright.augmentation import colour

    x = pictures(3, *shape)
    rng = torch.Generator().manual_seed(2)
    light, hard, full = (torch.rand(3, generator=rng, dtype=torch.float64) + 0.5 for _ in range(3))
    turn = torch.rand(3, generator=rng, dtype=torch.float64) - 0.5
    made = colour._coloured(x, light, hard, full, turn).double().numpy()
    for row in range(3):
        given = x[row, ..., :3].double().numpy()
        if shape[2] == 1:
            exact = light[row].item() * given
            exact = (
                exact * hard[row].item()
                + (1 - hard[row].item())
                * colour._mean_grey(x[row : row + 1], torch.ones(1).double()).item()
                * light[row].item()
            )
        else:
            grey = given @ np.array([0.299, 0.587, 0.114])
            few = grey[:: max(1, shape[0] // 64), :: max(1, shape[1] // 64)].mean()
            exact = full[row].item() * given + (1 - full[row].item()) * grey[..., None]
            yiq = np.array(colour._YIQ)
            cosine, sine = math.cos(turn[row]), math.sin(turn[row])
            turned = np.linalg.inv(yiq) @ np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]) @ yiq
            exact = light[row].item() * exact @ turned.T
            exact = hard[row].item() * exact + (1 - hard[row].item()) * few * light[row].item()
        assert np.abs(made[row, ..., :3] - np.clip(exact, 0, 255)).max() <= 0.51
    if shape[2] == 4:
        assert np.array_equal(made[..., 3], x[..., 3].double().numpy())


@pytest.mark.parametrize("size", [(30, 41), (300, 310)])
def test_blur_is_gaussian(size: tuple[int, int]) -> None:
    from scipy.ndimage import gaussian_filter

    from modelwright.augmentation import blur

    x = pictures(3, *size)
    made = blur._blurred(x, torch.tensor([0.5, 1.3, 2.4], dtype=torch.float64)).double().numpy()
    for row, deviation in enumerate((0.5, 1.3, 2.4)):
        for channel in range(3):
            exact = gaussian_filter(x[row, ..., channel].double().numpy(), deviation, mode="nearest", truncate=4)
            assert np.abs(made[row, ..., channel] - exact).max() < 1.6


@pytest.mark.parametrize("size", [(30, 41), (150, 210)])
def test_parts_are_hidden_the_same_way_in_small_and_large_pictures(size: tuple[int, int]) -> None:
    from modelwright.augmentation import cutout

    x = pictures(5, *size)
    low = torch.rand(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 0.8
    part = torch.cat([low, (low + 0.3).clamp(max=1)], dim=1)
    part[4] = torch.tensor([0.5, 0.5, 0.5, 0.5])
    filling = torch.full((5, 1, 1, 3), 7, dtype=torch.uint8)
    there = cutout.inside(part, *size, x.device)
    assert torch.equal(cutout.patched(x, part, filling), torch.where(there[..., None], filling, x))
    assert not there[4].any() and abs(float(there[0].double().mean()) - 0.09) < 0.02


def test_boxes_that_are_hidden_are_dropped() -> None:
    from modelwright.augmentation import cutout

    boxes = torch.tensor([[[0.0, 0.4, 0.4, 0.6, 0.6], [1.0, 0.0, 0.0, 0.5, 0.5], [-1.0, 0, 0, 0, 0]]] * 2)
    part = torch.tensor([[0.35, 0.35, 0.65, 0.65]] * 2, dtype=torch.float64)
    seen = cutout._seen_boxes(boxes, part, torch.tensor([True, False]))
    assert seen[0, :, 0].tolist() == [-1, 1, -1] and torch.equal(seen[1], boxes[1])


def test_policies_change_each_picture_in_its_own_way() -> None:
    x = pictures(300, 24, 24)
    y = through(x, use("trivial_augment"))
    changed = (x != y).flatten(1).any(1).double().mean()
    assert 0.8 < float(changed) < 0.97  # one of twelve does nothing
    strong, weak = (through(x, use("rand_augment", magnitude=m)).int() for m in (1.0, 0.05))
    assert (strong - x.int()).abs().double().mean() > 2 * (weak - x.int()).abs().double().mean()
    grey = pictures(50, 24, 24, 1)
    assert through(grey, use("rand_augment")).shape == grey.shape
