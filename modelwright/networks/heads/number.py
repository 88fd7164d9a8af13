"""One number a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Head, Source

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import Task


class NumberSpec(Spec):
    """How the vector is read."""

    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the vector left out in training")


def build(spec: NumberSpec, task: Task, source: Source) -> nn.Module:
    """The vector (n, width) to a standardised value, float32 (n,); the answer is `centre + scale * value`, float64.

    Centre and scale are buffers, set by `network.set_scale(target, centre, scale)`.

    >>> from modelwright_runtime.signature import Task
    >>> import torch
    >>> head = build(NumberSpec(), Task(kind="regression", target="price"), Source(width=3))
    >>> head.unit.set(1000.0, 10.0)
    >>> head.answer(torch.tensor([0.0, 1.0])).tolist()
    [1000.0, 1010.0]
    """
    from modelwright.networks.modules.heads import Number

    return Number(source.width, spec.dropout)


HEAD = Head(kinds=("regression",), spec=NumberSpec, build=build)
