"""The suite's networks: four small families, each built from a plan, so that faults and remedies are settings."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from benchmarks.doctor.data import Problem

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "sigmoid": nn.Sigmoid, "leaky_relu": nn.LeakyReLU}


@dataclass(frozen=True)
class Plan:
    """How a network is built. `gain` multiplies the first weights, `shift` is added to hidden biases."""

    family: str
    width: int = 32
    depth: int = 2
    activation: str = "relu"
    norm: bool = False
    gain: float = 1.0
    recurrent_gain: float = 1.0
    shift: float = 0.0
    head_shift: float = 0.0
    bottleneck: int = 0
    dropout: float = 0.0
    standardise: bool = False
    without: tuple[int, ...] = ()
    seed: int = 0


class Front(nn.Module):
    """What stands before a network: standardising by the training rows, leaving inputs out."""

    def __init__(self, plan: Plan, x: torch.Tensor) -> None:
        super().__init__()
        flat = x.reshape(len(x), -1).double()
        finite = torch.where(torch.isfinite(flat), flat, torch.nan)
        mean = finite.nanmean(0)
        deviation = (finite - mean).square().nanmean(0).sqrt()
        if not plan.standardise:
            mean, deviation = torch.zeros_like(mean), torch.ones_like(mean)
        kept = torch.ones_like(mean)
        kept[list(plan.without)] = 0.0
        self.register_buffer("mean", mean.float())
        self.register_buffer("scale", (kept / deviation.clamp(min=1e-6)).float())
        self.shape = x.shape[1:]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = (x.reshape(len(x), -1) - self.mean) * self.scale
        return flat.reshape(len(x), *self.shape)


class Recurrent(nn.Module):
    """An LSTM over the rows' moments; the last answer counts."""

    def __init__(self, plan: Plan, n_in: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_in, plan.width, plan.depth if plan.depth < 3 else 1, batch_first=True)
        with torch.no_grad():
            for name, parameter in self.lstm.named_parameters():
                if "weight_hh" in name:
                    parameter.mul_(plan.recurrent_gain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0][:, -1]


class Block(nn.Module):
    """One layer of a Transformer, normalised before its parts."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        width = plan.width
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.rise, self.fall = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.activation = ACTIVATIONS[plan.activation]()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, width = x.shape
        q, k, v = self.qkv(self.before(x)).reshape(n, t, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(mixed.transpose(1, 2).reshape(n, t, width))
        return x + self.fall(self.activation(self.rise(self.between(x))))


class Attending(nn.Module):
    """A small Transformer; the mean over moments counts."""

    def __init__(self, plan: Plan, n_in: int, length: int) -> None:
        super().__init__()
        self.rise = nn.Linear(n_in, plan.width)
        self.places = nn.Parameter(torch.randn(length, plan.width) * 0.3)
        self.blocks = nn.Sequential(*(Block(plan) for _ in range(plan.depth)))
        self.last = nn.LayerNorm(plan.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.blocks(self.rise(x) + self.places)).mean(1)


class Embedded(nn.Module):
    """Word ids as vectors, before a recurrent or attending body. Places that are left out hold the padding."""

    def __init__(self, plan: Plan, size: int) -> None:
        super().__init__()
        self.table = nn.Embedding(64, size)
        self.without = list(plan.without)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.without:
            x = x.clone()
            x[:, self.without] = 0
        return self.table(x)


def build(plan: Plan, problem: Problem) -> nn.Module:
    """A network for a problem."""
    torch.manual_seed(plan.seed)
    x = problem.x
    parts: list[nn.Module] = []
    if x.is_floating_point():
        parts.append(Front(plan, x))
        n_in = x.shape[-1]
    else:
        parts.append(Embedded(plan, 16))
        n_in = 16
    body, width = {"mlp": _mlp, "cnn": _cnn}.get(plan.family, _sequence)(plan, n_in, x)
    parts += body
    if plan.dropout:
        parts.append(nn.Dropout(plan.dropout))
    if plan.bottleneck:
        parts += [nn.Linear(width, plan.bottleneck), nn.Tanh()]
        width = plan.bottleneck
    head = nn.Linear(width, max(problem.n_classes, 1))
    network = nn.Sequential(*parts, head)
    _spoil(network, head, plan)
    return Squeezed(network) if not problem.n_classes else network


class Squeezed(nn.Module):
    """A network whose one column of answers is a row of numbers."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x).squeeze(-1)


