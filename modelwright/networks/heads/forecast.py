"""Several steps ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Head, Source

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import Task


class ForecastSpec(Spec):
    """How the vector is read."""

    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the vector left out in training")


def build(spec: ForecastSpec, task: Task, source: Source) -> nn.Module:
    """The vector (n, width) and the target's own past to standardised values, float32 (n, horizon).

    Where the past is among the inputs, a linear map of its steps by the row's own mean and deviation is added to what
    the vector says, and the sum is told in that row's unit: a level that training never saw is no obstacle. The
    answer is in the target's unit, float64 (n, horizon); with `task.quantiles`, (n, horizon, Q), never crossing.

    References: see `encoders/series_linear.py`.

    >>> from modelwright_runtime.signature import Task
    >>> import torch
    >>> head = build(ForecastSpec(), Task(kind="forecast", target="load", horizon=24), Source(width=3))
    >>> head.answer(head(torch.ones(2, 3))).shape
    torch.Size([2, 24])
    """
    from modelwright.networks.modules.forecast import Forecast

    return Forecast(source, task.horizon, task.quantiles, spec.dropout)


HEAD = Head(kinds=("forecast",), spec=ForecastSpec, build=build, reads="history")
