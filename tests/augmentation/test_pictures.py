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
    z = noise._normal(1_000_000, torch.Generator().manual_seed(4))
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
