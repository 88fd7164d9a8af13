"""The pinball loss: quantiles of the target."""

from __future__ import annotations

from pydantic import Field, field_validator

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction


class QuantileSpec(Spec):
    """Which quantiles."""

    levels: tuple[float, ...] = Field((0.1, 0.5, 0.9), min_length=1, description="rising shares, 0 to 1")

    @field_validator("levels")
    @classmethod
    def _rising(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < level < 1 for level in levels) or sorted(set(levels)) != list(levels):
            raise ValueError("levels must rise and lie between 0 and 1")
        return levels


def make(spec: QuantileSpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """Mean over rows and levels of `level * d` where `d = target - output` is above 0, `(level - 1) * d` else.

    Reference: Koenker and Bassett (1978), "Regression quantiles".

    >>> import torch
    >>> loss = make(QuantileSpec(levels=(0.1, 0.9)))
    >>> round(loss(torch.tensor([[0.0, 0.0]]), torch.tensor([1.0])).item(), 4)
    0.5
    """
    from modelwright.training.objectives.pinball import Pinball

    return Pinball(spec.levels)


LOSS = Loss(
    name="quantile",
    kinds=("regression", "forecast"),
    spec=QuantileSpec,
    make=make,
    takes="outputs of the targets' shape with one more axis for the levels",
    fits=lambda output, target, spec: output == (*target, len(spec.levels)),
)
