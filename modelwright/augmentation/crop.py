"""Pictures shifted by whole pixels: padded on all sides and cut back to their size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.augmentation._draw import SHARE, chosen
from modelwright.augmentation.base import geometric
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch

    from modelwright.augmentation._warp import Warp


class CropSpec(Spec):
    """How far pictures are shifted. What comes in from outside is the border, going on."""

    reach: float = Field(0.125, gt=0, le=0.5, description="largest shift, as a share of height and of width")
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


AUGMENTATION = geometric(CropSpec, place)
