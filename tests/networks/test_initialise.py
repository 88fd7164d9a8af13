"""First weights: what flows through twenty layers keeps its size, and every answer begins near the mean."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn

from modelwright.networks import NetworkSpec, build
from modelwright.networks.initialise import initialise
from modelwright.networks.layers import mark_zero
from modelwright.networks.network import seeded
from modelwright.testing.networks import sample_array, sample_input
from modelwright_runtime.signature import Task


def deviation_after(n_layers: int, method: Any, activation: type[nn.Module], layer: Any) -> tuple[float, float]:
    """Deviation of what comes out of layers given unit normal numbers, and of the gradient that comes back."""
    with seeded(0, "test"):
        layers = nn.Sequential(*(part for _ in range(n_layers) for part in (layer(), activation())))
        initialise(layers, method)
        shape = (64, 256) if isinstance(layers[0], nn.Linear) else (4, 32, 12, 12)
        x = torch.randn(shape, requires_grad=True)
        out = layers(x)
        out.backward(torch.randn(out.shape))
    return out.square().mean().sqrt().item(), x.grad.square().mean().sqrt().item()


@pytest.mark.parametrize(
    ("method", "activation"), [("he", nn.ReLU), ("auto", nn.ReLU), ("orthogonal", nn.ReLU), ("xavier", nn.Tanh)]
)
def test_variance_through_twenty_layers(method: str, activation: type[nn.Module]) -> None:
    forward, backward = deviation_after(20, method, activation, lambda: nn.Linear(256, 256))
    assert 0.1 < forward < 5.0
    assert 0.05 < backward < 20.0


def test_variance_through_twenty_convolutions() -> None:
    forward, _ = deviation_after(20, "he", nn.ReLU, lambda: nn.Conv2d(32, 32, 3, padding=1, padding_mode="circular"))
    assert 0.2 < forward < 5.0


def test_torchs_own_start_dies_out_in_twenty_layers() -> None:
    """The bound above can fail: this is what it guards against."""
    forward, _ = deviation_after(20, "torch", nn.ReLU, lambda: nn.Linear(256, 256, bias=False))
    assert forward < 0.01


def test_orthogonal_keeps_lengths() -> None:
    layer = nn.Linear(64, 64)
    initialise(layer, "orthogonal")
    product = layer.weight @ layer.weight.T / 2.0
    assert torch.allclose(product, torch.eye(64), atol=1e-5)


def test_recurrent_layers() -> None:
    layer = nn.LSTM(8, 16)
    initialise(layer)
    for gate in layer.weight_hh_l0.detach().chunk(4):
        assert torch.allclose(gate @ gate.T, torch.eye(16), atol=1e-5)
    bias = (layer.bias_ih_l0 + layer.bias_hh_l0).detach()
    assert bias[16:32].tolist() == [1.0] * 16
    assert bias[:16].abs().sum() + bias[32:].abs().sum() == 0


def test_residual_branches_start_as_nothing() -> None:
    marked, norm = mark_zero(nn.Linear(4, 4)), mark_zero(nn.BatchNorm2d(4))
    initialise(marked), initialise(norm)
    assert marked.weight.abs().sum() == norm.weight.abs().sum() == 0


@pytest.mark.parametrize(
    "encoder", ["text_transformer", "image_vit", "image_resnet", "series_tcn", "audio_transformer"]
)
def test_blocks_start_as_nothing(encoder: str) -> None:
    """Deeper networks begin as shallow ones: more blocks do not change the size of what comes out."""
    form = {"text": "tokens"}.get(encoder.split("_")[0], encoder.split("_")[0])
    input: Any = sample_input(form)  # type: ignore[arg-type]
    deviations = []
    for depth in (1, 8):
        name = "blocks" if encoder == "image_resnet" else "layers"
        spec = NetworkSpec(encoders={form: {encoder: {name: depth}}})
        network = build(spec, (input,), (Task(kind="regression", target="y"),))
        with torch.no_grad():
            deviations.append(network.eval().encoder(0)(sample_array(input, 16)[:-1]).std().item())
    assert deviations[1] == pytest.approx(deviations[0], rel=0.25)


@pytest.mark.parametrize("form", ["numbers", "codes", "tokens", "image", "audio", "series"])
@pytest.mark.parametrize("method", ["auto", "xavier", "orthogonal"])
def test_the_first_loss_is_that_of_equal_odds(form: Any, method: Any) -> None:
    task = Task(kind="multiclass", target="y", classes=tuple("abcdefgh"))
    network = build(NetworkSpec(initialise=method), (sample_input(form),), (task,), seed=4).train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        raw = network(sample_array(sample_input(form), 64))[0]
    loss = nn.functional.cross_entropy(raw, torch.arange(64) % 8)
    assert loss.item() == pytest.approx(math.log(8), rel=0.05)
