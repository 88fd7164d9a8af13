"""Pictures with Gaussian noise, as a sensor gives it."""

from __future__ import annotations

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
    drawn = on_device(rng, x.device)
    n_at_once = max(1, 200_000 // x[0].numel())  # what is in flight then fits the cache
    for first in range(0, len(x), n_at_once):
        part = x[first : first + n_at_once]
        strength = deviations[first : first + n_at_once].to(x.device, torch.float32)
        noise = _normal(part.numel(), drawn).view(part.shape).mul_(strength[:, None, None, None])
        # Rounding noise is rounding the sum, since levels are whole; int16 is cheaper to add, cut and narrow.
        out[first : first + n_at_once] = noise.round_().to(torch.int16).add_(part).clamp_(0, 255)
    return out


def _normal(n_values: int, rng: torch.Generator) -> Tensor:
    """float32 (n_values,): independent normal numbers at twice the speed of `torch.randn`.

    Sixteen random bits each choose one of 65,536 equally likely quantiles: the distribution is the normal one
    to 1e-5 in probability, up to 4.3 deviations.
    """
    import torch

    words = torch.empty(-(-n_values // 4), dtype=torch.int64, device=rng.device)
    words.random_(-(2**63), None, generator=rng)
    level = words.view(torch.int16)[:n_values].to(torch.int32).add_(_N_LEVELS // 2)
    return _quantiles(rng.device).index_select(0, level)


@lru_cache(maxsize=8)
def _quantiles(device: torch.device) -> Tensor:
    """The middles of equally likely slices of the normal distribution, scaled to deviation 1."""
    import torch

    middles = (torch.arange(_N_LEVELS, dtype=torch.float64) + 0.5) / _N_LEVELS
    levels = torch.special.ndtri(middles)
    scaled: Tensor = levels / levels.square().mean().sqrt()
    return scaled.to(device, torch.float32)


AUGMENTATION = Augmentation(forms=("image",), spec=NoiseSpec, apply=apply)
