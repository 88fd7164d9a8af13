"""Pictures out of focus."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.augmentation._draw import SHARE, change, chosen, uniform
from modelwright.augmentation.base import Augmentation
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright.training.loop.batch import Batch
    from modelwright_runtime.signature import ArrayInput, Task


class BlurSpec(Spec):
    """How far pictures are blurred."""

    pixels: float = Field(1.0, gt=0, le=20, description="largest deviation of the Gaussian bell, in pixels")
    share: float = Field(0.3, gt=0, le=1, description=SHARE)


def apply(
    batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], spec: BlurSpec, rng: torch.Generator
) -> Batch:
    """Each row smoothed by a bell of its own, from a tenth of `pixels` on; beyond the picture its border goes on.

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> dot = torch.zeros(1, 1, 5, 1, dtype=torch.uint8)
    >>> dot[0, 0, 2] = 200
    >>> batch, inputs = Batch((dot,), ()), (ArrayInput(form="image", columns=("p",)),)
    >>> apply(batch, inputs, (), BlurSpec(share=1.0), torch.Generator().manual_seed(0)).inputs[0].flatten().tolist()
    [3, 43, 108, 43, 3]
    """
    n_rows = batch.inputs[0].shape[0]
    rows = chosen(n_rows, spec.share, rng)
    deviations = uniform(n_rows, spec.pixels / 10, spec.pixels, rng)[rows]
    return change(batch, inputs, ("image",), rows, lambda x, _: _blurred(x, deviations))


def _blurred(x: Tensor, deviations: Tensor) -> Tensor:
    import torch

    out = torch.empty_like(x)
    n_at_once = max(1, 200_000 // x[0].numel()) if len(x) else 1
    for first in range(0, len(x), n_at_once):
        rows = slice(first, first + n_at_once)
        reach = max(1, math.ceil(3 * float(deviations[rows].max())))
        places = torch.arange(reach + 1, dtype=torch.float64)
        bells = torch.exp(-0.5 * (places / deviations[rows, None]) ** 2)
        bells /= 2 * bells.sum(1, keepdim=True) - 1
        smooth = _along(_along(x[rows].float(), bells, 1), bells, 2)
        out[rows] = smooth.round_().clamp_(0, 255).to(torch.int16)
    return out


def _along(x: Tensor, bells: Tensor, axis: int) -> Tensor:
    """One pass over lines or columns; `bells` (n, reach + 1) are the weights from the middle outwards."""
    import torch

    reach, length = bells.shape[1] - 1, x.shape[axis]
    before, after = (x.narrow(axis, end, 1).expand_as(x.narrow(axis, 0, 1)) for end in (0, length - 1))
    wide = torch.cat([before] * reach + [x] + [after] * reach, dim=axis)
    weights = bells.to(x.device, x.dtype)
    total = x * weights[:, 0, None, None, None]
    pair = torch.empty_like(x)
    for step in range(1, reach + 1):
        torch.add(wide.narrow(axis, reach - step, length), wide.narrow(axis, reach + step, length), out=pair)
        if len(x) == 1:  # one pass over memory, not two
            total.add_(pair, alpha=float(weights[0, step]))
        else:
            total.addcmul_(pair, weights[:, step, None, None, None])
    return total


AUGMENTATION = Augmentation(forms=("image",), spec=BlurSpec, apply=apply)
