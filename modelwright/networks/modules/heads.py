"""The modules of heads that read the trunk's vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import mark_small

if TYPE_CHECKING:
    from modelwright_runtime.signature import TaskKind


class Unit(nn.Module):
    """Centre and scale of a target, float64: answers are told in the target's own unit."""

    centre: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.tensor(0.0, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(1.0, dtype=torch.float64))

    def set(self, centre: float, scale: float) -> None:
        """Say what 0 and 1 mean."""
        self.centre.fill_(centre)
        self.scale.fill_(scale)

    def restore(self, raw: Tensor) -> Tensor:
        """Standardised values as float64 in the target's unit."""
        return self.centre + self.scale * raw.double()


class _Reader(nn.Module):
    """Dropout and a matrix whose first answers are small."""

    def __init__(self, width: int, n_outputs: int, share: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(share) if share > 0 else None
        self.linear = mark_small(nn.Linear(width, n_outputs))

    def forward(self, vector: Tensor) -> Tensor:
        """(n, n_outputs)."""
        raw: Tensor = self.linear(vector if self.dropout is None else self.dropout(vector))
        return raw


class Classes(_Reader):
    """Logits (n, K). `temperature` makes the answers less sure (above 1) or surer, and leaves their order."""

    temperature: Tensor

    def __init__(self, width: int, n_outputs: int, share: float) -> None:
        super().__init__(width, n_outputs, share)
        self.register_buffer("temperature", torch.tensor(1.0))

    def answer(self, raw: Tensor) -> Tensor:
        """Probabilities, float32 (n, K)."""
        return torch.softmax(raw.float() / self.temperature, dim=-1)


class Labels(_Reader):
    """Logits (n, K)."""

    def answer(self, raw: Tensor) -> Tensor:
        """The probability of each label by itself, float32 (n, K)."""
        return torch.sigmoid(raw.float())


class Number(_Reader):
    """A standardised value (n,)."""

    def __init__(self, width: int, share: float) -> None:
        super().__init__(width, 1, share)
        self.unit = Unit()

    def forward(self, vector: Tensor) -> Tensor:
        """Float32 (n,)."""
        return super().forward(vector).squeeze(-1)

    def answer(self, raw: Tensor) -> Tensor:
        """The value, float64 (n,)."""
        return self.unit.restore(raw)


def middle_of(levels: tuple[float, ...]) -> int:
    """Which of the levels is nearest to the median; 0 where there are none."""
    return min(range(len(levels)), key=lambda index: abs(levels[index] - 0.5), default=0)


def rising(raw: Tensor, middle: int) -> Tensor:
    """Numbers (..., Q) to rising ones: the middle one, and steps below and above it that are positive."""
    steps = nn.functional.softplus(raw)
    centre = raw[..., middle : middle + 1]
    below = centre - steps[..., :middle].flip(-1).cumsum(-1).flip(-1)
    above = centre + steps[..., middle + 1 :].cumsum(-1)
    return torch.cat([below, centre, above], dim=-1)


class Quantiles(_Reader):
    """Standardised quantiles (n, Q), which never cross."""

    def __init__(self, width: int, levels: tuple[float, ...], share: float) -> None:
        super().__init__(width, len(levels), share)
        self.middle = middle_of(levels)
        self.unit = Unit()

    def forward(self, vector: Tensor) -> Tensor:
        """Float32 (n, Q), rising."""
        return rising(super().forward(vector), self.middle)

    def answer(self, raw: Tensor) -> Tensor:
        """The quantile nearest to the median, float64 (n,)."""
        return self.unit.restore(raw[:, self.middle])

    def quantiles(self, raw: Tensor) -> Tensor:
        """All quantiles, float64 (n, Q)."""
        return self.unit.restore(raw)


class Answer(nn.Module):
    """The answer alone, for a module of a user's that brings its own reading of the vector."""

    temperature: Tensor

    def __init__(self, kind: TaskKind) -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("temperature", torch.tensor(1.0))
        self.unit = Unit() if kind in ("regression", "forecast") else None

    def answer(self, raw: Tensor) -> Tensor:
        """What `Task` says of this kind."""
        if self.unit is not None:
            return self.unit.restore(raw)
        if self.kind == "multilabel":
            return torch.sigmoid(raw.float())
        if self.kind == "detection":
            return boxes_answer(raw)
        return torch.softmax(raw.float() / self.temperature, dim=1)


def boxes_answer(raw: Tensor) -> Tensor:
    """Decoded boxes and logits (n, A, 4 + K) to boxes within the image and scores."""
    return torch.cat([raw[..., :4].float().clamp(0.0, 1.0), torch.sigmoid(raw[..., 4:].float())], dim=-1)
