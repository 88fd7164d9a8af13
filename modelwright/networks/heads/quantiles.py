"""Quantiles of a number: how sure the network is of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from modelwright.core.spec import Spec
from modelwright.networks.base import Head, Source

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import Task


class QuantilesSpec(Spec):
    """Which quantiles, and how the vector is read."""

    levels: tuple[float, ...] = Field(default=(0.1, 0.5, 0.9), min_length=1, description="rising shares, 0 to 1")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the vector left out in training")

    @field_validator("levels")
    @classmethod
    def _rising(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < level < 1 for level in levels) or sorted(set(levels)) != list(levels):
            raise ValueError("levels must rise and lie between 0 and 1")
        return levels


def build(spec: QuantilesSpec, task: Task, source: Source) -> nn.Module:
    """The vector (n, width) to standardised quantiles that never cross, float32 (n, Q).

    The answer is the quantile nearest to the median, float64 (n,); `head.quantiles(raw)` gives all of them in the
    target's unit, float64 (n, Q). Trained with the quantile loss at the same levels.

    Reference: Koenker and Bassett (1978), "Regression Quantiles".

    >>> from modelwright_runtime.signature import Task
    >>> import torch
    >>> head = build(QuantilesSpec(), Task(kind="regression", target="price"), Source(width=3))
    >>> raw = head(torch.randn(100, 3))
    >>> bool((raw.diff(dim=1) > 0).all()), head.answer(raw).shape
    (True, torch.Size([100]))
    """
    from modelwright.networks.modules.heads import Quantiles

    return Quantiles(source.width, spec.levels, spec.dropout)


HEAD = Head(kinds=("regression",), spec=QuantilesSpec, build=build)
