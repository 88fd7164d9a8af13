"""Pictures lighter or darker, harder or softer, more or less coloured, of another hue: one linear map per row."""

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

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
_YIQ = (_GREY, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


class ColourSpec(Spec):
    """How far colours are moved. Saturation and hue do nothing to grey pictures."""

    brightness: float = Field(0.3, ge=0, le=1, description="largest share by which light is raised or lowered")
    contrast: float = Field(0.3, ge=0, le=1, description="the same for differences from the picture's mean grey")
    saturation: float = Field(0.3, ge=0, le=1, description="the same for differences from each pixel's grey")
    hue: float = Field(0.03, ge=0, le=0.5, description="largest turn of the hue, in whole turns")
    share: float = Field(0.8, gt=0, le=1, description=SHARE)


def apply(
    batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], spec: ColourSpec, rng: torch.Generator
) -> Batch:
    """Brightness, contrast, saturation and hue of each row, rounded and cut to 0..255 once.

    The hue turns in the plane of I and Q of YIQ. A fourth channel (how opaque a pixel is) stays.

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> red = torch.tensor([[[[200, 0, 0]]]], dtype=torch.uint8)
    >>> spec = ColourSpec(brightness=0, contrast=0, hue=0, saturation=0.5, share=1.0)
    >>> apply(Batch((red,), ()), (ArrayInput(form="image", columns=("p",)),), (), spec,
    ...     torch.Generator().manual_seed(1)).inputs[0].tolist()
    [[[[155, 19, 19]]]]
    """
    n_rows = batch.inputs[0].shape[0]
    rows = chosen(n_rows, spec.share, rng)
    brightness = uniform(n_rows, 1 - spec.brightness, 1 + spec.brightness, rng)[rows]
    contrast = uniform(n_rows, 1 - spec.contrast, 1 + spec.contrast, rng)[rows]
    saturation = uniform(n_rows, 1 - spec.saturation, 1 + spec.saturation, rng)[rows]
    turn = uniform(n_rows, -spec.hue, spec.hue, rng)[rows] * (2 * math.pi)
    return change(batch, inputs, ("image",), rows, lambda x, _: _coloured(x, brightness, contrast, saturation, turn))


def _coloured(x: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, turn: Tensor) -> Tensor:
    """uint8 (n, H, W, C) with each row's factors float64 (n,)."""
    import torch

    n_colours = 3 if x.shape[3] >= 3 else 1
    grey = torch.tensor(_GREY if n_colours == 3 else (1.0,), dtype=torch.float64)
    mean = _mean_grey(x[..., :n_colours], grey) * brightness
    maps = torch.eye(n_colours, dtype=torch.float64).expand(len(x), n_colours, n_colours)
    if n_colours == 3:
        away = saturation[:, None, None]
        maps = maps * away + grey.expand(3, 3) * (1 - away)
        maps = _turned(turn) @ maps
    maps = maps * (brightness * contrast)[:, None, None]
    return _mapped(x, maps, (1 - contrast) * mean)


def _mean_grey(x: Tensor, grey: Tensor) -> Tensor:
    """float64 (n,), on the CPU, from every fourth line and column: the mean of a picture needs no more."""
    import torch

    few = x[:, :: max(1, x.shape[1] // 64), :: max(1, x.shape[2] // 64)]
    return few.to("cpu", torch.float64).mean(dim=(1, 2)) @ grey


def _turned(turn: Tensor) -> Tensor:
    """float64 (n, 3, 3): from colours to colours with the hue turned."""
    import torch

    yiq = torch.tensor(_YIQ, dtype=torch.float64)
    plane = torch.eye(3, dtype=torch.float64).repeat(len(turn), 1, 1)
    plane[:, 1, 1], plane[:, 1, 2] = turn.cos(), -turn.sin()
    plane[:, 2, 1], plane[:, 2, 2] = turn.sin(), turn.cos()
    turned: Tensor = torch.linalg.inv(yiq) @ plane @ yiq
    return turned


def _mapped(x: Tensor, maps: Tensor, offset: Tensor) -> Tensor:
    """Each pixel's colours times the row's map, plus its offset."""
    import torch

    n_rows, height, width, n_channels = x.shape
    n_colours = maps.shape[1]
    whole = torch.eye(n_channels, dtype=torch.float64).repeat(n_rows, 1, 1)
    whole[:, :n_colours, :n_colours] = maps
    start = torch.zeros(n_rows, 1, n_channels, dtype=torch.float64)
    start[..., :n_colours] = offset[:, None, None]
    together = 4 if height * width % 4 == 0 else 1  # pixels: products of tiny matrices are slow
    blocks = torch.stack([torch.block_diag(*[one.mT] * together) for one in whole]).to(x.device, torch.float32)
    start = start.repeat(1, 1, together).to(x.device, torch.float32)
    out = torch.empty_like(x)
    n_at_once = max(1, 200_000 // (height * width))
    for first in range(0, n_rows, n_at_once):
        rows = slice(first, first + n_at_once)
        pixels = x[rows].float().view(len(x[rows]), -1, n_channels * together)
        made = torch.baddbmm(start[rows], pixels, blocks[rows]).round_().clamp_(0, 255)
        out[rows] = made.to(torch.int16).view(x[rows].shape)
    return out


AUGMENTATION = Augmentation(forms=("image",), spec=ColourSpec, apply=apply)
