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
    reach = max(1, math.ceil(3 * float(deviations.max())))
    places = torch.arange(-reach, reach + 1, dtype=torch.float64)
    bells = torch.exp(-0.5 * (places / deviations[:, None]) ** 2)
    bells = (bells / bells.sum(1, keepdim=True)).to(x.device, torch.float32)
    n_at_once = max(1, 600_000 // x[0].numel())
    for first in range(0, len(x), n_at_once):
        part = x[first : first + n_at_once].permute(0, 3, 1, 2)
        n_rows, n_channels, height, width = part.shape
        planes = part.reshape(1, n_rows * n_channels, height, width).float()
        bell = bells[first : first + n_at_once].repeat_interleave(n_channels, dim=0)
        smooth = _along(_along(planes, bell[:, None, None, :], reach), bell[:, None, :, None], reach)
        levels = smooth.view(n_rows, n_channels, height, width).round_().clamp_(0, 255).to(torch.int16)
        out[first : first + n_at_once] = levels.permute(0, 2, 3, 1)
    return out


def _along(planes: Tensor, bells: Tensor, reach: int) -> Tensor:
    """One pass: `bells` is (planes, 1, 1, taps) or (planes, 1, taps, 1)."""
    from torch.nn.functional import conv2d, pad

    across = bells.shape[3] > 1
    wide = pad(planes, (reach, reach, 0, 0) if across else (0, 0, reach, reach), mode="replicate")
    return conv2d(wide, bells, groups=planes.shape[1])


AUGMENTATION = Augmentation(forms=("image",), spec=BlurSpec, apply=apply)
