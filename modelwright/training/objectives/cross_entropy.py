"""Cross-entropy of one class out of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropySpec(Spec):
    """How classes are weighed."""

    smoothing: float = Field(0.0, ge=0, lt=1, description="share of each target that is spread over all classes")
    class_weights: tuple[float, ...] = Field((), description="weight of each class, in order; empty: all 1")


def make(spec: CrossEntropySpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """Mean of `-log softmax(output)[target]`. Weights of classes divide as torch's do: by their sum over rows.

    Targets are int64, -1 where missing, or shares float (n, K), NaN where missing.

    Reference: Szegedy et al. (2016), "Rethinking the Inception architecture", for smoothing.

    >>> import torch
    >>> loss = make(CrossEntropySpec())
    >>> round(loss(torch.tensor([[0.0, 1.0]]), torch.tensor([1])).item(), 4)
    0.3133
    """
    from torch.nn.functional import cross_entropy

    from modelwright.training.objectives.classes import cross_entropy_known, with_weights

    smoothing = spec.smoothing

    def loss(output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        if complete and weights is None:
            return cross_entropy(output, target, label_smoothing=smoothing)
        return cross_entropy_known(output, target, weights, smoothing=smoothing)

    return with_weights(spec.class_weights, smoothing) if spec.class_weights else loss


LOSS = Loss(
    name="cross_entropy",
    kinds=("binary", "multiclass", "segmentation"),
    spec=CrossEntropySpec,
    make=make,
    takes="outputs (n, K) and targets (n,) or (n, K), or outputs (n, K, height, width) and targets (n, height, width)",
    fits=lambda output, target, spec: (
        len(output) >= 2 and (target in (output[:1] + output[2:], output)) and len(spec.class_weights) in (0, output[1])
    ),
)
