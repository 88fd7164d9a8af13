"""Pictures with Gaussian noise, as a sensor gives it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.augmentation._draw import SHARE, change, chosen, on_device, uniform
from modelwright.augmentation.base import Augmentation
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright.training.loop.batch import Batch
    from modelwright_runtime.signature import ArrayInput, Task

_N_LEVELS = 65_536
_AT_ONCE = 131_072  # values in flight, which the nearest cache holds


class NoiseSpec(Spec):
    """How strong the noise is."""

    deviation: float = Field(12.0, gt=0, le=128, description="largest standard deviation, in levels of 0..255")
    least: float = Field(0.0, ge=0, le=128, description="least standard deviation; each row draws between the two")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


def apply(
    batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], spec: NoiseSpec, rng: torch.Generator
) -> Batch:
    """Noise drawn anew for every channel of every pixel, added, rounded and cut to 0..255.

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> grey = torch.full((1, 64, 64, 3), 128, dtype=torch.uint8)
    >>> spec, inputs = NoiseSpec(deviation=10, least=10, share=1.0), (ArrayInput(form="image", columns=("p",)),)
    >>> noisy = apply(Batch((grey,), ()), inputs, (), spec, torch.Generator().manual_seed(0)).inputs[0]
    >>> round(float(noisy.double().mean())), round(float(noisy.double().std()))
    (128, 10)
    """
    n_rows = batch.inputs[0].shape[0]
    rows = chosen(n_rows, spec.share, rng)
    deviations = uniform(n_rows, min(spec.least, spec.deviation), spec.deviation, rng)[rows]
    return change(batch, inputs, ("image",), rows, lambda x, _: noisy(x, deviations, rng))


def noisy(x: Tensor, deviations: Tensor, rng: torch.Generator) -> Tensor:
    """uint8 (n, H, W, C) with noise of the rows' deviations (n,)."""
    import torch

    out = torch.empty_like(x)
    draw = _normal(rng, x.device)
    given, made = x.flatten(1), out.view(len(x), -1)
    n_rows = max(1, _AT_ONCE // max(1, given.shape[1]))
    sums = torch.empty(_AT_ONCE, dtype=torch.int16, device=x.device)
    for first in range(0, len(x), n_rows):
        strength = deviations[first : first + n_rows, None].to(x.device, torch.float32)
        for start in range(0, given.shape[1], _AT_ONCE):
            block = (slice(first, first + n_rows), slice(start, start + _AT_ONCE))
            levels = given[block]
            noise = draw(levels.numel()).view(levels.shape).mul_(strength).round_()
            # Rounding noise is rounding the sum, since levels are whole; int16 is cheaper to add, cut and narrow.
            total = sums[: levels.numel()].view(levels.shape).copy_(noise).add_(levels)
            made[block] = total.clamp_(0, 255)
    return out


def _normal(rng: torch.Generator, device: torch.device) -> Callable[[int], Tensor]:
    """A function that gives float32 (n,), n at most `_AT_ONCE`: independent normal numbers, at three times the speed
    of `torch.randn`, in memory that the next call uses again.

    Sixteen random bits each choose one of 65,536 equally likely quantiles: the distribution is the normal one
    to 1e-5 in probability, up to 4.3 deviations.
    """
    import torch

    words, quantiles = _source(rng, device), _quantiles(device)
    levels = torch.empty(_AT_ONCE, dtype=torch.int32, device=device)
    values = torch.empty(_AT_ONCE, dtype=torch.float32, device=device)

    def draw(n: int) -> Tensor:
        level = levels[:n].copy_(words(-(-n // 4)).view(torch.int16)[:n]).add_(_N_LEVELS // 2)
        return torch.index_select(quantiles, 0, level, out=values[:n])

    return draw


def _source(rng: torch.Generator, device: torch.device) -> Callable[[int], Tensor]:
    """Random words of 64 bits, int64, where the data lies; on the CPU NumPy draws them twice as fast."""
    import numpy as np
    import torch

    if device.type == "cpu":
        numbers = np.random.SFC64(int(torch.randint(2**62, (1,), generator=rng)))
        return lambda n: torch.from_numpy(numbers.random_raw(n).view(np.int64))
    drawn = on_device(rng, device)
    return lambda n: torch.empty(n, dtype=torch.int64, device=device).random_(-(2**63), None, generator=drawn)


@lru_cache(maxsize=8)
def _quantiles(device: torch.device) -> Tensor:
    """The middles of equally likely slices of the normal distribution, scaled to deviation 1."""
    import torch

    middles = (torch.arange(_N_LEVELS, dtype=torch.float64) + 0.5) / _N_LEVELS
    levels = torch.special.ndtri(middles)
    scaled: Tensor = levels / levels.square().mean().sqrt()
    return scaled.to(device, torch.float32)


AUGMENTATION = Augmentation(forms=("image",), spec=NoiseSpec, apply=apply)
