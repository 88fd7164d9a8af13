"""Maps of what an answer hangs on: where it is known, and against captum where that is installed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from modelwright.core.errors import UserError
from modelwright.evaluation.saliency import cover, saliency
from modelwright.testing import small_networks as small

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def small_cnn() -> Any:
    """Pictures (n, height, width, channels), as the arrays are, to three classes."""

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 5, 3, stride=2)
            self.last = torch.nn.Linear(5, 3)

        def forward(self, x: Any) -> Any:
            maps = torch.relu(self.two(torch.relu(self.one(x.float().permute(0, 3, 1, 2) / 255.0))))
            return (self.last(maps.mean(dim=(2, 3))),)

    return Network()


class Bag(torch.nn.Module):
    """Tokens to two classes, through the mean of their vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(20, 6, padding_idx=0)
        self.last = torch.nn.Linear(6, 2)

    def forward(self, tokens: Any, numbers: Any) -> Any:
        return self.last(torch.tanh(self.table(tokens).mean(dim=1)) + numbers)


def pictures(n: int = 3) -> Any:
    return torch.randint(0, 256, (n, 12, 10, 3), dtype=torch.uint8)


def test_integrated_gradients_add_up_to_the_difference_in_output() -> None:
    network, x = small_cnn().eval(), pictures()
    of = torch.tensor([0, 1, 2])
    (values,) = saliency(network, (x,), of=of, n_steps=200)
    rise = (network(x)[0] - network(torch.zeros_like(x))[0]).gather(1, of[:, None])[:, 0]
    assert values.shape == (3, 12, 10)
    np.testing.assert_allclose(values.sum(axis=(1, 2)), rise.detach().numpy(), rtol=2e-3, atol=2e-4)


def test_tokens_are_explained_at_their_vectors() -> None:
    network = Bag().eval()
    tokens, numbers = torch.randint(1, 20, (2, 5)), torch.randn(2, 6)
    of = torch.tensor([0, 1])
    words, others = saliency(network, (tokens, numbers), of=of, n_steps=400)
    assert words.shape == (2, 5)
    assert others.shape == (2, 6)
    nothing = network.last(torch.zeros(2, 6))
    rise = (network(tokens, numbers) - nothing).gather(1, of[:, None])[:, 0].detach().numpy()
    np.testing.assert_allclose(words.sum(axis=1) + others.sum(axis=1), rise, atol=1e-4)


def test_the_network_is_left_as_it_was() -> None:
    network = small_cnn().train()
    network.one.weight.requires_grad_(requires_grad=False)
    for method in ("integrated_gradients", "grad_cam", "gradient"):
        saliency(network, (pictures(),), method=method, n_steps=4)
    assert network.training
    assert [p.requires_grad for p in network.parameters()] == [False, True, True, True, True, True]
    assert all(parameter.grad is None for parameter in network.parameters())


def test_grad_cam_needs_a_convolution() -> None:
    with pytest.raises(UserError) as caught:
        saliency(torch.nn.Linear(4, 2), (torch.randn(2, 4),), method="grad_cam")
    assert caught.value.code == "evaluation.map"


def test_integrated_gradients_are_captums() -> None:
    attr = pytest.importorskip("captum.attr")
    network, x, of = small_cnn().eval(), pictures(), torch.tensor([2, 0, 1])
    (mine,) = saliency(network, (x,), of=of, n_steps=50)
    theirs = attr.IntegratedGradients(lambda v: network(v)[0]).attribute(
        x.float(), target=of, n_steps=50, method="riemann_middle"
    )
    np.testing.assert_allclose(mine, theirs.sum(dim=-1).detach().numpy(), rtol=1e-4, atol=1e-6)
    bag, tokens, numbers = Bag().eval(), torch.randint(1, 20, (2, 5)), torch.randn(2, 6)
    words, _ = saliency(bag, (tokens, numbers), of=torch.tensor([1, 1]), n_steps=50)
    layered = attr.LayerIntegratedGradients(lambda v: bag(v, torch.zeros(1, 6)), bag.table)
    alone, _ = saliency(bag, (tokens, torch.zeros(2, 6)), of=torch.tensor([1, 1]), n_steps=50)
    told = layered.attribute(tokens, target=1, n_steps=50, method="riemann_middle", baselines=torch.zeros_like(tokens))
    np.testing.assert_allclose(alone, told.sum(dim=-1).detach().numpy(), rtol=1e-4, atol=1e-6)
    assert words.shape == alone.shape


def test_grad_cam_is_captums() -> None:
    attr = pytest.importorskip("captum.attr")
    network, x, of = small_cnn().eval(), pictures(), torch.tensor([2, 0, 1])
    (mine,) = saliency(network, (x,), method="grad_cam", of=of)
    cam = attr.LayerGradCam(lambda v: network(v)[0], network.two).attribute(
        x.float(), target=of, relu_attributions=True
    )
    wide = attr.LayerAttribution.interpolate(cam, (12, 10), interpolate_mode="bilinear")
    np.testing.assert_allclose(mine, wide[:, 0].detach().numpy(), rtol=1e-4, atol=1e-7)


def test_covering_finds_the_corner_that_counts() -> None:
    data = small.corners(n_rows=4)
    for place in range(4):
        row = data.take(data.row_ids[place : place + 1])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            map = cover(small.corner_looker(), row, "photo", output=1)
        size = np.abs(map.values)
        assert size[:4, :4].mean() > 4 * size[4:, 4:].mean()


def test_covering_a_series_finds_the_last_season() -> None:
    data = small.daily(n_rows=1)
    map = cover(small.repeater(season=4), data, "load")
    assert map.values.shape == (1, 24)
    assert np.flatnonzero(map.values[0]).tolist() == [20, 21, 22, 23]
    assert np.flatnonzero(cover(small.repeater(season=4), data, "load", of=1).values[0]).tolist() == [21]


def test_a_column_that_cannot_be_covered_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        cover(small.corner_looker(), small.corners(n_rows=1), "light")
    assert caught.value.code == "evaluation.map"
