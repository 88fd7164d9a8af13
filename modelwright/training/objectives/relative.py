"""Relative error: each row against its own size, so that small series count as much as large ones."""

from __future__ import annotations

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction


class RelativeSpec(Spec):
    """There is nothing to set."""


def make(spec: RelativeSpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """Mean over rows of `2 sum|y - f| / (sum|y| + sum|f|)`, sums over a row's steps: 0 to 2, close to sMAPE.

    The denominator is held fast in the gradient: a forecast is not drawn upwards to make its error look small. The
    target's 0 is kept in training (`keeps_origin`). Steps without a target are NaN.

    Reference: Makridakis (1993), "Accuracy measures: theoretical and practical concerns" (symmetric percentage error).

    >>> import torch
    >>> make(RelativeSpec())(torch.tensor([[1.0, 3.0], [10.0, 30.0]]), torch.tensor([[2.0, 2.0], [20.0, 20.0]])).item()
    0.5
    """
    from modelwright.training.objectives.values import relative_known

    return relative_known


LOSS = Loss(
    name="relative",
    kinds=("forecast",),
    spec=RelativeSpec,
    make=make,
    takes="outputs (n, horizon) and targets (n, horizon)",
    fits=lambda output, target, spec: len(output) == 2 and output == target,
    keeps_origin=True,
)
