"""Pictures shifted (padded on all sides and cut back to their size), or a part of them enlarged to the whole."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.augmentation._draw import SHARE, chosen, uniform
from modelwright.augmentation.base import geometric
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch

    from modelwright.augmentation._warp import Warp


class CropSpec(Spec):
    """How far pictures are shifted. What comes in from outside is the border, going on."""

    reach: float = Field(0.125, gt=0, le=0.5, description="largest shift, as a share of height and of width")
    share: float = Field(1.0, gt=0, le=1, description=SHARE)


class ZoomSpec(Spec):
    """How small a part of a picture is enlarged to the whole."""

    least: float = Field(0.4, gt=0, le=1, description="least share of the picture's area that is kept")
    ratio: float = Field(
        1.33, ge=1, le=4, description="largest change of the part's width to height, against the picture's own"
    )
    share: float = Field(1.0, gt=0, le=1, description=SHARE)


def place(spec: CropSpec, n_rows: int, height: int, width: int, rng: torch.Generator) -> Warp:
    """The warp of each row: every whole shift up to `reach` is as likely.

    Reference: He et al. (2016), "Deep residual learning for image recognition", section 4.2 (4 of 32 pixels).

    >>> import torch
    >>> place(CropSpec(), 1, 32, 32, torch.Generator().manual_seed(0)).matrix[0, :2, 2].abs().max() <= 4
    tensor(True)
    """
    import torch

    from modelwright.augmentation._warp import Warp

    matrix = torch.eye(3, dtype=torch.float64).repeat(n_rows, 1, 1)
    rows = chosen(n_rows, spec.share, rng)
    for axis, length in enumerate((width, height)):
        most = max(1, round(spec.reach * length))
        shifts = torch.randint(-most, most + 1, (n_rows,), generator=rng)
        matrix[rows, axis, 2] = shifts[rows].double()
    return Warp(matrix, height, width)


def place_zoomed(spec: ZoomSpec, n_rows: int, height: int, width: int, rng: torch.Generator) -> Warp:
    """The warp of each row: a part anywhere inside, of any area from `least` on.

    Reference: Szegedy et al. (2015), "Going deeper with convolutions", section 6.

    >>> import torch
    >>> warp = place_zoomed(ZoomSpec(), 100, 30, 40, torch.Generator().manual_seed(0))
    >>> corners = warp.matrix @ torch.tensor([[0.0, 0, 1], [40, 30, 1]], dtype=torch.float64).T
    >>> round(float(corners.min())), bool((corners[:, 0].max() <= 40.001) & (corners[:, 1].max() <= 30.001))
    (0, True)
    """
    import torch

    from modelwright.augmentation._warp import Warp

    area = uniform(n_rows, spec.least, 1.0, rng)
    reach = math.log(spec.ratio)
    ratio = uniform(n_rows, -reach, reach, rng).exp().sqrt()
    kept = torch.stack([area.sqrt() * ratio, area.sqrt() / ratio], dim=1).clamp(max=1.0)
    kept[~chosen(n_rows, spec.share, rng)] = 1.0
    matrix = torch.eye(3, dtype=torch.float64).repeat(n_rows, 1, 1)
    for axis, length in enumerate((width, height)):
        side = (kept[:, axis] * length).round().clamp(min=1.0)  # whole pixels: that is faster to enlarge
        matrix[:, axis, axis] = side / length
        matrix[:, axis, 2] = (uniform(n_rows, 0.0, 1.0, rng) * (length - side)).round()
    return Warp(matrix, height, width)


AUGMENTATION = geometric(CropSpec, place)
ZOOM = geometric(ZoomSpec, place_zoomed)