def _mlp(plan: Plan, n_in: int, x: torch.Tensor) -> tuple[list[nn.Module], int]:
    parts: list[nn.Module] = [nn.Flatten()]
    width = x[0].numel()
    for _ in range(plan.depth):
        parts.append(_started(nn.Linear(width, plan.width), plan))
        if plan.norm:
            parts.append(nn.LayerNorm(plan.width))
        parts.append(ACTIVATIONS[plan.activation]())
        width = plan.width
    return parts, width


def _cnn(plan: Plan, n_in: int, x: torch.Tensor) -> tuple[list[nn.Module], int]:
    parts: list[nn.Module] = []
    channels, width = x.shape[1], max(plan.width // 2, 1)
    for index in range(plan.depth):
        parts.append(_started(nn.Conv2d(channels, width, 3, padding=1, stride=2 if index == 1 else 1), plan))
        if plan.norm:
            parts.append(nn.BatchNorm2d(width))
        parts.append(ACTIVATIONS[plan.activation]())
        channels = width
    side = -(-x.shape[-1] // (2 if plan.depth > 1 else 1))
    return [*parts, nn.AdaptiveAvgPool2d(2 if side > 1 else 1), nn.Flatten()], channels * (4 if side > 1 else 1)


def _sequence(plan: Plan, n_in: int, x: torch.Tensor) -> tuple[list[nn.Module], int]:
    if plan.family == "lstm":
        return [Recurrent(plan, n_in)], plan.width
    return [Attending(plan, n_in, x.shape[1])], plan.width


def _started(layer: Any, plan: Plan) -> Any:
    kind = "relu" if plan.activation in ("relu", "gelu", "leaky_relu") else plan.activation
    if kind == "relu":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    else:
        nn.init.xavier_normal_(layer.weight, gain=nn.init.calculate_gain(kind))
    nn.init.zeros_(layer.bias)
    return layer


def _spoil(network: nn.Module, head: nn.Linear, plan: Plan) -> None:
    """Gains and shifts: 1 and 0 change nothing."""
    with torch.no_grad():
        for module in network.modules():
            if not isinstance(module, (nn.Linear, nn.Conv2d)) or module is head:
                continue
            module.weight.mul_(plan.gain)
            if plan.shift and (plan.family in ("mlp", "cnn") or module.out_features == 2 * plan.width):
                module.bias.add_(plan.shift)
        if plan.family == "lstm" and plan.gain != 1.0:
            for name, parameter in network.named_parameters():
                if "lstm.weight_ih" in name:
                    parameter.mul_(plan.gain)
        head.bias[0] += plan.head_shift


def mended(plan: Plan, change: dict[str, Any]) -> Plan | None:
    """The plan with one of the doctor's changes to networks; None where the plan cannot have it."""
    what = change["what"]
    if what == "initialise":
        return replace(plan, gain=1.0, recurrent_gain=1.0, shift=0.0, head_shift=0.0)
    if what == "normalise":
        return replace(plan, norm=True)
    if what == "activation":
        return replace(plan, activation=change["to"])
    if what == "capacity" and plan.bottleneck:
        return replace(plan, bottleneck=plan.bottleneck * change["times"])
    if what == "capacity":
        return replace(plan, width=_even(plan.width * change["times"]))
    if what == "dropout":
        return replace(plan, dropout=change["value"])
    if what == "standardise":
        return replace(plan, standardise=True)
    if what == "drop_inputs":
        return replace(plan, without=(*plan.without, *change["inputs"]))
    return None


def _even(width: float) -> int:
    return 4 * math.ceil(width / 4)
