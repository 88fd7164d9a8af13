"""Rows mixed with other rows, targets in the same shares: MixUp, and CutMix for pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.augmentation._draw import SHARE, chosen, uniform
from modelwright.augmentation.base import WITHOUT_PLACES, Augmentation
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright.training.loop.batch import Batch
    from modelwright_runtime.signature import ArrayInput, Task


class MixSpec(Spec):
    """How much of the other row comes in."""

    alpha: float = Field(0.2, gt=0, le=10, description="both parameters of the Beta distribution of the shares")
    share: float = Field(1.0, gt=0, le=1, description=SHARE)


class CutMixSpec(Spec):
    """How large a part of the other picture comes in."""

    alpha: float = Field(1.0, gt=0, le=10, description="both parameters of the Beta distribution of the areas")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


def mix_up(
    batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], spec: MixSpec, rng: torch.Generator
) -> Batch:
    """Each row blended with another of the batch; the row itself keeps the larger share, and its tokens and codes.

    Class targets become shares. A row of which a target is missing, or whose partner's is, stays as it was.

    Reference: Zhang et al. (2018), "mixup: beyond empirical risk minimization".

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput, Task
    >>> batch = Batch((torch.tensor([[0.0], [1.0]]),), (torch.tensor([0, 1]),))
    >>> task = Task(kind="binary", target="y", classes=("no", "yes"))
    >>> mixed = mix_up(batch, (ArrayInput(form="numbers", columns=("x",)),), (task,), MixSpec(alpha=1),
    ...     torch.Generator().manual_seed(1))
    >>> torch.allclose(mixed.inputs[0][:, 0], mixed.targets[0][:, 1])
    True
    """
    import torch

    partner, weight = _pairs(batch, tasks, spec.alpha, spec.share, rng)
    weight = (torch.minimum(weight, 1 - weight) * 128).round() / 128  # what `blend` of pictures can say
    mixed = []
    for x, array in zip(batch.inputs, inputs, strict=True):
        other = x[partner.to(x.device)]
        if array.form == "numbers":  # a gap in one row says nothing about the other
            other = torch.where(other.isnan(), x, other)
        mixed.append(x if array.form in ("tokens", "codes") else blend(x, other, weight))
    return _with_targets(replace(batch, inputs=tuple(mixed)), tasks, partner, weight)


def cut_mix(
    batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], spec: CutMixSpec, rng: torch.Generator
) -> Batch:
    """A rectangle of each picture replaced by that of another row; targets in the shares of the areas, masks cut
    alike.

    Reference: Yun et al. (2019), "CutMix: regularization strategy to train strong classifiers".

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput, Task
    >>> pictures = torch.tensor([0, 200], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 20, 20, 1)
    >>> task = Task(kind="binary", target="y", classes=("no", "yes"))
    >>> mixed = cut_mix(Batch((pictures,), (torch.tensor([0, 1]),)), (ArrayInput(form="image", columns=("p",)),),
    ...     (task,), CutMixSpec(share=1), torch.Generator().manual_seed(1))
    >>> torch.allclose(mixed.inputs[0].float().mean((1, 2, 3)) / 200, mixed.targets[0][:, 1])
    True
    """
    import torch

    from modelwright.augmentation.cutout import inside, patched, spans

    partner, weight = _pairs(batch, tasks, spec.alpha, spec.share, rng)
    n_rows = len(weight)
    half = weight.sqrt() / 2
    centre = torch.stack([uniform(n_rows, 0, 1, rng), uniform(n_rows, 0, 1, rng)], dim=1)
    part = torch.cat([(centre - half[:, None]).clamp(0, 1), (centre + half[:, None]).clamp(0, 1)], dim=1)
    mixed, seen = [], weight
    for x, array in zip(batch.inputs, inputs, strict=True):
        if array.form == "image":
            left, top, right, bottom = spans(part, x.shape[1], x.shape[2]).unbind(1)
            seen = ((right - left) * (bottom - top)).double() / (x.shape[1] * x.shape[2])
            x = patched(x, part, x[partner.to(x.device)])
        mixed.append(x)
    targets = tuple(
        torch.where(inside(part, y.shape[1], y.shape[2], y.device), y[partner.to(y.device)], y)
        if task.kind == "segmentation"
        else y
        for y, task in zip(batch.targets, tasks, strict=True)
    )
    return _with_targets(replace(batch, inputs=tuple(mixed), targets=targets), tasks, partner, seen)


def _pairs(
    batch: Batch, tasks: tuple[Task, ...], alpha: float, share: float, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """For each row another, and its share float64 (n,), 0 where nothing is to be mixed."""
    import numpy as np
    import torch

    n_rows = batch.inputs[0].shape[0]
    partner = torch.randperm(n_rows, generator=rng)
    seed = int(torch.randint(2**62, (1,), generator=rng))
    weight = torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, n_rows))
    known = torch.ones(n_rows, dtype=torch.bool)
    for target, task in zip(batch.targets, tasks, strict=True):
        if task.kind != "segmentation":
            missing = target.isnan() if target.is_floating_point() else target < 0
            known &= ~missing.flatten(1).any(1).cpu() if missing.ndim > 1 else ~missing.cpu()
    return partner, weight * (chosen(n_rows, share, rng) & known & known[partner])


def _with_targets(batch: Batch, tasks: tuple[Task, ...], partner: Tensor, weight: Tensor) -> Batch:
    """Targets and row weights in the shares of the rows."""
    targets = []
    for target, task in zip(batch.targets, tasks, strict=True):
        if task.is_classification:
            target = shares(target, len(task.classes))
        if task.kind != "segmentation":
            target = blend(target, target[partner.to(target.device)], weight)
        targets.append(target)
    weights = batch.weights
    if weights is not None:
        weights = blend(weights, weights[partner.to(weights.device)], weight)
    return replace(batch, targets=tuple(targets), weights=weights)


def shares(target: Tensor, n_classes: int) -> Tensor:
    """Class targets as shares float32 (n, n_classes), NaN where missing.

    >>> import torch
    >>> shares(torch.tensor([1, -1]), 2).tolist()
    [[0.0, 1.0], [nan, nan]]
    """
    import torch

    if target.is_floating_point():
        return target
    made = torch.nn.functional.one_hot(target.clamp(min=0), n_classes).float()
    return made.masked_fill_((target < 0)[:, None], float("nan"))


def blend(own: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """`own + weight * (other - own)` per row, of the same type; rows of weight 0 keep their bits, NaN too.

    For uint8 weights are at most 0.5 and multiples of 1/128: the product then fits 16 bits.

    >>> import torch
    >>> blend(torch.tensor([[10], [9]], dtype=torch.uint8), torch.tensor([[21], [0]], dtype=torch.uint8),
    ...     torch.tensor([0.5, 0.0])).tolist()
    [[16], [9]]
    """
    import torch

    per_row = weight.to(own.device).reshape(-1, *[1] * (own.ndim - 1))
    if own.dtype != torch.uint8:
        per_row = per_row.to(own.dtype)
        return torch.where(per_row == 0, own, own + per_row * (other - own))
    step = (other.to(torch.int16) - own).mul_((per_row * 128).round().to(torch.int16))
    return step.add_(64).bitwise_right_shift_(7).add_(own).to(torch.uint8)


MIX_UP = Augmentation(forms=("image", "audio", "series", "numbers"), spec=MixSpec, apply=mix_up, kinds=WITHOUT_PLACES)
CUT_MIX = Augmentation(
    forms=("image",), spec=CutMixSpec, apply=cut_mix, kinds=("binary", "multiclass", "multilabel", "segmentation")
)
