"""Methods drawn at random for each picture: RandAugment and TrivialAugment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.augmentation.base import Augmentation
from modelwright.core.registry import get
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright.training.loop.batch import Batch
    from modelwright_runtime.signature import ArrayInput, Task

_LEAST = 0.01  # settings are above 0
_COLOUR = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}

# For each change the method and its settings at magnitude 0..1. None of them mirrors: many labels would not survive.
CHANGES: Mapping[str, tuple[str, Callable[[float], dict[str, float]]]] = {
    "rotate": ("rotate", lambda m: {"degrees": 30 * m}),
    "shear": ("shear", lambda m: {"degrees": 17 * m}),
    "scale": ("scale", lambda m: {"factor": 1 + 0.4 * m}),
    "shift": ("crop", lambda m: {"reach": 0.3 * m}),
    "brightness": ("colour", lambda m: {**_COLOUR, "brightness": 0.8 * m}),
    "contrast": ("colour", lambda m: {**_COLOUR, "contrast": 0.8 * m}),
    "saturation": ("colour", lambda m: {**_COLOUR, "saturation": 0.9 * m}),
    "hue": ("colour", lambda m: {**_COLOUR, "hue": 0.1 * m}),
    "blur": ("blur", lambda m: {"pixels": 2 * m}),
    "noise": ("noise", lambda m: {"deviation": 25 * m}),
    "cutout": ("cutout", lambda m: {"side": 0.4 * m}),
}
_OF_COLOURS = ("saturation", "hue")


class RandAugmentSpec(Spec):
    """How many changes, and how strong they may be."""

    n_changes: int = Field(2, ge=1, le=5, description="changes that each picture goes through, one after the other")
    magnitude: float = Field(0.4, gt=0, le=1, description="how strong a change may be, as a share of the strongest")


class TrivialAugmentSpec(Spec):
    """There is nothing to set: that is its point."""


def rand_augment(
    batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], spec: RandAugmentSpec, rng: torch.Generator
) -> Batch:
    """Each picture through `n_changes` of `CHANGES` or none in their stead, all as likely, up to `magnitude`.

    Reference: Cubuk et al. (2020), "RandAugment: practical automated data augmentation with a reduced search
    space"; here strengths are drawn evenly up to the magnitude, where they have one strength with a random sign.

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> x = torch.zeros(4, 8, 8, 3, dtype=torch.uint8)
    >>> batch, inputs = Batch((x,), ()), (ArrayInput(form="image", columns=("p",)),)
    >>> rand_augment(batch, inputs, (), RandAugmentSpec(), torch.Generator()).inputs[0].shape
    torch.Size([4, 8, 8, 3])
    """
    for _ in range(spec.n_changes):
        batch = _one_each(batch, inputs, tasks, spec.magnitude, rng)
    return batch


def trivial_augment(
    batch: Batch,
    inputs: tuple[ArrayInput, ...],
    tasks: tuple[Task, ...],
    spec: TrivialAugmentSpec,
    rng: torch.Generator,
) -> Batch:
    """Each picture through one of `CHANGES` or none, of any strength.

    Reference: Müller and Hutter (2021), "TrivialAugment: tuning-free yet state-of-the-art data augmentation".

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> x = torch.zeros(4, 8, 8, 3, dtype=torch.uint8)
    >>> batch, inputs = Batch((x,), ()), (ArrayInput(form="image", columns=("p",)),)
    >>> trivial_augment(batch, inputs, (), TrivialAugmentSpec(), torch.Generator()).inputs[0].shape
    torch.Size([4, 8, 8, 3])
    """
    return _one_each(batch, inputs, tasks, 1.0, rng)


def _one_each(
    batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], magnitude: float, rng: torch.Generator
) -> Batch:
    """Each row through a change of its own; rows with the same change go together."""
    import torch

    coloured = any(a.form == "image" and x.shape[3] >= 3 for a, x in zip(inputs, batch.inputs, strict=True))
    names = [name for name in CHANGES if coloured or name not in _OF_COLOURS]
    drawn = torch.randint(len(names) + 1, (batch.inputs[0].shape[0],), generator=rng)
    out = _copied(batch)
    for number, name in enumerate(names):
        rows = (drawn == number).nonzero().squeeze(1)
        if len(rows):
            method, settings = CHANGES[name]
            change: Augmentation = get("augmentation", method)
            spec = change.spec(**settings(max(magnitude, _LEAST)), share=1.0)
            _write(out, rows, change.apply(_rows(batch, rows), inputs, tasks, spec, rng))
    return out


def _copied(batch: Batch) -> Batch:
    return replace(
        batch, inputs=tuple(x.clone() for x in batch.inputs), targets=tuple(y.clone() for y in batch.targets)
    )


def _rows(batch: Batch, rows: Tensor) -> Batch:
    def taken(x: Tensor) -> Tensor:
        return x.index_select(0, rows.to(x.device))

    return replace(
        batch, inputs=tuple(map(taken, batch.inputs)), targets=tuple(map(taken, batch.targets)), weights=None
    )


def _write(out: Batch, rows: Tensor, part: Batch) -> None:
    from modelwright.augmentation._draw import put

    for whole, some in zip((*out.inputs, *out.targets), (*part.inputs, *part.targets), strict=True):
        put(whole, rows, some)


RAND_AUGMENT = Augmentation(forms=("image",), spec=RandAugmentSpec, apply=rand_augment)
TRIVIAL_AUGMENT = Augmentation(forms=("image",), spec=TrivialAugmentSpec, apply=trivial_augment)
