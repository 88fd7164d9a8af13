"""Pictures with a part hidden."""

from __future__ import annotations

from dataclasses import replace
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


class CutoutSpec(Spec):
    """How large the hidden part is."""

    side: float = Field(0.4, gt=0, le=1, description="largest side of the hidden part, as a share of the picture's")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


def apply(
    batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], spec: CutoutSpec, rng: torch.Generator
) -> Batch:
    """A rectangle in the picture's mean colour, centred anywhere. Boxes of which too little is left are dropped;
    masks stay, since what is hidden is still there.

    Reference: DeVries and Taylor (2017), "Improved regularization of convolutional neural networks with cutout".

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> x = torch.arange(64, dtype=torch.uint8).view(1, 8, 8, 1)
    >>> batch, inputs = Batch((x,), ()), (ArrayInput(form="image", columns=("p",)),)
    >>> hidden = apply(batch, inputs, (), CutoutSpec(side=1, share=1), torch.Generator().manual_seed(0)).inputs[0]
    >>> sorted(set(hidden[hidden != x].tolist()))
    [32]
    """
    import torch

    n_rows = batch.inputs[0].shape[0]
    rows = chosen(n_rows, spec.share, rng)
    centre = torch.stack([uniform(n_rows, 0, 1, rng), uniform(n_rows, 0, 1, rng)], dim=1)
    half = torch.stack([uniform(n_rows, 0.1, 1, rng), uniform(n_rows, 0.1, 1, rng)], dim=1) * (spec.side / 2)
    part = torch.cat([(centre - half).clamp(0, 1), (centre + half).clamp(0, 1)], dim=1)
    hidden = change(batch, inputs, ("image",), rows, lambda x, _: _hidden(x, part[rows]))
    targets = tuple(
        _seen_boxes(target, part, rows) if task.kind == "detection" else target
        for target, task in zip(batch.targets, tasks, strict=True)
    )
    return replace(hidden, targets=targets)


def spans(part: Tensor, height: int, width: int) -> Tensor:
    """The pixels whose centre lies in a part (n, 4), given as shares left, top, right, bottom: int64 (n, 4) of first
    column, first line, last column + 1, last line + 1."""
    import torch

    lengths = torch.tensor([width, height, width, height], dtype=part.dtype)
    found: Tensor = (part * lengths - 0.5).ceil().to(torch.int64)
    return found


def inside(part: Tensor, height: int, width: int, device: torch.device) -> Tensor:
    """bool (n, height, width): those pixels."""
    import torch

    left, top, right, bottom = spans(part, height, width).to(device)[:, :, None].unbind(1)
    x, y = torch.arange(width, device=device), torch.arange(height, device=device)
    return ((y >= top) & (y < bottom))[:, :, None] & ((x >= left) & (x < right))[:, None, :]


def patched(x: Tensor, part: Tensor, filling: Tensor) -> Tensor:
    """Pictures (n, H, W, C) with `filling`, of their shape or (n, 1, 1, C), inside their parts."""
    import torch

    height, width = x.shape[1:3]
    if height * width <= 16_384 or x.device.type != "cpu":
        return torch.where(inside(part, height, width, x.device)[..., None], filling, x)
    out, filling = x.clone(), filling.expand_as(x)
    for row, (left, top, right, bottom) in enumerate(spans(part, height, width).tolist()):
        out[row, top:bottom, left:right] = filling[row, top:bottom, left:right]  # faster than choosing each value
    return out


def _hidden(x: Tensor, part: Tensor) -> Tensor:
    import torch

    few = x[:, :: max(1, x.shape[1] // 64), :: max(1, x.shape[2] // 64)]
    return patched(x, part, few.float().mean(dim=(1, 2), keepdim=True).round().to(torch.uint8))


def _seen_boxes(boxes: Tensor, part: Tensor, rows: Tensor) -> Tensor:
    import torch

    from modelwright.augmentation._warp import MIN_VISIBLE

    part = torch.where(rows[:, None], part, torch.zeros(4, dtype=part.dtype))[:, None].to(boxes.device, boxes.dtype)
    low, high = torch.maximum(boxes[..., 1:3], part[..., :2]), torch.minimum(boxes[..., 3:], part[..., 2:])
    covered = (high - low).clamp(min=0).prod(-1)
    area = (boxes[..., 3:] - boxes[..., 1:3]).prod(-1)
    gone = covered > (1 - MIN_VISIBLE) * area
    return torch.where(gone[..., None], torch.tensor([-1.0, 0, 0, 0, 0], device=boxes.device), boxes)


AUGMENTATION = Augmentation(forms=("image",), spec=CutoutSpec, apply=apply)
