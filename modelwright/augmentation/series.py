"""Series float32 (n, n_columns, length): jitter, amplitude, smooth warps of value and of time, windows.

A column's mean and scale are those of the input's settings, or of the batch where the settings have none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.augmentation._draw import SHARE, uniform
from modelwright.augmentation.base import row_by_row
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright_runtime.signature import ArrayInput, TaskKind

_SMOOTH = "number of bends of the curve that is drawn"
_KINDS: tuple[TaskKind, ...] = ("binary", "multiclass", "regression", "multilabel")


class JitterSpec(Spec):
    """How strong the noise is."""

    deviation: float = Field(0.05, gt=0, le=2, description="deviation of the noise, in scales of the column")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


class AmplitudeSpec(Spec):
    """How much larger or smaller swings become."""

    deviation: float = Field(0.1, gt=0, le=1, description="deviation of the logarithm of the factor")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


class MagnitudeWarpSpec(Spec):
    """How much swings grow and shrink along the series."""

    deviation: float = Field(0.1, gt=0, le=1, description="deviation of the logarithm of the factor")
    bends: int = Field(4, ge=1, le=50, description=_SMOOTH)
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


class TimeWarpSpec(Spec):
    """How much time runs faster and slower along the series."""

    deviation: float = Field(0.2, gt=0, le=1, description="deviation of the logarithm of the speed")
    bends: int = Field(4, ge=1, le=50, description=_SMOOTH)
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


class WindowSpec(Spec):
    """How short a part of the series is stretched to the whole."""

    least: float = Field(0.8, gt=0, le=1, description="least share of the length that is kept")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


def jittered(x: Tensor, array: ArrayInput, spec: JitterSpec, rng: torch.Generator) -> Tensor:
    """Noise added to every value.

    Reference for jitter, amplitude and warps: Um et al. (2017), "Data augmentation of wearable sensor data for
    Parkinson's disease monitoring using convolutional neural networks".

    >>> import torch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> array = ArrayInput(form="series", columns=("s",), settings={"mean": [0.0], "scale": [10.0]})
    >>> made = jittered(torch.zeros(1, 1, 10000), array, JitterSpec(), torch.Generator().manual_seed(0))
    >>> round(float(made.std()), 2)
    0.5
    """
    import torch

    _, scale = _mean_and_scale(x, array)
    return x + torch.randn(x.shape, generator=rng, device=x.device) * (scale * spec.deviation)


def amplified(x: Tensor, array: ArrayInput, spec: AmplitudeSpec, rng: torch.Generator) -> Tensor:
    """Differences from the column's mean times a factor, of its own for each row and column.

    >>> import torch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> array = ArrayInput(form="series", columns=("s",), settings={"mean": [5.0], "scale": [1.0]})
    >>> amplified(torch.tensor([[[5.0, 7.0]]]), array, AmplitudeSpec(), torch.Generator().manual_seed(0))[0, 0, 0]
    tensor(5.)
    """
    import torch

    mean, _ = _mean_and_scale(x, array)
    factor = torch.randn(*x.shape[:2], 1, generator=rng, device=x.device).mul_(spec.deviation).exp_()
    return mean + (x - mean) * factor


def magnitude_warped(x: Tensor, array: ArrayInput, spec: MagnitudeWarpSpec, rng: torch.Generator) -> Tensor:
    """Differences from the column's mean times a smooth curve around 1.

    >>> import torch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> array = ArrayInput(form="series", columns=("s",), settings={"mean": [0.0], "scale": [1.0]})
    >>> made = magnitude_warped(torch.ones(1, 1, 100), array, MagnitudeWarpSpec(), torch.Generator().manual_seed(0))
    >>> bool((made > 0).all()), float((made[..., 1:] - made[..., :-1]).abs().max()) < 0.05
    (True, True)
    """
    mean, _ = _mean_and_scale(x, array)
    curve = smooth_curves(x.shape[0] * x.shape[1], x.shape[2], spec.bends, rng).view(x.shape)
    return mean + (x - mean) * (curve * spec.deviation).exp()


def time_warped(x: Tensor, array: ArrayInput, spec: TimeWarpSpec, rng: torch.Generator) -> Tensor:
    """Read at places that run on faster and slower, from the first value to the last; all columns alike.

    >>> import torch
    >>> made = time_warped(torch.arange(9.0).view(1, 1, 9), None, TimeWarpSpec(), torch.Generator().manual_seed(0))
    >>> made[0, 0, [0, 8]].tolist(), bool((made.diff() > 0).all())
    ([0.0, 8.0], True)
    """
    import torch

    speed = (smooth_curves(len(x), x.shape[2], spec.bends, rng) * spec.deviation).exp()
    passed = torch.cat([torch.zeros_like(speed[:, :1]), speed[:, 1:].cumsum(1)], dim=1)
    places = passed / passed[:, -1:].clamp(min=1e-12) * (x.shape[2] - 1)
    return read_at(x, places)


def windowed(x: Tensor, array: ArrayInput, spec: WindowSpec, rng: torch.Generator) -> Tensor:
    """A part of the series, anywhere, stretched to the whole.

    Reference: Le Guennec, Malinowski and Tavenard (2016), "Data augmentation for time series classification
    using convolutional neural networks".

    >>> import torch
    >>> windowed(torch.arange(5.0).view(1, 1, 5), None, WindowSpec(least=0.5), torch.Generator().manual_seed(0))
    tensor([[[0.0424, 1.0274, 2.0124, 2.9975, 3.9825]]])
    """
    import torch

    last = x.shape[2] - 1
    kept = uniform(len(x), spec.least, 1.0, rng) * last
    start = uniform(len(x), 0.0, 1.0, rng) * (last - kept)
    steps = torch.linspace(0, 1, x.shape[2], dtype=torch.float64, device=x.device)
    return read_at(x, start[:, None] + steps * kept[:, None])


def read_at(x: Tensor, places: Tensor) -> Tensor:
    """Values (n, C, L) at places (n, L) between them, by straight lines.

    >>> import torch
    >>> read_at(torch.tensor([[[0.0, 10.0, 40.0]]]), torch.tensor([[0.5, 2.0, 1.5]]))
    tensor([[[ 5., 40., 25.]]])
    """
    first = places.floor().clamp(0, max(0, x.shape[2] - 2)).long()
    share = (places - first).to(x.dtype)[:, None]
    index = first[:, None].expand(-1, x.shape[1], -1)
    one, other = x.gather(2, index), x.gather(2, (index + 1).clamp(max=x.shape[2] - 1))
    return one + (other - one) * share


def smooth_curves(n_rows: int, length: int, bends: int, rng: torch.Generator) -> Tensor:
    """float32 (n_rows, length): smooth noise of mean 0 and deviation 1, with about `bends` bends."""
    import torch

    width = length / bends
    knots = torch.randn(n_rows, bends + 9, generator=rng, device=rng.device)
    centres = (torch.arange(bends + 9, device=rng.device) - 4) * width
    places = torch.arange(length, device=rng.device) + 0.5
    bells = torch.exp(-0.5 * ((places - centres[:, None]) / width) ** 2) / math.pi**0.25
    curves: Tensor = knots @ bells
    return curves


def _mean_and_scale(x: Tensor, array: ArrayInput) -> tuple[Tensor, Tensor]:
    """Each (n_columns, 1)."""
    import torch

    if "mean" in array.settings and "scale" in array.settings:
        made = torch.tensor([array.settings["mean"], array.settings["scale"]], dtype=x.dtype, device=x.device)
        return made[0][:, None], made[1][:, None]
    flat = x.transpose(0, 1).flatten(1)
    return flat.mean(1)[:, None], flat.std(1, correction=0)[:, None]


JITTER = row_by_row("series", JitterSpec, jittered, (*_KINDS, "forecast"))
AMPLITUDE = row_by_row("series", AmplitudeSpec, amplified, _KINDS)
MAGNITUDE_WARP = row_by_row("series", MagnitudeWarpSpec, magnitude_warped, _KINDS)
TIME_WARP = row_by_row("series", TimeWarpSpec, time_warped, _KINDS)
WINDOW = row_by_row("series", WindowSpec, windowed, _KINDS)
