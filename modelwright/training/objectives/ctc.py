"""CTC: sequences of outputs to shorter sequences of symbols, without knowing which belongs to which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction

if TYPE_CHECKING:
    from torch import Tensor


class CtcSpec(Spec):
    """Nothing to set: class 0 is the blank."""


def make(spec: CtcSpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """Mean over rows of `-log P(target | outputs)` divided by the target's length.

    Outputs are logits (n, T, K) of which class 0 says "nothing new"; targets int64 (n, L) of classes 1 to K - 1,
    filled with -1 at the end. A row of nothing but -1 is missing. A target too long for T steps counts 0.

    Reference: Graves et al. (2006), "Connectionist temporal classification".

    >>> import torch
    >>> round(make(CtcSpec())(torch.zeros(1, 2, 3), torch.tensor([[1, -1]])).item(), 4)  # 3 of 9 paths
    1.0986
    """
    import torch
    from torch.nn.functional import ctc_loss

    from modelwright.training.objectives.mean import full, mean_known

    def loss(output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        logs = torch.log_softmax(full(output), dim=-1).transpose(0, 1)
        lengths = (target >= 0).sum(dim=1)
        steps = torch.full_like(lengths, output.shape[1])
        losses = ctc_loss(logs, target.clamp(min=1), steps, lengths, reduction="none", zero_infinity=True)
        return mean_known(losses / lengths.clamp(min=1), lengths > 0, weights)

    return loss


LOSS = Loss(
    name="ctc",
    kinds=("sequence",),
    spec=CtcSpec,
    make=make,
    takes="outputs (n, T, K) and targets (n, L)",
    fits=lambda output, target, spec: len(output) == 3 and len(target) == 2 and output[0] == target[0],
)
