"""Binary cross-entropy of each label by itself."""

from __future__ import annotations

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction


class BceSpec(Spec):
    """How labels are weighed."""

    smoothing: float = Field(0.0, ge=0, lt=1, description="share by which targets are drawn toward one half")
    gamma: float = Field(0.0, ge=0, le=10, description="how little labels that are right weigh (focal); 0: as others")
    positive_weights: tuple[float, ...] = Field(
        (), description="weight of each label where it is present, in order; empty: all 1"
    )


def make(spec: BceSpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """Mean over rows and labels of `-(t log p + (1 - t) log (1 - p))`, p the sigmoid of the output. With `gamma`,
    each term is multiplied by `|t - p| ** gamma`. Targets are float (n, K), NaN where missing.

    Reference: Lin et al. (2017), "Focal loss for dense object detection", for gamma.

    >>> import torch
    >>> loss = make(BceSpec())
    >>> round(loss(torch.tensor([[0.0, 9.0]]), torch.tensor([[1.0, float("nan")]])).item(), 4)
    0.6931
    """
    from modelwright.training.objectives.labels import BinaryCrossEntropy

    return BinaryCrossEntropy(spec.smoothing, spec.gamma, spec.positive_weights, complete=complete)


LOSS = Loss(
    name="bce",
    kinds=("multilabel",),
    spec=BceSpec,
    make=make,
    takes="outputs and targets (n, K)",
    fits=lambda output, target, spec: output == target and len(spec.positive_weights) in (0, output[-1]),
)
