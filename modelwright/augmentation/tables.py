"""Rows of numbers and codes: between neighbours of the same class, with noise, with cells of other rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.augmentation._draw import SHARE, chosen, on_device, uniform
from modelwright.augmentation.base import WITHOUT_PLACES, Augmentation, row_by_row
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright.training.loop.batch import Batch
    from modelwright_runtime.signature import ArrayInput, Task


class SmoteSpec(Spec):
    """Between which neighbours new rows lie."""

    n_neighbours: int = Field(5, ge=1, le=50, description="nearest rows of the same class, of which one is drawn")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


class FeatureNoiseSpec(Spec):
    """How strong the noise is."""

    deviation: float = Field(0.05, gt=0, le=2, description="deviation of the noise, in scales of the column")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


class SwapNoiseSpec(Spec):
    """How many cells come from other rows."""

    cells: float = Field(0.1, gt=0, lt=1, description="share of a row's cells that are replaced")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


def smote(
    batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], spec: SmoteSpec, rng: torch.Generator
) -> Batch:
    """Each chosen row moved towards one of its nearest rows of the same class in the batch, by a share of its own.

    Nearness is the squared distance of standardised numbers, a gap counting nothing, plus 1 for each other code.
    Codes are the neighbour's with the probability of the share. A row alone in its class stays.

    Reference: Chawla et al. (2002), "SMOTE: synthetic minority over-sampling technique"; here rows are moved
    and none is added, so that class shares stay (weights are there to change them).

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput, Task
    >>> batch = Batch((torch.tensor([[0.0], [1.0], [9.0]]),), (torch.tensor([0, 0, 1]),))
    >>> made = smote(batch, (ArrayInput(form="numbers", columns=("x",)),), (Task(kind="binary", target="y"),),
    ...     SmoteSpec(share=1), torch.Generator().manual_seed(0)).inputs[0]
    >>> bool((made[:2] > 0).all() and (made[:2] < 1).all()), made[2].item()
    (True, 9.0)
    """
    import torch

    rng = on_device(rng, batch.inputs[0].device)
    distance = _distances(batch, inputs)
    same = torch.ones_like(distance, dtype=torch.bool)
    for target in batch.targets:
        classes = target if not target.is_floating_point() else torch.where(target.amax(1) == 1, target.argmax(1), -1)
        same &= (classes[:, None] == classes) & (classes >= 0)[:, None]
    distance = distance.masked_fill(~same, torch.inf).fill_diagonal_(torch.inf)
    nearest = distance.topk(min(spec.n_neighbours, len(distance)), largest=False)
    n_there = nearest.values.isfinite().sum(1)
    pick = (uniform(len(distance), 0, 1, rng) * n_there.clamp(min=1)).long()
    partner = nearest.indices.gather(1, pick[:, None])[:, 0]
    weight = uniform(len(distance), 0, 1, rng) * (chosen(len(distance), spec.share, rng) & (n_there > 0))
    return replace(batch, inputs=tuple(_towards(x, a, partner, weight, rng) for x, a in _pairs(batch, inputs)))


def _pairs(batch: Batch, inputs: tuple[ArrayInput, ...]) -> list[tuple[Tensor, ArrayInput]]:
    return list(zip(batch.inputs, inputs, strict=True))


def _distances(batch: Batch, inputs: tuple[ArrayInput, ...]) -> Tensor:
    """float32 (n, n), squared."""
    import torch

    n_rows = batch.inputs[0].shape[0]
    distance = torch.zeros(n_rows, n_rows, device=batch.inputs[0].device)
    for x, array in _pairs(batch, inputs):
        if array.form == "numbers":
            mean, scale = _mean_and_scale(x, array)
            standard = ((x - mean) / scale).nan_to_num(0.0)
            distance += torch.cdist(standard, standard).square()
        elif array.form == "codes":
            distance += (x[:, None] != x).sum(2)
    return distance


def _towards(x: Tensor, array: ArrayInput, partner: Tensor, weight: Tensor, rng: torch.Generator) -> Tensor:
    import torch

    other = x[partner]
    share = weight[:, None]
    if array.form == "numbers":
        moved = x + (other - x) * share.to(x.dtype)
        return torch.where((share == 0) | moved.isnan(), x, moved)
    if array.form == "codes":
        return torch.where(torch.rand(x.shape, generator=rng, device=x.device) < share, other, x)
    return x


def with_noise(x: Tensor, array: ArrayInput, spec: FeatureNoiseSpec, rng: torch.Generator) -> Tensor:
    """Noise added to every number; gaps stay gaps.

    >>> import torch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> array = ArrayInput(form="numbers", columns=("x",), settings={"mean": [0.0], "scale": [10.0]})
    >>> round(float(with_noise(torch.zeros(9999, 1), array, FeatureNoiseSpec(), torch.Generator()).std()), 1)
    0.5
    """
    import torch

    _, scale = _mean_and_scale(x, array)
    return x + torch.randn(x.shape, generator=rng, device=x.device) * (scale * spec.deviation)


def swap_noise(
    batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], spec: SwapNoiseSpec, rng: torch.Generator
) -> Batch:
    """Some cells of the chosen rows take the value that another row of the batch has in that column.

    Reference: Vincent et al. (2008), "Extracting and composing robust features with denoising autoencoders",
    with noise drawn from the column itself, so that every value is one that occurs.

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> batch = Batch((torch.arange(200).view(100, 2),), ())
    >>> made = swap_noise(batch, (ArrayInput(form="codes", columns=("a", "b")),), (), SwapNoiseSpec(share=1),
    ...     torch.Generator().manual_seed(0)).inputs[0]
    >>> int((made != batch.inputs[0]).sum()), bool(((made - batch.inputs[0]) % 2 == 0).all())
    (15, True)
    """
    import torch

    rng = on_device(rng, batch.inputs[0].device)
    rows = chosen(batch.inputs[0].shape[0], spec.share, rng)
    made = []
    for x, array in _pairs(batch, inputs):
        if array.form in ("numbers", "codes"):
            hit = (torch.rand(x.shape, generator=rng, device=x.device) < spec.cells) & rows[:, None]
            source = torch.randint(max(1, len(x)), x.shape, generator=rng, device=x.device)
            x = torch.where(hit, x.gather(0, source), x)
        made.append(x)
    return replace(batch, inputs=tuple(made))


def _mean_and_scale(x: Tensor, array: ArrayInput) -> tuple[Tensor, Tensor]:
    """Each (n_columns,): of the settings, or of the batch where they have none; a scale is never 0."""
    import torch

    if "mean" in array.settings and "scale" in array.settings:
        made = torch.tensor([array.settings["mean"], array.settings["scale"]], dtype=x.dtype, device=x.device)
        return made[0], made[1]
    mean = x.nanmean(0)
    scale = (x - mean).square().nanmean(0).sqrt()
    return mean, torch.where(scale > 0, scale, 1.0)


SMOTE = Augmentation(forms=("numbers", "codes"), spec=SmoteSpec, apply=smote, kinds=("binary", "multiclass"))
FEATURE_NOISE = row_by_row("numbers", FeatureNoiseSpec, with_noise, WITHOUT_PLACES)
SWAP_NOISE = Augmentation(forms=("numbers", "codes"), spec=SwapNoiseSpec, apply=swap_noise, kinds=WITHOUT_PLACES)
